"""Make the pictures of docs/verify.md: the reports on six files, as a browser shows them.

    countenance demo --quick --output demo
    python -m tools.make_verify_pictures demo --footage FOLDER --output made

The files: ours; ours without credentials and encoded again; another tool's edit; an untouched render; an untouched
picture of a real person in the public domain, the astronaut of the tests; and ours' credentials on other footage. The
edit is a tutorial's way, Poisson cloning, on rendered people (`tools.detector.footage` makes them in FOLDER, of whom
those for tests are taken). Needs Chromium.
"""

import argparse
import shutil
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import av
import cv2
import numpy as np

from countenance.demo import data_folder
from countenance.demo.journey import encoded_again
from countenance.forensics.detector import Detector
from countenance.lesson.exhibits import OTHER_FOOTAGE, credentials_of
from countenance.steps.verify import report_page, verify
from countenance.vision.landmarks import FaceFinder
from countenance.vision.segment import Segmenter
from tools.detector.footage import Frames, Person, default_folder, read_footage
from tools.detector.swaps import Tools, cloned, partner_of, plate_of

ROOT = Path(__file__).parents[1]
EDITED, UNTOUCHED = Person(number=17), Person(number=11)
WINDOW_W, HEIGHT = 1280, 5200
SHOWN_W, QUALITY = 760, 55
"""Width and WebP quality of the pictures that the documentation shows."""
CRF = 20


def make_files(demo: Path, footage: Path, folder: Path) -> list[Path]:
    """The six files, under names that say what they are."""
    published = demo / "published.mp4"
    names = ("ours", "ours-stripped-and-encoded-again", "another-tools-edit", "untouched-render", "moved-credentials")
    ours, again, edited, untouched, moved = (folder / f"{name}.mp4" for name in names)
    shutil.copyfile(published, ours)
    encoded_again(published, again)
    tools = Tools(find=FaceFinder(), segmenter=Segmenter())
    own, other = (read_footage(footage, person.number) for person in (EDITED, partner_of(EDITED)))
    encode(edited, cloned(plate_of(EDITED, own, tools), other, tools))
    encode(untouched, plate_of(UNTOUCHED, read_footage(footage, UNTOUCHED.number), tools).frames)
    moved.write_bytes((data_folder() / OTHER_FOOTAGE).read_bytes() + credentials_of(published))
    picture = folder / "public-domain-picture.jpg"
    shutil.copyfile(ROOT / "tests/data/portrait.jpg", picture)
    return [ours, again, edited, untouched, picture, moved]


def encode(path: Path, frames: Frames) -> None:
    """Frames as a plain video."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"crf": str(CRF)})
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        for rgb in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, "rgb24")))
        container.mux(stream.encode(None))


def photograph(page: Path, picture: Path) -> None:
    """A page as a browser draws it, down to its end."""
    shot = picture.with_suffix(".png")
    subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            f"--window-size={WINDOW_W},{HEIGHT}",
            f"--screenshot={shot}",
            page.resolve().as_uri(),
        ],
        check=True,
        capture_output=True,
    )
    drawn = cv2.imread(str(shot), cv2.IMREAD_COLOR)
    assert drawn is not None
    rows = np.flatnonzero(drawn.std(axis=(1, 2)) > 1)
    cropped = drawn[: rows[-1] + 40]
    height = round(len(cropped) * SHOWN_W / WINDOW_W)
    smaller = cv2.resize(cropped, (SHOWN_W, height), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(picture), smaller, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])


def _main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", type=Path)
    parser.add_argument("--footage", type=Path, default=default_folder())
    parser.add_argument("--output", type=Path, required=True)
    asked = parser.parse_args(arguments)
    asked.output.mkdir(parents=True, exist_ok=True)
    detector = Detector()
    for number, path in enumerate(make_files(asked.demo, asked.footage, asked.output), 1):
        page = path.with_suffix(".html")
        examination = verify(path, None, with_pictures=True, detector=detector)
        page.write_text(report_page(examination, made_at=datetime.now(UTC)))
        photograph(page, asked.output / f"verify_{number}.webp")


if __name__ == "__main__":
    _main()
