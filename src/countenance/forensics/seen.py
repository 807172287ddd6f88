"""What looking at one side of a file gives."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import av

from countenance.errors import one_line
from countenance.media.pictures import PICTURE_ERRORS

MAX_LETTERS = 300
"""Of a text that a file says of itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What was noticed, and the plain facts."""

    noticed: tuple[str, ...] = ()
    """Sentences for a layman: what was seen, and what commonly causes it."""
    facts: tuple[tuple[str, str], ...] = ()
    """Name and value of what is neither good nor bad."""
    limits: tuple[str, ...] = ()
    """What this can't tell, a sentence each."""


def seen_part(name: str, look: Callable[[], Seen]) -> Seen:
    """What one part tells; one that can't be read leaves the others' findings."""
    try:
        return look()
    except av.FFmpegError:
        raise
    except PICTURE_ERRORS as error:
        return Seen(limits=(f"Its {name} couldn't be looked at, as what it says can't be read: {error}.",))


def joined(parts: Iterable[Seen]) -> Seen:
    """All parts as one, each sentence once."""
    several = tuple(parts)
    return Seen(
        noticed=tuple(dict.fromkeys(words for part in several for words in part.noticed)),
        facts=tuple(dict.fromkeys(fact for part in several for fact in part.facts)),
        limits=tuple(dict.fromkeys(words for part in several for words in part.limits)),
    )


def quoted(text: str) -> str:
    """A text from a file as one line of bearable length."""
    line = " ".join(one_line(text).split())
    return line if len(line) <= MAX_LETTERS else f"{line[:MAX_LETTERS]}…"
