from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

from countenance.demo import data_folder
from countenance.geometry import overlap
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.types import DetectedFace, Frame
from countenance.vision.detect import FaceDetector
from countenance.vision.landmarks import MAX_REFINEMENTS, FaceMesh
from countenance.vision.track import GROUP_FRAMES, MAX_GAP_FRAMES, FaceFollower

NUM_FRAMES = 2 * GROUP_FRAMES + 4
Rgb = np.ndarray
Found = list[dict[int, DetectedFace]]


@pytest.fixture(scope="module")
def faces() -> dict[str, list[Rgb]]:
    return {
        name: [frame.rgb for frame in islice(read_frames(probe(data_folder() / f"{name}_training.mp4")), NUM_FRAMES)]
        for name in ("kofi", "mira")
    }


def grey() -> Rgb:
    return np.full((256, 512, 3), 110, np.uint8)


def followed(pictures: Iterable[Rgb], shots: Iterable[int] = (0,), follower: FaceFollower | None = None) -> Found:
    frames = [
        Frame(pixels=rgb, index=index, pts=index, time_base=Fraction(1, 24)) for index, rgb in enumerate(pictures)
    ]
    seen = list((follower or FaceFollower())(frames, frozenset(shots)))
    assert [frame.index for frame, _ in seen] == list(range(len(frames)))
    return [found for _, found in seen]


def beside(left: Rgb, right: Rgb) -> Rgb:
    return np.hstack([left, right])


def test_two_people_side_by_side_stay_apart(faces: dict[str, list[Rgb]]) -> None:
    found = followed(map(beside, faces["kofi"], faces["mira"]))
    assert {frozenset(each) for each in found} == {frozenset({0, 1})}
    for number in (0, 1):
        middles = [each[number].box_xyxy[[0, 2]].mean() for each in found]
        assert np.ptp(middles) < 100


def test_a_cut_ends_every_track(faces: dict[str, list[Rgb]]) -> None:
    found = followed([*faces["kofi"][:5], *faces["mira"][:5]], shots=(0, 5))
    assert [set(each) for each in found] == [{0}] * 5 + [{1}] * 5


def test_who_comes_in_between_two_looks_is_found_from_the_first_frame_on(faces: dict[str, list[Rgb]]) -> None:
    comes = GROUP_FRAMES + 3
    found = followed([*[grey()[:, :256]] * comes, *faces["mira"][: NUM_FRAMES - comes]])
    assert [set(each) for each in found] == [set()] * comes + [{0}] * (NUM_FRAMES - comes)


@pytest.mark.parametrize(("gap", "numbers"), [(MAX_GAP_FRAMES - 2, {0}), (MAX_GAP_FRAMES + GROUP_FRAMES, {0, 1})])
def test_a_short_gap_is_bridged_and_a_long_one_isnt(faces: dict[str, list[Rgb]], gap: int, numbers: set[int]) -> None:
    shown = [*faces["kofi"][:6], *[grey()[:, :256]] * gap, *faces["kofi"][6:12]]
    found = followed(shown)
    assert set().union(*found) == numbers
    assert all(not each for each in found[6 : 6 + gap])
    assert all(found[:6])
    assert all(found[6 + gap :])


def test_the_whole_frame_is_searched_now_and_then_only(
    faces: dict[str, list[Rgb]], monkeypatch: pytest.MonkeyPatch
) -> None:
    searched = 0
    search: Callable[..., object] = FaceDetector.__call__

    def counted(self: FaceDetector, rgb: Rgb) -> object:
        nonlocal searched
        searched += 1
        return search(self, rgb)

    monkeypatch.setattr(FaceDetector, "__call__", counted)
    found = followed(faces["mira"])
    assert all(set(each) == {0} for each in found)
    assert searched == 1 + -(-NUM_FRAMES // GROUP_FRAMES)


@pytest.mark.parametrize("step_px", [30, 60])
def test_a_pan_that_starts_and_stops_at_once_is_one_track_on_its_face(
    faces: dict[str, list[Rgb]], step_px: int
) -> None:
    places = [40] * 6 + [40 + step_px * step for step in range(1, 11)] + [40 + 10 * step_px] * 4
    pictures, true = [], []
    for rgb, x in zip(faces["kofi"], places, strict=False):
        wide = np.full((256, 300 + places[-1], 3), 110, np.uint8)
        wide[:, x : x + 256] = rgb
        pictures.append(wide)
        true.append(followed([rgb])[0][0].box_xyxy + np.array([x, 0, x, 0], np.float32))
    found = followed(pictures)
    for each, box_xyxy in zip(found, true, strict=True):
        assert overlap(each[0].box_xyxy, box_xyxy) > 0.8
    assert all(set(each) == {0} for each in found[1:])


def test_a_mesh_is_fitted_once_a_frame_where_nothing_moves_suddenly(
    faces: dict[str, list[Rgb]], monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = 0
    fit: Callable[..., DetectedFace] = FaceMesh.follow

    def counted(self: FaceMesh, rgb: Rgb, landmarks_xyz: np.ndarray) -> DetectedFace:
        nonlocal fitted
        fitted += 1
        return fit(self, rgb, landmarks_xyz)

    monkeypatch.setattr(FaceMesh, "follow", counted)
    followed(faces["mira"])
    # The first frame's search fits it once more, or a few times until it settles.
    assert NUM_FRAMES - 1 <= fitted < NUM_FRAMES + MAX_REFINEMENTS
