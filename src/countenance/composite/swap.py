"""From a plate's frames and the performer's faces in them to frames with the likeness.

The face's pixels are cut from the frame once, at the drawer's size, and pasted once, at the frame's own resolution.
Mask and light are coarse and handled at fixed sizes, independent of the drawer's.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, groupby
from types import MappingProxyType

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.composite.adjust import part_way
from countenance.composite.blend import PastedFace, Patch, fading, feathered, framed, grown, paste
from countenance.composite.colour import (
    ColourMatch,
    apply_shift,
    faded,
    in_light,
    match_colour,
    steady_shift,
    unchanged,
    within_light,
)
from countenance.composite.front import hidden_fraction, in_front
from countenance.composite.grain import Bands, noise_of
from countenance.composite.kept import Keep, KeptFace, rounded, rounded_hidden
from countenance.composite.place import PlacedFace
from countenance.composite.shot import AS_DRAWN, ShotConfig
from countenance.composite.stabilise import centred_windows, unbroken
from countenance.drawing import Drawer, DrawnFace, FaceInput
from countenance.geometry import PLAIN_SCALE, resample
from countenance.pixels import Pixels, to_8_bit, white_of
from countenance.threads import mapped
from countenance.types import Frame
from countenance.vision.align import HeadPose, cut, frame_to_crop, head_pose, mesh_in_crop
from countenance.vision.light import Light, measure_light, out_of_light
from countenance.vision.mask import hull_in_crop
from countenance.vision.segment import Segmenter

SMOOTHING_RADIUS = 4
"""Frames to both sides over which the colour match is averaged."""
NO_TINT = np.zeros(3, np.float32)
NO_TINTS: Mapping[int, Float32[np.ndarray, "3"]] = MappingProxyType({})
NO_LOOKS: Mapping[int, ShotConfig] = MappingProxyType({})
COARSE_SIZE = 128
"""Side in pixels of masks, and of the crops in which light is measured and things in front of the face are found:
a pixel is less than half of the feather, so that an enlarged mask shows no steps."""

FINISHED_REACH_PX, FINISHED_MARGIN_PX, FINISHED_SIGMA_PX, FINISHED_FADE_PX = 4, 2, 0.7, 5
"""Of a mask that comes with its own border, in pixels of `COARSE_SIZE`: outwards by as much as a learned border is
soft, so that nothing of the performer's outline is left under it; zero within the margin, softened, and rising over the
last number of pixels from the crop's edge, which would show as a line where it crosses a forehead."""

FINISHED_PLAIN_SCALE = 0.5
"""Such a face is as fine as the plate, whose pixels it is made of: averaging would only blur it."""

Finish = Callable[[Frame, Sequence[PastedFace]], Pixels]
"""What becomes of a frame with its faces in it."""
HiddenAt = Callable[[int, float], None]
"""Called with a frame's index and the largest fraction of a replaced face in it that something in front hides."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Cut:
    """One face of one frame before it is drawn."""

    face: PlacedFace
    pose: HeadPose
    crop: UInt8[np.ndarray, "D D 3"]
    """Of the drawer's size."""
    small: UInt8[np.ndarray, "L L 3"]
    outline: Float32[np.ndarray, "L L"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Shown:
    """One face of one frame, as given to the drawer."""

    cut: _Cut
    hidden: Float32[np.ndarray, "L L"]
    """0–1, by something in front."""
    light: Light
    shown: FaceInput


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Swap:
    """One face of one frame between drawing and pasting."""

    face: PlacedFace
    patch: Patch
    """In even light; a finished face in the plate's own."""
    seen: Float32[np.ndarray, "L L"]
    """0–1, what isn't hidden, times the face's presence."""
    light: Light
    match: ColourMatch | None
    """None where the drawn colours stay."""
    finished: bool
    look: ShotConfig
    hidden: float
    """Fraction of the face that something in front hides."""
    noise: Bands | None
    """The plate's, which the face is to have; None where it stays as it was drawn."""


def swap_faces(
    frames: Iterable[Frame],
    faces_at: Mapping[int, Sequence[PlacedFace]],
    drawer: Drawer,
    segmenter: Segmenter,
    tints: Mapping[int, Float32[np.ndarray, "3"]] = NO_TINTS,
    report_hidden: HiddenAt | None = None,
    threads: int = 1,
    grain: float = 0.0,
    looks: Mapping[int, ShotConfig] = NO_LOOKS,
    keep: Keep | None = None,
    finish: Finish | None = None,
) -> Iterator[Frame]:
    """Replace the given faces, by frame index; a frame without one passes unchanged.

    Faces take the plate's colours; `tints`, by track, are added to them, CIELAB. What `segmenter` finds in front of a
    face stays. `grain`, 0–1, is how grainy they become beside the plate. Several batches are drawn at once, each
    on a thread of its own. `looks` are the settings of frames, by their index, that differ from the defaults; `keep` is
    asked for faces that were drawn before; `finish` gets each frame once its faces are in it.
    """
    make = partial(_made, drawer=drawer, segmenter=segmenter)
    swap_together = partial(
        _swapped_together, faces_at=faces_at, make=make, looks=looks, keep=keep, size=drawer.size, grain=grain
    )
    drawn = _drawn(frames, drawer.batch, swap_together, report_hidden, threads)
    for (frame, swaps), window in centred_windows(drawn, SMOOTHING_RADIUS):
        matches: dict[int, dict[int, ColourMatch]] = defaultdict(dict)
        for near, neighbours in window:
            for neighbour in neighbours:
                if neighbour.match is not None:
                    matches[neighbour.face.track][near.index] = neighbour.match
        pixels = frame.pixels
        for number, swap in enumerate(swaps):
            shift = unchanged()
            if swap.match is not None:
                steady = steady_shift(swap.match, unbroken(matches[swap.face.track], frame.index))
                if swap.finished:
                    shift = faded(within_light(steady, swap.light), swap.look.colour)
                else:
                    shift = in_light(steady, swap.light)
            tint = np.float32(swap.look.likeness) * tints.get(swap.face.track, NO_TINT)
            lit = apply_shift(swap.patch.rgb, replace(shift, offset=shift.offset + tint))
            pixels = paste(pixels, replace(swap.patch, rgb=lit), swap.noise, (frame.index, number))
        done = replace(frame, pixels=pixels)
        yield done if finish is None else replace(done, pixels=finish(done, [_pasted(swap) for swap in swaps]))


def _pasted(swap: _Swap) -> PastedFace:
    return PastedFace(
        track=swap.face.track,
        landmarks_xyz=swap.face.landmarks_xyz,
        patch=swap.patch,
        seen=swap.seen,
        look=swap.look,
    )


def first_needed(first: int, batch: int, radius: int = SMOOTHING_RADIUS) -> int:
    """Index of the frame to start reading at, so that frames from `first` on are the same wherever a render starts.

    Colours are averaged over neighbours within a radius, and faces are drawn in batches that begin at multiples of the
    batch's size.
    """
    return max(0, first - radius) // batch * batch


def end_needed(end: int, batch: int, radius: int = SMOOTHING_RADIUS) -> int:
    """Index of the frame before which reading may stop, so that frames before `end` are those of the whole plate."""
    return -(-(end + radius) // batch) * batch


def _drawn(
    frames: Iterable[Frame],
    batch: int,
    swap_together: Callable[[Sequence[Frame]], list[tuple[Frame, list[_Swap]]]],
    report_hidden: HiddenAt | None,
    threads: int,
) -> Iterator[tuple[Frame, list[_Swap]]]:
    """Frames with their drawn faces; as many frames are read ahead as are drawn together, on each thread."""
    groups = (list(group) for _, group in groupby(frames, key=lambda frame: frame.index // batch))
    with closing(mapped(swap_together, groups, threads)) as drawn:
        for frame, swaps in chain.from_iterable(drawn):
            if report_hidden and swaps:
                report_hidden(frame.index, max(swap.hidden for swap in swaps))
            yield frame, swaps


def _swapped_together(
    frames: Sequence[Frame],
    faces_at: Mapping[int, Sequence[PlacedFace]],
    make: Callable[[Sequence[tuple[Frame, PlacedFace]]], list[KeptFace]],
    looks: Mapping[int, ShotConfig],
    keep: Keep | None,
    size: int,
    grain: float,
) -> list[tuple[Frame, list[_Swap]]]:
    """Some frames with their faces, drawn or kept, in the look that was set."""
    placed = [(frame, face) for frame in frames for face in faces_at.get(frame.index, ())]
    if keep is None or not placed:
        made = make(placed)
    else:
        made = keep([(frame.index, face) for frame, face in placed], partial(make, placed))
    # A camera's noise doesn't change within some frames.
    noise = grain * noise_of(frames[0].pixels) if grain and placed else None
    swaps = iter(
        [
            _swap(frame, face, each, looks.get(frame.index, AS_DRAWN), size, noise)
            for (frame, face), each in zip(placed, made, strict=True)
        ]
    )
    return [(frame, [next(swaps) for _ in faces_at.get(frame.index, ())]) for frame in frames]


def _made(placed: Sequence[tuple[Frame, PlacedFace]], drawer: Drawer, segmenter: Segmenter) -> list[KeptFace]:
    """Faces cut out and drawn, in the steps in which they may be kept."""
    cuts = [_cut(frame, face, drawer.size) for frame, face in placed]
    found = in_front(segmenter, [each.small for each in cuts], [each.outline for each in cuts])
    shown = [_shown(each, rounded_hidden(hidden), drawer.size) for each, hidden in zip(cuts, found, strict=True)]
    drawn = _draw_in_batches(drawer, [each.shown for each in shown])
    return [
        KeptFace(
            drawn=rounded(face),
            hidden=each.hidden,
            hidden_fraction=hidden_fraction(each.hidden, each.cut.outline),
            light=each.light,
        )
        for each, face in zip(shown, drawn, strict=True)
    ]


def _draw_in_batches(drawer: Drawer, faces: Sequence[FaceInput]) -> list[DrawnFace]:
    return [
        drawn for start in range(0, len(faces), drawer.batch) for drawn in drawer(faces[start : start + drawer.batch])
    ]


def _cut(frame: Frame, face: PlacedFace, size: int) -> _Cut:
    pose = head_pose(face.landmarks_xyz)
    small = _small(frame, pose)
    if size > pose.crop_side_px:
        # As the crops of face sets are enlarged: from sharper ones a drawer would see another shape and expression.
        crop = cut(frame.rgb, pose, size)
    elif size == COARSE_SIZE:
        crop = small
    else:
        crop = to_8_bit(resample(frame.pixels, frame_to_crop(pose, size), (size, size)))
    return _Cut(
        face=face,
        pose=pose,
        crop=crop,
        small=small,
        outline=hull_in_crop(face.landmarks_xyz, frame_to_crop(pose, COARSE_SIZE), COARSE_SIZE),
    )


def _shown(cut: _Cut, hidden: Float32[np.ndarray, "L L"], size: int) -> _Shown:
    light = measure_light(cut.small.astype(np.float32) / 255, cut.outline * (1 - hidden))
    landmarks_xyz = mesh_in_crop(cut.face.landmarks_xyz, cut.pose, size)
    return _Shown(
        cut=cut,
        hidden=hidden,
        light=light,
        shown=FaceInput(
            lit_rgb=cut.crop,
            even_rgb=partial(_evened, cut.crop, light),
            mask=hull_in_crop(cut.face.landmarks_xyz, frame_to_crop(cut.pose, size), size),
            landmarks_xyz=landmarks_xyz,
            yaw_pitch_deg=(cut.pose.yaw_deg, cut.pose.pitch_deg),
            track=cut.face.track,
        ),
    )


def _evened(crop: UInt8[np.ndarray, "D D 3"], light: Light) -> UInt8[np.ndarray, "D D 3"]:
    return np.asarray(np.round(out_of_light(crop.astype(np.float32) / 255, light) * 255), np.uint8)


def _swap(frame: Frame, face: PlacedFace, made: KeptFace, look: ShotConfig, size: int, noise: Bands | None) -> _Swap:
    """A drawn face in the look that was set, as it is put in."""
    pose, drawn, seen = head_pose(face.landmarks_xyz), made.drawn, 1 - made.hidden
    if look.likeness < 1:
        plate = resample(frame.pixels, frame_to_crop(pose, size), (size, size))
        drawn = part_way(drawn, plate.astype(np.float32) / np.float32(white_of(frame.pixels)), look.likeness)
    mask = _resized(drawn.mask, COARSE_SIZE)
    if drawn.finished:
        sigma_px = math.hypot(FINISHED_SIGMA_PX, look.feather * COARSE_SIZE)
        alpha = framed(grown(mask, FINISHED_REACH_PX + look.grow * COARSE_SIZE), FINISHED_MARGIN_PX, sigma_px)
        alpha = alpha * fading(COARSE_SIZE, FINISHED_MARGIN_PX, FINISHED_FADE_PX)
    else:
        alpha = feathered(mask, look.grow, look.feather)
    match = None
    if look.colour > 0 or not drawn.finished:
        small = _small(frame, pose).astype(np.float32) / 255
        own = _resized(drawn.rgb, COARSE_SIZE)
        own = out_of_light(own, made.light) if drawn.finished else own
        match = match_colour(own, out_of_light(small, made.light), mask * seen)
    return _Swap(
        face=face,
        seen=seen * np.float32(face.presence),
        patch=Patch(
            rgb=drawn.rgb,
            alpha=alpha * seen * np.float32(face.presence),
            pose=pose,
            plain_scale=FINISHED_PLAIN_SCALE if drawn.finished else PLAIN_SCALE,
            sharpness=look.sharpness,
        ),
        light=made.light,
        match=match,
        finished=drawn.finished,
        look=look,
        noise=noise,
        hidden=made.hidden_fraction,
    )


def _small(frame: Frame, pose: HeadPose) -> UInt8[np.ndarray, "L L 3"]:
    return to_8_bit(resample(frame.pixels, frame_to_crop(pose, COARSE_SIZE), (COARSE_SIZE, COARSE_SIZE)))


def _resized(image: Float32[np.ndarray, "S S *C"], size: int) -> Float32[np.ndarray, "s s *C"]:
    if len(image) == size:
        return image
    way = cv2.INTER_AREA if len(image) > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size, size), interpolation=way))
