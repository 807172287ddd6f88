"""The watermark beside others, on the same pictures.

    python -m tools.watermark.peers PYTHON [METHOD ...]

PYTHON is one of an environment of its own that has invisible-watermark and blind-watermark. The first frames of some
clips are marked by each; films show a marked picture for 8 frames. Peers say bits whatever they read; a picture counts
where all are right. The results lie in the cache folder.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from PIL import Image
from skimage.metrics import structural_similarity

from countenance.watermark.embed import mark
from countenance.watermark.read import read
from tools.watermark.attacks import PICTURE_ATTACKS, Frame, decoded, encoded, rotate
from tools.watermark.clips import FOLDER, clips

METHODS = ("ours", "dwtDctSvd", "blind-watermark", "rivaGan")
CLIPS = ("photograph, pan", "sky", "cartoon", "text, scrolling", "bricks", "dark")
MARK_ID = 0x5EED_0BAD_CAFE


def film(crf: int, codec: str = "libx264") -> Callable[[Frame], Frame]:
    """The last of 8 frames that show a picture."""
    return lambda picture: list(decoded(encoded([picture] * 8, codec=codec, crf=crf, preset="veryfast")))[-1]


TRIED: dict[str, Callable[[Frame], Frame]] = {
    "nothing": lambda picture: picture,
    **PICTURE_ATTACKS,
    "turned by 5°": lambda picture: rotate(picture, 5),
    "H.264 CRF 23": film(23),
    "H.264 CRF 28": film(28),
    "H.265 CRF 28": film(28, "libx265"),
    "H.264 CRF 33": film(33),
}


def measure(method: str, python: str) -> dict[str, Any]:
    """One method on all pictures: quality, cost, and the fraction of right bits of each."""
    plain = [next(iter(clips()[name]())) for name in CLIPS]
    with TemporaryDirectory() as name:
        folder = Path(name)
        if method == "ours":
            mark(plain[0], MARK_ID)
            start = time.process_time()
            marked = [mark(picture, MARK_ID) for picture in plain]
            cost = 1000 * (time.process_time() - start) / len(plain)
        else:
            _write(folder / "in", enumerate(plain))
            cost = _run(python, "mark", method, folder)
            marked = [np.asarray(Image.open(path)) for path in sorted((folder / "out").glob("*.png"))]
        attacked = {
            f"{number} {attack}": change(picture)
            for number, picture in enumerate(marked)
            for attack, change in TRIED.items()
        }
        if method == "ours":
            readings = {name: read([picture]) for name, picture in attacked.items()}
            right = {name: float(got is not None and got.mark_id == MARK_ID) for name, got in readings.items()}
        else:
            _write(folder / "read", attacked.items())
            right = _run(python, "read", method, folder)
    error = [np.mean((a.astype(np.float32) - b) ** 2) for a, b in zip(plain, marked, strict=True)]
    grey = [[cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pair] for pair in zip(plain, marked, strict=True)]
    similar = [float(structural_similarity(a, b)) for a, b in grey]  # type: ignore[no-untyped-call]
    return {
        "method": method,
        "psnr_db": float(np.mean([-10 * np.log10(each / 255**2 + 1e-12) for each in error])),
        "ssim": float(np.mean(similar)),
        "mark_ms": cost,
        "right": {attack: [right[f"{number} {attack}"] for number in range(len(plain))] for attack in TRIED},
    }


def results() -> Iterator[dict[str, Any]]:
    """What was measured."""
    for method in METHODS:
        path = FOLDER / "peers" / f"{method}.json"
        if path.exists():
            yield json.loads(path.read_text())


def _write(folder: Path, pictures: Iterator[tuple[object, Frame]] | Any) -> None:
    folder.mkdir()
    for name, picture in pictures:
        Image.fromarray(picture).save(folder / f"{name}.png", compress_level=1)


def _run(python: str, verb: str, method: str, folder: Path) -> Any:
    script = Path(__file__).with_name("peer.py")
    done = subprocess.run([python, str(script), verb, method, str(folder)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    cv2.setNumThreads(1)
    (FOLDER / "peers").mkdir(parents=True, exist_ok=True)
    for method in sys.argv[2:] or METHODS:
        path = FOLDER / "peers" / f"{method}.json"
        if not path.exists():
            path.write_text(json.dumps(measure(method, sys.argv[1]), indent=1))
        print(path.read_text())


if __name__ == "__main__":
    main()
