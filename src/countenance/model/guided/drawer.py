"""Draws a likeness from its references with the base, or with what was learned of the pair from there.

The generator decides at `CONTROL_SIZE`; what it decides is applied to a plate of the drawer's size.
"""

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from countenance.drawing import DrawnFace, FaceInput
from countenance.model.guided.drawing import Mixed, larger, mixed, stacked
from countenance.model.guided.inputs import Given, View, evened, evenness, parts_of, sample, uneven
from countenance.model.guided.mesh import pixel_grid
from countenance.model.guided.network import Generator
from countenance.model.guided.runtime import control_from, runner_of
from countenance.model.guided.sources import CONTROL_SIZE, Sources, centred, nearest
from countenance.vision.networks import weights_folder
from countenance.vision.weights import load_weights

DrawnSize = Literal[128, 256, 512]
WEIGHTS_NAME = "base.safetensors"
BATCH = 4
VERSION = 5
"""Increment when the same weights draw something else: what is kept of earlier work isn't gone on with then."""


def load_base() -> tuple[Generator, str]:
    """The package's generator, and its digest.

    Raises:
        ModelError: its weights are missing or damaged.
    """
    generator = Generator()
    content = load_weights(generator, weights_folder() / WEIGHTS_NAME)
    return generator, hashlib.sha256(content).hexdigest()


class GuidedDrawer:
    """The likeness from given pixels, as the composite takes it.

    `learned`: a generator that has learned from this pair, and its digest; without, the base draws. Where it
    `may_round`, it is run in 8 bits on processors that have the instructions.

    Raises:
        ModelError: the package's weights are missing or damaged.
    """

    batch = BATCH

    def __init__(
        self,
        sources: Sources,
        *,
        size: DrawnSize = 256,
        learned: tuple[Generator, str] | None = None,
        may_round: bool = True,
    ) -> None:
        self.size, self._sources = size, sources
        generator, digest = learned or load_base()
        self._decide = runner_of(generator.eval(), sources, may_round=may_round)
        self.ran_by = self._decide.ran_by
        steered = f"{VERSION} {size} {digest} {sources.digest} {self.ran_by} {sources.ran_by}"
        self.digest = hashlib.sha256(steered.encode()).hexdigest()

    @torch.inference_mode()
    def __call__(self, faces: Sequence[FaceInput]) -> list[DrawnFace]:
        """One drawn face for each input."""
        if not faces:
            return []
        rgb = torch.stack([torch.from_numpy(face.lit_rgb).permute(2, 0, 1) for face in faces]).float() / 255
        mask = torch.stack([torch.from_numpy(face.mask) for face in faces])
        found = torch.stack([torch.from_numpy(centred(face.landmarks_xyz, self.size)) for face in faces])
        even = evenness(rgb, mask)
        coarse = evened(F.avg_pool2d(rgb, self.size // CONTROL_SIZE), even)
        mesh = self._sources.mesh_in(coarse, found)
        given, view = self._sources.given(coarse, found, mesh, nearest(self._sources.apart(found)))
        decisions = self._decide(stacked(self._parts(given, view)))
        drawn = self._drawn(evened(rgb, even), given, view, decisions)
        images = uneven(drawn.face, even).clamp(0, 1).permute(0, 2, 3, 1).numpy()
        shifts = (given.shift / CONTROL_SIZE).permute(0, 2, 3, 1).numpy()
        return [
            DrawnFace(rgb=np.ascontiguousarray(image), mask=one[0].numpy(), finished=True, shift=shift)
            for image, one, shift in zip(images, drawn.mask, shifts, strict=True)
        ]

    def _parts(self, given: Given, view: View) -> dict[str, Tensor]:
        """All that the generator is given."""
        return parts_of(given, view)

    def _drawn(
        self, rgb: Float[Tensor, "B 3 S S"], given: Given, view: View, decisions: Float[Tensor, "B 5 s s"]
    ) -> Mixed:
        """What was decided, done at the size of `rgb`: the plate's detail is taken from there, by cubics."""
        factor = self.size // CONTROL_SIZE
        where = pixel_grid(self.size, rgb.device) + factor * larger(given.shift, factor).permute(0, 2, 3, 1)
        moved = sample(rgb, where, "bicubic")
        return mixed(rgb, moved, larger(view.inside, factor), control_from(larger(decisions, factor)))
