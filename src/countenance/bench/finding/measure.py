"""What is measured on one clip: found faces, meshes and masks beside the ground truth."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32

from countenance.bench.finding.footage import Footage, is_face
from countenance.bench.finding.stage import OWNER, FaceTruth, Labels
from countenance.faces.store import StoredFace, read_visible
from countenance.geometry import box_around, overlap, transform_points
from countenance.project import Project
from countenance.types import DetectedFace
from countenance.vision.align import frame_to_crop, head_pose
from countenance.vision.crops import CROP_SIZE, resized_mask
from countenance.vision.mask import face_mask
from countenance.vision.parts import Part

NEEDED_SHOWN = 0.5
"""A face less than half of which is seen need not be found."""
NEEDED_OVERLAP = 0.5
SAME_FACE = 0.5
"""A mesh that lies further from a face, in distances between the eyes, isn't on it."""
MASK = 0.5
Covering = Literal["in front", "glasses", "hair"]
"""What hides a face: hands, things and other people; the own glasses; the own hair."""
COVERING: tuple[Covering, ...] = get_args(Covering)
FIVE_POINTS: Mapping[str, tuple[int, ...]] = {
    "left eye": (33, 133),
    "right eye": (362, 263),
    "nose": (4,),
    "mouth, left": (61,),
    "mouth, right": (291,),
}
"""The five points: means of these of the mesh."""

Mask = Bool[np.ndarray, "S S"]
Points = Float32[np.ndarray, "468 2"]
Face = TypeVar("Face", StoredFace, DetectedFace)


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskMeasures:
    """How well a mask fits the face that is seen in a crop."""

    iou: float
    """Of all that shows the face; stubble below the true mesh's hull counts neither way."""
    skin_iou: float
    """Without brows, eyes, lips, mouth and beard, which count neither way."""
    covering_px: Mapping[Covering, tuple[int, int]]
    """Of each thing that hides a part of the true mesh's hull: its pixels there, and how many the mask leaves out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FaceMeasures:
    """Results for one ground-truth face of the person. Distances are in % of that between the eyes' outer corners."""

    frame: int
    yaw_deg: float
    shown: float
    """0–1: fraction of the face that is unoccluded and inside the frame."""
    is_stored: bool
    is_kept: bool
    is_found_alone: bool
    """When every frame is analysed on its own; as are the other fields with `alone` in their name."""
    mesh_pct: float | None
    """Mean distance of the mesh's points on the side that is seen from where they are; only if it was found."""
    five_pct: float | None
    """The same of eyes, nose and corners of the mouth."""
    mesh_alone_pct: float | None
    jitter_pct: float | None
    """Mean second difference, over three frames, of the same points' errors."""
    jitter_alone_pct: float | None
    mask: MaskMeasures | None
    """Only of faces that are stored with a picture."""
    hull: MaskMeasures | None
    """Of the same faces with the mesh's hull as mask."""
    mask_origin: str | None

    @property
    def is_due(self) -> bool:
        """Whether enough of it is visible that it must be found."""
        return self.shown >= NEEDED_SHOWN


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipMeasures:
    """One clip; seconds are processor time."""

    name: str
    condition: str
    num_frames: int
    faces: tuple[FaceMeasures, ...]
    num_wrong_kept: int
    """Stored faces that lie on somebody else: kept, waiting for a review, or left out for another reason."""
    num_wrong_unsure: int
    num_wrong_left_out: int
    num_false: int
    """Detections where there is no face: while tracking, and when frames are analysed on their own."""
    num_false_alone: int
    prepare_s: float
    following_s: float
    """Detection and tracking only, without recognition, masks and storing."""
    alone_s: float


def whose(landmarks_xy: Points, faces: Mapping[int, FaceTruth]) -> int | None:
    """Number of the person on whose face a mesh lies; None if on nobody's."""
    distances = {
        who: float(np.linalg.norm(landmarks_xy - face.landmarks_xy, axis=1).mean()) / face.eyes_px
        for who, face in faces.items()
    }
    nearest = min(distances, key=lambda who: distances[who], default=None)
    return nearest if nearest is not None and distances[nearest] < SAME_FACE else None


def is_found(landmarks_xy: Points, who: int, faces: Mapping[int, FaceTruth]) -> bool:
    """Whether a mesh counts as a detection of a face: it lies on it, and the boxes overlap."""
    return (
        whose(landmarks_xy, faces) == who
        and overlap(box_around(landmarks_xy), box_around(faces[who].landmarks_xy)) >= NEEDED_OVERLAP
    )


def mesh_error_pct(landmarks_xy: Points, face: FaceTruth) -> float:
    """Mean distance of the points that are seen, in % of the distance between the eyes."""
    distances = np.linalg.norm(landmarks_xy - face.landmarks_xy, axis=1)
    return float(100 * distances[face.is_seen].mean() / face.eyes_px)


def five_points_error_pct(landmarks_xy: Points, face: FaceTruth) -> float:
    """The same of eyes, nose and corners of the mouth, seen or not."""
    errors = [
        np.linalg.norm((landmarks_xy[list(rows)] - face.landmarks_xy[list(rows)]).mean(axis=0))
        for rows in FIVE_POINTS.values()
    ]
    return float(100 * np.mean(errors) / face.eyes_px)


def jitter_pct(errors_xy: Sequence[Points], face: FaceTruth) -> float:
    """Second difference of three successive errors, in % of the distance between the eyes; zero for a steady one."""
    before, now, after = errors_xy
    bend = np.linalg.norm(before - 2 * now + after, axis=1)
    return float(100 * bend[face.is_seen].mean() / face.eyes_px)


def measure_mask(
    mask: Mask, owners: Labels, who: int, true_xy: Points, to_crop: Float[np.ndarray, "2 3"]
) -> MaskMeasures:
    """Compare a mask in a crop with the exact one; `true_xy` are the true landmarks in the frame."""
    side = len(mask)

    def in_crop(where: Bool[np.ndarray, "H W"]) -> Mask:
        # Moved softly and cut in the middle, so that a small face's edge isn't made of squares.
        return np.asarray(cv2.warpAffine(where.astype(np.float32), to_crop, (side, side)) > 0.5)

    owner, part = owners // OWNER, owners % OWNER
    own = owner == who + 1
    hides: dict[Covering, Bool[np.ndarray, "H W"]] = {
        "in front": ((owner > 0) & ~own) | (own & (part == Part.OCCLUDER)),
        "glasses": own & (part == Part.GLASSES),
        "hair": own & (part == Part.HAIR),
    }
    inside = face_mask(transform_points(to_crop, true_xy), (side, side)) > MASK
    face, skin = in_crop(is_face(owners, who)), in_crop(own & (part == Part.SKIN))
    counted = ~(in_crop(own & (part == Part.BEARD)) & ~inside)
    covering = {name: in_crop(where) & inside & ~face for name, where in hides.items()}
    return MaskMeasures(
        iou=iou(mask & counted, face & counted),
        skin_iou=iou(mask & (skin | ~face), skin),
        covering_px={name: (int(where.sum()), int((where & ~mask).sum())) for name, where in covering.items()},
    )


def iou(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))


def count_wrong(
    stored: Sequence[Sequence[StoredFace]], truth: Sequence[Mapping[int, FaceTruth]]
) -> tuple[int, int, int]:
    """Faces stored as the person's that lie on somebody else: kept, waiting for a review, left out otherwise."""
    wrong = [
        row
        for rows, known in zip(stored, truth, strict=True)
        for row in rows
        if whose(xy_of(row), known) not in (0, None)
    ]
    num_kept = sum(not row.rejections for row in wrong)
    num_unsure = sum("unsure who" in row.rejections for row in wrong)
    return num_kept, num_unsure, len(wrong) - num_kept - num_unsure


def measure_faces(
    project: Project,
    footage: Footage,
    truth: Sequence[Mapping[int, FaceTruth]],
    stored: Sequence[Sequence[StoredFace]],
    alone: Sequence[Sequence[DetectedFace]],
    shots: frozenset[int],
) -> tuple[FaceMeasures, ...]:
    rows = [find_of(each, known) for each, known in zip(stored, truth, strict=True)]
    meshes = [None if row is None else xy_of(row) for row in rows]
    found_alone = [find_of(each, known) for each, known in zip(alone, truth, strict=True)]
    meshes_alone = [None if face is None else xy_of(face) for face in found_alone]
    measured = []
    for index, known in enumerate(truth):
        if 0 not in known:
            continue
        face, row, owners = known[0], rows[index], footage.owners(index)
        mesh, mesh_alone = meshes[index], meshes_alone[index]
        masks: tuple[MaskMeasures | None, MaskMeasures | None] = (None, None)
        if row is not None and row.has_crop:
            masks = _masks(project, row, owners, face)
        measured.append(
            FaceMeasures(
                frame=index,
                yaw_deg=face.yaw_deg,
                shown=float(is_face(owners, 0).sum()) / max(face.face_px, 1),
                is_stored=row is not None,
                is_kept=row is not None and not row.rejections,
                is_found_alone=mesh_alone is not None,
                mesh_pct=None if mesh is None else mesh_error_pct(mesh, face),
                five_pct=None if mesh is None else five_points_error_pct(mesh, face),
                mesh_alone_pct=None if mesh_alone is None else mesh_error_pct(mesh_alone, face),
                jitter_pct=_jitter_at(index, meshes, truth, shots),
                jitter_alone_pct=_jitter_at(index, meshes_alone, truth, shots),
                mask=masks[0],
                hull=masks[1],
                mask_origin=None if row is None else row.mask_origin,
            )
        )
    return tuple(measured)


def xy_of(face: StoredFace | DetectedFace) -> Points:
    return face.landmarks_xyz[:, :2]


def find_of(found: Sequence[Face], known: Mapping[int, FaceTruth]) -> Face | None:
    """The detection of the person's face in a frame; the nearest if there are several."""
    finds = [face for face in found if 0 in known and is_found(xy_of(face), 0, known)]
    return min(finds, key=lambda face: mesh_error_pct(xy_of(face), known[0]), default=None)


def _jitter_at(
    index: int, meshes: Sequence[Points | None], truth: Sequence[Mapping[int, FaceTruth]], shots: frozenset[int]
) -> float | None:
    """Where three frames of one shot have the face and its mesh."""
    if not 0 < index < len(meshes) - 1 or index in shots or index + 1 in shots:
        return None
    errors = []
    for at in (index - 1, index, index + 1):
        mesh = meshes[at]
        if mesh is None:
            return None
        errors.append(mesh - truth[at][0].landmarks_xy)
    return jitter_pct(errors, truth[index][0])


def _masks(project: Project, row: StoredFace, owners: Labels, face: FaceTruth) -> tuple[MaskMeasures, MaskMeasures]:
    to_crop = crop_transform(row)
    hull = face_mask(transform_points(to_crop, xy_of(row)), (CROP_SIZE, CROP_SIZE)) > MASK
    visible = resized_mask(read_visible(project, row.id), CROP_SIZE) > MASK
    one, other = (measure_mask(mask, owners, 0, face.landmarks_xy, to_crop) for mask in (visible, hull))
    return one, other


def crop_transform(row: StoredFace) -> Float32[np.ndarray, "2 3"]:
    return frame_to_crop(head_pose(row.landmarks_xyz), CROP_SIZE)


def num_false_finds(found: Iterable[Sequence[DetectedFace]], truth: Sequence[Mapping[int, FaceTruth]]) -> int:
    return sum(whose(xy_of(face), known) is None for faces, known in zip(found, truth, strict=True) for face in faces)
