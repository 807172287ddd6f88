"""From a plate's frames and the performer's faces in them to frames with the likeness."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.composite.blend import feathered, paste
from countenance.composite.colour import ColourShift, apply_shift, colour_shift, mean_shift
from countenance.composite.place import PlacedFace
from countenance.composite.stabilise import centred_windows
from countenance.geometry import invert
from countenance.types import Frame, GeneratedFace
from countenance.vision.align import cut, frame_to_crop, head_pose
from countenance.vision.light import even_light
from countenance.vision.mask import hull_in_crop

SMOOTHING_RADIUS = 4
"""Frames to both sides over which the colour match is averaged."""
NO_TINT = np.zeros(3, np.float32)
MASK_SIZE = 256
"""The mask is made at this size whatever the generator's: its border must be finer than the face's pixels."""


@runtime_checkable
class DrawFace(Protocol):
    """Draws the likeness from the performer's crop in even light and its mask: RGB and mask, 0–1."""

    resolution: int

    def __call__(
        self, crop_rgb: UInt8[np.ndarray, "S S 3"], mask: Float32[np.ndarray, "S S"]
    ) -> tuple[Float32[np.ndarray, "S S 3"], Float32[np.ndarray, "S S"]]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class _Swap:
    """One face of one frame between drawing and pasting."""

    track: int
    generated: GeneratedFace
    shift: ColourShift


def swap_faces(
    frames: Iterable[Frame],
    faces_at: Mapping[int, Sequence[PlacedFace]],
    draw_face: DrawFace,
    tint: Float32[np.ndarray, "3"] = NO_TINT,
) -> Iterator[Frame]:
    """Replace the given faces, by frame index; a frame without one passes as it is.

    Faces take the plate's colours; `tint` is added to them, CIELAB.
    """
    drawn = ((frame, [_swap(frame, face, draw_face) for face in faces_at.get(frame.index, ())]) for frame in frames)
    for (frame, swaps), window in centred_windows(drawn, SMOOTHING_RADIUS):
        shifts: dict[int, list[ColourShift]] = defaultdict(list)
        for _, neighbours in window:
            for neighbour in neighbours:
                shifts[neighbour.track].append(neighbour.shift)
        rgb = frame.rgb
        for swap in swaps:
            shift = mean_shift(shifts[swap.track])
            matched = apply_shift(swap.generated.rgb, replace(shift, offset=shift.offset + tint))
            rgb = paste(rgb, replace(swap.generated, rgb=matched))
        yield replace(frame, rgb=rgb)


def _swap(frame: Frame, face: PlacedFace, draw_face: DrawFace) -> _Swap:
    pose = head_pose(face.landmarks_xyz)
    to_crop = frame_to_crop(pose, MASK_SIZE)
    crop = cut(frame.rgb, pose, MASK_SIZE)
    size = draw_face.resolution
    outline = hull_in_crop(face.landmarks_xyz, to_crop, MASK_SIZE)
    evened = even_light(crop, outline)
    drawn_rgb, drawn_mask = draw_face(
        cv2.resize(evened, (size, size), interpolation=cv2.INTER_AREA),
        cv2.resize(outline, (size, size), interpolation=cv2.INTER_AREA),
    )
    generated_rgb = np.clip(cv2.resize(drawn_rgb, (MASK_SIZE, MASK_SIZE), interpolation=cv2.INTER_CUBIC), 0, 1)
    mask = outline * cv2.resize(drawn_mask, (MASK_SIZE, MASK_SIZE), interpolation=cv2.INTER_LINEAR)
    return _Swap(
        track=face.track,
        generated=GeneratedFace(rgb=generated_rgb, mask=feathered(mask), crop_to_frame=invert(to_crop)),
        shift=colour_shift(generated_rgb, crop.astype(np.float32) / 255, mask),
    )
