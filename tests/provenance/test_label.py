import numpy as np
import pytest

from countenance.errors import ProvenanceError
from countenance.pixels import to_8_bit, to_16_bit
from countenance.provenance.label import (
    CORNERS,
    FIRST_CHOICE,
    MIN_MAIN_HEIGHT_PX,
    Box,
    box_of_label,
    boxes_of_labels,
    choose_corner,
    draw_label,
)
from countenance.types import Corner

SIZE_WH = (1280, 720)
EVERYTHING: Box = (0.0, 0.0, 1.0, 1.0)


def shaded(height: int, width: int, shade: int) -> np.ndarray:
    return np.full((height, width, 3), shade, np.uint8)


def changed(height: int, width: int, corner: Corner, shade: int = 128) -> tuple[np.ndarray, np.ndarray]:
    before = shaded(height, width, shade)
    rows, columns = np.nonzero((draw_label(before, corner) != before).any(axis=2))
    return rows, columns


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize(("height", "width"), [(256, 256), (720, 1280), (1920, 1080), (96, 160)])
def test_the_label_lies_in_its_corner_within_the_margins_of_broadcasting(
    height: int, width: int, corner: Corner
) -> None:
    rows, columns = changed(height, width, corner)
    near_x, near_y = (max(4, round(0.05 * side)) for side in (width, height))
    left, right = columns.min(), width - 1 - columns.max()
    top, bottom = rows.min(), height - 1 - rows.max()
    assert (top if corner.startswith("top") else bottom) == near_y
    assert (left if corner.endswith("left") else right) == near_x
    assert max(top, bottom) > height / 2
    box = np.array(box_of_label((width, height), corner)) * [width, height, width, height]
    assert np.allclose(box, [left, top, width - right, height - bottom])


def test_by_default_it_is_at_the_top_right() -> None:
    grey = shaded(240, 320, 128)
    assert np.array_equal(draw_label(grey), draw_label(grey, "top right"))


@pytest.mark.parametrize("shade", [0, 40, 128, 215, 255])
def test_it_can_be_read_on_any_picture(shade: int) -> None:
    """AI is dark on white and MODIFIED white on dark, at the contrast that the web's guidelines ask of words."""
    before = shaded(720, 1280, shade)
    rows, columns = changed(720, 1280, FIRST_CHOICE, 90)
    label = draw_label(before)[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1, 0]
    height = len(label)
    middle = label[round(0.3 * height) : round(0.7 * height)]
    main, rest = middle[:, round(0.2 * height) : height], middle[:, round(1.5 * height) : -round(0.3 * height)]
    assert main.min() <= 20
    assert np.quantile(main, 0.6) >= 250
    assert rest.max() >= 240
    assert contrast(float(rest.max()), float(np.quantile(rest, 0.2))) >= 4.5


def contrast(one: float, other: float) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(level: float) -> float:
    return float(((level / 255 + 0.055) / 1.055) ** 2.4)


def test_ai_is_the_main_element() -> None:
    """Its capitals are those that stand highest."""
    label = draw_label(shaded(1080, 1920, 0))
    rows, columns = np.nonzero((label > 0).any(axis=2))
    white = label[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1, 0] > 200
    field_w = int(np.argmin(white[2])) or white.shape[1]
    rest_rows = np.flatnonzero(white[:, field_w + 2 :].any(axis=1))
    letters = ~white[:, 4 : field_w - 4]
    inner = letters[round(0.12 * len(white)) : round(0.88 * len(white))]
    main_rows = np.flatnonzero(inner.any(axis=1))
    assert len(main_rows) > 1.4 * len(rest_rows)


def test_it_grows_with_the_picture_and_stays_large_enough_to_read() -> None:
    def height_of(size: int) -> int:
        rows, _ = changed(size, size, FIRST_CHOICE, 255)
        return int(rows.max() - rows.min())

    assert height_of(1440) == pytest.approx(2 * height_of(720), abs=4)
    assert height_of(200) >= MIN_MAIN_HEIGHT_PX


def test_a_picture_too_small_for_words_is_refused() -> None:
    with pytest.raises(ProvenanceError, match="to be legible"):
        draw_label(np.zeros((40, 60, 3), np.uint8))
    assert choose_corner((60, 40), [EVERYTHING]) == FIRST_CHOICE
    assert boxes_of_labels((60, 40), CORNERS) == []


@pytest.mark.parametrize("taken", range(4))
def test_it_goes_to_the_first_corner_that_is_free(taken: int) -> None:
    faces = [box_of_label(SIZE_WH, corner) for corner in CORNERS[:taken]]
    assert choose_corner(SIZE_WH, faces) == CORNERS[taken]


def test_a_face_in_the_middle_leaves_it_where_it_is() -> None:
    assert choose_corner(SIZE_WH, [(0.35, 0.2, 0.65, 0.8)]) == FIRST_CHOICE


def test_where_nothing_is_free_it_covers_what_is_there_for_the_shortest_time() -> None:
    three_frames = [EVERYTHING, *[box_of_label(SIZE_WH, corner) for corner in CORNERS if corner != "bottom right"]]
    assert choose_corner(SIZE_WH, three_frames) == "bottom right"
    assert choose_corner(SIZE_WH, [EVERYTHING] * 5) == FIRST_CHOICE


def test_label_is_the_same_at_any_depth() -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (240, 320, 3), np.uint8)
    labelled = draw_label(rgb).astype(int)
    for deep in (to_16_bit(rgb), (rgb / np.float32(255)).astype(np.float32)):
        result = draw_label(deep)
        assert result.dtype == deep.dtype
        # The fast way of 8 bits rounds down.
        assert np.abs(to_8_bit(result).astype(int) - labelled).max() <= 1
        assert np.array_equal(result[100:], deep[100:])
