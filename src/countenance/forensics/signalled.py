"""What the detector saw, as a finding: never a number for the file, and inconclusive where it can't know."""

from collections.abc import Sequence
from itertools import islice
from typing import Literal

from countenance.forensics.card import Card
from countenance.forensics.signal import FaceLook, Signal, TrackSignal
from countenance.types import Finding

RULE_OF_THREE = 300
"""What never happened among a number of clips happens, 95 times in 100, in fewer than so many of 100, divided by it."""
MOST_TOLD = 20
"""Faces that have a line of their own."""
FARTHEST = 1.0
"""Distance of the last footage that is like what the detector was tested on."""

Band = Literal["altered", "neither", "untouched"]
"""Of one moment: like altered faces, like untouched ones, or neither."""
Standing = Literal["noticed", "unnoticed", "inconclusive", "unlike", "few"]
"""Of one face: signs, none, neither; or it can't be judged, because it is unlike what was tested, or hardly seen."""

LIMITS = (
    "The detector was tested on rendered people, who exist nowhere, and not on real ones: how often it is wrong about "
    "real people isn't known.",
    "It looks for replaced faces and for nothing else. It can't see a picture that was generated as a whole, altered "
    "lips, a changed voice, a cut, or a wrong caption.",
    "Strong compression, filters, make-up and small faces may look like a replaced face to it, or hide one.",
    "Faces at about the same place, moments apart, are taken for one person's.",
    "It says what a face looks like, not who altered it or why.",
)


def band_of(score: float, card: Card) -> Band:
    """What a score is like."""
    return "altered" if score >= card.limit else "untouched" if score < card.lower_limit else "neither"


def standing_of(track: TrackSignal, card: Card) -> Standing:
    """Whether a face can be judged, and what it then looks like."""
    if track.distance > FARTHEST:
        return "unlike"
    if len(track.faces) < card.fewest_looks:
        return "few"
    by_band: dict[Band, Standing] = {"altered": "noticed", "untouched": "unnoticed", "neither": "inconclusive"}
    return by_band[band_of(track.score, card)]


def signal_finding(signal: Signal, card: Card) -> Finding:
    """The detector's finding in words, with how often it was wrong and what it can't tell."""
    if signal.why_not is not None:
        return _finding("unknown", "The detector couldn't look at the file.", signal.why_not)
    if not signal.tracks:
        where = "in this picture" if signal.num_frames == 1 else f"in the {signal.num_frames:,} frames looked at"
        said = f"No face that is large and clear enough for the detector was found {where}. Result: inconclusive."
        return _finding("inconclusive", said, *_left_out(signal))
    standings = [standing_of(track, card) for track in signal.tracks]
    reasons = tuple(
        _of_track(track, standing, signal, card)
        for track, standing in islice(zip(signal.tracks, standings, strict=True), MOST_TOLD)
    )
    if len(signal.tracks) > MOST_TOLD:
        reasons += (f"and {len(signal.tracks) - MOST_TOLD:,} more faces",)
    reasons += _left_out(signal)
    if all(standing in {"unlike", "few"} for standing in standings):
        why = (
            "The faces here are unlike what the detector was tested on, so that what it saw would mean nothing"
            if "unlike" in standings
            else "The faces here are seen in too few frames for the detector, which was tested on clips"
        )
        return _finding("inconclusive", f"{why}. Result: inconclusive.", *reasons)
    told = f"{_noticed(standings, signal, card)} {rates(card)}"
    if "noticed" in standings:
        return _finding("noticed", f"{told} Result: something to look into, and no proof.", *reasons)
    if "inconclusive" in standings:
        return _finding("inconclusive", f"{told} Result: inconclusive.", *reasons)
    return _finding(
        "unnoticed", f"{told} Result: no signs noticed, which doesn't show that a face is genuine.", *reasons
    )


def rates(card: Card) -> str:
    """How often the detector was wrong in its test."""
    return (
        f"On footage of this kind that it was tested on ({card.tested_on}) it misses about {card.missed_of_100:.0f} in "
        f"100 altered clips and flags {_flagged(card)} in 100 untouched ones; of a way of altering that its training "
        f"left out it missed {card.never_seen_missed_of_100:.0f} in 100; all of them show rendered people, none a real "
        "one."
    )


def _flagged(card: Card) -> str:
    """By the rule of three, of nothing seen in so many clips."""
    if card.flagged_of_100 > 0:
        return f"{card.flagged_of_100:.0f}"
    return f"fewer than about {RULE_OF_THREE / card.num_untouched:.0f}"


def _noticed(standings: Sequence[Standing], signal: Signal, card: Card) -> str:
    """In how many frames faces looked replaced: of those that do so as a whole, or else of all that were judged."""
    counted = {"noticed"} if "noticed" in standings else {"unnoticed", "inconclusive"}
    frames = {
        look.time_s
        for track, standing in zip(signal.tracks, standings, strict=True)
        for look in track.faces
        if standing in counted and band_of(look.score, card) == "altered"
    }
    seen = f"{len(frames):,} of {signal.num_frames:,} frames"
    if "noticed" in standings:
        return f"The detector noticed signs like those of replaced faces in {seen}."
    if frames:
        return f"Faces looked like replaced ones to the detector in {seen}, and taken together they didn't."
    return "The detector noticed no signs like those of replaced faces."


def _left_out(signal: Signal) -> tuple[str, ...]:
    if not signal.num_left_out:
        return ()
    return (f"not judged: {signal.num_left_out:,} more, too small or beyond the largest of a crowd",)


def _of_track(track: TrackSignal, standing: Standing, signal: Signal, card: Card) -> str:
    where = "" if signal.num_frames == 1 else f", {track.first_s:.1f} to {track.last_s:.1f} s"
    return f"face {track.number}{where}: {said_of(track, standing, card)}"


def said_of(track: TrackSignal, standing: Standing, card: Card) -> str:
    """What is to be said of one face."""
    if standing == "unlike":
        return "unlike the footage that the detector was tested on, so it isn't judged"
    if standing == "few":
        return "seen in too few frames to be judged"
    num_altered = num_in("altered", track.faces, card)
    seen = f"signs at {num_altered:,} of {len(track.faces):,} moments"
    return {
        "noticed": f"{seen}, taken together like replaced faces",
        "unnoticed": f"{seen}, taken together like untouched faces",
        "inconclusive": f"{seen}, taken together neither like replaced nor like untouched faces",
    }[standing]


def num_in(band: Band, looks: Sequence[FaceLook], card: Card) -> int:
    """At how many moments a face looks so."""
    return sum(band_of(look.score, card) == band for look in looks)


def _finding(state: Literal["noticed", "unnoticed", "inconclusive", "unknown"], summary: str, *reasons: str) -> Finding:
    return Finding(about="signal", state=state, summary=summary, reasons=reasons, limits=LIMITS)
