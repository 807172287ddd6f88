import numpy as np
import pytest

from countenance.errors import ProvenanceError
from countenance.provenance.label import draw_label
from countenance.provenance.proxy import draw_words, proxy_size

PICTURE = np.full((360, 640, 3), 128, np.uint8)


def test_a_proxy_is_of_the_result_s_shape_and_never_larger() -> None:
    sizes = {(3840, 2160): (640, 360), (1080, 1920): (360, 640), (320, 240): (320, 240), (641, 361): (640, 360)}
    for size_wh, expected in sizes.items():
        assert proxy_size(size_wh) == expected


def test_the_words_stand_along_the_left_edge_and_nothing_else_changes() -> None:
    changed = (draw_words(PICTURE) != PICTURE).any(axis=2)
    columns = np.flatnonzero(changed.any(axis=0))
    assert (columns[0], changed[:, : columns[-1] + 1].all()) == (0, True)
    assert 0.03 < columns[-1] / 640 < 0.05


def test_the_words_can_be_read_on_white_and_on_black_at_every_depth() -> None:
    """White letters on what is dark whatever lies below, twice along a frame of 360 lines."""
    for white in (255, 65535, np.float32(1)):
        kind = np.asarray(white).dtype if isinstance(white, np.float32) else np.uint8 if white == 255 else np.uint16
        for shade in (0, white):
            marked = draw_words(np.full((360, 640, 3), shade, kind))
            band = marked[:, :20, 0].astype(float) / float(white)
            assert np.percentile(band, 20) < 0.3
            assert band.max() > 0.95
            lines = (band > 0.7).any(axis=1)
            gaps = np.diff(np.flatnonzero(np.diff(np.flatnonzero(lines), prepend=-99) > 20))
            assert len(gaps) == 1


def test_the_words_are_steady_and_the_label_stays_above_them() -> None:
    assert np.array_equal(draw_words(PICTURE), draw_words(PICTURE.copy()))
    both, label = draw_label(draw_words(PICTURE)), draw_label(PICTURE)
    beyond = (slice(None), slice(30, None))
    assert np.array_equal(both[beyond], label[beyond])


def test_a_picture_in_which_nobody_could_read_the_words_is_no_proxy() -> None:
    with pytest.raises(ProvenanceError, match="to be legible"):
        draw_words(np.zeros((40, 400, 3), np.uint8))
