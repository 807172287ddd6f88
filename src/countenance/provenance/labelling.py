"""Which frames carry the visible label, and where: a pure function of a render's facts."""

from collections.abc import Sequence
from pathlib import Path

from countenance.errors import MediaError
from countenance.provenance.credentials import Claim, read_credentials
from countenance.provenance.keys import find_trust
from countenance.provenance.label import CORNERS, FIRST_CHOICE
from countenance.types import Corner, Render

CREDITS_S = 5.0
"""In a work of art the label is shown for so many seconds where altered pictures begin."""
BREAK_S = 30.0
"""Altered pictures that come back after more than so many seconds without any begin anew."""
OLD_CORNER: Corner = "bottom left"
"""Where files have their label that don't say where."""


def plan_labels(render: Render, *, only_beginnings: bool) -> tuple[Corner | None, ...]:
    """For each frame of the file where its label lies, None where it has none.

    All frames of a labelled shot have one, or with `only_beginnings` those in the first seconds of what is altered, and
    again after a break. Without times of the frames these can't be told, and all have it.
    """
    first = render.frames.start
    corners: list[Corner | None] = [FIRST_CHOICE if is_altered else None for is_altered in render.altered]
    for shot in render.labelled_shots:
        for index in range(max(shot.frames.start, first), min(shot.frames.stop, render.frames.stop)):
            corners[index - first] = shot.corner
    if not only_beginnings or not render.times_s:
        return tuple(corners)
    return tuple(
        corner if is_beginning else None
        for corner, is_beginning in zip(corners, _beginnings(render.altered, render.times_s), strict=True)
    )


def _beginnings(altered: Sequence[bool], times_s: Sequence[float]) -> list[bool]:
    """Whether a frame lies within the first seconds of altered pictures."""
    result, began_s, latest_s = [], -float("inf"), -float("inf")
    for is_altered, time_s in zip(altered, times_s, strict=True):
        if is_altered:
            if time_s - latest_s > BREAK_S:
                began_s = time_s
            latest_s = time_s
        result.append(time_s - began_s < CREDITS_S)
    return result


def corners_of(corners: Sequence[Corner | None]) -> tuple[Corner, ...]:
    """Each that occurs once, in the order in which they are chosen."""
    there = set(corners)
    return tuple(corner for corner in CORNERS if corner in there)


def labels_in(plate: Path) -> tuple[Corner, ...]:
    """Where a plate has labels of its own, by its credentials: of a file that comes from here, unaltered since."""
    try:
        credentials = read_credentials(plate, find_trust())
    except MediaError:
        # It is no kind of file that can carry any.
        return ()
    if credentials.claim is None or credentials.state != "trusted":
        return ()
    return _stated(credentials.claim)


def _stated(claim: Claim) -> tuple[Corner, ...]:
    if not claim.label_corners and claim.label == "shown":
        return (OLD_CORNER,)
    return claim.label_corners
