"""How a training goes: whether it diverges, whether it still brings anything, and whether what failed was memory."""

import math
from dataclasses import dataclass

import torch

SMOOTHED_OVER = 20
"""Steps over which the loss is averaged."""
LOST, STEADY = 2.0, 1.3
"""Times the lowest averaged loss so far: from the one on training has diverged, up to the other it may be saved."""
NEARLY = 0.1
"""Of the widest margin: what lies no further below it is as good. Detail goes on growing where the margin doesn't."""
NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "could not create a primitive")
"""In torch's own errors, on a CPU and on a card."""


@dataclass(slots=True)
class Course:
    """The loss over time, averaged; changed in place."""

    mean: float = 0.0
    lowest: float = math.inf
    """Of the averages; the first ones, of few batches, don't count."""
    steps: float = 0.0

    def follow(self, loss: float) -> None:
        """Take the next step's loss in."""
        self.steps += 1
        self.mean += (loss - self.mean) / min(self.steps, SMOOTHED_OVER)
        if self.steps >= SMOOTHED_OVER:
            self.lowest = min(self.lowest, self.mean)

    @property
    def is_lost(self) -> bool:
        """Whether training has diverged."""
        return not math.isfinite(self.mean) or self.mean > LOST * self.lowest

    @property
    def is_steady(self) -> bool:
        """Whether it may be saved: what is about to diverge isn't gone on from."""
        return math.isfinite(self.mean) and self.mean <= STEADY * self.lowest


@dataclass(slots=True)
class Standing:
    """How near to the likeness it came, by the margin between the two people (`guided.margin`); changed in place."""

    widest: float = -math.inf
    worse: float = 0.0
    """Measurements in a row that lay too far below the widest."""
    best_images: float = 0.0
    """Images seen by the last that didn't."""
    measured_images: float = 0.0
    """Images seen at the last measurement."""

    def follow(self, margin: float, images_seen: int) -> bool:
        """Take a measurement in; whether it is about as good as the widest."""
        self.widest, self.measured_images = max(self.widest, margin), images_seen
        is_good = margin >= self.widest - NEARLY * abs(self.widest)
        self.worse = 0 if is_good else self.worse + 1
        if is_good:
            self.best_images = images_seen
        return is_good


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether it was memory that a step lacked."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in NO_MEMORY)
