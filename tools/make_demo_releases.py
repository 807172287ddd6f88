"""Make the release of the demo's likeness in `demo/data`: reference picture, draft, signature.

Her key is published beside it: she exists nowhere, so anybody may sign, approve and revoke in her name. The statement
that ships with the demo answers a challenge to exactly this release: after a new one its clip must be rendered anew.
The releases of the other actors are of the first form and stay as they were signed, with keys that were thrown away:
they show that such releases are read.

    .venv/bin/python tools/make_demo_releases.py
"""

import subprocess
import sys
from pathlib import Path

import cv2

from countenance.demo import data_folder
from countenance.media.probe import probe
from countenance.media.reader import read_frames

PERSON, FRAME = "zuri", 151
"""The frame of the training clip that serves as reference picture: frontal, mouth closed, even light."""
USES = ("research", "teaching", "film")


def countenance(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "countenance", *map(str, arguments)], check=True)


def main() -> None:
    data = data_folder()
    picture, document, key = (data / f"{PERSON}{ending}" for ending in (".png", ".release.toml", ".key"))
    frame = next(f for f in read_frames(probe(data / f"{PERSON}_training.mp4")) if f.index == FRAME)
    cv2.imwrite(str(picture), cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR))
    if not key.exists():
        countenance("release", "key", key)
    key.chmod(0o600)  # a checkout doesn't keep it
    terms = ["--project", "Countenance demo", "--expires", "2099-12-31", "--valid-from", "2026-01-01"]
    asked = ["--line", "words", "--approval", "--synthetic"]  # the performance has sound
    uses = [word for use in USES for word in ("--use", use)]
    files: list[str | Path] = ["--reference", picture, "--output", document, "--overwrite"]
    countenance("release", "new", PERSON, "--role", "likeness", *uses, *terms, *asked, *files)
    countenance("release", "sign", document, "--key", key, "--yes")


if __name__ == "__main__":
    main()
