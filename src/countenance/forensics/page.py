"""The report on a file as a page that anybody can read: findings in their order, and what the detector saw."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from jinja2 import Environment

from countenance.errors import one_line
from countenance.forensics.card import Card
from countenance.forensics.overview import Overview
from countenance.forensics.signal import FaceLook, Signal, TrackSignal
from countenance.forensics.signalled import Band, Standing, band_of, said_of, standing_of
from countenance.forensics.words import QUESTIONS, answer_of, columns_of, words_of
from countenance.pages import data_address, environment_of
from countenance.types import FindingState, Report

MOST_FACES = 8
"""Drawn on a page; those that look most like replaced ones."""
FACE_PX, FRAME_PX = 224, 420
"""Widths at which pictures are kept in the page."""
HEAT_RGB = (235, 100, 20)
HEAT_STRENGTH = 0.75
"""How much of the colour there is at a heat of 1."""
CONTOUR = 0.5
"""Heat along the line."""
BANDS: Sequence[tuple[Band, str]] = (
    ("altered", "like replaced faces"),
    ("neither", "neither"),
    ("untouched", "like untouched faces"),
)
"""From top to bottom."""

CAN_AND_CANT = (
    "This report can say what statements the file carries and whether they still hold, what its packaging tells of its "
    "way here, and what a program noticed in the faces.",
    "It can't say that a picture is genuine or that what it shows is true: that nothing is found proves nothing.",
    "It gives no verdict and no score: weigh the findings together, from the first, which is the firmest, to the last, "
    "which is the weakest.",
)
NEXT_STEPS = (
    ("Find the source.", "Who posted it first, and were they there? Ask how they got the file, and for the original."),
    ("Look for the earliest copy.", "Each copy loses something. Check the earliest and largest one as well."),
    ("Ask the publisher.", "Whoever published it may know of an alteration, or hold the file that it was made from."),
    (
        "Search for the picture yourself.",
        "Give a frame to several picture searches: older or longer copies show what was cut or changed.",
    ),
    (
        "Ask the signer, where one is named.",
        "Reach them by a way that you found yourself, and ask whether they signed a file with this SHA-256.",
    ),
)
GLOSSARY = (
    (
        "Credentials",
        "A signed statement inside a file that says who made it, with what, and what was altered (Content Credentials, "
        "C2PA).",
    ),
    ("Signer", "Whoever signed the credentials. A signature shows that nothing was changed since, not who they are."),
    ("SHA-256", "A number made from every bit of a file. Two files with the same one are the same file."),
    ("Watermark", "A number hidden in the picture itself, which stays when a file is copied or saved anew."),
    ("Heat map", "A picture of which parts of a face weighed most in what the detector noticed."),
)


@runtime_checkable
class Row(Protocol):
    """What a list says of a file."""

    @property
    def path(self) -> Path: ...
    @property
    def states(self) -> "dict[str, FindingState]": ...
    @property
    def why_not(self) -> str | None: ...
    @property
    def page(self) -> str | None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Dot:
    """A moment in the chart of a face."""

    band: Band
    left: float
    top: float
    """Percent of the chart, from the left and from above."""
    time_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownLook:
    """A face at one moment, plain and with the heat over it."""

    title: str
    look: FaceLook
    band: str
    plain: str
    heated: str
    """Addresses of the pictures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownFace:
    """What a page shows of one face."""

    track: TrackSignal
    standing: Standing
    said: str
    frame: str
    """Address of the frame's picture."""
    box_percent: tuple[float, ...]
    """Left, top, width and height of the face in it."""
    looks: tuple[ShownLook, ...]
    """None where the face can't be judged."""
    dots: tuple[Dot, ...]
    span_percent: tuple[float, float]
    """Where in the chart the face is seen: left and width."""


def verification_page(
    report: Report,
    *,
    overview: Overview | None,
    signal: Signal | None,
    card: Card | None,
    facts: Sequence[tuple[str, str]],
    why_unopened: str | None,
    made_at: datetime,
    version: str,
) -> str:
    """Draw the report on one file. `card` is that of the detector, where there is a signal.

    The page shows faces: a caller that writes it to a disk keeps it private.
    """
    faces = () if signal is None or card is None else shown_faces(signal, card, overview)
    return (
        _environment()
        .get_template("verify.html")
        .render(
            report=report,
            name=one_line(report.path.name),
            overview=overview,
            picture_of_file=None if overview is None else overview.moments[len(overview.moments) // 2],
            signal=signal,
            faces=faces,
            num_left_out=0 if signal is None else len(signal.tracks) - len(faces),
            bands=BANDS,
            facts=facts,
            why_unopened=why_unopened,
            can_and_cant=CAN_AND_CANT,
            next_steps=NEXT_STEPS,
            glossary=GLOSSARY,
            made_at=_moment(made_at),
            version=version,
        )
    )


def list_page(rows: Iterable[Row], *, made_at: datetime, version: str) -> str:
    """Draw the list of several files, from which each one's page is reached."""
    listed = list(rows)
    return (
        _environment()
        .get_template("verify_list.html")
        .render(
            rows=listed,
            columns=columns_of(row.states for row in listed),
            can_and_cant=CAN_AND_CANT,
            made_at=_moment(made_at),
            version=version,
        )
    )


def shown_faces(signal: Signal, card: Card, overview: Overview | None) -> tuple[ShownFace, ...]:
    """The faces that a page draws, in the file's order."""
    chosen = sorted(signal.tracks, key=lambda track: track.score, reverse=True)[:MOST_FACES]
    times = [moment.time_s for moment in overview.moments] if overview else []
    first = min([*times, *(track.first_s for track in signal.tracks)], default=0.0)
    last = max([*times, *(track.last_s for track in signal.tracks)], default=0.0)
    # The chart's ends lie under the middle of the first and last picture of the strip above it.
    margin = 50 / max(len(times), 4)

    def across(time_s: float) -> float:
        return margin + (100 - 2 * margin) * ((time_s - first) / (last - first) if last > first else 0.5)

    return tuple(
        _shown_face(track, card, across) for track in sorted(chosen, key=lambda track: track.number) if track.faces
    )


def _shown_face(track: TrackSignal, card: Card, across: Callable[[float], float]) -> ShownFace:
    standing = standing_of(track, card)
    is_judged = standing not in {"unlike", "few"}
    strongest = max(track.faces, key=lambda look: look.score)
    left, right = across(track.first_s), across(track.last_s)
    return ShownFace(
        track=track,
        standing=standing,
        said=said_of(track, standing, card),
        frame=data_address(_narrowed(strongest.frame_rgb, FRAME_PX)),
        box_percent=tuple(round(100 * value, 2) for value in strongest.box_xywh),
        looks=tuple(_shown_look(title, look, card) for title, look in _telling(track.faces)) if is_judged else (),
        dots=tuple(_dot(look, card, across) for look in track.faces) if is_judged else (),
        span_percent=(round(left, 2), round(max(right - left, 0.6), 2)),
    )


def _telling(looks: Sequence[FaceLook]) -> list[tuple[str, FaceLook]]:
    """The moments with most signs and with fewest, and one in between: nobody has to take our choice on trust."""
    ranked = sorted(looks, key=lambda look: look.score, reverse=True)
    if len(ranked) == 1:
        return [("The face", ranked[0])]
    between = [("In between", ranked[len(ranked) // 2])] if len(ranked) > 2 else []
    return [("Most signs", ranked[0]), *between, ("Fewest signs", ranked[-1])]


def _shown_look(title: str, look: FaceLook, card: Card) -> ShownLook:
    return ShownLook(
        title=title,
        look=look,
        band=dict(BANDS)[band_of(look.score, card)],
        plain=data_address(_narrowed(look.rgb, FACE_PX)),
        heated=data_address(_narrowed(heated(look.rgb, look.heat), FACE_PX)),
    )


def _dot(look: FaceLook, card: Card, across: Callable[[float], float]) -> Dot:
    """Each band is a third of the chart, whatever scores it holds."""
    band = band_of(look.score, card)
    edges = {
        "altered": (card.limit, 1.0),
        "neither": (card.lower_limit, card.limit),
        "untouched": (0.0, card.lower_limit),
    }
    low, high = edges[band]
    row = [name for name, _ in BANDS].index(band)
    inside = (high - look.score) / max(high - low, 1e-9)
    # Below the band's words, and away from its lower border.
    return Dot(
        band=band,
        left=round(across(look.time_s), 2),
        top=round(100 / 3 * (row + 0.5 + 0.36 * min(max(inside, 0.0), 1.0)), 2),
        time_s=look.time_s,
    )


def heated(rgb: UInt8[np.ndarray, "S S 3"], heat: Float32[np.ndarray, "h w"]) -> UInt8[np.ndarray, "S S 3"]:
    """A face in grey under the heat, in one colour, with a line around where it is strongest: for any printer."""
    height, width = rgb.shape[:2]
    over = np.clip(cv2.resize(heat, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    alpha = HEAT_STRENGTH * over[..., None]
    drawn = np.rint(grey * (1 - alpha) + np.array(HEAT_RGB, np.float32) * alpha).astype(np.uint8)
    outlines, _ = cv2.findContours((over >= CONTOUR).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(drawn, outlines, -1, (255, 255, 255), max(1, width // 128)), np.uint8)


def _narrowed(rgb: UInt8[np.ndarray, "H W 3"], width_px: int) -> UInt8[np.ndarray, "h w 3"]:
    height, width = rgb.shape[:2]
    if width <= width_px:
        return rgb
    size_wh = (width_px, max(1, round(height * width_px / width)))
    return np.asarray(cv2.resize(rgb, size_wh, interpolation=cv2.INTER_AREA), np.uint8)


def _moment(at: datetime) -> str:
    return f"{at.day} {at:%B %Y, %H:%M} (UTC{at:%z})"


def _clock(seconds: float) -> str:
    """Minutes and seconds, with tenths below a minute."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02} min"


def _environment() -> Environment:
    environment = environment_of("countenance.forensics")
    environment.globals |= {
        "picture": data_address,
        "questions": QUESTIONS,
        "words_of": words_of,
        "answer": answer_of,
        "clock": _clock,
        "one_line": one_line,
    }
    return environment
