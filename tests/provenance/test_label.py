import numpy as np
import pytest

from countenance.errors import ProvenanceError
from countenance.pixels import to_8_bit, to_16_bit
from countenance.provenance.label import draw_label


@pytest.mark.parametrize(("height", "width"), [(256, 256), (720, 1280), (1920, 1080), (96, 160)])
@pytest.mark.parametrize("shade", [0, 128, 255])
def test_label_has_white_words_on_dark_in_the_lower_left_corner_only(height: int, width: int, shade: int) -> None:
    rgb = np.full((height, width, 3), shade, np.uint8)
    labelled = draw_label(rgb)
    rows, columns = np.nonzero((labelled != rgb).any(axis=2))
    assert rows.min() > 0.75 * height
    assert columns.max() < 0.5 * width
    assert rows.max() < height - 1
    assert columns.min() > 0
    corner = labelled[rows.min() : rows.max(), columns.min() : columns.max()]
    assert corner.max() >= 250
    assert np.quantile(corner, 0.2) <= 0.42 * shade
    assert (rgb == shade).all()


def test_label_grows_with_the_picture() -> None:
    def height_of(size: int) -> int:
        rows = np.nonzero(draw_label(np.full((size, size, 3), 255, np.uint8)).min(axis=(1, 2)) < 255)[0]
        return int(rows.max() - rows.min())

    assert height_of(1440) == pytest.approx(2 * height_of(720), abs=4)
    assert height_of(200) >= 14


def test_a_picture_too_small_for_words_is_refused() -> None:
    with pytest.raises(ProvenanceError, match="to be legible"):
        draw_label(np.zeros((40, 60, 3), np.uint8))


def test_label_is_the_same_at_any_depth() -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (240, 320, 3), np.uint8)
    labelled = draw_label(rgb).astype(int)
    for deep in (to_16_bit(rgb), (rgb / np.float32(255)).astype(np.float32)):
        result = draw_label(deep)
        assert result.dtype == deep.dtype
        # The fast way of 8 bits rounds down.
        assert np.abs(to_8_bit(result).astype(int) - labelled).max() <= 1
        assert np.array_equal(result[:100], deep[:100])
