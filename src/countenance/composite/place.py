"""Where the faces that are to be replaced lie in each frame, smoothed over time."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from countenance.composite.stabilise import smooth_track
from countenance.faces.store import StoredFace


@dataclass(frozen=True, kw_only=True, slots=True)
class PlacedFace:
    """A face to be replaced."""

    track: int
    landmarks_xyz: Float32[np.ndarray, "468 3"]


def placed_faces(faces: Sequence[StoredFace]) -> dict[int, list[PlacedFace]]:
    """Faces of a plate by frame index, each track smoothed over time."""
    tracks = defaultdict(list)
    for face in faces:
        tracks[face.track].append(face)
    placed: dict[int, list[PlacedFace]] = defaultdict(list)
    for number, members in tracks.items():
        frames = [face.frame for face in members]
        for frame, landmarks in zip(frames, smooth_track(frames, [f.landmarks_xyz for f in members]), strict=True):
            placed[frame].append(PlacedFace(track=number, landmarks_xyz=landmarks))
    return dict(placed)
