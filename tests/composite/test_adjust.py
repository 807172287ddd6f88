import numpy as np
import pytest

from countenance.composite.adjust import part_way
from countenance.drawing import DrawnFace

SIZE = 96
RADIUS = 10.0


def disc(x: float, y: float, level: float = 1.0) -> np.ndarray:
    """A soft disc on black."""
    rows, columns = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    edge = np.clip(RADIUS + 0.5 - np.hypot(columns - x, rows - y), 0, 1)
    return np.repeat((edge * np.float32(level))[..., None], 3, axis=2).astype(np.float32)


def shift_of(x_px: float) -> np.ndarray:
    """What is drawn in the middle lies further to the right in the plate; nothing moves at the border."""
    rows, columns = np.mgrid[:48, :48].astype(np.float32) * 2 + 0.5
    fall = np.exp(-(np.hypot(columns - 47.5, rows - 47.5) ** 2) / (2 * 20**2))
    return np.stack([fall * x_px / SIZE, 0 * fall], axis=2).astype(np.float32)


def drawn(level: float = 1.0) -> DrawnFace:
    return DrawnFace(rgb=disc(47.5, 47.5, level), mask=disc(47.5, 47.5)[..., 0], finished=True, shift=shift_of(12))


def test_all_the_way_is_the_drawn_face_and_no_way_the_plate() -> None:
    face, plate = drawn(), disc(59, 47.5)
    assert np.abs(part_way(face, plate, 1.0).rgb - face.rgb).max() < 1e-4
    assert np.abs(part_way(face, plate, 0.0).rgb - plate).max() < 0.02


@pytest.mark.parametrize("likeness", [0.25, 0.5, 0.75])
def test_between_them_there_is_one_face_in_a_shape_between(likeness: float) -> None:
    face = part_way(drawn(), disc(59, 47.5), likeness)
    bright = face.rgb[..., 0]
    middle = float((bright * np.arange(SIZE)).sum() / bright.sum())
    assert middle == pytest.approx(47.5 + (1 - likeness) * 11.7, abs=1.0)
    # Seen once, not twice: nothing is half bright but the edge. A mixture of pixels would leave two crescents.
    assert ((bright > 0.1) & (bright < 0.9)).sum() < 0.55 * (bright > 0.9).sum()
    mixed = likeness * drawn().rgb[..., 0] + (1 - likeness) * disc(59, 47.5)[..., 0]
    assert ((mixed > 0.1) & (mixed < 0.9)).sum() > 1.2 * (mixed > 0.9).sum()
    # The mask goes along.
    assert np.abs(face.mask - bright).mean() < 0.02


def test_look_goes_along_with_shape() -> None:
    face = part_way(drawn(level=0.2), disc(59, 47.5), 0.5)
    assert face.rgb[48, 53] == pytest.approx([0.6] * 3, abs=0.02)


def test_without_a_change_of_shape_it_is_a_mixture() -> None:
    face = DrawnFace(rgb=disc(47.5, 47.5), mask=disc(47.5, 47.5)[..., 0])
    plate = disc(47.5, 47.5, 0.5)
    assert np.abs(part_way(face, plate, 0.5).rgb - (face.rgb + plate) / 2).max() < 1e-5


def test_where_the_shift_jumps_as_beside_a_turned_head_there_is_no_jagged_line() -> None:
    rows, columns = np.mgrid[:48, :48].astype(np.float32)
    inside = columns < 24 + 4 * np.sin(rows / 5)
    shift = np.stack([np.where(inside, -6 / SIZE, 0), 0 * columns], axis=2).astype(np.float32)
    ramp = np.repeat(np.linspace(0, 1, SIZE, dtype=np.float32)[None, :, None], 3, axis=2).repeat(SIZE, axis=0)
    black = np.zeros_like(ramp)
    face = part_way(DrawnFace(rgb=ramp, mask=ramp[..., 0], finished=True, shift=shift), black, 0.25)
    # The level says from where in the drawn face a pixel comes: from further right than its left neighbour.
    steps = np.diff(face.rgb[8:-8, 8:-8, 0] / np.float32(0.25), axis=1) * SIZE
    assert steps.min() > -0.1
