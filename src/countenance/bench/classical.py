"""A baseline without learning: the likeness's nearest training face, warped through the mesh.

For each frame, the likeness's training face that is nearest in pose and expression is warped triangle by triangle into
the likeness's shape under the performer's pose and expression, and takes its coarse shading from the plate; the
product's composite matches its colour and blends it. It is sharp at once and shows the right person. It can't show
mouth shapes that no training face had or anything hidden in the chosen face, and it flickers where the choice changes.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int32, UInt8

from countenance.drawing import DrawnFace, FaceInput
from countenance.geometry import similarity_between
from countenance.model.guided.inputs import EXPRESSION_UNIT, POSE_UNIT_DEG
from countenance.model.guided.mesh import EXPRESSIVE
from countenance.types import AlignedFace, DetectedFace
from countenance.vision.align import NOSE_BASE, canonical_mesh, head_pose
from countenance.vision.light import even_light

if TYPE_CHECKING:
    from collections.abc import Callable

    FindFaces = Callable[[UInt8[np.ndarray, "H W 3"]], list[DetectedFace]]

RESOLUTION = 256
FRAME_PX = 64
SUBPIXEL_BITS = 4
EDGE_SIGMA_PX = 1.0
SHADE_REACH = 0.08
"""Standard deviation, as a fraction of the crop, of the window in which lightness is matched to the plate's: narrower
than the shading of a face, wider than its features."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PosedMesh:
    """A mesh split into head pose and face shape."""

    face: Float[np.ndarray, "468 3"]
    """In canonical axes and units: shape and expression."""
    scale: float
    rotation: Float[np.ndarray, "3 3"]
    shift: Float[np.ndarray, "3"]

    def placed(self, face: Float[np.ndarray, "468 3"]) -> Float[np.ndarray, "468 3"]:
        """Another face shape under this head's pose, in pixels."""
        return np.asarray(self.scale * face @ self.rotation.T + self.shift)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """One of the likeness's training faces."""

    rgb: UInt8[np.ndarray, "S S 3"]
    """In even light."""
    landmarks_xy: Float32[np.ndarray, "468 2"]
    """Pixels of the crop."""
    feature: Float[np.ndarray, " F"]


class ClassicalDrawer:
    """Draws the likeness from its own training faces, as the composite takes it."""

    size = RESOLUTION
    batch = 1

    def __init__(
        self, likeness: Iterable[AlignedFace], performer: Iterable[AlignedFace], find_faces: "FindFaces"
    ) -> None:
        self._find_faces = find_faces
        own = [(face, mesh) for face in likeness if (mesh := self._mesh(face.rgb)) is not None]
        self._likeness_mean = np.mean([split_pose(mesh).face for _, mesh in own], axis=0)
        theirs = [split_pose(mesh).face for face in performer if (mesh := self._mesh(face.rgb)) is not None]
        self._performer_mean = np.mean(theirs, axis=0)
        self._references = [
            Reference(
                rgb=even_light(face.rgb, face.mask),
                landmarks_xy=np.asarray(mesh[:, :2], np.float32),
                feature=_feature(mesh, split_pose(mesh).face - self._likeness_mean),
            )
            for face, mesh in own
        ]
        self._features = np.stack([reference.feature for reference in self._references])
        self.digest = self._digest()

    def __call__(self, faces: Sequence[FaceInput]) -> list[DrawnFace]:
        """One drawn face for each input; where the mesh isn't found, with an empty mask."""
        return [self._draw(face) for face in faces]

    def _draw(self, face: FaceInput) -> DrawnFace:
        crop = face.rgb.astype(np.float32) / 255
        mesh = self._mesh(face.rgb)
        if mesh is None:
            return DrawnFace(rgb=crop, mask=np.zeros_like(face.mask))
        posed = split_pose(mesh)
        expression = posed.face - self._performer_mean
        nearest = np.square(self._features - _feature(mesh, expression)).sum(axis=1).argmin()
        reference = self._references[int(nearest)]
        wanted = posed.placed(self._likeness_mean + expression)
        drawn, coverage = warp_mesh(reference.rgb, reference.landmarks_xy, wanted)
        # Beyond the mesh the performer's own skin continues: the composite's soft border reaches over the edge.
        shaded = shaded_like(drawn, crop, coverage * face.mask)
        return DrawnFace(rgb=crop + coverage[..., None] * (shaded - crop), mask=coverage * face.mask)

    def _digest(self) -> str:
        digest = hashlib.sha256(b"classical")
        for reference in self._references:
            digest.update(reference.rgb.tobytes() + reference.landmarks_xy.tobytes())
        digest.update(self._likeness_mean.tobytes() + self._performer_mean.tobytes())
        return digest.hexdigest()

    def _mesh(self, crop_rgb: UInt8[np.ndarray, "S S 3"]) -> Float32[np.ndarray, "468 3"] | None:
        # The detector misses some faces that fill the picture.
        framed = cv2.copyMakeBorder(crop_rgb, FRAME_PX, FRAME_PX, FRAME_PX, FRAME_PX, cv2.BORDER_REPLICATE)
        faces = self._find_faces(np.asarray(framed, np.uint8))
        return faces[0].landmarks_xyz - np.array([FRAME_PX, FRAME_PX, 0], np.float32) if faces else None


def split_pose(landmarks_xyz: Float[np.ndarray, "468 3"]) -> PosedMesh:
    """Fit the canonical head to the points that neither jaw nor mouth move, and remove its pose."""
    rigid = canonical_mesh()[:, 1] < canonical_mesh()[NOSE_BASE, 1]
    landmarks = landmarks_xyz.astype(np.float64)
    scale, rotation, shift = similarity_between(canonical_mesh()[rigid].astype(np.float64), landmarks[rigid])
    return PosedMesh(face=(landmarks - shift) @ rotation / scale, scale=scale, rotation=rotation, shift=shift)


def warp_mesh(
    rgb: UInt8[np.ndarray, "S S 3"],
    from_xy: Float32[np.ndarray, "468 2"],
    to_xyz: Float[np.ndarray, "468 3"],
) -> tuple[Float32[np.ndarray, "S S 3"], Float32[np.ndarray, "S S"]]:
    """Warp an image by its mesh to other points, each triangle by its own affine map; RGB and coverage, 0–1.

    Triangles are painted from the far ones to the near ones, so that a turned head's far side doesn't cover its nose.
    """
    size = rgb.shape[0]
    triangles = mesh_triangles()
    corners = to_xyz[triangles]
    to_paint = np.round(corners[..., :2] * (1 << SUBPIXEL_BITS)).astype(np.int32)
    painted = np.full((size, size), -1, np.int32)
    for number in np.argsort(-corners[..., 2].mean(axis=1)):
        cv2.fillConvexPoly(painted, to_paint[number], int(number), shift=SUBPIXEL_BITS)

    # For each triangle the map from the pixels drawn to those of the picture, then for each pixel its triangle's.
    square = np.concatenate([corners[..., :2], np.ones((len(triangles), 3, 1))], axis=2)
    flat = np.abs(np.linalg.det(square)) < 1e-3
    square[flat] = np.eye(3)
    back = np.linalg.solve(square, from_xy[triangles].astype(np.float64))
    rows, columns = np.nonzero(painted >= 0)
    affine = back[painted[rows, columns]]
    found = columns[:, None] * affine[:, 0] + rows[:, None] * affine[:, 1] + affine[:, 2]
    where = np.zeros((size, size, 2), np.float32)
    where[rows, columns] = found
    drawn = cv2.remap(rgb, where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    coverage = cv2.GaussianBlur((painted >= 0).astype(np.float32), (0, 0), EDGE_SIGMA_PX)
    return drawn.astype(np.float32) / 255, np.asarray(coverage, np.float32)


def shaded_like(
    rgb: Float32[np.ndarray, "S S 3"], other_rgb: Float32[np.ndarray, "S S 3"], mask: Float32[np.ndarray, "S S"]
) -> Float32[np.ndarray, "S S 3"]:
    """The image, 0–1, with the other's coarse lightness inside the mask."""
    lab, other_lab = (cv2.cvtColor(picture, cv2.COLOR_RGB2Lab) for picture in (rgb, other_rgb))
    sigma = SHADE_REACH * rgb.shape[0]
    weight = cv2.GaussianBlur(mask, (0, 0), sigma) + np.float32(1e-3)
    lab[..., 0] += cv2.GaussianBlur((other_lab[..., 0] - lab[..., 0]) * mask, (0, 0), sigma) / weight
    return np.asarray(np.clip(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB), 0, 1), np.float32)


@cache
def mesh_triangles() -> Int32[np.ndarray, "T 3"]:
    """Triangles over the mesh's points, by Delaunay on the canonical head seen from the front.

    Mouth and eyes are closed by triangles too: what shows in them comes from the training face.
    """
    mesh = canonical_mesh()
    low, high = mesh[:, :2].min(axis=0) - 1, mesh[:, :2].max(axis=0) + 1
    division = cv2.Subdiv2D((0, 0, 2000, 2000))
    # The points' places on a grid of 2,000 steps; near enough to find each corner's point again.
    places = ((mesh[:, :2] - low) / (high - low).max() * 1900 + 20).astype(np.float32)
    for place in places:
        division.insert((float(place[0]), float(place[1])))
    found = np.asarray(division.getTriangleList(), np.float32).reshape(-1, 3, 2)
    inside = np.all((found > 0) & (found < 2000), axis=(1, 2))
    distances = np.linalg.norm(found[inside][:, :, None] - places[None, None], axis=3)
    return np.asarray(distances.argmin(axis=2)[distances.min(axis=2).max(axis=1) < 0.5], np.int32)


def _feature(mesh: Float[np.ndarray, "468 3"], expression: Float[np.ndarray, "468 3"]) -> Float[np.ndarray, " F"]:
    """Pose and expression as one vector in which equal steps count alike."""
    pose = head_pose(np.asarray(mesh, np.float32))
    turned = np.array([pose.yaw_deg, pose.pitch_deg]) / POSE_UNIT_DEG
    moved = expression[list(EXPRESSIVE)].ravel() / EXPRESSION_UNIT / np.sqrt(len(EXPRESSIVE))
    return np.concatenate([turned, moved])
