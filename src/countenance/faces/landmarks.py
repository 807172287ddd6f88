"""The dense mesh on a found face: FaceMesh, 468 points with depth."""

import numpy as np
from jaxtyping import Float32, UInt8

from countenance.faces.detect import FaceDetector
from countenance.faces.networks import TfliteNet
from countenance.geometry import invert, square_to_crop, transform_points, warp
from countenance.types import DetectedFace

INPUT_SIZE = 192
MIN_SCORE = 0.8
MARGIN = 1.5
"""Side of the square that the net looks at, in sides of the face's box."""

EYES = (33, 263)
"""Outer corners: the one to the left in the picture of an upright face, then the other."""


class FaceFinder:
    """Detector and mesh together: every face of a frame with its landmarks."""

    def __init__(self) -> None:
        self._detector = FaceDetector()
        self._net = TfliteNet("face_landmark")

    def __call__(self, rgb: UInt8[np.ndarray, "H W 3"]) -> list[DetectedFace]:
        """All faces on which the mesh sits well, best first."""
        faces = []
        for points_xy in self._detector(rgb):
            # The detector's square is rough; a second look at where the mesh was found settles it.
            landmarks_xyz, _ = self._look(rgb, points_xy[:2], points_xy[2:4])
            landmarks_xyz, score = self._look(rgb, landmarks_xyz[:, :2], landmarks_xyz[EYES, :2])
            if score >= MIN_SCORE:
                box = np.concatenate([landmarks_xyz[:, :2].min(axis=0), landmarks_xyz[:, :2].max(axis=0)])
                faces.append(DetectedFace(box_xyxy=box, landmarks_xyz=landmarks_xyz, score=score))
        return faces

    def _look(
        self,
        rgb: UInt8[np.ndarray, "H W 3"],
        extent_xy: Float32[np.ndarray, "N 2"],
        eyes_xy: Float32[np.ndarray, "2 2"],
    ) -> tuple[Float32[np.ndarray, "468 3"], float]:
        low, high = extent_xy.min(axis=0), extent_xy.max(axis=0)
        eye_line = eyes_xy[1] - eyes_xy[0]
        roll_deg = -float(np.rad2deg(np.arctan2(eye_line[1], eye_line[0])))
        side = MARGIN * float((high - low).max())
        frame_to_crop = square_to_crop((low + high) / 2, side, roll_deg, INPUT_SIZE)
        crop = warp(rgb, frame_to_crop, (INPUT_SIZE, INPUT_SIZE))
        points, logit = self._net(crop[None].astype(np.float32) / 255)
        in_crop = points.reshape(468, 3)
        scale = side / INPUT_SIZE
        landmarks_xyz = np.column_stack(
            [transform_points(invert(frame_to_crop), in_crop[:, :2]), in_crop[:, 2] * scale]
        ).astype(np.float32)
        return landmarks_xyz, float(1 / (1 + np.exp(-logit.item())))
