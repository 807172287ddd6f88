"""Look at a stretch of a clip: follow its faces, tell the person's from others', and describe what is worth storing.

Of other people nothing leaves this module but how many faces they have, and the smallest distance.
"""

import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.faces.config import PrepareConfig
from countenance.faces.store import FaceRow, FoundTrack, Others
from countenance.types import DetectedFace, FaceQuality, Frame
from countenance.vision.align import cut, frame_to_crop, head_pose, mesh_in_crop
from countenance.vision.crops import CROP_SIZE, CROP_SIZES, CropSize, encode_crop, encode_mask, fitting_size
from countenance.vision.dissolve import LOOKAHEAD, DissolveFinder
from countenance.vision.gaze import EyeFinder, measure_gaze
from countenance.vision.identity import Embedding, Recogniser, cut_chip, embed
from countenance.vision.mask import hull_in_crop
from countenance.vision.quality import measure_quality, worth
from countenance.vision.segment import FaceMask, Segmenter, choose_mask
from countenance.vision.track import FaceFollower

FACES_PER_EMBEDDING = 5
"""Best faces of a track whose mean embedding stands for it: the mean halves the spread of single frames."""
TELLING_YAW_DEG = 45.0
"""A face turned further may be anybody's to the recogniser; a track without a better view waits for its neighbours."""
THUMBNAIL_SIZE, BLOCK = 32, 4
"""Of a crop, to compare it with others; a block of the thumbnail is about as large as an eye."""
KEPT_IN_VIEW = 12
"""With so many kept faces of its track a new one is compared."""
NOTABLY_BETTER = 1.15
FACES_PER_BATCH = 8
MIXED_FRAMES = 4
"""Of a dissolve, whose faces are judged together: there one face turns into another within a few frames."""

Crop = UInt8[np.ndarray, "S S 3"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Description:
    """All that is known of one face beside its mesh."""

    crop: Crop
    visible: FaceMask
    quality: FaceQuality


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Crops:
    """A face cut out of its frame twice."""

    measured: UInt8[np.ndarray, "P P 3"]
    """At `CROP_SIZE`."""
    stored: Crop
    """At the size in which it will be stored; the same one where that is `CROP_SIZE`."""


@dataclass(kw_only=True, slots=True)
class _Seen:
    frame: int
    face: DetectedFace
    crops: _Crops | None
    """None for a near duplicate of a better one."""
    quality: FaceQuality
    thumbnail: Float32[np.ndarray, "T T 3"]


@dataclass(kw_only=True, slots=True)
class _Growing:
    """A track while its stretch is looked at; only faces that differ keep their picture."""

    shot: int
    seen: list[_Seen] = field(default_factory=list)
    kept: list[_Seen] = field(default_factory=list)
    best: list[tuple[float, float, Crop]] = field(default_factory=list)
    """Worth, yaw and chip of the most telling faces."""


class Looker:
    """Looks at stretches; not to be shared between threads, as its nets aren't, but for those that run in torch."""

    def __init__(self, recogniser: Recogniser, segmenter: Segmenter | None) -> None:
        self._follow, self._find_eyes = FaceFollower(), EyeFinder()
        self._recogniser, self._segmenter = recogniser, segmenter

    def __call__(
        self,
        frames: Iterable[Frame],
        shots: Sequence[int],
        template: Embedding,
        config: PrepareConfig,
    ) -> tuple[tuple[FoundTrack, ...], Others]:
        """The tracks that are or may be the person's, and how many faces of others there were."""
        tracks = self._grow(frames, shots, config)
        found, others = [], Others()
        for track in tracks:
            chips = [chip for _, _, chip in track.best]
            embedding = np.asarray(embed(self._recogniser, with_mirrored(chips)).mean(axis=0))
            is_telling = min(abs(yaw) for _, yaw, _ in track.best) < TELLING_YAW_DEG
            distance = float(np.linalg.norm(embedding - template))
            if is_telling and distance > config.max_unsure_distance:
                others += Others(num_faces=len(track.seen), nearest=distance)
                continue
            rows = self._rows(track)
            found.append(FoundTrack(shot=track.shot, embedding=embedding, num_embedded=len(chips), faces=tuple(rows)))
        return tuple(found), others

    def _grow(self, frames: Iterable[Frame], shots: Sequence[int], config: PrepareConfig) -> list[_Growing]:
        """The tracks; one that runs on through a dissolve is cut at both of its ends and within it, as it may become
        somebody else's there.
        """
        tracks: dict[tuple[int, int], _Growing] = {}
        starts = np.asarray(shots)
        first_of_part, was_mixed = 0, False
        for index, faces, is_mixed in self._with_dissolves(frames, shots, config):
            if is_mixed != was_mixed or (is_mixed and index - first_of_part == MIXED_FRAMES):
                first_of_part, was_mixed = index, is_mixed
            shot = max(int(starts[np.searchsorted(starts, index, side="right") - 1]), first_of_part)
            for number, face in faces.items():
                track = tracks.setdefault((number, first_of_part), _Growing(shot=shot))
                _add(track, face, config.min_difference)
        return list(tracks.values())

    def _with_dissolves(
        self, frames: Iterable[Frame], shots: Sequence[int], config: PrepareConfig
    ) -> Iterator[tuple[int, dict[int, _Seen], bool]]:
        """Each frame's index, its faces by number of track, and whether it lies in a dissolve."""
        dissolves = DissolveFinder()
        waiting: deque[tuple[int, dict[int, _Seen]]] = deque()
        for frame, faces in self._follow(frames, frozenset(shots)):
            dissolves.add(frame.index, frame.rgb)
            seen = {number: _see(frame, face, largest_crop(config)) for number, face in faces.items()}
            waiting.append((frame.index, seen))
            if len(waiting) > LOOKAHEAD:
                index, seen = waiting.popleft()
                yield index, seen, dissolves.is_mixed(index)
        for index, seen in waiting:
            yield index, seen, dissolves.is_mixed(index)

    def _rows(self, track: _Growing) -> list[FaceRow]:
        masks = {} if self._segmenter is None else _masks(self._segmenter, track.seen)
        return [_row(seen, masks.get(seen.frame), self._find_eyes) for seen in track.seen]


def largest_crop(config: PrepareConfig) -> CropSize:
    """In which size crops are stored at most."""
    return CROP_SIZES[-1] if config.crop_size == "auto" else config.crop_size


def with_mirrored(chips: Sequence[UInt8[np.ndarray, "P P 3"]]) -> list[UInt8[np.ndarray, "P P 3"]]:
    """Where there are few, as of a picture, their mirror images tell a little more."""
    if len(chips) >= FACES_PER_EMBEDDING:
        return list(chips)
    return [*chips, *(np.ascontiguousarray(chip[:, ::-1]) for chip in chips)]


def describe_face(
    frame_rgb: UInt8[np.ndarray, "H W 3"],
    landmarks_xyz: Float32[np.ndarray, "468 3"],
    segmenter: Segmenter,
    find_eyes: EyeFinder,
    largest: CropSize,
) -> Description:
    """Crop, mask and quality of a face whose mesh is given, as after it was corrected by hand."""
    crops, quality = _cut(frame_rgb, landmarks_xyz, largest)
    hull = _hull(landmarks_xyz, len(crops.stored))
    (segments,) = segmenter([crops.stored], [hull])
    visible = choose_mask(segments, hull)
    quality = _completed(quality, crops.measured, landmarks_xyz, visible, find_eyes)
    return Description(crop=crops.stored, visible=visible, quality=quality)


def difference(one: Float32[np.ndarray, "T T 3"], other: Float32[np.ndarray, "T T 3"]) -> float:
    """Of two thumbnails, 0–1: the mean difference of the block that differs most, so that a blink counts."""
    blocks = np.abs(one - other).reshape(len(one) // BLOCK, BLOCK, -1, BLOCK, 3).mean(axis=(1, 3, 4))
    return float(blocks.max())


def thumbnail(crop: Crop) -> Float32[np.ndarray, "T T 3"]:
    """The face in a crop, small, 0–1; without the crop's border, which shows what is behind."""
    margin = len(crop) // 8
    inner = crop[margin:-margin, margin:-margin]
    small = cv2.resize(inner, (THUMBNAIL_SIZE, THUMBNAIL_SIZE), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255


def _see(frame: Frame, face: DetectedFace, largest: CropSize) -> _Seen:
    crops, quality = _cut(frame.rgb, face.landmarks_xyz, largest)
    return _Seen(frame=frame.index, face=face, crops=crops, quality=quality, thumbnail=thumbnail(crops.measured))


def _cut(
    frame_rgb: UInt8[np.ndarray, "H W 3"], landmarks_xyz: Float32[np.ndarray, "468 3"], largest: CropSize
) -> tuple[_Crops, FaceQuality]:
    """Both crops of a face, and what can be measured in the smaller one."""
    pose, hull = head_pose(landmarks_xyz), _hull(landmarks_xyz, CROP_SIZE)
    measured = cut(frame_rgb, pose, CROP_SIZE)
    size = min(fitting_size(pose.crop_side_px), largest)
    stored = measured if size == CROP_SIZE else cut(frame_rgb, pose, size)
    height, width = frame_rgb.shape[:2]
    quality = measure_quality(measured, hull, pose, landmarks_xyz, (width, height), occluded_fraction=0.0)
    return _Crops(measured=measured, stored=stored), quality


def _hull(landmarks_xyz: Float32[np.ndarray, "468 3"], size: int) -> Float32[np.ndarray, "S S"]:
    return hull_in_crop(landmarks_xyz, frame_to_crop(head_pose(landmarks_xyz), size), size)


def _add(track: _Growing, new: _Seen, min_difference: float) -> None:
    """Let a track grow by a face; of near duplicates only the better keeps its picture."""
    track.seen.append(new)
    assert new.crops is not None
    value = worth(new.quality)
    if len(track.best) < FACES_PER_EMBEDDING or value > track.best[-1][0]:
        yaw = new.quality.yaw_pitch_roll_deg[0]
        chip = cut_chip(new.crops.measured, in_crop(new.face.landmarks_xyz)[:, :2])
        track.best = sorted([*track.best, (value, yaw, chip)], key=lambda each: -each[0])[:FACES_PER_EMBEDDING]
    alike = next((old for old in track.kept if difference(old.thumbnail, new.thumbnail) < min_difference), None)
    if alike is None:
        track.kept = [*track.kept, new][-KEPT_IN_VIEW:]
        return
    worse = new
    if value > worth(alike.quality) * NOTABLY_BETTER:
        track.kept = [new if each is alike else each for each in track.kept]
        worse = alike
    worse.crops = None


def _masks(segmenter: Segmenter, seen: Sequence[_Seen]) -> dict[int, FaceMask]:
    """Masks of the faces that have a crop, by frame."""
    with_crop = [(each, each.crops.stored) for each in seen if each.crops is not None]
    masks = {}
    for _, same_size in groupby(with_crop, key=lambda pair: len(pair[1])):
        faces = list(same_size)
        for first in range(0, len(faces), FACES_PER_BATCH):
            some = faces[first : first + FACES_PER_BATCH]
            hulls = [_hull(each.face.landmarks_xyz, len(crop)) for each, crop in some]
            found = segmenter([crop for _, crop in some], hulls)
            for (each, _), segments, hull in zip(some, found, hulls, strict=True):
                masks[each.frame] = choose_mask(segments, hull)
    return masks


def _row(seen: _Seen, mask: FaceMask | None, find_eyes: EyeFinder) -> FaceRow:
    landmarks_xyz, quality = seen.face.landmarks_xyz, seen.quality
    crops = seen.crops if mask else None
    if mask and crops:
        quality = _completed(quality, crops.measured, landmarks_xyz, mask, find_eyes)
    return FaceRow(
        frame=seen.frame,
        landmarks=landmarks_xyz.tobytes(),
        score=seen.face.score,
        quality=json.dumps(asdict(quality)),
        crop=encode_crop(crops.stored) if crops else None,
        mask=encode_mask(mask.mask) if mask else None,
        mask_origin=mask.origin if mask else None,
    )


def _completed(
    quality: FaceQuality,
    crop: Crop,
    landmarks_xyz: Float32[np.ndarray, "468 3"],
    mask: FaceMask,
    find_eyes: EyeFinder,
) -> FaceQuality:
    """With what is measured only of faces that have a crop."""
    gaze_deg = measure_gaze(find_eyes, crop, in_crop(landmarks_xyz))
    return replace(quality, occluded_fraction=mask.occluded_fraction, gaze_deg=gaze_deg)


def in_crop(landmarks_xyz: Float32[np.ndarray, "468 3"]) -> Float32[np.ndarray, "468 3"]:
    """The mesh of the frame, in pixels of the crop at `CROP_SIZE`."""
    return mesh_in_crop(landmarks_xyz, head_pose(landmarks_xyz), CROP_SIZE)
