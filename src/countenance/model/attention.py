"""Which faces a training looks at: the worse they are drawn, the oftener, and never those that no training helps."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

FEWEST_LOOKS = 6
"""After which a face may be left out."""
HOPELESS = 2.5
"""Times the median error of all faces: what is still drawn as badly after so many looks is no face of the likeness,
lies beside its mesh, or is hidden."""
MOST_LEFT_OUT = 0.1
"""Of all faces."""
RANGE = (0.5, 2.0)
"""Of how often a face is looked at, times the mean."""
FORGOTTEN = 0.5
"""Of what earlier looks said, at each new one."""


@dataclass(kw_only=True, slots=True)
class Attention:
    """What earlier looks at each face said; changed in place."""

    error: Float[Tensor, " N"] = field(default_factory=lambda: torch.zeros(0))
    looks: Int[Tensor, " N"] = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))

    def choose(self, count: int, num_faces: int, rng: torch.Generator) -> Int[Tensor, " count"]:
        """Some of all faces, for a batch; of faces that are others than before, nothing is known yet."""
        if len(self.error) != num_faces:
            self.error, self.looks = torch.zeros(num_faces), torch.zeros(num_faces, dtype=torch.int64)
        return torch.multinomial(self.weights(), count, replacement=True, generator=rng)

    def follow(self, rows: Int[Tensor, " B"], errors: Float[Tensor, " B"]) -> None:
        """Take in how badly some faces were drawn."""
        for row, error in zip(rows.tolist(), errors.tolist(), strict=True):
            share = FORGOTTEN if self.looks[row] else 1.0
            self.error[row] += share * (error - self.error[row])
            self.looks[row] += 1

    def weights(self) -> Float[Tensor, " N"]:
        """How often each face is looked at, relative to the others."""
        seen = self.looks > 0
        if not seen.any():
            return torch.ones_like(self.error)
        usual = self.error[seen].mean().clamp_min(1e-6)
        weights = torch.where(seen, (self.error / usual).clamp(*RANGE), 1.0)
        return torch.where(self.left_out(), 0.0, weights)

    def left_out(self) -> Bool[Tensor, " N"]:
        """Faces that stay worst, the worst tenth of all at most."""
        often = self.looks >= FEWEST_LOOKS
        if 2 * int(often.sum()) < len(often):
            return torch.zeros_like(often)
        hopeless = often & (self.error > HOPELESS * self.error[often].median())
        most = int(MOST_LEFT_OUT * len(hopeless))
        worst = torch.zeros_like(hopeless)
        worst[self.error.argsort(descending=True)[:most]] = True
        return hopeless & worst
