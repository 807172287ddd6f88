"""Draw docs/shots.jpg: what each setting of a shot does, on a frame of the demo's two synthetic actors.

countenance demo --output demo
.venv/bin/python tools/make_shots_picture.py demo
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from countenance.composite.place import placed_faces
from countenance.composite.shot import AS_DRAWN, ShotConfig
from countenance.composite.swap import NO_TINTS, swap_faces
from countenance.consent.permit import grant
from countenance.demo import data_folder
from countenance.demo.run import LIKENESS, PERFORMER
from countenance.faces.store import stored_faces
from countenance.footage import timeline_of
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.model.guided.drawer import GuidedDrawer
from countenance.model.guided.sources import sources_of
from countenance.model.references import choose_references
from countenance.progress import Silent
from countenance.project import Project, opened
from countenance.steps.drawings import own_tint
from countenance.steps.guards import Guard
from countenance.vision.segment import Segmenter

PICTURE = Path(__file__).parents[1] / "docs" / "shots.jpg"
FRAME = 30
ZOOM, LINE_PX = 2, 26
ROWS: tuple[tuple[tuple[str, ShotConfig | None, bool], ...], ...] = (
    (
        ("plate", None, False),
        ("likeness 0.25", ShotConfig(likeness=0.25), False),
        ("likeness 0.5", ShotConfig(likeness=0.5), False),
        ("likeness 0.75", ShotConfig(likeness=0.75), False),
        ("as drawn", AS_DRAWN, False),
    ),
    (
        ("sharpness -1", ShotConfig(sharpness=-1), False),
        ("sharpness 0.5", ShotConfig(sharpness=0.5), False),
        ("sharpness 1", ShotConfig(sharpness=1), False),
        ("colour 0.5", ShotConfig(colour=0.5), False),
        ("colour 1", ShotConfig(colour=1), False),
    ),
    (
        ("own skin, as drawn", AS_DRAWN, True),
        ("own skin, grow -0.06", ShotConfig(grow=-0.06), True),
        ("own skin, grow 0.06", ShotConfig(grow=0.06), True),
        ("own skin, feather 0.02", ShotConfig(feather=0.02), True),
        ("own skin, feather 0.05", ShotConfig(feather=0.05), True),
    ),
)
"""Title, settings (None: the plate) and whether the likeness keeps its own skin tone, which shows the mask."""


def main(folder: Path) -> None:
    """Write the picture from a finished demo's project."""
    with opened(folder / "project") as project:
        shown = list(_pictures(project))
    rows = [np.hstack(shown[start : start + 5]) for start in range(0, len(shown), 5)]
    cv2.imwrite(str(PICTURE), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])


def _pictures(project: Project) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    plate = probe(data_folder() / "performance.mp4")
    guard = Guard(
        project,
        grant(project, "generate", likeness=LIKENESS, performer=PERFORMER),
        "generate",
        people=(LIKENESS, PERFORMER),
    )
    references = [choose_references(project, guard.face_set(person)) for person in (LIKENESS, PERFORMER)]
    drawer = GuidedDrawer(sources_of(*references), size=256)
    found = stored_faces(project, PERFORMER, purpose="generate", sha256=plate.sha256)
    timeline = timeline_of(project, plate, Silent())
    mine = [face for face in found if not face.rejections]
    faces_at = placed_faces(mine, timeline, frame_rate=float(plate.frame_rate))
    (frame,) = (frame for frame in read_frames(plate) if frame.index == FRAME)
    tint, segmenter = own_tint(guard), Segmenter()
    for title, look, own_skin in (each for row in ROWS for each in row):
        rgb = frame.rgb
        if look is not None:
            tints = {face.track: tint for face in faces_at[FRAME]} if own_skin else NO_TINTS
            (swapped,) = swap_faces([frame], faces_at, drawer, segmenter, tints, looks={FRAME: look})
            rgb = swapped.rgb
        large = cv2.resize(rgb[20:236, 28:228], None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_CUBIC)
        line = np.full((LINE_PX, large.shape[1], 3), 255, np.uint8)
        cv2.putText(line, title, (6, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
        yield np.vstack([line, large])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
