"""A rendered actor, bo, who gives a statement, and what could be done to that video."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.consent.challenge import Challenge
from countenance.faces.portrait import template_of
from countenance.faces.statement import SeenStatement, look_at_statement
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.progress import Silent
from countenance.types import Frame
from countenance.vision.code import QUIET, pattern_of
from countenance.vision.identity import Embedding

FOLDER = Path(__file__).parents[1] / "data" / "statement"
CHALLENGE = Challenge(
    release="1eac6884aee8052240c697ab1717ab06e29bfe2d4e2fcd6e0ad74b1873c259c8", nonce="005eed0000000000"
)
"""To bo, whose clip answers it: right, down, up, left."""
LATER = Challenge(release=CHALLENGE.release, nonce="005eed0000000009")

Rgb = UInt8[np.ndarray, "H W 3"]
Corners = Float32[np.ndarray, "4 2"]


@cache
def template(person: str) -> Embedding:
    """Of all portraits of a person: bo, or lee, who is somebody else."""
    return template_of(sorted(FOLDER.glob(f"{person}_portrait*.png")))


@cache
def seen(name: str = "bo") -> SeenStatement:
    """What is seen in a clip."""
    return look_at_statement(probe(FOLDER / f"{name}.mp4"), Silent())


@cache
def frames(step: int) -> tuple[Frame, ...]:
    """Each so-manieth frame of bo's clip."""
    return tuple(read_frames(probe(FOLDER / "bo.mp4")))[::step]


def pasted(
    rgb: Rgb, text: str, corners_xy: Corners, *, white: float = 255.0, black: float = 0.0, blur_px: float = 0.0
) -> Rgb:
    """A code laid over a frame, its white margin too, as by a program that draws it smoothly."""
    fine, module = 4, 8
    pattern = np.kron(pattern_of(text), np.ones((module, module), np.float32))
    num = len(pattern_of(text)) - 2 * QUIET
    at = (np.array([[0, 0], [num, 0], [num, num], [0, num]], np.float32) + QUIET) * module - 0.5
    to_frame = cv2.getPerspectiveTransform(at, (corners_xy * fine + (fine - 1) / 2).astype(np.float32))
    size_wh = (rgb.shape[1] * fine, rgb.shape[0] * fine)
    small_wh = (rgb.shape[1], rgb.shape[0])
    drawn, cover = (
        cv2.resize(cv2.warpPerspective(each, to_frame, size_wh), small_wh, interpolation=cv2.INTER_AREA)
        for each in (pattern, np.ones_like(pattern))
    )
    if blur_px:
        drawn, cover = (cv2.GaussianBlur(each, (0, 0), blur_px) for each in (drawn, cover))
    value = black * cover + (white - black) * drawn
    return np.asarray(np.clip(rgb * (1 - cover[..., None]) + value[..., None], 0, 255).round(), np.uint8)


def with_code(text: str, corners: Sequence[Corners], pictures: Sequence[Rgb], **how: float) -> Iterator[Rgb]:
    """All pictures with a code laid over each."""
    for rgb, corners_xy in zip(pictures, corners, strict=True):
        yield pasted(rgb, text, corners_xy, **how)
