import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from countenance.forensics.overview import Moment, Overview
from countenance.forensics.page import (
    BANDS,
    CAN_AND_CANT,
    GLOSSARY,
    HEAT_RGB,
    MOST_FACES,
    NEXT_STEPS,
    heated,
    list_page,
    shown_faces,
    verification_page,
)
from countenance.forensics.signal import Signal
from countenance.forensics.signalled import signal_finding
from countenance.forensics.words import QUESTIONS, with_limits
from countenance.types import Finding, FindingState, Report
from tests.support.signals import CARD, look_of, signal_of, track_of, with_track

MADE_AT = datetime(2027, 3, 1, 12, 30, tzinfo=UTC)
DIGEST = "ab" * 32
OVERVIEW = Overview(
    resolution_wh=(640, 360),
    num_frames=50,
    duration_s=2.0,
    moments=tuple(Moment(time_s=each / 2, rgb=np.full((36, 64, 3), 50 * each, np.uint8)) for each in range(5)),
)
STATES: dict[str, FindingState] = {
    "credentials": "invalid",
    "log": "missing",
    "edits": "unknown",
    "watermark": "missing",
    "traces": "noticed",
}
NASTY = "<script>alert('&')</script>"


def drawn(signal: Signal | None = None, *, name: str = "clip.mp4", words: str = "words") -> str:
    findings = [
        with_limits(Finding(about=about, state=state, summary=f"{about} {words}", reasons=(f"why {about}",)))  # type: ignore[arg-type]
        for about, state in STATES.items()
    ]
    if signal is not None:
        findings.append(signal_finding(signal, CARD))
    return verification_page(
        Report(path=Path("/home/somebody/secret", name), sha256=DIGEST, findings=tuple(findings)),
        overview=OVERVIEW,
        signal=signal,
        card=None if signal is None else CARD,
        facts=((f"made with {words}", words),),
        why_unopened=None,
        made_at=MADE_AT,
        version="9.8.7",
    )


def text_of(page: str) -> str:
    """What is read: neither markup nor style."""
    plain = re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL))
    return " ".join(unescape(plain).split())


def test_everything_a_reader_needs_is_there_in_order() -> None:
    page = drawn(signal_of(0.9, 0.5, 0.1))
    text = text_of(page)
    for words in (DIGEST, "clip.mp4", "1 March 2027, 12:30 (UTC+0000)", "Countenance 9.8.7", "this page shows faces"):
        assert words in text
    for words in (*CAN_AND_CANT, *(title for title, _ in NEXT_STEPS), *(word for word, _ in GLOSSARY)):
        assert words in text
    assert len(CAN_AND_CANT) == 3
    assert len(GLOSSARY) == 5
    places = [page.index(f'<article class="card finding{more}" id="{about}">') for about, more in ids_of(page)]
    assert places == sorted(places)
    assert [about for about, _ in ids_of(page)] == list(QUESTIONS)
    assert text.count("What this can't tell") == len(QUESTIONS)


def ids_of(page: str) -> list[tuple[str, str]]:
    found = re.findall(r'<article class="card finding([^"]*)" id="([^"]+)">', page)
    return [(about, more) for more, about in found]


def test_nothing_is_loaded_or_run_and_only_the_file_s_own_name_is_told() -> None:
    page = drawn(signal_of(0.9, 0.5, 0.1))
    assert "default-src 'none'" in page
    assert not re.search(r"<script|<link|<iframe|https?://|@import|url\(", page)
    assert all(source.startswith("data:image/jpeg;base64,") for source in re.findall(r'src="([^"]*)"', page))
    assert "secret" not in page


class Tags(HTMLParser):
    """Which tags a browser would see."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not any(name.startswith("on") for name, _ in attrs)


def test_what_comes_from_the_file_is_text_and_never_markup() -> None:
    page = drawn(signal_of(0.9), name='<img onerror="x">.mp4', words=NASTY)
    assert "script" not in Tags(page).seen
    assert "&lt;script&gt;" in page
    page = list_page([Row(path=Path(NASTY), why_not=NASTY)], made_at=MADE_AT, version="1")
    assert "script" not in Tags(page).seen


def test_a_name_that_is_no_text_is_shown_all_the_same() -> None:
    assert "clip" in drawn(name="clip\udcff.mp4").encode().decode()


def test_states_differ_in_word_and_shape_and_not_in_colour_alone() -> None:
    shapes: dict[str, str] = {}
    for state in ("trusted", "valid", "invalid", "missing", "unknown", "noticed", "inconclusive"):
        page = list_page([Row(path=Path("a"), states={"credentials": state})], made_at=MADE_AT, version="1")
        (shapes[state],) = re.findall(r"<svg[^>]*>(.*?)</svg>", page, flags=re.DOTALL)
    assert len(set(shapes.values())) == len(shapes)


def test_no_tick_stands_beside_a_replaced_face() -> None:
    page = list_page([Row(path=Path("a"), states={"edits": "trusted"})], made_at=MADE_AT, version="1")
    assert "s-noticed" in page
    assert 's-trusted"' not in page
    assert "face replaced" in page


def test_scores_stay_out_of_the_page() -> None:
    signal = signal_of(0.83, 0.47, 0.13)
    text = text_of(drawn(signal))
    assert not re.search(r"0\.(83|47|13)|83|47 ?%|\d ?%", text)


def test_each_moment_lies_in_its_band_and_at_its_time() -> None:
    signal = signal_of(0.99, 0.61, 0.59, 0.41, 0.39, 0.0)
    (face,) = shown_faces(signal, CARD, None)
    assert [dot.band for dot in face.dots] == ["altered", "altered", "neither", "neither", "untouched", "untouched"]
    rows = [[name for name, _ in BANDS].index(dot.band) for dot in face.dots]
    for row, dot in zip(rows, face.dots, strict=True):
        assert row * 100 / 3 < dot.top < (row + 1) * 100 / 3
    tops, lefts = [dot.top for dot in face.dots], [dot.left for dot in face.dots]
    assert tops == sorted(tops)
    assert lefts == sorted(lefts)
    assert len(set(lefts)) == len(lefts)
    assert (lefts[0], lefts[-1]) == (12.5, 87.5)


def test_the_moments_with_most_and_fewest_signs_are_shown() -> None:
    (face,) = shown_faces(signal_of(0.5, 0.9, 0.1, 0.6), CARD, None)
    assert [(each.title, each.look.frame, each.band) for each in face.looks] == [
        ("Most signs", 1, "like replaced faces"),
        ("In between", 0, "neither"),
        ("Fewest signs", 2, "like untouched faces"),
    ]


def test_of_a_face_that_is_unlike_neither_heat_nor_moments_are_drawn() -> None:
    signal = signal_of(0.9, 0.9, 0.9, distance=1.5)
    (face,) = shown_faces(signal, CARD, None)
    assert not face.looks
    assert not face.dots
    page = drawn(signal)
    assert "How to read these pictures" not in page
    assert "Unlike the footage that the detector was tested on" in page


def test_of_many_faces_those_most_like_replaced_ones_are_drawn() -> None:
    signal = signal_of(0.1, 0.1)
    for _ in range(MOST_FACES + 1):
        signal = with_track(signal, track_of(0.7, 0.7))
    assert 1 not in [face.track.number for face in shown_faces(signal, CARD, None)]
    assert "2 more faces aren't drawn" in drawn(signal)


def test_a_picture_has_no_timeline() -> None:
    page = drawn(signal_of(0.9))
    assert 'class="chart"' not in page
    assert "Each mark in a chart" not in page
    assert "Seen in too few frames to be judged" in page


def test_heat_colours_only_where_it_is() -> None:
    look = look_of(0.9, 0)
    picture = heated(look.rgb, look.heat).astype(int)
    assert np.ptp(picture[56:, 56:].reshape(-1, 3), axis=1).max() == 0
    assert np.abs(picture[8, 8] - np.array(HEAT_RGB)).max() < 60


@dataclass(frozen=True)
class Row:
    path: Path
    states: dict[str, FindingState] = field(default_factory=dict)
    why_not: str | None = None
    page: str | None = None


def test_the_list_leads_to_each_file_s_page_and_says_what_was_not_read() -> None:
    rows = [
        Row(path=Path("a.mp4"), states=STATES, page="report-files/0001-a-mp4.html"),
        Row(path=Path("b.mp4"), why_not="b.mp4 is truncated"),
    ]
    page = list_page(rows, made_at=MADE_AT, version="1")
    assert '<a href="report-files/0001-a-mp4.html">a.mp4</a>' in page
    assert "Not read: b.mp4 is truncated" in page
    assert "does not hold" in page


@pytest.mark.parametrize("why", ["it is damaged", None])
def test_a_file_without_pictures_says_why(why: str | None) -> None:
    page = verification_page(
        Report(path=Path("a.mp4"), sha256=DIGEST, findings=()),
        overview=None,
        signal=None,
        card=None,
        facts=(),
        why_unopened=why,
        made_at=MADE_AT,
        version="1",
    )
    assert "shows faces" not in page
    assert ("No picture: it is damaged" if why else "No picture") in page
