"""The judge: a clip's frames against the ground truth, frame by frame, and what a clip gained over the plate.

Of a measured frame only its figures and, for flicker, its error are kept, so memory doesn't grow with the
clip. The plate is measured like any other result, once for all methods, and `gains` compares.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from countenance.bench.judge.metrics import (
    CROP_SIZE,
    Mask,
    MeshTally,
    Rgb,
    colour_difference,
    error_change,
    landmark_distance_pct,
    light_difference,
    mesh_difference_pct,
    perceptual_distance,
    psnr_in_face_db,
    rotation_between_deg,
    seam_excess,
    sharpness_ratio,
    ssim_in_face,
)
from countenance.bench.judge.unseen import Chip, UnseenFeatures, UnseenIdentity, cut_unseen_chip
from countenance.errors import FaceError
from countenance.geometry import warp
from countenance.types import DetectedFace
from countenance.vision.align import HeadPose, frame_to_crop, head_pose
from countenance.vision.gaze import Eye, EyeFinder, angle_between_deg, gaze_direction, head_rotation
from countenance.vision.identity import Embedding, Recogniser, cut_chip, embed
from countenance.vision.landmarks import FaceFinder

MARGIN_PX = 12
"""Around the face, so that the window of SSIM sees what is there."""
MIN_FACE_PX = 64
"""A mask with fewer pixels is no face."""
MAX_OFFSET = 1.5
"""A detection further from the ground truth's than this, in the head's units, is another face."""
FACES_FOR_MEAN = 48

MIN_SPANS = {
    "identity": 0.04,
    "unseen_identity": 0.06,
    "perceptual": 0.05,
    "unseen_perceptual": 0.05,
    "ssim": 0.02,
    "shape": 0.5,
}
"""A gain is defined where plate and truth differ by more than this, in each error's own unit."""
MAX_MISSED_FRACTION = 0.1
"""Gain of shape is defined where the mesh is missed in at most this fraction of the frames: those are the worst."""
NUM_FARTHEST = 10
"""Frames of a clip, and of all clips on a sheet, that are shown as the furthest from the truth."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MeanFace:
    """Mean embeddings of one person's faces."""

    embedding: Embedding
    unseen: Float32[np.ndarray, "1024"]
    """Of the net that only the judge knows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class References:
    """What faces are compared with."""

    likeness: MeanFace
    performer: MeanFace


@dataclass(frozen=True, kw_only=True, slots=True)
class FaceLook:
    """Results of the nets for one face."""

    landmarks_xyz: Float32[np.ndarray, "468 3"]
    pose: HeadPose
    eyes: tuple[Eye, Eye]
    gaze: Float[np.ndarray, "3"] | None
    """In the head's axes; none where an eye is closed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TruthLook:
    """A ground-truth frame, analysed once for any number of results."""

    rgb: Rgb
    mask: Mask
    box_xyxy: tuple[int, int, int, int]
    """The face with a margin."""
    face: FaceLook
    crop: UInt8[np.ndarray, "S S 3"]
    crop_mask: Float32[np.ndarray, "S S"]
    chip_mask: Float32[np.ndarray, "C C"]
    features: tuple[Tensor, ...]
    embedding: Embedding
    unseen_mask: Float32[np.ndarray, "D D"]
    unseen_features: tuple[Tensor, ...]
    unseen_embedding: Float32[np.ndarray, "1024"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameMeasures:
    """One frame; definitions are in `metrics`. Fields are none where the result's face, or open eyes, weren't found."""

    ssim: float
    psnr_db: float
    perceptual: float
    likeness_distance: float
    """Recogniser's distance to the likeness; cut by the truth's landmarks where the result's aren't found."""
    performer_distance: float
    truth_likeness_distance: float
    truth_performer_distance: float
    nearer: bool
    """Whether the face is nearer to the likeness than to the performer."""
    unseen_perceptual: float
    unseen_likeness_distance: float
    unseen_performer_distance: float
    truth_unseen_likeness_distance: float
    unseen_nearer: bool
    landmarks_pct: float | None
    gaze_deg: float | None
    pose_deg: float | None
    colour_de: float
    light: float
    seam: float
    flicker: float | None
    """None in a first frame."""
    sharpness: float
    is_found: bool
    """Whether the mesh finder found the result's face."""
    mesh_difference_pct: Float32[np.ndarray, "468 3"] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipMeasures:
    """Means over a clip's measured frames; none where no frame had a figure."""

    num_frames: int
    """Of the clip."""
    num_without_truth: int
    """In which the truth shows no face, or none that the mesh finder finds: not measured."""
    num_missed: int
    """Measured, but without a face that the mesh finder finds in the result: landmarks, gaze, pose, shape and
    expression leave them out."""
    ssim: float | None
    psnr_db: float | None
    perceptual: float | None
    likeness_distance: float | None
    performer_distance: float | None
    truth_likeness_distance: float | None
    truth_performer_distance: float | None
    likeness_spread: float | None
    """Standard deviation over frames of the distance to the likeness, after taking off the truth's in each."""
    nearer: float | None
    """Fraction of frames."""
    unseen_perceptual: float | None
    unseen_likeness_distance: float | None
    unseen_performer_distance: float | None
    truth_unseen_likeness_distance: float | None
    unseen_nearer: float | None
    landmarks_pct: float | None
    shape_pct: float | None
    expression_pct: float | None
    gaze_deg: float | None
    pose_deg: float | None
    colour_de: float | None
    light: float | None
    seam: float | None
    flicker: float | None
    sharpness: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class FarFrame:
    """A frame that is far from the truth, with some of its `FrameMeasures`."""

    index: int
    unseen_perceptual: float
    landmarks_pct: float | None
    light: float
    seam: float
    sharpness: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Gains:
    """0: the untouched plate, 1: the truth, below 0: worse than nothing; none where plate and truth hardly differ."""

    identity: float | None
    unseen_identity: float | None
    perceptual: float | None
    unseen_perceptual: float | None
    ssim: float | None
    shape: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CropError:
    """Result minus truth in the truth's aligned crop."""

    difference: Float32[np.ndarray, "S S 3"]
    mask: Float32[np.ndarray, "S S"]


class Judge:
    """The nets, loaded once; not thread-safe."""

    def __init__(self) -> None:
        self.find_faces = FaceFinder()
        self._find_eyes = EyeFinder()
        self._recogniser = Recogniser()
        self._unseen_identity, self._unseen_features = UnseenIdentity(), UnseenFeatures()

    def mean_face(self, frames: Iterable[Rgb], *, num_faces: int = FACES_FOR_MEAN) -> MeanFace:
        """Of a person's training frames, each with no other face in it; up to `num_faces`, spread over all of them.

        Raises:
            FaceError: no face in any of them.
        """
        # Frames aren't counted beforehand: when there are too many chips, every second is dropped.
        chips, step = [], 1
        for index, rgb in enumerate(frames):
            if index % step:
                continue
            faces = self.find_faces(rgb)
            landmarks = [face.landmarks_xyz[:, :2] for face in faces[:1]]
            chips += [(cut_chip(rgb, points), cut_unseen_chip(rgb, points)) for points in landmarks]
            if len(chips) == 2 * num_faces:
                chips, step = chips[::2], 2 * step
        if not chips:
            raise FaceError("expected a person's training frames, but no face is found in any; give others")
        unseen = [self._unseen_embedding(chip) for _, chip in chips]
        return MeanFace(
            embedding=np.asarray(embed(self._recogniser, [chip for chip, _ in chips]).mean(axis=0), np.float32),
            unseen=np.asarray(np.mean(unseen, axis=0), np.float32),
        )

    def look_at_truth(self, rgb: Rgb, mask: Mask) -> TruthLook | None:
        """None where the mask is empty or no face is found in it."""
        rows, columns = np.nonzero(mask > 0.5)
        if mask.sum() < MIN_FACE_PX or not len(rows):
            return None
        centre_xy = np.array([columns.mean(), rows.mean()])
        face = self._look(rgb, centre_xy, max_offset_px=float(np.sqrt(mask.sum())))
        if face is None:
            return None
        height, width = mask.shape
        to_crop = frame_to_crop(face.pose, CROP_SIZE)
        as_grey = np.repeat(np.round(mask * 255).astype(np.uint8)[..., None], 3, axis=2)
        points = face.landmarks_xyz[:, :2]
        features, embeddings = self._recognise([cut_chip(rgb, points)])
        unseen_chip = cut_unseen_chip(rgb, points)
        return TruthLook(
            rgb=rgb,
            mask=mask,
            box_xyxy=(
                max(int(columns.min()) - MARGIN_PX, 0),
                max(int(rows.min()) - MARGIN_PX, 0),
                min(int(columns.max()) + MARGIN_PX + 1, width),
                min(int(rows.max()) + MARGIN_PX + 1, height),
            ),
            face=face,
            crop=warp(rgb, to_crop, (CROP_SIZE, CROP_SIZE)),
            crop_mask=warp(as_grey, to_crop, (CROP_SIZE, CROP_SIZE))[..., 0].astype(np.float32) / 255,
            chip_mask=cut_chip(as_grey, points)[..., 0].astype(np.float32) / 255,
            features=features[0],
            embedding=embeddings[0],
            unseen_mask=cut_unseen_chip(as_grey, points)[..., 0].astype(np.float32) / 255,
            unseen_features=self._features_of(unseen_chip),
            unseen_embedding=self._unseen_embedding(unseen_chip),
        )

    def measure_frame(
        self, result_rgb: Rgb, truth: TruthLook, references: References, before: CropError | None = None
    ) -> tuple[FrameMeasures, CropError]:
        """One frame's figures, and its error, which the next frame's flicker needs."""
        if result_rgb.shape != truth.rgb.shape:
            (height, width, _), (result_height, result_width, _) = truth.rgb.shape, result_rgb.shape
            raise FaceError(
                f"expected frames of {width} × {height} pixels as in the truth, got {result_width} × {result_height}"
            )
        left, top, right, bottom = truth.box_xyxy
        part = np.s_[top:bottom, left:right]
        near = (result_rgb[part], truth.rgb[part], truth.mask[part])
        crop = warp(result_rgb, frame_to_crop(truth.face.pose, CROP_SIZE), (CROP_SIZE, CROP_SIZE))
        aligned = (crop, truth.crop, truth.crop_mask)
        error = CropError(difference=crop.astype(np.float32) - truth.crop, mask=truth.crop_mask)

        face = self._look(result_rgb, truth.face.pose.centre_xy, max_offset_px=MAX_OFFSET * truth.face.pose.unit_px)
        found = face or truth.face
        chips = [cut_chip(result_rgb, each.landmarks_xyz[:, :2]) for each in (truth.face, found)]
        features, embeddings = self._recognise(chips)
        likeness_distance, performer_distance = (
            _distance(embeddings[1], person.embedding) for person in (references.likeness, references.performer)
        )
        unseen_embedding = self._unseen_embedding(cut_unseen_chip(result_rgb, found.landmarks_xyz[:, :2]))
        unseen_likeness_distance, unseen_performer_distance = (
            _distance(unseen_embedding, person.unseen) for person in (references.likeness, references.performer)
        )
        in_mesh = None if face is None else (face.landmarks_xyz, truth.face.landmarks_xyz)
        measures = FrameMeasures(
            ssim=ssim_in_face(*near),
            psnr_db=psnr_in_face_db(*near),
            perceptual=perceptual_distance(features[0], truth.features, truth.chip_mask),
            likeness_distance=likeness_distance,
            performer_distance=performer_distance,
            truth_likeness_distance=_distance(truth.embedding, references.likeness.embedding),
            truth_performer_distance=_distance(truth.embedding, references.performer.embedding),
            nearer=likeness_distance < performer_distance,
            unseen_perceptual=self.unseen_distance(result_rgb, truth),
            unseen_likeness_distance=unseen_likeness_distance,
            unseen_performer_distance=unseen_performer_distance,
            truth_unseen_likeness_distance=_distance(truth.unseen_embedding, references.likeness.unseen),
            unseen_nearer=unseen_likeness_distance < unseen_performer_distance,
            landmarks_pct=landmark_distance_pct(*in_mesh) if in_mesh else None,
            gaze_deg=_gaze_error_deg(face, truth.face),
            pose_deg=rotation_between_deg(_rotation(face.pose), _rotation(truth.face.pose)) if face else None,
            colour_de=colour_difference(*aligned),
            light=light_difference(*aligned),
            seam=seam_excess(*aligned),
            flicker=error_change(error.difference, before.difference, error.mask, before.mask) if before else None,
            sharpness=sharpness_ratio(*near),
            is_found=face is not None,
            mesh_difference_pct=mesh_difference_pct(*in_mesh) if in_mesh else None,
        )
        return measures, error

    def unseen_distance(self, result_rgb: Rgb, truth: TruthLook) -> float:
        """Perceptual distance by the net that only the judge knows, 0–2."""
        chip = cut_unseen_chip(result_rgb, truth.face.landmarks_xyz[:, :2])
        return perceptual_distance(self._features_of(chip), truth.unseen_features, truth.unseen_mask)

    def _look(self, rgb: Rgb, near_xy: Float[np.ndarray, "2"], *, max_offset_px: float) -> FaceLook | None:
        """The face nearest to a place."""

        def offset_px(face: DetectedFace) -> float:
            low, high = face.box_xyxy.reshape(2, 2)
            return float(np.linalg.norm((low + high) / 2 - near_xy))

        face = min(self.find_faces(rgb), key=offset_px, default=None)
        if face is None or offset_px(face) > max_offset_px:
            return None
        pose = head_pose(face.landmarks_xyz)
        eyes = self._find_eyes(rgb, face.landmarks_xyz, pose.roll_deg)
        return FaceLook(
            landmarks_xyz=face.landmarks_xyz, pose=pose, eyes=eyes, gaze=gaze_direction(eyes, face.landmarks_xyz)
        )

    def _unseen_embedding(self, chip: Chip) -> Float32[np.ndarray, "1024"]:
        with torch.inference_mode():
            return np.asarray(self._unseen_identity(_batch_of([chip]))[0].numpy())

    def _features_of(self, chip: Chip) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            return tuple(self._unseen_features(_batch_of([chip])))

    def _recognise(
        self, chips: list[UInt8[np.ndarray, "150 150 3"]]
    ) -> tuple[list[tuple[Tensor, ...]], Float32[np.ndarray, "N 128"]]:
        """Inner features and embedding of each chip."""
        with torch.inference_mode():
            stages, embeddings = self._recogniser.look(_batch_of(chips))
        return [tuple(stage[i : i + 1] for stage in stages) for i in range(len(chips))], embeddings.numpy()


def measure_clip(
    results: Iterable[Rgb],
    truths: Iterable[Rgb],
    masks: Iterable[Mask],
    references: References,
    judge: Judge,
) -> ClipMeasures:
    """Measure a whole clip; all three must have the same number of frames.

    >>> plate = measure_clip(pictures(plate_path), pictures(truth_folder), masks_of(mask_folder), references, judge)
    """
    return summarise(measured_frames(results, truths, masks, references, judge))


def measured_frames(
    results: Iterable[Rgb],
    truths: Iterable[Rgb],
    masks: Iterable[Mask],
    references: References,
    judge: Judge,
) -> Iterator[FrameMeasures | None]:
    """Every frame of a clip against its ground truth; None where that shows no face."""
    looks = (judge.look_at_truth(rgb, mask) for rgb, mask in zip(truths, masks, strict=True))
    return measure_frames(results, looks, references, judge)


def measure_frames(
    results: Iterable[Rgb], truths: Iterable[TruthLook | None], references: References, judge: Judge
) -> Iterator[FrameMeasures | None]:
    """Frame by frame; None where the ground truth shows no face."""
    before = None
    for result_rgb, truth in zip(results, truths, strict=True):
        if truth is None:
            before = None
            yield None
        else:
            measures, before = judge.measure_frame(result_rgb, truth, references, before)
            yield measures


def summarise(frames: Iterable[FrameMeasures | None]) -> ClipMeasures:
    """Means over frames that stream by."""
    names = [field.name for field in fields(FrameMeasures) if field.name not in {"is_found", "mesh_difference_pct"}]
    sums, counts = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0)
    num_frames = num_without_truth = num_missed = 0
    meshes, apart = MeshTally(), []
    for frame in frames:
        num_frames += 1
        if frame is None:
            num_without_truth += 1
            continue
        num_missed += not frame.is_found
        apart.append(frame.likeness_distance - frame.truth_likeness_distance)
        if frame.mesh_difference_pct is not None:
            meshes.add(frame.mesh_difference_pct)
        for name in names:
            value = getattr(frame, name)
            if value is not None:
                sums[name] += value
                counts[name] += 1
    shape_pct, expression_pct = meshes.shape_and_expression or (None, None)
    means = {name: sums[name] / counts[name] if counts[name] else None for name in names}
    return ClipMeasures(
        num_frames=num_frames,
        num_without_truth=num_without_truth,
        num_missed=num_missed,
        shape_pct=shape_pct,
        expression_pct=expression_pct,
        likeness_spread=float(np.std(apart)) if apart else None,
        **means,
    )


def farthest_frames(frames: Sequence[FrameMeasures | None]) -> list[FarFrame]:
    """The frames of a clip that are furthest from the truth by the net that only the judge knows, furthest first."""
    far = [
        FarFrame(
            index=index,
            unseen_perceptual=frame.unseen_perceptual,
            landmarks_pct=frame.landmarks_pct,
            light=frame.light,
            seam=frame.seam,
            sharpness=frame.sharpness,
        )
        for index, frame in enumerate(frames)
        if frame is not None
    ]
    return sorted(far, key=lambda frame: -frame.unseen_perceptual)[:NUM_FARTHEST]


def gains(result: ClipMeasures, plate: ClipMeasures) -> Gains:
    """What a result gained over the untouched plate, both measured against the same truth."""
    num_measured = result.num_frames - result.num_without_truth
    is_seen = result.num_missed <= MAX_MISSED_FRACTION * num_measured
    return Gains(
        identity=_gain(
            "identity", result.likeness_distance, plate.likeness_distance, best=plate.truth_likeness_distance
        ),
        unseen_identity=_gain(
            "unseen_identity",
            result.unseen_likeness_distance,
            plate.unseen_likeness_distance,
            best=plate.truth_unseen_likeness_distance,
        ),
        perceptual=_gain("perceptual", result.perceptual, plate.perceptual),
        unseen_perceptual=_gain("unseen_perceptual", result.unseen_perceptual, plate.unseen_perceptual),
        ssim=_gain("ssim", _dissimilarity(result), _dissimilarity(plate)),
        shape=_gain("shape", result.shape_pct, plate.shape_pct) if is_seen else None,
    )


def _gain(name: str, error: float | None, plate_error: float | None, *, best: float | None = 0.0) -> float | None:
    if error is None or plate_error is None or best is None or plate_error - best < MIN_SPANS[name]:
        return None
    return (plate_error - error) / (plate_error - best)


def _dissimilarity(measures: ClipMeasures) -> float | None:
    return None if measures.ssim is None else 1 - measures.ssim


def _batch_of(chips: list[UInt8[np.ndarray, "S S 3"]]) -> Tensor:
    return torch.from_numpy(np.stack(chips)).permute(0, 3, 1, 2).float()


def _rotation(pose: HeadPose) -> Float[np.ndarray, "3 3"]:
    return head_rotation(pose.yaw_deg, pose.pitch_deg, pose.roll_deg)


def _gaze_error_deg(result: FaceLook | None, truth: FaceLook) -> float | None:
    if result is None or result.gaze is None or truth.gaze is None:
        return None
    return angle_between_deg(result.gaze, truth.gaze)


def _distance(one: Float32[np.ndarray, " N"], other: Float32[np.ndarray, " N"]) -> float:
    return float(np.linalg.norm(one - other))
