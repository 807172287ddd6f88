"""Draws a likeness from its references with the base, or with what was learned of the pair from there.

The generator decides at `CONTROL_SIZE`; what it decides is applied to a plate of the drawer's size.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from countenance.drawing import NO_REFERENCES, DrawnFace, FaceInput, References
from countenance.model.guided.detail import VERSION as DETAIL_VERSION
from countenance.model.guided.detail import own_detail
from countenance.model.guided.drawing import Mixed, larger, mixed, stacked
from countenance.model.guided.inputs import Given, View, evened, evenness, parts_of, row_of_view, sample, uneven
from countenance.model.guided.mesh import pixel_grid
from countenance.model.guided.network import Generator
from countenance.model.guided.runtime import control_from, runner_of
from countenance.model.guided.sources import CONTROL_SIZE, Sources, centred, nearest
from countenance.vision.networks import weights_folder
from countenance.vision.weights import load_weights

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

    `size` is a multiple of `CONTROL_SIZE`. `learned`: a generator that has learned from this pair, and its digest;
    without, the base draws. Where it `may_round`, it is run in 8 bits on processors that have the instructions.
    `detail`: the likeness's references that `sources` was made of, whose own fine detail is put in place of the
    performer's, as far as they hold any.

    Raises:
        ModelError: the package's weights are missing or damaged.
    """

    batch = BATCH

    def __init__(
        self,
        sources: Sources,
        *,
        size: int = 256,
        learned: tuple[Generator, str] | None = None,
        may_round: bool = True,
        detail: References = NO_REFERENCES,
    ) -> None:
        assert size % CONTROL_SIZE == 0, size
        self.size, self._sources = size, sources
        generator, digest = learned or load_base()
        self._decide = runner_of(generator.eval(), sources, may_round=may_round)
        self.ran_by = self._decide.ran_by
        self._detail = own_detail(detail, sources.likeness, size)
        steered = f"{VERSION} {size} {digest} {sources.digest} {self.ran_by} {sources.ran_by}"
        if self._detail is not None:
            steered += f" {DETAIL_VERSION} {detail.digest}"
        self.digest = hashlib.sha256(steered.encode()).hexdigest()

    @torch.inference_mode()
    def __call__(self, faces: Sequence[FaceInput]) -> list[DrawnFace]:
        """One drawn face for each input."""
        if not faces:
            return []
        looks = [self._look(face) for face in faces]
        small, even = (torch.cat(each) for each in zip(*looks, strict=True))
        coarse = evened(small, even)
        found = torch.stack([torch.from_numpy(centred(face.landmarks_xyz, self.size)) for face in faces])
        mesh = self._sources.mesh_in(coarse, found)
        given, view = self._sources.given(coarse, found, mesh, nearest(self._sources.apart(found)))
        decisions = self._decide(stacked(self._parts(given, view)))
        shifts = (given.shift / CONTROL_SIZE).permute(0, 2, 3, 1).numpy()
        drawn = []
        # One after the other: of a face of 1,024 px each map takes 13 MB.
        for number, (face, shift) in enumerate(zip(faces, shifts, strict=True)):
            one = slice(number, number + 1)
            lit = evened(_lit(face), even[one])
            mixed_one = self._drawn(lit, given.shift[one], view.inside[one], decisions[one])
            drawn_face = self._detailed(mixed_one.face, row_of_view(view, number), found[one])
            image = uneven(drawn_face, even[one]).clamp(0, 1)[0].permute(1, 2, 0).numpy()
            mask = mixed_one.mask[0, 0].numpy()
            drawn.append(DrawnFace(rgb=np.ascontiguousarray(image), mask=mask, finished=True, shift=shift))
        return drawn

    def _look(self, face: FaceInput) -> tuple[Float[Tensor, "1 3 s s"], Float[Tensor, "1 4"]]:
        """A face at `CONTROL_SIZE`, and by what its light becomes even."""
        lit = _lit(face)
        return F.avg_pool2d(lit, self.size // CONTROL_SIZE), evenness(lit, torch.from_numpy(face.mask)[None])

    def _detailed(
        self, face: Float[Tensor, "1 3 S S"], view: View, found: Float[Tensor, "1 468 3"]
    ) -> Float[Tensor, "1 3 S S"]:
        """A face in even light with the likeness's own fine detail, where there is any."""
        if self._detail is None:
            return face
        image = np.ascontiguousarray(face[0].permute(1, 2, 0).numpy())
        detailed = self._detail.put_into(image, view, found, self._sources.performer.neutral)
        return torch.from_numpy(detailed).permute(2, 0, 1)[None]

    def _parts(self, given: Given, view: View) -> dict[str, Tensor]:
        """All that the generator is given."""
        return parts_of(given, view)

    def _drawn(
        self,
        rgb: Float[Tensor, "1 3 S S"],
        shift: Float[Tensor, "1 2 s s"],
        inside: Float[Tensor, "1 1 s s"],
        decisions: Float[Tensor, "1 5 s s"],
    ) -> Mixed:
        """What was decided, done at the size of `rgb`: the plate's detail is taken from there, by cubics."""
        factor = self.size // CONTROL_SIZE
        where = pixel_grid(self.size, rgb.device) + factor * larger(shift, factor).permute(0, 2, 3, 1)
        moved = sample(rgb, where, "bicubic")
        return mixed(rgb, moved, larger(inside, factor), control_from(larger(decisions, factor)))


def _lit(face: FaceInput) -> Float[Tensor, "1 3 S S"]:
    """As the plate shows it, 0–1."""
    return torch.from_numpy(face.lit_rgb).permute(2, 0, 1)[None].float() / 255
