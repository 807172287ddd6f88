"""The dense mesh on a face: FaceMesh, 468 points with depth."""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float32, UInt8

from countenance.geometry import box_around, invert, overlap, square_to_crop, transform_points, warp
from countenance.types import DetectedFace
from countenance.vision.align import misfit
from countenance.vision.detect import Detection, FaceDetector
from countenance.vision.networks import TfliteNet

INPUT_SIZE = 192
MIN_SCORE = 0.5
MARGIN = 1.5
"""Side of the net's input square, in sides of the face's box."""
MAX_OVERLAP = 0.4
"""Two meshes that overlap more lie on the same face."""

MAX_REFINEMENTS = 3
SETTLED_OVERLAP = 0.9
SURE_MISFIT, MAX_MISFIT = 0.08, 0.14
"""See `align.misfit`. Rendered faces up to 30° of yaw stay below the first, and up to 75° below the second."""
SURENESS_WEIGHT = 0.2
"""How much misfit a detector's score of 1 compensates."""

EYES = (33, 263)
"""Outer corners: the one to the left in the frame of an upright face, then the other."""


class FaceMesh:
    """Fits the mesh to a face whose place is roughly known; not thread-safe."""

    def __init__(self) -> None:
        self._net = TfliteNet("face_landmark")

    def settle(self, rgb: UInt8[np.ndarray, "H W 3"], points_xy: Float32[np.ndarray, "8 2"]) -> DetectedFace:
        """From the detector's points: its square is rough, so the mesh is fitted again until it settles."""
        face = self._lay(rgb, points_xy[:2], points_xy[2:4])
        for _ in range(MAX_REFINEMENTS):
            before, face = face, self.follow(rgb, face.landmarks_xyz)
            if overlap(before.box_xyxy, face.box_xyxy) > SETTLED_OVERLAP:
                break
        return face

    def follow(self, rgb: UInt8[np.ndarray, "H W 3"], landmarks_xyz: Float32[np.ndarray, "468 3"]) -> DetectedFace:
        """From the mesh in a frame just before or after."""
        return self._lay(rgb, landmarks_xyz[:, :2], landmarks_xyz[EYES, :2])

    def _lay(
        self,
        rgb: UInt8[np.ndarray, "H W 3"],
        extent_xy: Float32[np.ndarray, "N 2"],
        eyes_xy: Float32[np.ndarray, "2 2"],
    ) -> DetectedFace:
        low, high = extent_xy.min(axis=0), extent_xy.max(axis=0)
        eye_line = eyes_xy[1] - eyes_xy[0]
        roll_deg = -float(np.rad2deg(np.arctan2(eye_line[1], eye_line[0])))
        side = MARGIN * max(float((high - low).max()), 1.0)
        frame_to_crop = square_to_crop((low + high) / 2, side, roll_deg, INPUT_SIZE)
        crop = warp(rgb, frame_to_crop, (INPUT_SIZE, INPUT_SIZE))
        points, logit = self._net(crop[None].astype(np.float32) / 255)
        in_crop = points.reshape(468, 3)
        scale = side / INPUT_SIZE
        landmarks_xyz = np.column_stack(
            [transform_points(invert(frame_to_crop), in_crop[:, :2]), in_crop[:, 2] * scale]
        ).astype(np.float32)
        return DetectedFace(
            box_xyxy=box_around(landmarks_xyz[:, :2]),
            landmarks_xyz=landmarks_xyz,
            score=float(1 / (1 + np.exp(-logit.item()))),
        )


class FaceFinder:
    """Detector and mesh together: every face of a single frame with its landmarks."""

    def __init__(self) -> None:
        self._detector = FaceDetector()
        self._mesh = FaceMesh()

    def __call__(self, rgb: UInt8[np.ndarray, "H W 3"]) -> list[DetectedFace]:
        """All faces on which the mesh sits well."""
        return new_faces(rgb, self._detector, self._mesh, ())


def new_faces(
    rgb: UInt8[np.ndarray, "H W 3"], detector: FaceDetector, mesh: FaceMesh, known: Sequence[DetectedFace]
) -> list[DetectedFace]:
    """All faces of a frame but the known ones; where nothing is found with confidence, also faces that fill the frame,
    don't stand upright or are very small.

    The mesh net is often confident and wrong: on an upside-down face it fits an upright mesh. Of meshes that compete
    for a face, the one wins whose shape is closest to a head's and whose detection scored highest.
    """

    def settled(detections: Iterable[Detection]) -> list[tuple[float, float, DetectedFace]]:
        faces = [(each.score, mesh.settle(rgb, each.points_xy)) for each in detections]
        return [
            (fit - SURENESS_WEIGHT * score, fit, face)
            for score, face in faces
            if face.score >= MIN_SCORE and (fit := misfit(face.landmarks_xyz)) <= MAX_MISFIT
        ]

    found = settled(each for each in detector(rgb) if not _is_known(each, known))
    if not known and not any(fit <= SURE_MISFIT for _, fit, _ in found):
        found += settled(detector.turned(rgb))
    for search in (detector.large, detector.small):
        if known or found:
            break
        found += settled(search(rgb))
    faces: list[DetectedFace] = []
    for _, _, face in sorted(found, key=lambda each: each[0]):
        if not any(_meet(face, other) for other in [*known, *faces]):
            faces.append(face)
    return faces


def is_among(face: DetectedFace, others: Iterable[DetectedFace]) -> bool:
    """Whether one of the others lies on the same face."""
    return any(overlap(face.box_xyxy, other.box_xyxy) > MAX_OVERLAP for other in others)


def _is_known(detection: Detection, known: Iterable[DetectedFace]) -> bool:
    middle = detection.points_xy[:2].mean(axis=0)
    return any(_holds(face.box_xyxy, middle) for face in known)


def _meet(one: DetectedFace, other: DetectedFace) -> bool:
    """Whether the middle of one face lies in the other: where heads cross, one of them is hidden."""
    middles = [(face.box_xyxy[:2] + face.box_xyxy[2:]) / 2 for face in (one, other)]
    return _holds(other.box_xyxy, middles[0]) or _holds(one.box_xyxy, middles[1])


def _holds(box_xyxy: Float32[np.ndarray, "4"], point_xy: Float32[np.ndarray, "2"]) -> bool:
    return bool(np.all(point_xy >= box_xyxy[:2]) and np.all(point_xy <= box_xyxy[2:]))
