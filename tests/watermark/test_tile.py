import hashlib

import numpy as np

from countenance.watermark.tile import NUM_DATA, carriers, draw_tile, waves
from tests.support.marked import MARK_ID


def test_marks_of_today_are_read_tomorrow() -> None:
    """Waves, key and code must never change, or published files can't be found any more."""
    signs = np.stack([carriers(MARK_ID).real, carriers(MARK_ID).imag]).astype(np.int8)
    assert hashlib.sha256(waves().astype("<i8").tobytes() + signs.tobytes()).hexdigest()[:16] == "05120d213d131e20"


def test_a_tile_repeats_without_a_seam_and_has_no_mean() -> None:
    tile = draw_tile(MARK_ID, 128)
    assert abs(tile.mean()) < 1e-6
    assert abs(np.mean(tile**2) - 1) < 1e-5
    inside, across_the_seam = np.abs(np.diff(tile, axis=1)).max(), np.abs(tile[:, 0] - tile[:, -1]).max()
    assert across_the_seam <= inside


def test_two_marks_share_the_pilot_only() -> None:
    one, other = carriers(1), carriers(2)
    assert np.array_equal(one[NUM_DATA:], other[NUM_DATA:])
    agreement = np.mean((one[:NUM_DATA] * np.conj(other[:NUM_DATA])).real) / 2
    assert abs(agreement) < 0.5
