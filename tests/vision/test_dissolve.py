import numpy as np
import pytest

from countenance.vision.dissolve import DissolveFinder
from tests.support.videos import FRONTAL_FROM, Rgb, clip_of, dissolved, frames_of

BEFORE = 20


def mixed(frames: list[Rgb]) -> list[int]:
    """The frames that lie in a dissolve."""
    dissolves = DissolveFinder()
    for index, rgb in enumerate(frames):
        dissolves.add(index, rgb)
    return [index for index in range(len(frames)) if dissolves.is_mixed(index)]


@pytest.mark.parametrize("person", ["zuri", "mira"])
@pytest.mark.parametrize("num_mixed", [6, 12, 24])
def test_a_dissolve_into_another_face_at_the_same_place_is_found(person: str, num_mixed: int) -> None:
    found = mixed(dissolved(frames_of("performance.mp4", 60)[:BEFORE], clip_of(person, 20), num_mixed))
    assert set(found) <= set(range(BEFORE - 1, BEFORE + num_mixed + 1))
    assert BEFORE + num_mixed // 2 in found
    assert len(found) >= num_mixed / 2


@pytest.mark.parametrize("name", ["performance.mp4", *(f"{person}_training.mp4" for person in FRONTAL_FROM)])
def test_motion_and_cuts_are_no_dissolve(name: str) -> None:
    assert mixed(frames_of(name, 240)) == []


@pytest.mark.parametrize("level", [0, 255])
def test_a_fade_is_no_dissolve(level: int) -> None:
    frames = frames_of("performance.mp4", BEFORE)
    plain = np.full_like(frames[0], level)
    assert mixed(dissolved(frames, [plain] * 20, 12)) == []


def test_light_that_is_dimmed_to_half_is_no_dissolve() -> None:
    frames = frames_of("performance.mp4", 40)
    assert (
        mixed([(rgb * np.float32(1 - 0.02 * min(index, 25))).astype(np.uint8) for index, rgb in enumerate(frames)])
        == []
    )
