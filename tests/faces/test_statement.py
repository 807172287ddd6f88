"""A rendered actor's statement, and what somebody could show instead."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from countenance.capture.codec import recorded
from countenance.capture.settings import Codec
from countenance.faces.statement import (
    MAX_DISTANCE,
    MAX_PART_DISTANCE,
    MIN_BLUR,
    MIN_MARGIN,
    MIN_MISFIT,
    MIN_SHAPE_SPREAD,
    MIN_WHITE_SPREAD,
    MIN_WITH_CODE,
    Judged,
    Moment,
    Reason,
    SeenStatement,
    about_paste,
    code_figures,
    judge_statement,
)
from countenance.vision.code import CodeReader, SeenCode
from tests.support.statement import CHALLENGE, LATER, Corners, Rgb, frames, pasted, seen, template

STEP = 8
"""Of the frames, those onto which a code is laid."""
CLEAR = 0.03
PHONE = Codec(name="h264", bits_per_pixel=0.25, still_quantiser=24)


def judged(found: SeenStatement, person: str = "bo", other: str = "lee") -> Judged:
    return judge_statement(found, CHALLENGE.code, CHALLENGE.turns, template(person), [template(other)])


def with_moments(change: Callable[[Moment], Moment]) -> SeenStatement:
    found = seen()
    return replace(found, moments=tuple(change(moment) for moment in found.moments))


def test_a_statement_as_it_was_asked_for_is_accepted() -> None:
    answer = judged(seen())
    assert answer.reasons == ()
    assert tuple(turn.turn for turn in answer.turns) == CHALLENGE.turns == ("right", "down", "up", "left")


@pytest.mark.parametrize(("person", "other"), [("bo", "lee"), ("lee", "bo")])
def test_true_faces_and_false_ones_lie_clear_of_every_limit(person: str, other: str) -> None:
    """So that another processor's rounding tips none of these tests."""
    found, own = seen(person), template(person)
    distance = float(np.linalg.norm(found.embedding - own))
    assert distance < MAX_DISTANCE - CLEAR
    assert max(float(np.linalg.norm(part - own)) for part in found.parts) < MAX_PART_DISTANCE - CLEAR
    to_other = float(np.linalg.norm(found.embedding - template(other)))
    assert to_other > max(MAX_DISTANCE, distance + MIN_MARGIN) + CLEAR
    with_code = [moment.code for moment in found.moments if moment.code is not None]
    assert len(with_code) / len(found.moments) > MIN_WITH_CODE + CLEAR
    figures = code_figures(with_code, CHALLENGE.code)
    assert figures["blur_px"] > 1.3 * MIN_BLUR * figures["picture_blur_px"]
    assert figures["misfit"] > 1.3 * MIN_MISFIT
    assert figures["white_spread"] > 1.3 * MIN_WHITE_SPREAD
    assert figures["shape_spread"] > 1.3 * MIN_SHAPE_SPREAD


def test_somebody_else_with_the_right_code_is_refused() -> None:
    """Lee films herself with the code that was made for bo."""
    assert judge_statement(seen("lee"), CHALLENGE.code, CHALLENGE.turns, template("lee"), []).reasons == ()
    assert {"face.other", "face.known"} <= set(judged(seen("lee")).reasons)


def test_a_portrait_that_is_somebody_else_s_is_refused() -> None:
    assert "face.other" in judged(seen(), "lee", "bo").reasons
    assert "face.known" in judged(seen(), "lee", "bo").reasons


def test_another_nonce_is_refused() -> None:
    answer = judge_statement(seen(), LATER.code, LATER.turns, template("bo"), [])
    assert "code.other" in answer.reasons
    assert "turns.wrong" in answer.reasons


def test_turns_in_another_order_are_refused() -> None:
    turns = tuple(reversed(CHALLENGE.turns))
    assert judge_statement(seen(), CHALLENGE.code, turns, template("bo"), []).reasons == ("turns.wrong",)


def test_a_still_picture_is_refused() -> None:
    first = seen().moments[0]
    still = with_moments(lambda moment: replace(first, time_s=moment.time_s))
    assert set(judged(still).reasons) == {"face.still", "code.still", "code.clean", "turns.wrong"}


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({}, "code.sharp"),
        ({"blur_px": 0.8}, "code.clean"),
        ({"blur_px": 0.6, "white": 205.0, "black": 55.0}, "code.clean"),
    ],
)
def test_a_code_laid_over_the_old_one_is_refused(how: dict[str, float], reason: Reason) -> None:
    """A replay with a new code where the old one was, as exactly as can be, then encoded again."""
    rgbs, corners = old_codes()
    assert not list(about_paste(figures_of(rgbs, CHALLENGE.code)))
    found = figures_of([pasted(rgb, LATER.code, xy, **how) for rgb, xy in zip(rgbs, corners, strict=True)], LATER.code)
    assert reason in list(about_paste(found))
    if reason == "code.sharp":
        assert found["blur_px"] < 0.7 * MIN_BLUR * found["picture_blur_px"]
    else:
        assert found["misfit"] < 0.7 * MIN_MISFIT


def test_a_code_that_stands_still_on_the_picture_is_refused() -> None:
    rgbs, _ = old_codes()
    place = np.array([[270, 190], [400, 190], [400, 320], [270, 320]], np.float32)
    assert "code.still" in list(about_paste(figures_of([pasted(rgb, LATER.code, place) for rgb in rgbs], LATER.code)))


def test_a_code_too_small_to_be_measured_is_refused() -> None:
    assert list(about_paste({})) == ["code.small"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda found: replace(found, duration_s=3.0), "video.length"),
        (lambda found: replace(found, duration_s=300.0), "video.length"),
        (lambda found: replace(found, num_shots=2), "video.cut"),
        (lambda found: replace(found, parts=()), "face.none"),
        (lambda found: replace(found, parts=(*found.parts[:2], template("lee") + 0.03)), "face.changes"),
        (lambda _: with_moments(lambda each: replace(each, num_faces=2)), "face.several"),
        (lambda _: with_moments(lambda each: replace(each, face_px=20.0)), "face.small"),
        (lambda _: with_moments(lambda each: replace(each, code=None)), "code.none"),
        (
            lambda _: with_moments(lambda each: replace(each, code=each.code if each.time_s < 3 else None)),
            "code.rarely",
        ),
        (lambda _: without_code_at_the_last_turn(), "code.not_at_turns"),
        (lambda _: with_moments(lambda each: replace(each, code=mirrored(each.code))), "code.mirrored"),
        (lambda _: with_moments(lambda each: replace(each, time_s=5 * each.time_s)), "turns.late"),
    ],
)
def test_what_else_is_wrong_is_told(change: Callable[[SeenStatement], SeenStatement], reason: Reason) -> None:
    assert reason in judged(change(seen())).reasons


def without_code_at_the_last_turn() -> SeenStatement:
    last = judged(seen()).turns[-1]
    return with_moments(lambda each: replace(each, code=None) if each.time_s > last.begins_s - 0.6 else each)


def mirrored(code: SeenCode | None) -> SeenCode | None:
    return None if code is None else replace(code, corners_xy=code.corners_xy[[1, 0, 3, 2]])


@cache
def old_codes() -> tuple[list[Rgb], list[Corners]]:
    """Frames of bo's video in which the code is read, and where."""
    read = CodeReader()
    found = [(frame.rgb, read(frame.rgb)) for frame in frames(STEP)]
    return (
        [rgb for rgb, code in found if code is not None],
        [code.corners_xy for _, code in found if code is not None],
    )


def figures_of(rgbs: Sequence[Rgb], text: str) -> dict[str, float]:
    read = CodeReader()
    codes = [read(rgb) for rgb in recorded(rgbs, PHONE, Fraction(6), is_still=True)]
    return code_figures([code for code in codes if code is not None], text)
