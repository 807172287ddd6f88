"""Where the faces that are to be replaced lie in each frame, smoothed over time, and how much of each shows.

All of a plate is known, so a face begins to fade before its mesh is lost. Nothing is put where no mesh was found:
somebody else's face may lie there.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Integer
from numpy.lib.stride_tricks import sliding_window_view

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


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FacesOfTracks:
    """What decides how much of faces shows: one track after the other, each in the order of frames."""

    frames: Integer[np.ndarray, " N"]
    tracks: Integer[np.ndarray, " N"]
    shot_begins: Integer[np.ndarray, " N"]
    """The first frame of the shot; a track never crosses a cut."""
    shot_ends: Integer[np.ndarray, " N"]
    """The frame after its last."""
    angles_deg: Float[np.ndarray, " N"]
    """From the camera."""
    scores: Float[np.ndarray, " N"]
    visible_fractions: Float[np.ndarray, " N"]


def placed_faces(
    faces: Sequence[StoredFace], timeline: Timeline, *, frame_rate: float, fades: bool = True
) -> dict[int, list[PlacedFace]]:
    """Faces of a plate by frame index, each track smoothed over time and faded where it is lost.

    Without `fades` a face shows as a whole wherever it has a mesh.
    """
    tracks = defaultdict(list)
    for face in faces:
        tracks[face.track].append(face)
    placed: dict[int, list[PlacedFace]] = defaultdict(list)
    for number, members in tracks.items():
        frames = [face.frame for face in members]
        smoothed = smooth_track(frames, [face.landmarks_xyz for face in members])
        shares = [1.0] * len(frames)
        if fades:
            shares = presences(_of_track(members, timeline), frames_of_fade(frame_rate)).tolist()
        for frame, landmarks_xyz, presence in zip(frames, smoothed, shares, strict=True):
            if presence >= LEAST_PRESENCE:
                placed[frame].append(PlacedFace(track=number, landmarks_xyz=landmarks_xyz, presence=presence))
    return dict(placed)


def _of_track(members: Sequence[StoredFace], timeline: Timeline) -> FacesOfTracks:
    shot = shot_ranges(timeline)[shot_at(timeline, members[0].frame) - 1]
    count = len(members)
    return FacesOfTracks(
        frames=np.array([face.frame for face in members]),
        tracks=np.full(count, members[0].track),
        shot_begins=np.full(count, shot.start),
        shot_ends=np.full(count, shot.stop),
        angles_deg=np.array([np.hypot(*face.quality.yaw_pitch_roll_deg[:2]) for face in members]),
        scores=np.array([face.score for face in members]),
        visible_fractions=np.array([face.quality.visible_fraction for face in members]),
    )


def frames_of_fade(frame_rate: float) -> int:
    """In so many frames a face comes or goes."""
    return max(1, round(FADE_S * frame_rate))


def presences(faces: FacesOfTracks, fade_frames: int) -> Float64[np.ndarray, " N"]:
    """How much of each face shows: none where it is lost, and no more than can fade from there."""
    if not len(faces.frames):
        return np.zeros(0)
    begins = np.flatnonzero(np.diff(faces.tracks, prepend=faces.tracks[0] - 1))
    counts = np.diff(begins, append=len(faces.frames))
    # The tracks lie one after the other, with room to fade on both sides.
    firsts, lasts = faces.frames[begins] - fade_frames, faces.frames[begins + counts - 1] + fade_frames
    lengths = lasts - firsts + 1
    offsets = np.cumsum(lengths) - lengths
    places = faces.frames + np.repeat(offsets - firsts, counts)
    frames = np.arange(lengths.sum()) - np.repeat(offsets - firsts, lengths)
    # Beyond a cut there is nothing to fade to.
    is_beyond = (frames < np.repeat(faces.shot_begins[begins], lengths)) | (
        frames >= np.repeat(faces.shot_ends[begins], lengths)
    )
    score = is_beyond.astype(np.float64)
    score[places] = np.where(faces.angles_deg > TURNED_DEG, faces.scores, 1)
    for at in places[faces.visible_fractions < IN_PICTURE]:
        score[at - fade_frames : at + fade_frames + 1] = 1
    is_begin = np.diff(score < SURE_SCORE, prepend=False)
    is_begin[offsets] = True
    starts = np.flatnonzero(is_begin)
    is_lost = np.repeat(np.minimum.reduceat(score, starts) < LOST_SCORE, np.diff(starts, append=len(score)))
    lost_before = np.cumsum(np.append(0, is_lost))
    is_near = lost_before[places + fade_frames + 1] > lost_before[places - fade_frames]
    fading = np.abs(np.arange(-fade_frames, fade_frames + 1)) / fade_frames
    around = sliding_window_view(~is_lost, len(fading))[places[is_near] - fade_frames]
    low = np.minimum(1.0, (around + fading).min(axis=1))
    shares = np.ones(len(places))
    shares[is_near] = [round(each, 4) for each in (low * low * (3 - 2 * low)).tolist()]
    return shares
