"""Which way a head was turned, one turn after another, from its angles over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

Turn = Literal["left", "right", "up", "down"]
"""Of the head, to the person's own left or right."""
TURNS: tuple[Turn, ...] = get_args(Turn)

NEUTRAL_S = 0.7
"""At the beginning the head looks into the camera: its turns count from there."""
TURNED_YAW_DEG, TURNED_PITCH_DEG = 15.0, 9.0
AHEAD_YAW_DEG, AHEAD_PITCH_DEG = 8.0, 6.0
DOMINANCE = 1.2
"""How much of its own limit a turn must have more than the other axis has of its."""
MIN_SAMPLES = 2
"""A turn is seen in so many frames at least."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MadeTurn:
    """A head was turned and held."""

    turn: Turn
    begins_s: float
    ends_s: float
    most_deg: float
    """From where it looked at the beginning."""


def turns_made(times_s: Sequence[float], yaw_pitch_deg: Float[np.ndarray, "N 2"]) -> tuple[MadeTurn, ...]:
    """The turns in order; yaw > 0 is to the right of the picture, which is the person's left, and pitch > 0 down.

    A turn ends as the head looks ahead again, or is turned another way.
    """
    if not len(times_s):
        return ()
    at_first = [index for index, time_s in enumerate(times_s) if time_s - times_s[0] <= NEUTRAL_S]
    turned = yaw_pitch_deg - np.median(yaw_pitch_deg[at_first], axis=0)
    states = [_state(float(yaw), float(pitch)) for yaw, pitch in turned]
    made: list[MadeTurn] = []
    run: list[int] = []
    current: Turn | None = None
    for index, state in enumerate([*states, "ahead"]):
        if state == "between":
            continue
        if state == current:
            run.append(index)
            continue
        if current is not None and len(run) >= MIN_SAMPLES:
            axis = 0 if current in ("left", "right") else 1
            most = float(np.abs(turned[run, axis]).max())
            made.append(MadeTurn(turn=current, begins_s=times_s[run[0]], ends_s=times_s[run[-1]], most_deg=most))
        current = None if state == "ahead" else state
        run = [index]
    return tuple(made)


def _state(yaw: float, pitch: float) -> Turn | Literal["ahead", "between"]:
    across, along = abs(yaw) / TURNED_YAW_DEG, abs(pitch) / TURNED_PITCH_DEG
    if across >= 1 and across >= DOMINANCE * along:
        return "left" if yaw > 0 else "right"
    if along >= 1 and along >= DOMINANCE * across:
        return "down" if pitch > 0 else "up"
    return "ahead" if abs(yaw) <= AHEAD_YAW_DEG and abs(pitch) <= AHEAD_PITCH_DEG else "between"
