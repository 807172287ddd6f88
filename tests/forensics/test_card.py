"""The detector's card."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from countenance.errors import ModelError
from countenance.forensics.card import CARD_NAME, read_card
from tests.support.signals import CARD


def test_what_is_used_is_read_from_beside_the_weights(tmp_path: Path) -> None:
    (tmp_path / CARD_NAME).write_text(json.dumps({"use": asdict(CARD), "measured": {}}))
    assert read_card(tmp_path) == CARD


@pytest.mark.parametrize("text", ["", "{}", '{"use": {"limit": 1}}', "[]"])
def test_a_damaged_card_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / CARD_NAME).write_text(text)
    with pytest.raises(ModelError, match="install countenance again"):
        read_card(tmp_path)


def test_the_packages_own_limits_leave_room_between_them() -> None:
    card = read_card()
    assert 0 < card.lower_limit < card.limit < 1
    assert 0 <= card.flagged_of_100 < card.missed_of_100 < 100
