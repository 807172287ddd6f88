from typing import get_args

import pytest

from countenance.forensics.words import (
    ANSWERS,
    QUESTIONS,
    STATES,
    answer_of,
    columns_of,
    with_limits,
    words_of,
)
from countenance.types import Finding, FindingState

STATES_OF = {
    "credentials": ("trusted", "valid", "invalid", "missing"),
    "log": ("valid", "invalid", "missing", "unknown"),
    "edits": ("trusted", "valid", "missing", "unknown"),
    "watermark": ("trusted", "valid", "invalid", "missing", "unknown"),
    "traces": ("noticed", "unnoticed", "unknown"),
}


def test_each_state_has_its_own_word_and_never_a_colour_alone() -> None:
    assert set(STATES) == set(get_args(FindingState))
    assert len({words.word for words in STATES.values()}) == len(STATES)
    assert all(words.symbol for words in STATES.values())


def test_every_finding_says_what_it_cannot_tell_and_answers_its_question() -> None:
    assert list(QUESTIONS) == list(get_args(Finding.__dataclass_fields__["about"].type))
    for about, states in STATES_OF.items():
        for state in states:
            finding = with_limits(Finding(about=about, state=state, summary="s"))  # type: ignore[arg-type]
            assert finding.limits, (about, state)
            assert answer_of(finding) == ANSWERS[about, state]  # type: ignore[index]


def test_a_finding_that_says_its_limits_itself_keeps_them() -> None:
    finding = Finding(about="log", state="valid", summary="s", limits=("own",))
    assert with_limits(finding) is finding


def test_absent_credentials_are_said_to_be_usual() -> None:
    finding = with_limits(Finding(about="credentials", state="missing", summary="s"))
    assert "genuine and altered files alike come without" in " ".join(finding.limits)


@pytest.mark.parametrize("state", ["trusted", "valid"])
def test_a_replaced_face_that_is_well_stated_gets_no_tick(state: FindingState) -> None:
    for about in ("edits", "watermark"):
        assert words_of(about, state).symbol == "!"
        assert "replaced face" in ANSWERS[about, state] or "A face was replaced" in ANSWERS[about, state]
    assert words_of("credentials", state).symbol == "✓"


def test_a_list_shows_the_log_only_where_one_was_asked() -> None:
    outside = {"credentials": "missing", "log": "missing", "signal": "noticed"}
    assert columns_of([outside]) == ["credentials", "signal"]  # type: ignore[list-item]
    assert columns_of([outside, {"log": "unknown"}, {}]) == ["credentials", "log", "signal"]  # type: ignore[list-item]
