"""The seam between what draws a face and what puts it into a frame.

A drawer is opened once, with a model and the likeness's references; then it draws faces in batches.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FaceInput:
    """A performer's face that is to be replaced, in an aligned crop of the drawer's size."""

    lit_rgb: UInt8[np.ndarray, "S S 3"]
    """As the plate shows it."""
    even_rgb: Callable[[], UInt8[np.ndarray, "S S 3"]]
    """The same in even light, for drawers that ask for it."""
    mask: Float32[np.ndarray, "S S"]
    """0–1, one inside the mesh's outline."""
    landmarks_xyz: Float32[np.ndarray, "468 3"]
    """In pixels of the crop; z in the same scale, smaller is nearer."""
    yaw_pitch_deg: tuple[float, float]
    """As in `vision.align.HeadPose`; the crop is tilted with the head, so that no roll is left."""
    track: int
    """Faces with the same number are one person's in one shot, in the order of time."""

    @property
    def rgb(self) -> UInt8[np.ndarray, "S S 3"]:
        """In even light."""
        return self.even_rgb()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DrawnFace:
    """The likeness in the performer's crop."""

    rgb: Float32[np.ndarray, "S S 3"]
    """0–1, in even light; where `finished`, in the plate's own."""
    mask: Float32[np.ndarray, "S S"]
    """0–1: what of the crop is to be replaced."""
    finished: bool = False
    """Whether colours are already the plate's and the surroundings are drawn too: the composite then matches no
    colours, and the mask's border reaches outwards instead of inwards."""
    shift: Float32[np.ndarray, "C C 2"] | None = None
    """From where a point of the face is drawn to where the plate shows it, as fractions of the crop's side, x and y; at
    its own size. None: no shape was changed."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ReferenceFace:
    """One of the likeness's own faces, in its aligned crop."""

    rgb: UInt8[np.ndarray, "S S 3"]
    """In its own light."""
    mask: Float32[np.ndarray, "S S"]
    """0–1, one inside the mesh's outline."""
    visible: Float32[np.ndarray, "S S"]
    """0–1, one where the face itself is seen, without hair, glasses and what is held in front of it."""
    landmarks_xyz: Float32[np.ndarray, "468 3"]
    """In pixels of the crop."""
    yaw_pitch_deg: tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class References:
    """The likeness's faces that a drawer may use beside its model."""

    faces: tuple[ReferenceFace, ...]
    digest: str
    """Over everything in `faces`, in order; empty where there are none."""


@runtime_checkable
class Drawer(Protocol):
    """Draws the likeness with the expression, pose and gaze of the performer's faces."""

    @property
    def size(self) -> int:
        """Side in pixels of the crops that go in and come out."""

    @property
    def batch(self) -> int:
        """How many faces are best drawn together; a call may hold fewer."""

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides what is drawn: the model, and the references if it uses them."""

    def __call__(self, faces: Sequence[FaceInput]) -> Sequence[DrawnFace]:
        """One drawn face for each; may be called from several threads at once."""


class DrawerByTrack:
    """One drawer for several performers: each track's faces are drawn by that of its own pair."""

    def __init__(self, drawers: Sequence[Drawer], drawer_at: Mapping[int, int]) -> None:
        """`drawer_at`: for each track the place of its drawer among `drawers`, which draw at one size."""
        sizes, batches = ({getattr(each, name) for each in drawers} for name in ("size", "batch"))
        assert len(sizes) == len(batches) == 1, (sizes, batches)
        (self.size,), (self.batch,) = sizes, batches
        self._drawers, self._drawer_at = tuple(drawers), dict(drawer_at)
        facts = f"{[each.digest for each in drawers]} {sorted(self._drawer_at.items())}"
        self.digest = hashlib.sha256(facts.encode()).hexdigest()

    def __call__(self, faces: Sequence[FaceInput]) -> list[DrawnFace]:
        """One drawn face for each, in their order."""
        places: dict[int, list[int]] = defaultdict(list)
        for place, face in enumerate(faces):
            places[self._drawer_at[face.track]].append(place)
        drawn: dict[int, DrawnFace] = {}
        for number, own in sorted(places.items()):
            drawn.update(zip(own, self._drawers[number]([faces[place] for place in own]), strict=True))
        return [drawn[place] for place in range(len(faces))]


def references_of(faces: Iterable[ReferenceFace]) -> References:
    """References with their digest."""
    faces = tuple(faces)
    digest = hashlib.sha256()
    for face in faces:
        for array in (face.rgb, face.mask, face.visible, face.landmarks_xyz, np.array(face.yaw_pitch_deg)):
            digest.update(f"{array.dtype} {array.shape} ".encode() + np.ascontiguousarray(array).tobytes())
    return References(faces=faces, digest=digest.hexdigest() if faces else "")


NO_REFERENCES = references_of(())
