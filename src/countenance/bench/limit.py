"""How good a face could get through the composite: the ground truth's own pixels, put in as a drawer's would be."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32

from countenance.composite.place import PlacedFace
from countenance.drawing import Drawer, DrawnFace, FaceInput
from countenance.geometry import resample
from countenance.vision.align import HeadPose, frame_to_crop, head_pose, mesh_in_crop


class LimitDrawer:
    """Draws the ground truth in the same crop, under the mask of another drawer, whose faces must be finished."""

    def __init__(self, drawer: Drawer, truth: Path, faces_at: Mapping[int, Sequence[PlacedFace]]) -> None:
        self._drawer, self._truths = drawer, sorted(truth.glob("*.png"))
        self.size, self.batch = drawer.size, drawer.batch
        digest = hashlib.sha256(drawer.digest.encode())
        for path in self._truths:
            digest.update(path.read_bytes())
        self.digest = digest.hexdigest()
        # A drawer isn't told which frame a face is from; its mesh says it.
        self._place_of: dict[bytes, tuple[int, HeadPose]] = {}
        for index, faces in faces_at.items():
            for face in faces:
                pose = head_pose(face.landmarks_xyz)
                self._place_of[mesh_in_crop(face.landmarks_xyz, pose, self.size).tobytes()] = index, pose

    def __call__(self, faces: Sequence[FaceInput]) -> list[DrawnFace]:
        """One ground truth for each."""
        return [replace(drawn, rgb=self._truth(face)) for face, drawn in zip(faces, self._drawer(faces), strict=True)]

    def _truth(self, face: FaceInput) -> Float32[np.ndarray, "S S 3"]:
        index, pose = self._place_of[face.landmarks_xyz.tobytes()]
        picture = cv2.imread(str(self._truths[index]), cv2.IMREAD_COLOR)
        assert picture is not None
        frame = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.float32) / 255
        return np.asarray(np.clip(resample(frame, frame_to_crop(pose, self.size), (self.size, self.size)), 0, 1))
