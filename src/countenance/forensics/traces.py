"""What a trained examiner would look at in a file by itself: container, metadata, coding."""

from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image, UnidentifiedImageError

from countenance.errors import MediaError
from countenance.forensics.boxes import seen_in_boxes
from countenance.forensics.coding import read_stretch, seen_in_coding
from countenance.forensics.container import seen_in_container
from countenance.forensics.picture import seen_in_picture
from countenance.forensics.recoded import seen_in_footprint
from countenance.forensics.seen import Seen, joined, seen_part
from countenance.media.boxes import check_announced
from countenance.media.container import opened_video, reason
from countenance.media.files import open_regular
from countenance.media.kinds import why_not
from countenance.media.pictures import PICTURE_ERRORS, opened_picture
from countenance.media.probe import MAX_FRAMES, STILL_BRANDS


@dataclass(frozen=True, kw_only=True, slots=True)
class Traces:
    """What a file's container, metadata and coding tell; never whether it is genuine."""

    noticed: tuple[str, ...] = ()
    """Sentences for a layman: what was seen and what commonly causes it, innocent causes first."""
    facts: tuple[tuple[str, str], ...] = ()
    """Name and value of what is neither good nor bad."""
    limits: tuple[str, ...] = ()
    """What this can't tell, a sentence each."""
    why_not: str | None = None
    """Why the file couldn't be looked at; then all else is empty."""


def traces_of(path: Path, *, now: datetime | None = None) -> Traces:
    """Look at a video or picture, without a network, in bounded time and memory.

    `now` is the time beyond which nothing can have been made; by default this computer's.

    >>> traces_of(Path("clip.mp4")).facts[0]
    ('container', 'MP4 (brand isom)')
    """
    try:
        with open_regular(path) as file:
            size = file.seek(0, 2)
        seen = _seen(path, size, now or datetime.now(UTC))
    except MediaError as error:
        is_other = isinstance(error.__cause__, av.error.InvalidDataError | av.error.ArgumentError)
        return Traces(why_not=why_not(path) if is_other else str(error))
    except av.FFmpegError as error:
        return Traces(why_not=f"{path} can't be read: {reason(error)}")
    except PICTURE_ERRORS as error:
        return Traces(why_not=f"{path} is damaged, or can't be read: {error}")
    return Traces(noticed=seen.noticed, facts=seen.facts, limits=seen.limits)


def _seen(path: Path, size: int, now: datetime) -> Seen:
    try:
        with opened_picture(path) as picture:
            return seen_in_picture(path, picture, now)
    except UnidentifiedImageError:
        return _seen_in_video(path, size, now)
    except Image.DecompressionBombError:
        raise MediaError(f"{path} has far more pixels than there may be; shrink it") from None


def _seen_in_video(path: Path, size: int, now: datetime) -> Seen:
    check_announced(path, size, MAX_FRAMES)
    with opened_video(path) as (container, stream):
        if container.metadata.get("major_brand") in STILL_BRANDS:
            raise MediaError(why_not(path))
        in_container = seen_part("container", lambda: seen_in_container(container, stream))
        in_coding = seen_part(
            "coding", lambda: seen_in_coding(read_stretch(container, stream), stream.time_base or Fraction(1))
        )
    in_boxes = seen_part("index", lambda: seen_in_boxes(path, size, now))
    return joined((in_container, in_boxes, in_coding, seen_part("frames", lambda: seen_in_footprint(path))))
