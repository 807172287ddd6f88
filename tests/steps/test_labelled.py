"""Where the label lies: in one place for a whole shot, clear of faces, other labels and the sentence."""

from pathlib import Path

import numpy as np
import pytest

from countenance.composite.disguise import UNMARKED, Disguise
from countenance.composite.place import PlacedFace
from countenance.media.probe import probe
from countenance.media.timeline import Timeline
from countenance.provenance.label import box_of_label
from countenance.steps import labelled
from countenance.steps.labelled import labelled_shots
from countenance.steps.places import Places
from countenance.types import Corner, LabelledShot, MediaInfo
from countenance.vision.detect import Detection
from tests.support.made_up import mesh_at
from tests.support.videos import write_video

WIDTH, HEIGHT, NUM_FRAMES = 640, 360, 9
SHOTS = (0, 3, 6)
TOP_RIGHT, TOP_LEFT = (560, 70), (80, 70)


@pytest.fixture
def plate(tmp_path: Path) -> tuple[MediaInfo, Timeline]:
    """Three shots of three frames."""
    info = probe(write_video(tmp_path / "plate.mp4", [np.full((HEIGHT, WIDTH, 3), 90, np.uint8)] * NUM_FRAMES))
    step = round(1 / info.frame_rate / info.time_base)
    return info, Timeline(frame_pts=np.arange(NUM_FRAMES) * step, keyframes=(0,), shots=SHOTS)


def places(faces: dict[int, tuple[int, int]], shown: range | None = None) -> Places:
    """Faces of the performer around some points."""
    placed = {index: [PlacedFace(track=1, landmarks_xyz=mesh_at(*point))] for index, point in faces.items()}
    return Places(
        shown=shown,
        shots=(),
        looks={},
        faces={},
        steady=frozenset(),
        performer_of={1: "kim"},
        faces_at=placed,
        in_whole_shots=placed,
        covers={},
        held={},
        reached=frozenset(),
    )


def corners(shots: tuple[LabelledShot, ...]) -> list[tuple[int, Corner]]:
    return [(shot.frames.start, shot.corner) for shot in shots]


def test_each_shot_in_which_something_is_altered_has_one_corner(plate: tuple[MediaInfo, Timeline]) -> None:
    found = labelled_shots(*plate, places({1: TOP_RIGHT, 7: (320, 180)}), UNMARKED)
    assert [shot.frames for shot in found] == [range(3), range(6, 9)]
    assert corners(found) == [(0, "top left"), (6, "top right")]


def test_a_part_of_a_shot_has_the_label_where_the_whole_has_it(plate: tuple[MediaInfo, Timeline]) -> None:
    """The face is at the top right in frame 0 only, and the part begins after it."""
    faces = {0: TOP_RIGHT, 1: (320, 180), 2: (320, 180)}
    whole, part = (labelled_shots(*plate, places(faces, shown), UNMARKED) for shown in (None, range(1, 3)))
    assert corners(whole) == corners(part) == [(0, "top left")]


def test_it_keeps_clear_of_faces_that_stay_as_they_are(
    plate: tuple[MediaInfo, Timeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Finds:
        def __call__(self, rgb: np.ndarray) -> list[Detection]:
            assert rgb.shape[:2] == (HEIGHT, WIDTH)
            (x, y), points = TOP_LEFT, np.zeros((8, 2), np.float32)
            points[:2] = [[x - 30, y - 30], [x + 30, y + 30]]
            return [Detection(score=0.9, points_xy=points)]

    monkeypatch.setattr(labelled, "FaceDetector", Finds)
    assert corners(labelled_shots(*plate, places({1: TOP_RIGHT}), UNMARKED)) == [(0, "bottom right")]


def test_it_keeps_clear_of_the_plate_s_own_label_and_of_the_sentence(
    plate: tuple[MediaInfo, Timeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelled, "labels_in", lambda _: ("top right",))
    assert corners(labelled_shots(*plate, places({1: (320, 180)}), UNMARKED)) == [(0, "top left")]
    # Where the words lie as low as a label; they end with the first shot.
    monkeypatch.setattr(labelled, "box_of_sentence", lambda size_wh, _: box_of_label(size_wh, "bottom right"))
    monkeypatch.setattr(labelled, "labels_in", lambda _: ("top right", "top left"))
    said = Disguise(sentence="The face was replaced.", sentence_s=2.5 / float(plate[0].frame_rate))
    shots = labelled_shots(*plate, places({1: (320, 180), 4: (320, 180)}), said)
    assert corners(shots) == [(0, "bottom left"), (3, "bottom right")]
