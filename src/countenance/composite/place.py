"""Where the faces that are to be replaced lie in each frame, smoothed over time, and how much of each shows.

All of a plate is known, so gaps are bridged from both sides, and a face begins to fade before its mesh is lost.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float32

from countenance.composite.stabilise import smooth_track
from countenance.faces.store import StoredFace
from countenance.media.timeline import Timeline
from countenance.vision.track import MAX_GAP_FRAMES

TURNED_DEG = 45.0
"""Angle from the camera, beyond which the mesh's score tells whether the mesh still turns along with its face."""
SURE_SCORE, LOST_SCORE = 0.95, 0.7
"""From where the score falls below the first, around frames in which it falls below the second, a turned face counts as
lost. On synthetic actors the net gives 1.0 up to some 80° of yaw, behind a hand and in motion blur, and 0.3–0.8 on a
profile."""
IN_PICTURE = 0.95
"""A face of which less lies inside the picture is leaving it, which needs no fade."""
FADE_S = 0.2
"""Time in which a face fades. Half of it is as good as a jump, twice of it shows two faces at once for too long."""
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
    faces: Sequence[StoredFace],
    timeline: Timeline,
    *,
    frame_rate: float,
    fades: bool = True,
    closed: Collection[int] = (),
) -> dict[int, list[PlacedFace]]:
    """Faces of a plate by frame index; each track is smoothed over time, short gaps are bridged, its ends fade.

    `fades`: without, a face shows as a whole wherever it has a mesh. `closed` are frames in which no gap is bridged.
    """
    tracks = defaultdict(list)
    for face in faces:
        tracks[face.track].append(face)
    fade_frames = max(1, round(FADE_S * frame_rate))
    placed: dict[int, list[PlacedFace]] = defaultdict(list)
    for number, members in tracks.items():
        meshes = _bridged(members, closed)
        frames = sorted(meshes)
        smoothed = smooth_track(frames, [meshes[frame] for frame in frames])
        presences = (
            _presences(members, frames, _shot_of(members[0], timeline), fade_frames) if fades else [1.0] * len(frames)
        )
        for frame, landmarks_xyz, presence in zip(frames, smoothed, presences, strict=True):
            if presence >= LEAST_PRESENCE:
                placed[frame].append(PlacedFace(track=number, landmarks_xyz=landmarks_xyz, presence=presence))
    return dict(placed)


def _shot_of(face: StoredFace, timeline: Timeline) -> tuple[int, int]:
    """First and last frame of the shot in which a face is; a track never crosses a cut."""
    ends = [*timeline.shots[1:], len(timeline.frame_pts)]
    at = int(np.searchsorted(timeline.shots, face.frame, side="right")) - 1
    return timeline.shots[at], ends[at] - 1


def _bridged(members: Sequence[StoredFace], closed: Collection[int]) -> dict[int, Float32[np.ndarray, "468 3"]]:
    """The meshes of a track by frame, and others in between where it is lost for a moment and both sides are sure."""
    meshes = {face.frame: face.landmarks_xyz for face in members}
    for before, after in pairwise(members):
        gap = range(before.frame + 1, after.frame)
        is_sure = min(before.score, after.score) >= SURE_SCORE
        if len(gap) > MAX_GAP_FRAMES or not is_sure or any(frame in closed for frame in gap):
            continue
        for frame in gap:
            part = np.float32((frame - before.frame) / (after.frame - before.frame))
            meshes[frame] = before.landmarks_xyz + part * (after.landmarks_xyz - before.landmarks_xyz)
    return meshes


def _presences(
    members: Sequence[StoredFace], frames: Sequence[int], shot: tuple[int, int], fade_frames: int
) -> list[float]:
    """How much of a face shows in each frame: none where it is lost, and no more than can fade from there."""
    first = frames[0] - fade_frames
    score = np.zeros(frames[-1] + fade_frames + 1 - first)
    # Beyond a cut there is nothing to fade to.
    score[: max(shot[0] - first, 0)] = 1
    score[shot[1] + 1 - first :] = 1
    score[np.array(frames) - first] = 1
    for face in members:
        at = face.frame - first
        if face.quality.visible_fraction < IN_PICTURE:
            score[max(at - fade_frames, 0) : at + fade_frames + 1] = 1
        elif np.hypot(*face.quality.yaw_pitch_roll_deg[:2]) > TURNED_DEG:
            score[at] = face.score
    starts = np.flatnonzero(np.diff(score < SURE_SCORE)) + 1
    for run in np.split(np.arange(len(score)), starts):
        score[run] = score[run].min() >= LOST_SCORE
    fading = np.abs(np.arange(-fade_frames, fade_frames + 1)) / fade_frames
    lowest = [min(1.0, float((score[frame - frames[0] :][: len(fading)] + fading).min())) for frame in frames]
    return [round(low * low * (3 - 2 * low), 4) for low in lowest]
