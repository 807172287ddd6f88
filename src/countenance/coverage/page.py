"""The coverage report as a page: one file with its images inside, without scripts or network access."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import cv2
import numpy as np
from jaxtyping import UInt8

from countenance.coverage.advice import describe_eyes, describe_mouth
from countenance.coverage.aspects import ASPECTS
from countenance.coverage.measure import LIGHT_CELL, Coverage, PlateCoverage, PoseCell, Spread, percent
from countenance.pages import data_address, environment_of

MAP_PX, STRIP_PX = 144, 88
"""Sides of the faces on the map and under the plots."""
MOST_CLIPS = 16
"""Shown one by one; the rest is summed."""

NEUTRAL = ("alike", "spare", "dropped")
"""Rejections that are not a fault of the footage."""
TITLES = {
    "mouth": ("Mouth", "closed", "wide open"),
    "eyes": ("Eyes", "shut", "wide open"),
    "brightness": ("Brightness of the face", "dark", "bright"),
    "sharpness": ("Sharpness", "soft", "crisp"),
}
ASPECT_TITLES = {"pose": "Pose of the head", "mouth": "Mouth", "eyes": "Eyes", "light": "Light"}
SUBJECTS = {
    "pose": "Pose",
    "mouth": "Mouth",
    "eyes": "Eyes",
    "light": "Light",
    "detail": "Detail",
    "number": "Number",
    "review": "Review",
}
PAGE_NAME, JSON_NAME = "coverage.html", "coverage.json"
"""Of the page, and of the same for programs, in a report's folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Bar:
    """One clip, or the rest of them."""

    name: str
    num_kept: int
    num_found: int
    pieces: tuple[tuple[str, int, float], ...]
    """Its kept and rejected faces: label, number, and fraction of the longest bar."""


def coverage_page(
    coverage: Coverage, read_crop: Callable[[str], UInt8[np.ndarray, "S S 3"]], *, made_on: date, version: str
) -> str:
    """Draw the report; `read_crop` gives the picture of a face by its name.

    The page shows faces: a caller that writes it to a disk keeps it private.
    """
    environment = environment_of("countenance.coverage")
    environment.filters["percent"] = percent
    environment.globals["picture"] = lambda name, side: data_address(_small(read_crop(name), side))
    bars = _bars(coverage)
    return environment.get_template("coverage.html").render(
        coverage=coverage,
        plate=coverage.plate,
        aspects=[(aspect, ASPECT_TITLES[aspect]) for aspect in ASPECTS],
        subjects=SUBJECTS,
        rows=_rows(coverage.poses),
        spreads=[(spread, *TITLES[spread.measure], _range(spread), _heights(spread)) for spread in coverage.spreads],
        lights=_dots(coverage),
        bars=bars,
        words=sorted({word for bar in bars for word, _, _ in bar.pieces}, key=_order),
        ticks=_ticks(coverage.plate),
        neutral=NEUTRAL,
        map_px=MAP_PX,
        strip_px=STRIP_PX,
        made_on=f"{made_on.day} {made_on:%B %Y}",
        version=version,
    )


def _small(crop: UInt8[np.ndarray, "S S 3"], side: int) -> UInt8[np.ndarray, "s s 3"]:
    return np.asarray(cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def _rows(cells: Sequence[PoseCell]) -> list[list[PoseCell]]:
    """From raised to lowered heads."""
    pitches = sorted({cell.pitch_deg for cell in cells})
    return [[cell for cell in cells if cell.pitch_deg == pitch] for pitch in pitches]


def _heights(spread: Spread) -> list[tuple[float, float]]:
    """For each bin the heights of the set's bar and of the plate's line, 0–1, each as a fraction of its own maximum."""
    faces, needed = ([getattr(one, name) for one in spread.bins] for name in ("num_faces", "num_needed"))
    return [(have / max(1, *faces), want / max(1, *needed)) for have, want in zip(faces, needed, strict=True)]


def _range(spread: Spread) -> str:
    """Between which words or numbers most of a set lies."""
    if spread.measure in ("mouth", "eyes"):
        describe = describe_mouth if spread.measure == "mouth" else describe_eyes
        low, high = describe(spread.low), describe(spread.high)
    else:
        low, high = f"{spread.low:.0f}", f"{spread.high:.0f}"
    unit = " of 255" if spread.measure == "brightness" else ""
    return f"{f'{low} to {high}' if low != high else f'all {low}'}{unit}"


def _dots(coverage: Coverage) -> list[tuple[float, float, float, float]]:
    """The points of the disc, whose radius is 100: x, y, radius of the set's dot, and of the plate's ring."""
    strongest = max(max(abs(cell.x), abs(cell.y)) for cell in coverage.lights)
    rim = max(0.3, float(np.ceil(10 * strongest * 1.1)) / 10)
    # Dots that are neighbours touch, but don't hide each other.
    largest = min(8.5, 60 * LIGHT_CELL / rim)
    most = [max(1, *(getattr(cell, name) for cell in coverage.lights)) for name in ("num_faces", "num_needed")]

    def radius(number: int, of: int) -> float:
        return largest * (0.3 + 0.7 * (number / of) ** 0.5) if number else 0.0

    return [
        (100 * cell.x / rim, 100 * cell.y / rim, radius(cell.num_faces, most[0]), radius(cell.num_needed, most[1]))
        for cell in coverage.lights
    ]


def _bars(coverage: Coverage) -> list[_Bar]:
    clips = [(clip.name, {"kept": clip.num_kept, **clip.rejections}) for clip in coverage.clips]
    shown, rest = clips[:MOST_CLIPS], clips[MOST_CLIPS:]
    longest = max(1, *(sum(counts.values()) for _, counts in shown))
    bars = [_bar(name, counts, longest) for name, counts in shown]
    if rest:
        sums = sum((Counter(counts) for _, counts in rest), Counter[str]())
        bars.append(_bar(f"{len(rest)} more {'clip' if len(rest) == 1 else 'clips'}", sums, None))
    return bars


def _bar(name: str, counts: Mapping[str, int], longest: int | None) -> _Bar:
    """Without `longest` nothing is drawn: the sum of many clips would dwarf each of them."""
    return _Bar(
        name=name,
        num_kept=counts.get("kept", 0),
        num_found=sum(counts.values()),
        pieces=tuple(
            (word, number, number / longest if longest else 0.0)
            for word, number in sorted(counts.items(), key=lambda each: _order(each[0]))
            if number
        ),
    )


def _order(word: str) -> tuple[int, str]:
    """Kept ones first, then faults, then what isn't a fault."""
    return (0 if word == "kept" else 2 if word in NEUTRAL else 1, word)


def _ticks(plate: PlateCoverage | None) -> list[tuple[float, str]]:
    """Where on a plate's time, 0–1, a number of seconds stands, and which."""
    if plate is None or not plate.duration_s:
        return []
    steps = (0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
    step = next((step for step in steps if plate.duration_s / step <= 10), steps[-1])
    count = int(plate.duration_s / step + 1e-9)
    return [(number * step / plate.duration_s, f"{number * step:g} s") for number in range(count + 1)]
