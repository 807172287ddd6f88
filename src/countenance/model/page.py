"""The report of a training as a page: what was learned, from what, how it went, and what would help."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from jaxtyping import UInt8

from countenance.model.checkpoint import Checkpoint
from countenance.pages import data_address, environment_of

TITLES: Mapping[str, tuple[str, str]] = {
    "margin": ("On the performer", "how much nearer to the likeness than to the performer; higher is better"),
    "perceptual": ("Look", "features of the recogniser, around eyes and mouth most"),
    "identity": ("Whose face", "distance of the recogniser's embedding"),
    "ssim": ("Structure", "1 − SSIM"),
    "colour": ("Colour", "difference in even light"),
    "detail": ("Outlines", "difference from pixel to pixel"),
    "strength": ("Sharpness", "strength of the finest detail"),
    "tones": ("Tones on the performer", "difference to the base's, 8 px squares"),
}
"""Of the losses that are drawn: the title, and what is measured."""
SMOOTHED_OVER = 5
"""Measurements of a loss, before its curve is drawn; the margin is measured without chance."""
CURVE_WH = (400, 110)


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """A loss over a training, as a page draws it."""

    name: str
    """Of the loss."""
    title: str
    what: str
    first: float
    last: float
    points: str
    """Of a polyline in a field of `CURVE_WH`, 0 at its bottom."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LearnedFace:
    """A face that was learned from, and how badly it is still drawn."""

    rgb: UInt8[np.ndarray, "S S 3"]
    name: str
    clip: str
    time_s: float
    times_usual: float
    """Its error, times the median of all faces."""
    is_left_out: bool


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrainingReport:
    """What a page says of a training."""

    checkpoint: Checkpoint
    num_faces: int
    num_plate_faces: int
    num_left_out: int
    kept: Sequence[int]
    """Images seen by the states that can be gone back to."""
    metrics: Sequence[Mapping[str, float]]
    """In the order of images."""
    previews: Sequence[tuple[int, UInt8[np.ndarray, "H W 3"]]]
    """Images seen, and what was drawn then."""
    clips: Sequence[tuple[str, int]]
    """Names, and how many faces of each were learned from; the most first."""
    worst: Sequence[LearnedFace]
    verdict: str
    """Of the likeness's coverage."""
    advice: Sequence[tuple[str, str]]
    """What the face set lacks, and what to shoot."""


def curves_of(metrics: Sequence[Mapping[str, float]]) -> list[Curve]:
    """The losses over the images seen, a little smoothed; none where fewer than two were measured."""
    curves = []
    for name, (title, what) in TITLES.items():
        measured = [(line["images"], line[name]) for line in metrics if name in line]
        if len(measured) < 2:
            continue
        images, losses = np.array(measured).T
        over = 1 if name == "margin" else SMOOTHED_OVER
        smooth = np.array([losses[max(0, at - over + 1) : at + 1].mean() for at in range(len(losses))])
        width, height = CURVE_WH
        across = width * (images - images[0]) / max(images[-1] - images[0], 1)
        up = height * (1 - np.clip(smooth / max(smooth.max(), 1e-9), 0, 1))
        curves.append(
            Curve(
                name=name,
                title=title,
                what=what,
                first=float(losses[:over].mean()),
                last=float(smooth[-1]),
                points=" ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, up, strict=True)),
            )
        )
    return curves


def training_page(report: TrainingReport, *, made_on: date, version: str) -> str:
    """Draw the report.

    The page shows faces: a caller that writes it to a disk keeps it private.
    """
    environment = environment_of("countenance.model")
    environment.globals["picture"] = data_address
    return environment.get_template("training.html").render(
        report=report,
        checkpoint=report.checkpoint,
        likeness=report.checkpoint.people[0],
        performer=report.checkpoint.people[1],
        curves=curves_of(report.metrics),
        curve_wh=CURVE_WH,
        made_on=made_on,
        version=version,
    )
