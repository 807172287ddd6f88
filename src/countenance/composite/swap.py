"""From a plate's frames and the performer's faces in them to frames with the likeness."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.composite.blend import feathered, paste
from countenance.composite.colour import ColourShift, apply_shift, colour_shift, mean_shift
from countenance.composite.place import PlacedFace
from countenance.composite.stabilise import centred_windows
from countenance.drawing import Drawer, DrawnFace, FaceInput
from countenance.geometry import invert
from countenance.types import Frame, GeneratedFace
from countenance.vision.align import cut, frame_to_crop, head_pose, mesh_in_crop
from countenance.vision.light import even_light
from countenance.vision.mask import hull_in_crop

SMOOTHING_RADIUS = 4
"""Frames to both sides over which the colour match is averaged."""
NO_TINT = np.zeros(3, np.float32)
MASK_SIZE = 256
"""The mask is made at this size whatever the generator's: its border must be finer than the face's pixels."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Cut:
    """One face of one frame before it is drawn."""

    track: int
    crop: UInt8[np.ndarray, "S S 3"]
    outline: Float32[np.ndarray, "S S"]
    crop_to_frame: Float32[np.ndarray, "2 3"]
    shown: FaceInput


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Swap:
    """One face of one frame between drawing and pasting."""

    track: int
    generated: GeneratedFace
    shift: ColourShift


def swap_faces(
    frames: Iterable[Frame],
    faces_at: Mapping[int, Sequence[PlacedFace]],
    drawer: Drawer,
    tint: Float32[np.ndarray, "3"] = NO_TINT,
) -> Iterator[Frame]:
    """Replace the given faces, by frame index; a frame without one passes as it is.

    Faces take the plate's colours; `tint` is added to them, CIELAB.
    """
    for (frame, swaps), window in centred_windows(_drawn(frames, faces_at, drawer), SMOOTHING_RADIUS):
        shifts: dict[int, list[ColourShift]] = defaultdict(list)
        for _, neighbours in window:
            for neighbour in neighbours:
                shifts[neighbour.track].append(neighbour.shift)
        pixels = frame.pixels
        for swap in swaps:
            shift = mean_shift(shifts[swap.track])
            matched = apply_shift(swap.generated.rgb, replace(shift, offset=shift.offset + tint))
            pixels = paste(pixels, replace(swap.generated, rgb=matched))
        yield replace(frame, pixels=pixels)


def first_needed(first: int, batch: int) -> int:
    """From which frame on to read, so that those from `first` on come out the same wherever one begins.

    Colours are averaged over neighbours, and faces are drawn in batches that begin at multiples of the batch's size.
    """
    return max(0, first - SMOOTHING_RADIUS) // batch * batch


def _drawn(
    frames: Iterable[Frame], faces_at: Mapping[int, Sequence[PlacedFace]], drawer: Drawer
) -> Iterator[tuple[Frame, list[_Swap]]]:
    """Frames with their drawn faces; as many frames are read ahead as the drawer draws together."""
    for _, group in groupby(frames, key=lambda frame: frame.index // drawer.batch):
        cuts = [(frame, [_cut(frame, face, drawer.size) for face in faces_at.get(frame.index, ())]) for frame in group]
        waiting = [each for _, several in cuts for each in several]
        drawn = iter(_draw_in_batches(drawer, [each.shown for each in waiting]))
        for frame, several in cuts:
            yield frame, [_swap(each, next(drawn)) for each in several]


def _draw_in_batches(drawer: Drawer, faces: Sequence[FaceInput]) -> Iterator[DrawnFace]:
    for start in range(0, len(faces), drawer.batch):
        some = faces[start : start + drawer.batch]
        drawn = drawer(some)
        assert len(drawn) == len(some)
        yield from drawn


def _cut(frame: Frame, face: PlacedFace, size: int) -> _Cut:
    pose = head_pose(face.landmarks_xyz)
    to_crop = frame_to_crop(pose, MASK_SIZE)
    crop = cut(frame.rgb, pose, MASK_SIZE)
    outline = hull_in_crop(face.landmarks_xyz, to_crop, MASK_SIZE)
    evened = even_light(crop, outline)
    return _Cut(
        track=face.track,
        crop=crop,
        outline=outline,
        crop_to_frame=invert(to_crop),
        shown=FaceInput(
            rgb=np.asarray(cv2.resize(evened, (size, size), interpolation=cv2.INTER_AREA)),
            mask=np.asarray(cv2.resize(outline, (size, size), interpolation=cv2.INTER_AREA)),
            landmarks_xyz=mesh_in_crop(face.landmarks_xyz, pose, size),
            yaw_pitch_deg=(pose.yaw_deg, pose.pitch_deg),
            track=face.track,
        ),
    )


def _swap(cut_out: _Cut, drawn: DrawnFace) -> _Swap:
    size = (MASK_SIZE, MASK_SIZE)
    generated_rgb = np.clip(cv2.resize(drawn.rgb, size, interpolation=cv2.INTER_CUBIC), 0, 1)
    mask = cut_out.outline * cv2.resize(drawn.mask, size, interpolation=cv2.INTER_LINEAR)
    return _Swap(
        track=cut_out.track,
        generated=GeneratedFace(rgb=generated_rgb, mask=feathered(mask), crop_to_frame=cut_out.crop_to_frame),
        shift=colour_shift(generated_rgb, cut_out.crop.astype(np.float32) / 255, mask),
    )
