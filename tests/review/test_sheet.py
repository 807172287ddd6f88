from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float32, UInt8
from PIL import Image

from countenance.review.sheet import (
    CAPTION_HEIGHT,
    COLOURS,
    COLUMNS,
    FACES_PER_PAGE,
    GAP,
    HEADER_HEIGHT,
    LABEL_WIDTH,
    PAGE,
    PICTURE_SIZE,
    TRACKS_PER_PAGE,
    Tile,
    TrackRow,
    face_pages,
    is_sheet_of,
    review_pages,
    write_page,
)

Crop = UInt8[np.ndarray, "S S 3"]


def flat(level: int) -> Crop:
    return np.full((256, 256, 3), level, np.uint8)


def square_mask() -> Float32[np.ndarray, "S S"]:
    """The face is seen in the middle half."""
    mask = np.zeros((256, 256), np.float32)
    mask[64:192, 64:192] = 1
    return mask


def tile(number: int, words: str = "kept") -> Tile:
    return Tile(name=f"ababab-{number:06}", value="yaw +3°", words=words, state="kept")


def picture_at(page: Crop, position: int, columns: int = COLUMNS) -> Crop:
    row, column = divmod(position, columns)
    x = GAP + column * (PICTURE_SIZE + GAP)
    y = HEADER_HEIGHT + row * (PICTURE_SIZE + CAPTION_HEIGHT + GAP)
    return page[y : y + PICTURE_SIZE, x : x + PICTURE_SIZE]


def test_every_face_is_on_one_page_in_order() -> None:
    number = FACES_PER_PAGE + 3
    asked: list[int] = []

    def pictures_of(position: int) -> tuple[Crop, Float32[np.ndarray, "S S"]]:
        asked.append(position)
        return flat(50 + position), square_mask()

    first, second = face_pages("dana", [tile(each) for each in range(number)], pictures_of)
    assert asked == list(range(number))
    assert picture_at(first, 9)[5, 5].tolist() == [59] * 3
    # A short page isn't as wide.
    assert second.shape[1] < first.shape[1]
    assert picture_at(second, 2, columns=4)[5, 5].tolist() == [50 + FACES_PER_PAGE + 2] * 3


def test_the_mask_is_a_faint_line_around_it() -> None:
    (page,) = face_pages("dana", [tile(0)], lambda _: (flat(100), square_mask()))
    picture = picture_at(page, 0)
    edge, middle = PICTURE_SIZE // 4, PICTURE_SIZE // 2
    across = picture[middle, :, 0].astype(int)
    changed = np.flatnonzero(across > 105)
    assert {*changed[changed < middle]} <= {edge - 2, edge - 1, edge, edge + 1}
    assert 120 < across.max() < 200
    assert picture[middle, middle].tolist() == picture[4, 4].tolist() == [100] * 3


def test_the_state_colours_picture_and_words() -> None:
    states = [Tile(name="a", value="", words="blurred", state=state) for state in COLOURS]
    (page,) = face_pages("dana", states, lambda _: (flat(0), square_mask()))
    for position, tile in enumerate(states):
        column = page[HEADER_HEIGHT:, GAP + position * (PICTURE_SIZE + GAP) :][:, :PICTURE_SIZE]
        bar = column[PICTURE_SIZE - 1]
        assert (bar == COLOURS[tile.state]).all()
        words = column[PICTURE_SIZE : PICTURE_SIZE + CAPTION_HEIGHT].reshape(-1, 3)
        assert (words == COLOURS[tile.state]).all(axis=1).any()


@pytest.mark.parametrize("words", ["blurred, moving, overexposed, turned, covered, misfit", "two\nlines\x1b[31m"])
def test_words_never_leave_their_column(words: str) -> None:
    (page,) = face_pages("dana\n" * 80, [tile(0, words), tile(1)], lambda _: (flat(0), square_mask()))
    gap = page[HEADER_HEIGHT:, GAP + PICTURE_SIZE : GAP + PICTURE_SIZE + GAP]
    assert (gap == PAGE).all()
    assert (page[:, -GAP:] == PAGE).all()


def test_a_review_shows_tracks_below_what_is_sure() -> None:
    def row(name: str, level: int, number: int) -> TrackRow:
        return TrackRow(name=name, lines=("walk.mp4",), pictures=(flat(level),) * number, state="unsure")

    rows = [row(f"t{number}", 60 + number, 1 + number % 6) for number in range(TRACKS_PER_PAGE + 1)]
    pages = list(review_pages("Is this dana?", "how", rows, row("surely dana", 200, 6)))
    assert len(pages) == 2
    for page in pages:
        assert page[HEADER_HEIGHT + 5, GAP + LABEL_WIDTH + 5].tolist() == [200] * 3
    assert pages[0][HEADER_HEIGHT + 2 * (PICTURE_SIZE + GAP) + 5, GAP + LABEL_WIDTH + 5].tolist() == [61] * 3
    assert (
        pages[1][HEADER_HEIGHT + PICTURE_SIZE + GAP + 5, GAP + LABEL_WIDTH + 5].tolist() == [60 + TRACKS_PER_PAGE] * 3
    )
    (alone,) = review_pages("Is this dana?", "how", rows[:1], None)
    assert alone[HEADER_HEIGHT + 5, GAP + LABEL_WIDTH + 5].tolist() == [60] * 3


def test_a_sheet_says_whose_faces_it_shows(tmp_path: Path) -> None:
    (page,) = face_pages("dana", [tile(0)], lambda _: (flat(90), square_mask()))
    write_page(tmp_path / "sheet.png", page, "dana")
    Image.fromarray(page).save(tmp_path / "other.png")
    assert is_sheet_of(tmp_path / "sheet.png", "dana")
    assert not is_sheet_of(tmp_path / "sheet.png", "dan")
    assert not is_sheet_of(tmp_path / "sheet.png", "dana-2")
    assert not is_sheet_of(tmp_path / "other.png", "dana")


def test_a_sheet_is_for_nobody_else(tmp_path: Path) -> None:
    (page,) = face_pages("dana", [tile(0)], lambda _: (flat(90), square_mask()))
    write_page(tmp_path / "sheet.png", page, "dana")
    assert (tmp_path / "sheet.png").stat().st_mode & 0o777 == 0o600
    with Image.open(tmp_path / "sheet.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), page)
