"""What a generator learns of a likeness and a performer, from their released footage alone.

Reversed pairs: the base puts the performer's face onto the likeness's own pictures. That is what the generator is then
given, and the untouched picture is what it should make of it: an exact ground truth, in which everything but the face
is alike. Plates: the performer's own pictures, on which it should keep to the tones that the base draws there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from torch import Tensor

from countenance.drawing import FaceInput, ReferenceFace
from countenance.model.device import drawn_on, moved
from countenance.model.guided.drawer import GuidedDrawer
from countenance.model.guided.drawing import stacked
from countenance.model.guided.inputs import EVEN_SPREAD, View, evened, evenness, parts_of
from countenance.model.guided.losses import Batch
from countenance.model.guided.mesh import EYES_AND_LIPS, NUM_EXTENDED
from countenance.model.guided.network import NUM_REFERENCES
from countenance.model.guided.sources import CONTROL_SIZE, Sources, centred, nearest
from countenance.vision.landmarks import FaceMesh
from countenance.vision.light import even_light
from countenance.vision.mask import hull_in_crop

EDGE_PX = 0.7
"""The drawn face's border is softened by a Gaussian of this width."""
UNMOVED = np.eye(2, 3, dtype=np.float32)
MARGIN_PX = 64
"""Around a crop, so that a mesh can be found in it."""
SAME = 0.5
"""References nearer than this to a picture, in pose and expression, may be that very picture: they aren't shown."""
NUM_NEAR = 8
"""References among which those of a batch are drawn."""
LIGHT_SHIFT, NOISE = 0.03, 0.03


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Plates:
    """Faces that the likeness is to be drawn onto."""

    given: UInt8[Tensor, "N 3 S S"]
    mask: UInt8[Tensor, "N S S"]
    """255 inside the mesh's outline."""
    found: Float[Tensor, "N 468 3"]
    """In fractions of the crop's side."""
    mesh: Float[Tensor, "N 468 3"]
    """The same, moved to where the face is."""
    apart: Float[Tensor, "N M"]
    """How far each of the likeness's references is; infinitely where it would show the answer."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pairs(Plates):
    """The likeness's pictures with the performer drawn onto them, and as they are."""

    truth: UInt8[Tensor, "N 3 S S"]
    region: UInt8[Tensor, "N S S"]
    """255 where both may differ."""
    known: Float[Tensor, "N 468 2"]
    """In the picture as it is, in pixels."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Material:
    """All that a pair is learned from."""

    sources: Sources
    pairs: Pairs
    plates: Plates

    def to(self, device: torch.device) -> "Material":
        """The same on a device: batches are then made there."""
        return Material(
            sources=self.sources.to(device), pairs=moved(self.pairs, device), plates=moved(self.plates, device)
        )


def in_even_light(rgb: UInt8[Tensor, "N 3 S S"], mask: UInt8[Tensor, "N S S"]) -> tuple[Tensor, Tensor]:
    """Faces in even light, and what takes that back."""
    lit = rgb.float() / 255
    even = evenness(lit, mask.float() / 255)
    return evened(lit, even), even


def material_of(sources: Sources, likeness: Iterator[ReferenceFace], performer: Iterator[ReferenceFace]) -> Material:
    """What is learned of the faces of both.

    Raises:
        ModelError: the package's weights are missing or damaged.
    """
    # What is learned from is the same on processors with and without instructions for 8 bits.
    drawer = GuidedDrawer(sources.swapped(), size=CONTROL_SIZE, may_round=False)
    return Material(
        sources=sources, pairs=reversed_pairs(sources, drawer, likeness), plates=plates_of(sources, performer)
    )


@torch.no_grad()
def reversed_pairs(sources: Sources, drawer: GuidedDrawer, faces: Iterator[ReferenceFace]) -> Pairs:
    """Pairs of the likeness's faces; `drawer` puts the performer's onto them, at `CONTROL_SIZE`."""
    mesh, rows = FaceMesh(), list[dict[str, Tensor]]()
    for face in (_small(each) for each in faces):
        (drawn,) = drawer([_input(face)])
        # Hair, glasses and hands stay in front, as in a plate.
        replaced = drawn.mask * face.visible
        soft = cv2.GaussianBlur(replaced, (0, 0), EDGE_PX)[..., None]
        given = np.round(np.clip(drawn.rgb * soft + face.rgb / 255.0 * (1 - soft), 0, 1) * 255).astype(np.uint8)
        shown = _shown(sources, given, _found_anew(mesh, given, face.landmarks_xyz))
        own = torch.from_numpy(centred(face.landmarks_xyz, CONTROL_SIZE))[None]
        rows.append(
            {
                **shown,
                "apart": _without_the_answer(shown["apart"][None], sources.alike(own))[0],
                "truth": torch.from_numpy(face.rgb).permute(2, 0, 1),
                "region": _bytes(np.maximum(face.mask * face.visible, replaced)),
                "known": torch.from_numpy(np.ascontiguousarray(face.landmarks_xyz[:, :2])),
            }
        )
    return Pairs(**_stacked(rows))


@torch.no_grad()
def plates_of(sources: Sources, faces: Iterator[ReferenceFace]) -> Plates:
    """The performer's faces."""
    small = (_small(face) for face in faces)
    return Plates(**_stacked([_shown(sources, face.rgb, face.landmarks_xyz) for face in small]))


@torch.no_grad()
def draw_batch(pairs: Pairs, sources: Sources, rows: Int[Tensor, " B"], rng: torch.Generator) -> Batch:
    """What the generator is given of some pairs, slightly otherwise each time, and what should come of it."""
    maps, even, view = draw_maps(pairs, sources, rows, rng)
    (important,) = view.drawn(_important().to(maps.device).expand(len(rows), -1, -1))
    return Batch(
        maps=maps,
        truth=evened(pairs.truth[rows].float() / 255, even),
        region=pairs.region[rows, None].float() / 255,
        features=(2 * important).clamp(0, 1),
        even=even,
        known=pairs.known[rows],
    )


@torch.no_grad()
def draw_maps(
    plates: Plates, sources: Sources, rows: Int[Tensor, " B"], rng: torch.Generator
) -> tuple[Float[Tensor, "B C S S"], Float[Tensor, "B 4"], View]:
    """What the generator is given of some faces, slightly otherwise each time; what takes their even light back."""
    lit = plates.given[rows].float() / 255
    even = evenness(lit, plates.mask[rows].float() / 255)
    tint = LIGHT_SHIFT * (2 * drawn_on(rng, len(rows), 3, device=lit.device) - 1)
    even = torch.cat([even[:, :3] + tint * even[:, 3:] / EVEN_SPREAD, even[:, 3:]], dim=1)
    rgb = evened(lit, even)
    given, view = sources.given(rgb, plates.found[rows], plates.mesh[rows], _chosen(plates.apart[rows], rng))
    strength = NOISE * drawn_on(rng, len(rows), 1, 1, 1, device=lit.device)
    plate, drawn_along = (
        image + strength * drawn_on(rng, *image.shape, device=lit.device, normal=True)
        for image in (given.plate, given.moved)
    )
    return stacked(parts_of(replace(given, plate=plate, moved=drawn_along), view)), even, view


def _shown(
    sources: Sources, rgb: UInt8[np.ndarray, "S S 3"], landmarks_xyz: Float32[np.ndarray, "468 3"]
) -> dict[str, Tensor]:
    """A face as `Plates` has it."""
    given = torch.from_numpy(rgb).permute(2, 0, 1)
    mask = _bytes(hull_in_crop(landmarks_xyz, UNMOVED, CONTROL_SIZE))
    found = torch.from_numpy(centred(landmarks_xyz, CONTROL_SIZE))[None]
    even, _ = in_even_light(given[None], mask[None])
    return {
        "given": given,
        "mask": mask,
        "found": found[0],
        "mesh": sources.mesh_in(even, found)[0],
        "apart": sources.apart(found)[0],
    }


def _stacked(rows: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([row[name] for row in rows]).contiguous() for name in rows[0]}


def _without_the_answer(apart: Float[Tensor, "B M"], alike: Float[Tensor, "B M"]) -> Float[Tensor, "B M"]:
    """How far references are, infinitely where too near to the untouched picture; the least alike stays."""
    shown = (alike >= SAME) | (alike == alike.amax(dim=1, keepdim=True))
    return torch.where(shown, apart, torch.inf)


def _chosen(apart: Float[Tensor, "B M"], rng: torch.Generator) -> Int[Tensor, "B R"]:
    """References: in half of a batch the nearest ones, else any of those that are near."""
    near, device = nearest(apart, NUM_NEAR), apart.device
    first = torch.arange(NUM_REFERENCES, device=device).expand(len(apart), -1)
    some = drawn_on(rng, *near.shape, device=device).argsort(dim=1)[:, :NUM_REFERENCES].sort(dim=1).values
    return near.gather(1, torch.where(drawn_on(rng, len(apart), 1, device=device) < 0.5, first, some))


def _important() -> Float[Tensor, "1 E 1"]:
    important = torch.zeros((1, NUM_EXTENDED, 1))
    important[:, list(EYES_AND_LIPS)] = 1
    return important


def _bytes(mask: Float32[np.ndarray, "S S"]) -> UInt8[Tensor, "S S"]:
    return torch.from_numpy(np.round(mask * 255).astype(np.uint8))


def _small(face: ReferenceFace) -> ReferenceFace:
    """A face at `CONTROL_SIZE`."""
    size = (CONTROL_SIZE, CONTROL_SIZE)
    how = cv2.INTER_AREA if len(face.rgb) > CONTROL_SIZE else cv2.INTER_LINEAR
    rgb, mask, visible = (cv2.resize(image, size, interpolation=how) for image in (face.rgb, face.mask, face.visible))
    factor = CONTROL_SIZE / len(face.rgb)
    half = np.array([0.5, 0.5, 0], np.float32)
    return replace(face, rgb=rgb, mask=mask, visible=visible, landmarks_xyz=(face.landmarks_xyz + half) * factor - half)


def _input(face: ReferenceFace) -> FaceInput:
    return FaceInput(
        lit_rgb=face.rgb,
        even_rgb=lambda: even_light(face.rgb, face.mask),
        mask=face.mask,
        landmarks_xyz=face.landmarks_xyz,
        yaw_pitch_deg=face.yaw_pitch_deg,
        track=0,
    )


def _found_anew(
    mesh: FaceMesh, rgb: UInt8[np.ndarray, "S S 3"], landmarks_xyz: Float32[np.ndarray, "468 3"]
) -> Float32[np.ndarray, "468 3"]:
    """The mesh of a drawn face, in the crop's pixels, begun where that of the face beneath lies."""
    margin = np.array([MARGIN_PX, MARGIN_PX, 0], np.float32)
    framed = np.pad(rgb, ((MARGIN_PX, MARGIN_PX), (MARGIN_PX, MARGIN_PX), (0, 0)), "edge")
    return np.asarray(mesh.follow(framed, landmarks_xyz + margin).landmarks_xyz - margin, np.float32)
