"""Make the releases of the demo's actors in `demo/data`: reference pictures, drafts, signatures.

The key is made for this and thrown away: nobody can sign in the actors' names again. Run it once more, with new
keys, when the format of releases changes.

    .venv/bin/python tools/make_demo_releases.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import cv2

from countenance.demo import data_folder
from countenance.media.probe import probe
from countenance.media.reader import read_frames

ACTORS = {"zuri": ("likeness", 151), "kofi": ("performer", 193), "mira": ("likeness", 114)}
"""Role, and the frame of the training clip that serves as reference picture: frontal, mouth closed, even light."""

LINES = ("--line", "words", "--no-approval")
"""The performance has sound."""


def countenance(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "countenance", *map(str, arguments)], check=True)


def main() -> None:
    data = data_folder()
    with tempfile.TemporaryDirectory() as folder:
        for person, (role, index) in ACTORS.items():
            picture, document, key = (
                data / f"{person}.png",
                data / f"{person}.release.toml",
                Path(folder, f"{person}.key"),
            )
            frame = next(f for f in read_frames(probe(data / f"{person}_training.mp4")) if f.index == index)
            cv2.imwrite(str(picture), cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR))
            countenance("release", "key", key)
            uses = [word for use in ("research", "teaching", "film") for word in ("--use", use)]
            terms = ["--project", "Countenance demo", "--expires", "2099-12-31", "--valid-from", "2026-01-01"]
            files: list[str | Path] = ["--reference", picture, "--output", document, "--overwrite"]
            countenance("release", "new", person, "--role", role, *uses, *terms, *files, *LINES, "--synthetic")
            countenance("release", "sign", document, "--key", key)


if __name__ == "__main__":
    main()
