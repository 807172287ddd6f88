"""In which shots something is altered, and where in each of them the visible label covers least.

A label stays where it is for a whole shot, so its place is decided from all of the shot, whatever part becomes a file.
"""

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.composite.cover import Covers
from countenance.composite.disguise import Disguise, box_of_sentence
from countenance.geometry import box_around
from countenance.media.excerpt import shot_ranges
from countenance.media.timeline import Timeline, frames_at
from countenance.provenance.label import Box, boxes_of_labels, choose_corner
from countenance.provenance.labelling import labels_in
from countenance.steps.places import Places
from countenance.types import Corner, LabelledShot, MediaInfo
from countenance.vision.detect import FaceDetector

AROUND_FACE = 0.25
"""By so much of its size a face's box is wider on each side than its mesh or find, so that hair and chin are in it."""
SAMPLES_A_SHOT = 8
"""Evenly spaced frames of a shot in which everybody's faces are looked for; those replaced are known in each."""
SEEN_PX = 1152
"""Larger frames are shrunk to it for that: what becomes too small to find is smaller than the label."""


def labelled_shots(info: MediaInfo, timeline: Timeline, places: Places, disguise: Disguise) -> tuple[LabelledShot, ...]:
    """The shots in which something that is asked for is altered, with their labels' corners.

    A label keeps clear of everybody's faces, of a plate's own labels and of a disguise's sentence, as far as that can
    be: faces count most, as there are more of them.
    """
    covers_at, shown = places.covers_at, places.shown or range(len(timeline.frame_pts))
    shots = [
        shot
        for shot in shot_ranges(timeline)
        if shot.start < shown.stop
        and shown.start < shot.stop
        and any(index in places.in_whole_shots or index in covers_at for index in shot)
    ]
    always, detector = plates_labels(info), FaceDetector()
    return tuple(
        LabelledShot(
            frames=shot,
            corner=corner_in(
                info,
                timeline,
                places,
                covers_at,
                disguise,
                shot,
                [*always, *everybody_in(info, timeline, shot, detector)],
            ),
        )
        for shot in shots
    )


def corner_in(
    info: MediaInfo,
    timeline: Timeline,
    places: Places,
    covers_at: Covers,
    disguise: Disguise,
    shot: range,
    others: Iterable[Box],
) -> Corner:
    """Where the label covers least throughout a shot; `others` are boxes of what isn't a replaced face."""
    shown = places.shown or range(len(timeline.frame_pts))
    return choose_corner(
        info.resolution_wh,
        [
            *_sentence(info, timeline, shot, shown, disguise),
            *_replaced(info, places, covers_at, shot),
            *others,
        ],
    )


def plates_labels(info: MediaInfo) -> list[Box]:
    """Boxes of the labels that a plate has already."""
    return boxes_of_labels(info.resolution_wh, labels_in(info.path))


def everybody_in(info: MediaInfo, timeline: Timeline, shot: range, detector: FaceDetector) -> list[Box]:
    """Boxes around everybody's faces in some frames of a shot."""
    samples: Sequence[int] = sorted({*np.linspace(shot.start, shot.stop - 1, SAMPLES_A_SHOT).astype(int).tolist()})
    boxes = []
    for frame in frames_at(info, timeline, samples):
        seen = _shrunk(frame.rgb)
        size_wh = (seen.shape[1], seen.shape[0])
        boxes += [box_of_face(found.points_xy[:2].ravel(), size_wh) for found in detector(seen)]
    return boxes


def _sentence(info: MediaInfo, timeline: Timeline, shot: range, shown: range, disguise: Disguise) -> Iterator[Box]:
    first = max(shot.start, shown.start)
    since_s = float((timeline.frame_pts[first] - timeline.frame_pts[shown.start]) * info.time_base)
    if disguise.sentence and since_s < disguise.sentence_s:
        yield box_of_sentence(info.resolution_wh, disguise.sentence)


def _replaced(info: MediaInfo, places: Places, covers_at: Covers, shot: range) -> Iterator[Box]:
    for index in shot:
        for face in places.in_whole_shots.get(index, ()):
            yield box_of_face(box_around(face.landmarks_xyz[:, :2]), info.resolution_wh)
        for cover in covers_at.get(index, ()):
            half = cover.head.side_px / 2
            corners = np.concatenate([cover.head.centre_xy - half, cover.head.centre_xy + half])
            yield box_of_face(corners.astype(np.float32), info.resolution_wh, around=0.0)


def _shrunk(rgb: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "h w 3"]:
    height, width = rgb.shape[:2]
    scale = SEEN_PX / max(height, width)
    if scale >= 1:
        return rgb
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(rgb, size_wh, interpolation=cv2.INTER_AREA), np.uint8)


def box_of_face(xyxy: Float32[np.ndarray, "4"], size_wh: tuple[int, int], around: float = AROUND_FACE) -> Box:
    """A face's box, wider by what of the head lies around it."""
    left, top, right, bottom = xyxy.tolist()
    width, height = size_wh
    across, down = around * (right - left), around * (bottom - top)
    return (left - across) / width, (top - down) / height, (right + across) / width, (bottom + down) / height
