"""Signs in faces that were put in by a machine: a statistical signal, never a verdict.

Moments spread over a file are looked at, of a long one as many as of a short one. Faces are followed for a few frames
at each moment. What the network finds in a face is turned into a score by what was measured on footage that it had
never seen; the same measurement says how far a face may lie from that footage before nothing can be said.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from countenance.errors import MediaError, ModelError
from countenance.forensics.card import Card, read_card, weights_folder
from countenance.forensics.network import SIZE, DetectorNet, as_input
from countenance.forensics.overview import small
from countenance.forensics.signal import FaceLook, Signal, TrackSignal
from countenance.geometry import overlap
from countenance.media.reader import read_frames, spread_frames
from countenance.types import DetectedFace, Frame, MediaInfo
from countenance.vision.align import cut, head_pose
from countenance.vision.track import FaceFollower
from countenance.vision.weights import read_weights

NUM_PLACES, RUN = 8, 4
"""Of a long file: 32 frames, the number by which the field measures a video."""
MOST_DECODED = 5_000
"""Frames of a video that is decoded from its beginning to its end."""
SHOWN_PX = 320
"""Longer side of the frames that a report shows."""
MOST_FACES = 16
"""Of a frame; of a crowd the largest are judged."""
NUM_NEAREST = 5
"""Familiar faces to which a face's distance is taken."""
SAME_PLACE = 0.2
"""Overlap of boxes from which a face of one moment is taken for that of the moment before."""
Box = tuple[float, float, float, float]
"""Left, top, width and height, as fractions of the frame."""
WEIGHTS_NAME = "detector.safetensors"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Familiar:
    """What the faces looked like that the detector was tested on."""

    centre: Float[Tensor, " F"]
    spread: Float[Tensor, " F"]
    """Mean and standard deviation of each feature."""
    faces: Float[Tensor, "N F"]
    """In these terms, some hundred that stand for all."""
    limit: Float[Tensor, " 1"]
    """Mean distance to the nearest of them, within which nearly all tested faces lie."""

    def distance(self, looks: Float[Tensor, "B F"]) -> Float[Tensor, " B"]:
        """How unlike these others are; 1 is the limit."""
        apart = torch.cdist((looks - self.centre) / self.spread, self.faces)
        return apart.topk(NUM_NEAREST, largest=False).values.mean(dim=1) / self.limit


class Detector:
    """The network with its card; not thread-safe.

    Raises:
        ModelError: the package's weights are missing or damaged.
    """

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or weights_folder()
        path = folder / WEIGHTS_NAME
        values = read_weights(path)
        self._network = DetectorNet().eval()
        try:
            self._tested = Familiar(**{name: values.pop(f"tested.{name}") for name in Familiar.__dataclass_fields__})
            self._network.load_state_dict(values)
        except (KeyError, RuntimeError):
            raise ModelError(f"{path} does not hold this version's weights; install countenance again") from None
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.card = read_card(folder)

    @torch.inference_mode()
    def judge(
        self,
        crops: Sequence[UInt8[np.ndarray, "S S 3"]],
        next_crops: Sequence[UInt8[np.ndarray, "S S 3"] | None],
    ) -> list["Judged"]:
        """Score, heat and distance of each crop; None for the next one where there is none."""
        if not crops:
            return []
        has_next = torch.tensor([float(each is not None) for each in next_crops])
        after = [crop if each is None else each for crop, each in zip(crops, next_crops, strict=True)]
        given = as_input(torch.from_numpy(np.stack(crops)), torch.from_numpy(np.stack(after)), has_next)
        maps, looks = self._network(*(part.contiguous(memory_format=torch.channels_last) for part in given))
        logits = self.card.scale * maps + self.card.shift
        heat, evidence = torch.sigmoid(logits).numpy(), logits.mean(dim=(1, 2)).tolist()
        distances = self._tested.distance(looks).tolist()
        return [
            Judged(evidence=whole, heat=np.asarray(each, np.float32), distance=distance)
            for whole, each, distance in zip(evidence, heat, distances, strict=True)
        ]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Judged:
    """What the network makes of one face."""

    evidence: float
    """Of the whole face, scaled and shifted as the card says: the logarithm of the odds."""
    heat: Float32[np.ndarray, "m m"]
    distance: float
    """From the tested footage; 1 is its limit."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Moment:
    """A frame with its faces, by number of track within its run."""

    frame: Frame
    faces: Mapping[int, DetectedFace]


@dataclass(kw_only=True, slots=True, eq=False)
class _Track:
    """A face that is followed through the file, as far as it stays in its place."""

    box: Box
    looks: list[FaceLook] = field(default_factory=list)
    evidence: list[float] = field(default_factory=list)
    distances: list[float] = field(default_factory=list)
    sides_px: list[float] = field(default_factory=list)


def find_signs(info: MediaInfo, detector: Detector) -> Signal:
    """Look at the faces of a video or picture; of what can't be read, `why_not` says why."""
    follower, tracks, num_frames, num_beyond = FaceFollower(), list[_Track](), 0, 0
    try:
        for run in _runs(info):
            open_tracks: dict[int, _Track] = {}
            for moment, after in _moments(follower, run, with_last=not _is_long(info)):
                num_frames += 1
                num_beyond = max(num_beyond, len(moment.faces) - MOST_FACES)
                _look(detector, info, moment, after, open_tracks, tracks)
    except MediaError as error:
        return Signal(tracks=(), num_frames=num_frames, why_not=str(error))
    by_time = sorted(tracks, key=lambda track: min(look.time_s for look in track.looks))
    signals = [_signal(number, track) for number, track in enumerate(by_time, 1) if _is_large(track, detector.card)]
    num_left_out = len(tracks) - len(signals) + num_beyond
    return Signal(tracks=tuple(signals), num_frames=num_frames, num_left_out=num_left_out)


def _is_long(info: MediaInfo) -> bool:
    return info.kind == "video" and info.num_frames > NUM_PLACES * (RUN + 1)


def _is_entered(info: MediaInfo) -> bool:
    """Whether only parts of it are decoded."""
    return _is_long(info) and info.num_frames > MOST_DECODED


def _runs(info: MediaInfo) -> Iterator[Iterator[Frame]]:
    """Neighbouring frames at places spread over the file; each run must be read to its end before the next.

    A film of hours is entered at its keyframes; of anything shorter, which may have only one, all frames are decoded.
    """
    if not _is_long(info):
        yield read_frames(info)
    elif _is_entered(info):
        yield from spread_frames(info, num_places=NUM_PLACES, run=RUN + 1)
    else:
        firsts = np.linspace(0, info.num_frames - RUN - 1, NUM_PLACES).astype(int).tolist()
        frames = read_frames(info, wanted={first + step for first in firsts for step in range(RUN + 1)})
        for _ in firsts:
            yield islice(frames, RUN + 1)


def _moments(
    follower: FaceFollower, run: Iterator[Frame], *, with_last: bool
) -> Iterator[tuple[_Moment, _Moment | None]]:
    """Each frame of a run with the one after it; the last one, which has none, only where it is asked for."""
    before: _Moment | None = None
    for frame, faces in follower(run, ()):
        moment = _Moment(frame=frame, faces=faces)
        if before is not None:
            yield before, moment
        before = moment
    if before is not None and with_last:
        yield before, None


def _look(
    detector: Detector,
    info: MediaInfo,
    moment: _Moment,
    after: _Moment | None,
    open_tracks: dict[int, _Track],
    tracks: list[_Track],
) -> None:
    """Judge a frame's faces, and add them to the tracks to which they belong."""
    rgb = moment.frame.rgb
    height, width = rgb.shape[:2]
    all_poses = {number: head_pose(face.landmarks_xyz) for number, face in moment.faces.items()}
    largest = sorted(all_poses, key=lambda number: -all_poses[number].crop_side_px)[:MOST_FACES]
    poses = {number: all_poses[number] for number in largest}
    if not poses:
        return
    shown = small(rgb, SHOWN_PX)
    crops = [cut(rgb, pose, SIZE) for pose in poses.values()]
    judged = detector.judge(crops, [_crop_after(after, number) for number in poses])
    time_s = max(0.0, float(moment.frame.time))
    for (number, pose), crop, each in zip(poses.items(), crops, judged, strict=True):
        left, top, right, bottom = (float(value) for value in moment.faces[number].box_xyxy)
        box = (left / width, top / height, (right - left) / width, (bottom - top) / height)
        if number not in open_tracks:
            open_tracks[number] = _track_at(box, tracks, open_tracks)
        track = open_tracks[number]
        track.box = box
        track.evidence.append(each.evidence)
        track.distances.append(each.distance)
        track.sides_px.append(pose.crop_side_px)
        track.looks.append(
            FaceLook(
                frame=None if _is_entered(info) else moment.frame.index,
                time_s=time_s,
                score=_logistic(each.evidence),
                rgb=crop,
                heat=each.heat,
                frame_rgb=shown,
                box_xywh=box,
            )
        )


def _crop_after(after: _Moment | None, number: int) -> UInt8[np.ndarray, "S S 3"] | None:
    face = after.faces.get(number) if after is not None else None
    return None if after is None or face is None else cut(after.frame.rgb, head_pose(face.landmarks_xyz), SIZE)


def _track_at(box: Box, tracks: list[_Track], taken: Mapping[int, _Track]) -> _Track:
    """The track whose face was seen last in about the same place, or a new one."""
    free = [track for track in tracks if all(track is not each for each in taken.values())]
    corners = _corners(box)
    best = max(free, key=lambda track: overlap(_corners(track.box), corners), default=None)
    if best is not None and overlap(_corners(best.box), corners) >= SAME_PLACE:
        return best
    tracks.append(_Track(box=box))
    return tracks[-1]


def _corners(box: Box) -> Float32[np.ndarray, "4"]:
    x, y, width, height = box
    return np.array([x, y, x + width, y + height], np.float32)


def _is_large(track: _Track, card: Card) -> bool:
    return float(np.median(track.sides_px)) >= card.smallest_px


def _logistic(evidence: float) -> float:
    return 1 / (1 + math.exp(-evidence))


def _signal(number: int, track: _Track) -> TrackSignal:
    looks = sorted(track.looks, key=lambda look: look.time_s)
    return TrackSignal(
        number=number,
        first_s=looks[0].time_s,
        last_s=looks[-1].time_s,
        # The limits are of the curve of the mean evidence, not of the mean of scores.
        score=_logistic(float(np.mean(track.evidence))),
        distance=float(np.median(track.distances)),
        faces=tuple(looks),
    )
