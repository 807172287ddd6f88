"""Light through a lens."""

import numpy as np
import pytest

from countenance.capture.lens import circle_of_confusion, through_lens
from countenance.capture.settings import Lens


def dot() -> np.ndarray:
    light = np.zeros((61, 61, 3), np.float32)
    light[30, 30] = (8.0, 4.0, 2.0)
    return light


@pytest.mark.parametrize("lens", [Lens(blur_px=1.3), Lens(defocus_px=4.0), Lens(blur_px=0.6, defocus_px=2.5)])
def test_blur_spreads_light_and_loses_none(lens: Lens) -> None:
    seen = through_lens(dot(), lens)
    assert seen.sum(axis=(0, 1)) == pytest.approx((8, 4, 2), rel=1e-4)
    assert seen.max() < 3
    rows, columns = np.indices((61, 61))
    assert (rows * seen[..., 0]).sum() / 8 == pytest.approx(30, abs=1e-3)
    assert (columns * seen[..., 0]).sum() / 8 == pytest.approx(30, abs=1e-3)


def test_a_point_out_of_focus_is_an_even_disc() -> None:
    disc = circle_of_confusion(5.0)
    assert np.isclose(disc[5:8, 5:8], disc[6, 6]).all()
    assert (disc > 0).sum() == pytest.approx(np.pi * 5.5**2, rel=0.1)


def test_corners_get_less_light_and_the_middle_all() -> None:
    seen = through_lens(np.ones((41, 61, 3), np.float32), Lens(vignette=0.3))
    assert seen[20, 30] == pytest.approx(1, abs=1e-3)
    assert seen[0, 0] == pytest.approx(0.7, abs=0.01)
    assert np.allclose(seen, seen[::-1, ::-1], atol=1e-5)
