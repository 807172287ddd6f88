"""Where the faces that are to be replaced lie in each frame, smoothed over time, and how much of each shows.

All of a plate is known, so a face begins to fade before its mesh is lost. Nothing is put where no mesh was found:
somebody else's face may lie there.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from countenance.composite.stabilise import smooth_track
from countenance.faces.store import StoredFace
from countenance.media.excerpt import shot_at, shot_ranges
from countenance.media.timeline import Timeline

TURNED_DEG = 45.0
"""Angle from the camera, beyond which the mesh's score tells whether the mesh still turns along with its face."""
SURE_SCORE, LOST_SCORE = 0.95, 0.7
"""From where the score falls below the first, around frames in which it falls below the second, a turned face counts as
lost. On synthetic actors the net gives 1.0 up to some 80° of yaw, behind a hand and in motion blur, and 0.3–0.8 on a
profile."""
IN_PICTURE = 0.95
"""A face of which less lies inside the picture is leaving it, which needs no fade."""
FADE_S = 0.2
"""Time in which a face fades, chosen by eye."""
LEAST_PRESENCE = 0.02
"""What shows less is not drawn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlacedFace:
    """A face to be replaced."""

    track: int
    landmarks_xyz: Float32[np.ndarray, "468 3"]
    presence: float = 1.0
    """0–1: how much of it shows; less where it fades."""


def placed_faces(
    faces: Sequence[StoredFace], timeline: Timeline, *, frame_rate: float, fades: bool = True
) -> dict[int, list[PlacedFace]]:
    """Faces of a plate by frame index, each track smoothed over time and faded where it is lost.

    Without `fades` a face shows as a whole wherever it has a mesh.
    """
    tracks = defaultdict(list)
    for face in faces:
        tracks[face.track].append(face)
    fade_frames, shots = frames_of_fade(frame_rate), shot_ranges(timeline)
    placed: dict[int, list[PlacedFace]] = defaultdict(list)
    for number, members in tracks.items():
        frames = [face.frame for face in members]
        smoothed = smooth_track(frames, [face.landmarks_xyz for face in members])
        # A track never crosses a cut.
        shot = shots[shot_at(timeline, frames[0]) - 1]
        presences = _presences(members, shot, fade_frames) if fades else [1.0] * len(frames)
        for frame, landmarks_xyz, presence in zip(frames, smoothed, presences, strict=True):
            if presence >= LEAST_PRESENCE:
                placed[frame].append(PlacedFace(track=number, landmarks_xyz=landmarks_xyz, presence=presence))
    return dict(placed)


def frames_of_fade(frame_rate: float) -> int:
    """In so many frames a face comes or goes."""
    return max(1, round(FADE_S * frame_rate))


def _presences(members: Sequence[StoredFace], shot: range, fade_frames: int) -> list[float]:
    """How much of a face shows in each frame: none where it is lost, and no more than can fade from there."""
    frames = [face.frame for face in members]
    first = frames[0] - fade_frames
    score = np.zeros(frames[-1] + fade_frames + 1 - first)
    # Beyond a cut there is nothing to fade to.
    score[: max(shot.start - first, 0)] = 1
    score[shot.stop - first :] = 1
    score[np.array(frames) - first] = 1
    for face in members:
        if np.hypot(*face.quality.yaw_pitch_roll_deg[:2]) > TURNED_DEG:
            score[face.frame - first] = face.score
    for face in members:
        if face.quality.visible_fraction < IN_PICTURE:
            at = face.frame - first
            score[max(at - fade_frames, 0) : at + fade_frames + 1] = 1
    starts = np.flatnonzero(np.diff(score < SURE_SCORE)) + 1
    for run in np.split(np.arange(len(score)), starts):
        score[run] = score[run].min() >= LOST_SCORE
    fading = np.abs(np.arange(-fade_frames, fade_frames + 1)) / fade_frames
    lowest = [min(1.0, float((score[frame - frames[0] :][: len(fading)] + fading).min())) for frame in frames]
    return [round(low * low * (3 - 2 * low), 4) for low in lowest]
