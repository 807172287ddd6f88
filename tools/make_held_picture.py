"""Draw docs/held.jpg: a scar painted into one frame of the demo's performance, and what becomes of it in others.

countenance demo --output demo
.venv/bin/python tools/make_held_picture.py demo
"""

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from countenance.consent.permit import grant
from countenance.demo import data_folder
from countenance.demo.compare import pictures
from countenance.demo.run import LIKENESS, PERFORMER
from countenance.media.excerpt import Wanted
from countenance.progress import Silent
from countenance.project import Project, opened
from countenance.steps.generate import GenerateConfig, Pair, generate
from countenance.steps.shots import hold_frames

PICTURE = Path(__file__).parents[1] / "docs" / "held.jpg"
HELD, SHOWN = 30, (10, 22, 30, 38, 46, 60)
SCAR = ((100, 116), (104, 128), (103, 138), (108, 148))
"""Points in the held frame."""
ZOOM, LINE_PX = 2, 26


def scarred(rgb: np.ndarray) -> np.ndarray:
    """The frame with a soft, dark red line on the cheek."""
    mask = np.zeros(rgb.shape[:2], np.uint8)
    cv2.polylines(mask, [np.array(SCAR, np.int32)], isClosed=False, color=255, thickness=2, lineType=cv2.LINE_AA)
    weight = 0.8 * cv2.GaussianBlur(mask, (0, 0), 0.7).astype(np.float32)[..., None] / 255
    return np.asarray(np.rint(rgb + weight * (np.array([120, 30, 30]) - rgb)), np.uint8)


def main(folder: Path) -> None:
    """Write the picture with a finished demo's project."""
    with opened(folder / "project") as project, tempfile.TemporaryDirectory() as work:
        _draw(project, Path(work))


def _draw(project: Project, work: Path) -> None:
    plate = data_folder() / "performance.mp4"
    permit = grant(project, "generate", likeness=LIKENESS, performer=PERFORMER)
    pair = Pair(likeness=LIKENESS, performer=PERFORMER, permit=permit, is_disguise=False)

    def published(name: str, frames: str) -> list[np.ndarray]:
        wanted, output = Wanted(frames=frames), work / name
        generate(project, plate, [pair], output, GenerateConfig(), wanted=wanted, overwrite=False, progress=Silent())
        return list(pictures(output))

    (drawn,) = published("frame.png", str(HELD))
    Image.fromarray(scarred(drawn)).save(work / "painted.png")
    (held,) = hold_frames(project, plate, permit, [(HELD, work / "painted.png")])
    first = min(SHOWN)
    frames = published("shot.mp4", f"{first}:{max(SHOWN)}")
    held.path.unlink()
    shown = [_titled(f"frame {index}" + ", painted" * (index == HELD), frames[index - first]) for index in SHOWN]
    Image.fromarray(np.hstack(shown)).save(PICTURE, quality=88)


def _titled(title: str, rgb: np.ndarray) -> np.ndarray:
    large = cv2.resize(rgb[40:220, 48:208], None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_CUBIC)
    line = np.full((LINE_PX, large.shape[1], 3), 255, np.uint8)
    cv2.putText(line, title, (6, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([line, large])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
