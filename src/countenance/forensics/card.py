"""What is known of the detector's weights, from the test that they were given."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countenance.errors import ModelError

CARD_NAME = "detector.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """How evidence becomes a score, what a score means, and how often that is wrong."""

    scale: float
    shift: float
    """The logistic curve of scale · evidence + shift."""
    limit: float
    """From this score on, a face looks like replaced ones."""
    lower_limit: float
    """Below this score, it looks like untouched ones."""
    smallest_px: float
    """Side of a face's crop in the frame, in pixels, below which none was tested."""
    fewest_looks: int
    """Moments of a video at which a face must have been seen to be judged."""
    missed_of_100: float
    """Of altered clips, of people whom it never saw."""
    flagged_of_100: float
    """Of untouched clips."""
    num_untouched: int
    """Clips, of which that was measured."""
    never_seen_missed_of_100: float
    """Of clips altered in a way that was left out of a training like this one's."""
    tested_on: str
    """The footage, in words that go on after "tested on"."""


def weights_folder() -> Path:
    """Where the package keeps the detector."""
    return Path(__file__).parent / "weights"


def read_card(folder: Path | None = None) -> Card:
    """The card of the package's detector, or of one in a folder.

    Raises:
        ModelError: it is missing or damaged.
    """
    path = (folder or weights_folder()) / CARD_NAME
    try:
        facts: dict[str, Any] = json.loads(path.read_text())
        return Card(**facts["use"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ModelError(f"{path} does not hold this version's card; install countenance again") from None
