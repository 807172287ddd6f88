"""Find faces in a frame: BlazeFace, full range, on the letterboxed picture."""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.faces.networks import TfliteNet

INPUT_SIZE = 192
GRID = 48
MIN_SCORE = 0.3
"""Low, because the mesh net judges each find again."""
MAX_OVERLAP = 0.3

LEFT_EYE, RIGHT_EYE = 0, 1
"""Of the six keypoints, the two that give the tilt; left and right as seen in the picture."""


class FaceDetector:
    """Finds the rough places of all faces in a frame."""

    def __init__(self) -> None:
        self._net = TfliteNet("face_detection_full_range_sparse")
        centres = (np.arange(GRID, dtype=np.float32) + 0.5) / GRID
        self._anchors_xy = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)

    def __call__(self, rgb: UInt8[np.ndarray, "H W 3"]) -> list[Float32[np.ndarray, "8 2"]]:
        """For each face, best first: the box's two corners, then six keypoints, in pixels of the frame.

        The keypoints are both eyes, nose tip, mouth, both ears.
        """
        height, width = rgb.shape[:2]
        side = max(height, width)
        scale = INPUT_SIZE / side
        small = cv2.resize(
            rgb, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA
        )
        letterbox = np.zeros((INPUT_SIZE, INPUT_SIZE, 3), np.float32)
        letterbox[: small.shape[0], : small.shape[1]] = small / np.float32(127.5) - 1
        raw, logits = self._net(letterbox[None])
        scores = 1 / (1 + np.exp(-np.clip(logits[0, :, 0], -80, 80)))
        likely = np.flatnonzero(scores > MIN_SCORE)
        if not len(likely):
            return []

        # The net speaks in offsets from its anchors: centre, size, then keypoints.
        values = raw[0, likely].reshape(-1, 8, 2) / INPUT_SIZE
        anchors = self._anchors_xy[likely, None]
        centre, extent, keypoints = values[:, :1] + anchors, values[:, 1:2], values[:, 2:] + anchors
        points = np.concatenate([centre - extent / 2, centre + extent / 2, keypoints], axis=1) * side
        kept = cv2.dnn.NMSBoxes(
            np.concatenate([points[:, 0], points[:, 1] - points[:, 0]], axis=1).tolist(),
            scores[likely].tolist(),
            MIN_SCORE,
            MAX_OVERLAP,
        )
        return [points[i].astype(np.float32) for i in kept]
