"""What times tell, and that none of them is beyond reckoning."""

from datetime import UTC, datetime, timedelta

import pytest

from countenance.forensics.clock import created_and_changed, day, parts_disagree

EARLY = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATE = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2024-05-01T23:30:00+0200", "01 May 2024, 21:30:00 UTC"),
        ("2024-05-01T23:30:00", "01 May 2024, 23:30:00"),
        ("9999-12-31T23:30:00-0500", "31 December 9999, 23:30:00 UTC-0500"),
    ],
)
def test_a_time_with_a_zone_is_told_in_utc(text: str, words: str) -> None:
    assert day(datetime.fromisoformat(text)) == words


@pytest.mark.parametrize("length_s", [1e10, 1e19, 1.8e308])
def test_a_huge_length_is_no_error(length_s: float) -> None:
    found = created_and_changed(EARLY, LATE, length_s, EARLY + timedelta(days=99))
    assert found.noticed == ()
    assert found.facts[0] == ("created", "01 March 2026, 12:00:00 UTC")
    assert parts_disagree([EARLY, LATE], length_s, "Its tracks") == ()
