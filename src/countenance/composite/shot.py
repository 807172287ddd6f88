"""What an artist sets for a shot: how the drawn faces are put in. Nothing here draws anything again."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float64
from pydantic import Field

from countenance.config import Number, Text, section

SECTION = "shot"
ALL, NOBODY = "all", "nobody"


@section
@dataclass(frozen=True, kw_only=True, slots=True)
class ShotConfig:
    """The section `shot` of the settings, of all shots, and the settings of one shot."""

    who: Annotated[Text, Field(max_length=200)] = ALL
    """Whose face is replaced: all, nobody, or performers' names with commas between them."""
    likeness: Annotated[Number, Field(ge=0, le=1)] = 1.0
    """How far the face goes from the performer's to the likeness's, in shape and in look together; 0 leaves the plate
    as it is. Between them the performer shows through, which is refused for a disguise."""
    grow: Annotated[Number, Field(ge=-0.1, le=0.1)] = 0.0
    """By how much the face's mask reaches further out, as a fraction of the crop's side, which is about twice a face's
    width; below 0 further in."""
    feather: Annotated[Number, Field(ge=0, le=0.1)] = 0.0
    """How much softer the mask's border becomes: standard deviation as a fraction of the crop's side."""
    colour: Annotated[Number, Field(ge=0, le=1)] = 0.0
    """How much the face's colours are pulled to those of the plate's own face: lightness as a whole, tint from place to
    place. 0 leaves them as they were drawn."""
    sharpness: Annotated[Number, Field(ge=-1, le=1)] = 0.0
    """How much of the face's fine detail is added again; below 0 it is taken away, at −1 all of it."""
    held_s: Annotated[Number, Field(ge=0, le=3600)] = 1.0
    """Over so many seconds what was painted in a held frame fades, before the first held frame and after the last one;
    between two it goes evenly from one to the other. 3600 keeps it to the shot's ends."""

    def replaces(self, performer: str) -> bool:
        """Whether this performer's face is replaced."""
        if self.likeness == 0 or self.who == NOBODY:
            return False
        return self.who == ALL or performer in self.names

    @property
    def names(self) -> tuple[str, ...]:
        """The performers that `who` names."""
        return () if self.who in (ALL, NOBODY) else tuple(name.strip() for name in self.who.split(","))


AS_DRAWN = ShotConfig()
KEYED = ("likeness", "grow", "feather", "colour", "sharpness")
"""The settings that may change within a shot."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShotSettings:
    """A shot's settings over time."""

    base: ShotConfig = AS_DRAWN
    keys: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    """For a setting that changes: moments in seconds of the plate, ascending, each with its value."""

    def at(self, time_s: float) -> ShotConfig:
        """The settings of a moment: evenly from key to key, held before the first and after the last."""
        if not self.keys:
            return self.base
        values = {
            name: float(np.interp(time_s, [time for time, _ in keys], [value for _, value in keys]))
            for name, keys in self.keys.items()
        }
        return replace(self.base, **values)  # type: ignore[arg-type]

    def replaced(self, performer: str, times_s: Float64[np.ndarray, " N"]) -> Bool[np.ndarray, " N"]:
        """At which moments a performer's face is replaced."""
        keys = self.keys.get("likeness")
        if keys is None or not replace(self.base, likeness=1.0).replaces(performer):
            return np.full(len(times_s), self.base.replaces(performer))
        return np.asarray(np.interp(times_s, [time for time, _ in keys], [value for _, value in keys]) > 0)
