"""What the times that a file notes tell."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from countenance.forensics.seen import Seen

EARLIEST = datetime(1995, 1, 1, tzinfo=UTC)
"""No digital camera wrote files of these kinds before."""
TOLERANCE = timedelta(minutes=2)
"""Clocks are off, and a file is finished after it was begun."""
ZONES = timedelta(hours=26)
"""Cameras that note no time zone may be off by so much, and this computer too."""


def day(time: datetime) -> str:
    """The time in words; where its zone is known, in UTC.

    >>> day(datetime.fromisoformat("2024-05-01T23:30:00+0200"))
    '01 May 2024, 21:30:00 UTC'
    """
    # The first and last hours of the calendar can't be moved to another zone.
    with suppress(OverflowError):
        time = time.astimezone(UTC) if time.tzinfo else time
    zone = "" if time.tzinfo is None else " UTC" if time.tzinfo is UTC else f" UTC{time:%z}"
    return f"{time:%d %B %Y, %H:%M:%S}{zone}"


def apart(one: datetime, other: datetime) -> str:
    """How far apart two times are, in words.

    >>> apart(datetime(2026, 1, 1), datetime(2026, 1, 3))
    '2 days'
    """
    seconds = abs((one - other).total_seconds())
    for name, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= length or length == 1:
            number = round(seconds / length)
            return f"{number:,} {name}{'' if number == 1 else 's'}"
    raise AssertionError


def oddly_dated(time: datetime, now: datetime) -> tuple[str, ...]:
    """What is odd about one time of making."""
    zoned = time if time.tzinfo else time.replace(tzinfo=UTC)
    if zoned < EARLIEST:
        return (
            f"It says that it was made on {day(time)}, before there were files of its kind. Most often a clock was "
            "never set, or a program counts from another year.",
        )
    if zoned > now + ZONES:
        return (
            f"It says that it was made on {day(time)}, which is later than now by this computer's clock. Most often "
            "the camera's clock is wrong, or this computer's.",
        )
    return ()


def created_and_changed(created: datetime | None, changed: datetime | None, length_s: float, now: datetime) -> Seen:
    """What the times of creation and of the last change tell of a recording that takes `length_s`."""
    if created is None:
        return Seen(facts=(("created", "not noted"),))
    facts = [("created", day(created))]
    noticed = list(oddly_dated(created, now))
    if changed is not None and changed != created:
        facts.append(("last changed", day(changed)))
        if changed < created - TOLERANCE:
            noticed.append(
                f"It was last changed {apart(created, changed)} before it was created, by what it notes. Clocks that "
                "were set anew do this, and programs that copy one of the two times."
            )
        elif (changed - created).total_seconds() > length_s + TOLERANCE.total_seconds():
            noticed.append(
                f"It was written again {apart(created, changed)} after the creation that it notes ({day(created)}). "
                "Sharing, turning, trimming or converting it does this, and some cameras at the end of a recording."
            )
    return Seen(noticed=tuple(noticed), facts=tuple(facts))


def parts_disagree(times: Sequence[datetime], length_s: float, what: str) -> tuple[str, ...]:
    """That the parts of one file say that they were made at other times."""
    # In seconds: what a file says of its length may be beyond a timedelta.
    if not times or (max(times) - min(times)).total_seconds() <= length_s + TOLERANCE.total_seconds():
        return ()
    return (
        f"{what} note times of creation that are {apart(max(times), min(times))} apart. Programs that put parts "
        "together do this: an editor, or a phone that adds sound or a title.",
    )
