"""Frames that an artist painted or approved, and that a render holds to.

What was painted is the difference between the artist's frame and the one that was drawn, inside the drawn face's mask
and nowhere else. In its own frame it is added as it is, so that the frame shows what the artist gave. Beside it, the
difference lies in the face's aligned crop, moves with its mesh, and is mixed over time with that of the next held frame
of the same track; outside of the first and the last one it fades.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float16, Float32

from countenance.composite.blend import AlphaInFrame, PastedFace, alpha_in_frame
from countenance.errors import MediaError, UsageError
from countenance.geometry import resample, transform_points
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.pixels import Pixels, from_unit, to_8_bit, white_of
from countenance.types import Frame, MediaInfo
from countenance.vision.align import frame_to_crop, head_pose, mesh_in_crop

MAX_SIZE = 1024
"""Side in pixels of the crops in which differences are carried; smaller where the face is."""
WHOLE_FROM = 0.25
"""From this share of the drawn face on, a held frame shows what was painted as a whole."""
FIELD_SIZE = 128
"""Side in pixels at which it is known how a mesh moved within its crop."""
NEAR, FAR, FAR_SHARE = 0.03, 0.25, 1e-4
"""How far a mesh's point speaks for what is around it, standard deviation as a fraction of the crop; and where no other
is near, how far and how little."""

DEPTH = 0.06
"""By so much further away, in the crop's side, a mesh's point speaks for less than half as much."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldFrame:
    """A frame as its artist gave it."""

    index: int
    """Of the plate's frames, counted from 0."""
    pair: tuple[str, str]
    """The likeness, and the performer: only faces that are drawn for them are held."""
    path: Path
    sha256: str


HeldFaces = Mapping[int, Mapping[int, HeldFrame]]
"""By frame and track, what an artist gave of a face that is drawn there."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Painted:
    """What was painted over one face of a held frame."""

    time_s: float
    mesh_in_crop: Float32[np.ndarray, "468 2"]
    """In pixels of the crop."""
    rgb: Float16[np.ndarray, "S S 3"]
    """−1–1, the difference from what was drawn, in the aligned crop."""


PaintedByTrack = Mapping[int, Sequence[Painted]]
"""By track, in the order of frames."""


def _as_it_is(frame: Frame) -> tuple[Frame, Bool[np.ndarray, "H W"]]:
    return frame, np.zeros(frame.pixels.shape[:2], bool)


def _nothing() -> None:
    pass


CheckPainted = Callable[[HeldFrame, Frame, Pixels, PastedFace], None]
"""Called with a held frame, the frame as it was drawn, the pixels as they would be shown, and each held face in it;
raises where that isn't allowed."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Held:
    """The frames to which a render holds."""

    faces: HeldFaces
    ignored: Mapping[int, Bool[np.ndarray, "H W"]]
    """For each held frame, pixels in which a difference doesn't count, because a label or words lie there."""
    check: CheckPainted
    check_leave: Callable[[], None] = _nothing
    """Raises where consent has ended: then the pictures are gone, too."""
    marked: Callable[[Frame], tuple[Frame, Bool[np.ndarray, "H W"]]] = _as_it_is
    """From a frame as it was drawn to what the artist was given, with covers and a halo as far as there are any; and
    the pixels that a cover hid from them."""

    @property
    def facts(self) -> bytes:
        """All that steers pixels."""
        facts = [
            f"{index} {track} {frame.sha256}"
            for index, by_track in sorted(self.faces.items())
            for track, frame in sorted(by_track.items())
        ]
        return hashlib.sha256(" ".join(facts).encode()).digest()


def read_held(path: Path, index: int, plate: MediaInfo, pair: tuple[str, str]) -> HeldFrame:
    """A held frame's file, checked.

    Raises:
        UsageError: it is no picture of the plate's size, or the plate has no such frame.
        MediaError: it can't be read.
    """
    if not 0 <= index < plate.num_frames:
        raise UsageError(
            f"{path} is to be held at frame {index}, but {plate.path.name} has frames 0 to {plate.num_frames - 1}"
        )
    info = probe(path)
    if info.kind != "picture" or path.suffix.lower() != ".png":
        raise UsageError(f"expected a PNG of frame {index}, got {path}; save the painted frame as PNG, without loss")
    if info.resolution_wh != plate.resolution_wh:
        (width, height), (wide, high) = info.resolution_wh, plate.resolution_wh
        raise UsageError(
            f"expected {wide}×{high} pixels, the size of {plate.path.name}, but {path} has {width}×{height}; paint on "
            f"what `countenance generate --frames {index} --output frame.png` published, and keep its size"
        )
    return HeldFrame(index=index, pair=pair, path=path, sha256=info.sha256)


def pixels_of(held: HeldFrame) -> Pixels:
    """What the artist gave.

    Raises:
        MediaError: the file changed meanwhile.
    """
    info = probe(held.path)
    if info.sha256 != held.sha256:
        raise MediaError(f"{held.path} changed while it was rendered; run this again to use it as it is now")
    return next(read_frames(info, native_depth=True)).pixels


def painted_faces(drawn: Frame, faces: Sequence[PastedFace], held: Held) -> dict[int, Painted]:
    """By track, what was painted over the held ones of a frame's drawn faces.

    Raises:
        UsageError: what was painted isn't allowed.
        MediaError: an artist's picture can't be read, or changed meanwhile.
        ConsentError: it is gone because consent has ended.
    """
    differences, places = _differences(drawn, faces, held), _places(faces, drawn.pixels.shape[:2])
    shown = _shown(drawn, faces, places, differences)
    painted = {}
    for face, place in zip(faces, places, strict=True):
        if face.track in differences:
            held.check(held.faces[drawn.index][face.track], drawn, shown, face)
            painted[face.track] = _painted(differences[face.track], face, place, drawn)
    return painted


def show_painted(drawn: Frame, faces: Sequence[PastedFace], held: Held) -> Pixels:
    """A held frame itself: what the artist gave, inside the held ones of the drawn faces."""
    return _shown(drawn, faces, _places(faces, drawn.pixels.shape[:2]), _differences(drawn, faces, held))


def carry_painted(frame: Frame, faces: Sequence[PastedFace], painted: PaintedByTrack) -> Pixels:
    """A frame beside held ones, with what was painted there on the way between them."""
    pixels = frame.pixels
    several_shares = [
        _shares(_times_s(painted.get(face.track, ())), float(frame.time), face.look.held_s) for face in faces
    ]
    if not any(map(any, several_shares)):
        return pixels
    for face, shares, place in zip(faces, several_shares, _places(faces, pixels.shape[:2]), strict=True):
        # What is in front of the face is in front of the paint, and it fades with the face.
        patch = replace(face.patch, alpha=np.minimum(face.patch.alpha / np.float32(WHOLE_FROM), face.seen))
        whole = alpha_in_frame(patch, pixels.shape[:2])
        if not any(shares) or place is None or whole is None:
            continue
        moved = [
            np.float32(share) * _moved(each, face, place.rows, place.columns)
            for share, each in zip(shares, painted[face.track], strict=True)
            if share
        ]
        weight = (whole.alpha * (place.alpha > 0))[..., None]
        pixels = _added(pixels, place.rows, place.columns, weight * np.sum(moved, axis=0))
    return pixels


def is_reached(times_s: Sequence[float], time_s: float, held_s: float) -> bool:
    """Whether what was painted at some moments of a track, in order, shows at another one."""
    return any(_shares(times_s, time_s, held_s))


def _times_s(painted: Sequence[Painted]) -> list[float]:
    return [each.time_s for each in painted]


def _places(faces: Sequence[PastedFace], shape: tuple[int, int]) -> list[AlphaInFrame | None]:
    """Where each face lies; a pixel of several belongs to the one of which most shows, and counts for no other."""
    places = [alpha_in_frame(face.patch, shape) for face in faces]
    if len(faces) < 2:
        return places
    most, owner = np.zeros(shape, np.float32), np.full(shape, -1)
    for number, place in enumerate(places):
        if place is not None:
            region = place.rows, place.columns
            owner[region][place.alpha > most[region]] = number
            np.maximum(most[region], place.alpha, out=most[region])
    return [
        place and replace(place, alpha=place.alpha * (owner[place.rows, place.columns] == number))
        for number, place in enumerate(places)
    ]


def _shown(
    drawn: Frame,
    faces: Sequence[PastedFace],
    places: Sequence[AlphaInFrame | None],
    differences: Mapping[int, Float32[np.ndarray, "H W 3"]],
) -> Pixels:
    pixels = drawn.pixels
    for face, place in zip(faces, places, strict=True):
        if face.track in differences and place is not None:
            added = _whole(place.alpha) * differences[face.track][place.rows, place.columns]
            pixels = _added(pixels, place.rows, place.columns, added)
    return pixels


def _differences(drawn: Frame, faces: Sequence[PastedFace], held: Held) -> dict[int, Float32[np.ndarray, "H W 3"]]:
    """By track, of the held ones of some faces."""
    by_track = held.faces[drawn.index]
    given, covered = held.marked(drawn)
    ignored = held.ignored[drawn.index] | covered
    return {
        face.track: _difference(_read(by_track[face.track], held), given.pixels, ignored)
        for face in faces
        if face.track in by_track
    }


def _read(frame: HeldFrame, held: Held) -> Pixels:
    try:
        return pixels_of(frame)
    except MediaError:
        held.check_leave()
        raise


def _difference(painted: Pixels, drawn: Pixels, ignored: Bool[np.ndarray, "H W"]) -> Float32[np.ndarray, "H W 3"]:
    """−1–1. A painting of 8 bits is compared at 8 bits, so that what wasn't touched makes no difference."""
    own = to_8_bit(drawn) if painted.dtype == np.uint8 else drawn
    difference = painted / np.float32(white_of(painted)) - own / np.float32(white_of(own))
    difference[ignored] = 0
    return np.asarray(difference, np.float32)


def _painted(
    difference: Float32[np.ndarray, "H W 3"], face: PastedFace, place: AlphaInFrame | None, frame: Frame
) -> Painted:
    pose = head_pose(face.landmarks_xyz)
    size = max(1, min(MAX_SIZE, round(pose.crop_side_px)))
    masked = np.zeros_like(difference)
    if place is not None:
        masked[place.rows, place.columns] = _whole(place.alpha) * difference[place.rows, place.columns]
    return Painted(
        time_s=float(frame.time),
        mesh_in_crop=mesh_in_crop(face.landmarks_xyz, pose, size)[:, :2],
        rgb=resample(masked, frame_to_crop(pose, size), (size, size)).astype(np.float16),
    )


def _whole(alpha: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w 1"]:
    return np.minimum(alpha / np.float32(WHOLE_FROM), np.float32(1))[..., None]


def _added(pixels: Pixels, rows: slice, columns: slice, difference: Float32[np.ndarray, "h w 3"]) -> Pixels:
    result, region = pixels.copy(), pixels[rows, columns]
    result[rows, columns] = from_unit(region / np.float32(white_of(pixels)) + difference, pixels)
    return result


def _shares(times_s: Sequence[float], time_s: float, held_s: float) -> list[float]:
    """How much of each is seen in a frame: evenly from one to the next, fading outside of them."""
    shares, after = [0.0] * len(times_s), bisect_right(times_s, time_s)
    if 0 < after < len(times_s):
        begin, end = times_s[after - 1], times_s[after]
        shares[after] = (time_s - begin) / (end - begin)
        shares[after - 1] = 1 - shares[after]
    elif times_s:
        nearest = min(after, len(times_s) - 1)
        away_s = abs(time_s - times_s[nearest])
        shares[nearest] = max(0.0, 1 - away_s / held_s) if held_s > 0 else 0.0
    return shares


def _moved(painted: Painted, face: PastedFace, rows: slice, columns: slice) -> Float32[np.ndarray, "h w 3"]:
    """What was painted, where it lies on a face of another frame: each pixel looks where the mesh was."""
    pose, size = head_pose(face.landmarks_xyz), len(painted.rgb)
    to_crop = frame_to_crop(pose, size)
    field = _field(mesh_in_crop(face.landmarks_xyz, pose, size), painted.mesh_in_crop, size)
    x, y = np.meshgrid(np.arange(columns.start, columns.stop), np.arange(rows.start, rows.stop))
    at = transform_points(to_crop, np.column_stack([x.ravel(), y.ravel()]).astype(np.float32)).reshape(*x.shape, 2)
    scale = FIELD_SIZE / size
    shift = cv2.remap(field, *_maps(at * np.float32(scale) + np.float32((scale - 1) / 2)), cv2.INTER_LINEAR)
    moved = cv2.remap(painted.rgb.astype(np.float32), *_maps(at + shift), cv2.INTER_LINEAR)
    return np.asarray(moved, np.float32)


def _maps(at: Float32[np.ndarray, "h w 2"]) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
    return np.ascontiguousarray(at[..., 0]), np.ascontiguousarray(at[..., 1])


def _field(
    here_xyz: Float32[np.ndarray, "468 3"], there_xy: Float32[np.ndarray, "468 2"], size: int
) -> Float32[np.ndarray, "F F 2"]:
    """From a place in one crop to that in another, in pixels of crops of `size`: the mesh's shift, spread evenly."""
    here_xy = here_xyz[:, :2]
    places = np.clip(np.rint(here_xy * (FIELD_SIZE / size)).astype(int), 0, FIELD_SIZE - 1)
    # Of two points of a turned head in one place, the one behind says nothing of what is seen.
    nearness = np.exp((here_xyz[:, 2].min() - here_xyz[:, 2]) / np.float32(DEPTH * size))[:, None]
    spread = np.zeros((FIELD_SIZE, FIELD_SIZE, 3), np.float32)
    points = nearness * np.column_stack([there_xy - here_xy, np.ones(len(here_xy), np.float32)])
    np.add.at(spread, (places[:, 1], places[:, 0]), points)
    near, far = (cv2.GaussianBlur(spread, (0, 0), sigma * FIELD_SIZE) for sigma in (NEAR, FAR))
    soft = near + np.float32(FAR_SHARE) * far
    return np.asarray(soft[..., :2] / np.maximum(soft[..., 2:], 1e-12), np.float32)
