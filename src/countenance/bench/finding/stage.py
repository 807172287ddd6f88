"""From a script to frames and their ground truth.

Actors are rendered in squares of their own and laid over a background, back to front, things before them last. Each
pixel of a frame keeps its owner and its part, so the ground truth stays exact wherever faces hide each other; landmarks
move with their face. Only then is the frame defocused, blurred by motion and darkened: none of that changes where
things are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from countenance.actors.actor import draw_actor
from countenance.actors.caster import Caster
from countenance.actors.figure import build_figure, pose_figure
from countenance.actors.light import look_up, surroundings
from countenance.actors.performance import Performance
from countenance.actors.render import FROM_IMAGE_AXES
from countenance.actors.scene import Camera, Light, Shot
from countenance.bench.finding.script import FRAME_WH, LARGE_PX, ClipSpec, Plan, Script, Standing, Thing
from countenance.capture.lens import through_lens
from countenance.capture.sensor import sensed
from countenance.capture.settings import Lens, Processing, Sensor, Shutter
from countenance.capture.shutter import exposed
from countenance.capture.tone import film_curve, scene_light, signal
from countenance.geometry import transform_points
from countenance.vision.align import angles_of
from countenance.vision.parts import FACE_PARTS, Part

SPRITE_M, RAISED_M = 0.5, 0.03
"""Side of the square in which an actor is rendered, and how far its middle lies above the face's: down to where the
shoulders are widest. From there the lowest row goes on to the frame's bottom."""
SEEN_M = 0.008
"""What lies less before a landmark than this doesn't hide it."""
OWNER = 16
"""A pixel's value in a truth picture is its owner times this plus its part; owner 0 is nobody, then the people."""
THING = 15
"""Owner of what isn't part of an actor."""
SENSOR = Sensor(full_well_e=8_000, read_noise_e=4, has_mosaic=False)
"""Of the camera that underexposes, its gain left down: some two levels of noise in a face three stops too dark."""

Rgb = UInt8[np.ndarray, "_ _ 3"]
Labels = UInt8[np.ndarray, "_ _"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FaceTruth:
    """All that is known of one face in a frame."""

    landmarks_xy: Float32[np.ndarray, "468 2"]
    """In the frame; hidden points too."""
    is_seen: Bool[np.ndarray, "468"]
    """Not on the far side of the own head, nor under the own hair; what others hide doesn't count."""
    yaw_deg: float
    """As the camera sees the head, before the picture is turned."""
    eyes_px: float
    """Distance between the outer corners of the eyes as it would be seen from straight ahead."""
    face_px: int
    """Pixels of the face with nobody and nothing before it."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FrameTruth:
    """One frame and its truth."""

    rgb: Rgb
    owners: Labels
    """Whose each pixel is and which part; see `OWNER`."""
    faces: Mapping[int, FaceTruth]
    """By the number of the person among the clip's people."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Layer:
    rgb: Rgb
    labels: Labels
    corner_xy: tuple[int, int]
    face: FaceTruth


def draw_frames(spec: ClipSpec, script: Script) -> Iterator[FrameTruth]:
    """Render a clip, frame by frame."""
    casters = [Caster(build_figure(draw_actor(seed))) for seed in spec.people[: len(script.performances)]]
    is_turned = any(plan.turn_deg for plan in script.frames)
    # A turned picture is cut out of a larger one.
    side = int(np.ceil(np.hypot(*FRAME_WH)))
    canvas_wh = (side, side) if is_turned else FRAME_WH
    rng = np.random.default_rng([spec.people[0], spec.number])
    backgrounds: dict[int, Rgb] = {}
    for index, plan in enumerate(script.frames):
        shot = script.scene.shot_at(index)
        if id(shot) not in backgrounds:
            backgrounds[id(shot)] = _background(shot, canvas_wh, rng)
        layers = [
            (standing.who, _layer(casters[standing.who], script.performances[standing.who], index, standing, shot))
            for standing in plan.standing
        ]
        yield _compose(plan, layers, backgrounds[id(shot)], rng)


def _layer(caster: Caster, performance: Performance, index: int, standing: Standing, shot: Shot) -> _Layer:
    """An actor in a square of their own, placed to the fraction of a pixel."""
    size = 2 * round(standing.px_per_m * SPRITE_M / 2)
    scale = size / SPRITE_M
    middle = (size - 1) / 2 + np.array([0, RAISED_M * scale])
    corner = np.round(standing.middle_xy - middle).astype(int)
    rest_x, rest_y = ((standing.middle_xy - middle - corner) / scale).tolist()
    camera = replace(shot.camera, frame_m=SPRITE_M, shift_m=(-rest_x, RAISED_M + rest_y))
    posed = pose_figure(caster.figure, performance, index)
    picture = caster.draw(posed, camera, shot.light, size)
    points_xy, depth = camera.project(posed.landmarks, size)
    eyes = posed.landmarks[[33, 263]]
    yaw, _, _ = angles_of(camera.rotation @ posed.head_matrix[:3, :3] @ FROM_IMAGE_AXES)
    columns, rows = np.clip(np.round(points_xy), 0, size - 1).astype(int).T
    shown = picture.depth[rows, columns]
    return _Layer(
        rgb=picture.rgb,
        labels=picture.labels,
        corner_xy=(int(corner[0]), int(corner[1])),
        face=FaceTruth(
            landmarks_xy=(points_xy + corner).astype(np.float32),
            is_seen=(shown > 0) & (shown > depth - SEEN_M),
            yaw_deg=yaw,
            eyes_px=float(np.linalg.norm(eyes[1] - eyes[0]) * camera.focal * size / depth[[33, 263]].mean()),
            face_px=int(np.isin(picture.labels, FACE_PARTS).sum()),
        ),
    )


def _background(shot: Shot, canvas_wh: tuple[int, int], rng: np.random.Generator) -> Rgb:
    """The environment behind the actors, as their own squares show it, with some texture for the encoder."""
    width, height = canvas_wh
    camera: Camera = replace(shot.camera, frame_m=SPRITE_M)
    focal_px = camera.focal * LARGE_PX * SPRITE_M
    x, y = np.meshgrid(np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2)
    rays = np.stack([x / focal_px, y / focal_px, np.ones_like(x)], axis=-1).reshape(-1, 3) @ camera.rotation
    light: Light = shot.light
    seen = film_curve(look_up(surroundings(light).softened, rays.astype(np.float32))).reshape(height, width, 3)
    texture = np.zeros((height, width), np.float32)
    for cells, strength in ((6, 0.08), (14, 0.06), (40, 0.03)):
        noise = rng.normal(0, strength, (cells, cells)).astype(np.float32)
        texture += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.round(np.clip(seen * (1 + texture[..., None]), 0, 1) * 255).astype(np.uint8)


def _compose(plan: Plan, layers: Sequence[tuple[int, _Layer]], background: Rgb, rng: np.random.Generator) -> FrameTruth:
    canvas, owners = background.copy(), np.zeros(background.shape[:2], np.uint8)
    margin = (np.array(background.shape[1::-1]) - FRAME_WH) // 2
    for who, layer in layers:
        rgb, labels, (x, y) = _down_to(len(canvas), layer, margin)
        cover = cv2.GaussianBlur((labels > 0).astype(np.float32), (0, 0), 0.6)
        _paste(canvas, owners, rgb, cover, np.where(labels > 0, (who + 1) * OWNER + labels, 0), (x, y))
    for thing in plan.things:
        rgb, cover, corner = _draw(thing, canvas.shape[1], canvas.shape[0], margin)
        marks = np.where(cover > 0.5, THING * OWNER + Part.OCCLUDER, 0)
        _paste(canvas, owners, rgb, cover, marks, corner)
    turn = _turn(plan.turn_deg, background.shape[:2])
    if plan.turn_deg or canvas.shape[1::-1] != FRAME_WH:
        canvas = np.asarray(cv2.warpAffine(canvas, turn, FRAME_WH, flags=cv2.INTER_LINEAR), np.uint8)
        owners = np.asarray(cv2.warpAffine(owners, turn, FRAME_WH, flags=cv2.INTER_NEAREST), np.uint8)
    faces = {
        who: replace(layer.face, landmarks_xy=transform_points(turn, layer.face.landmarks_xy + margin))
        for who, layer in layers
    }
    return FrameTruth(rgb=degraded(canvas, plan, rng), owners=owners, faces=faces)


def _down_to(bottom: int, layer: _Layer, margin: np.ndarray) -> tuple[Rgb, Labels, tuple[int, int]]:
    """A layer whose lowest row goes on to the canvas's bottom."""
    x, y = layer.corner_xy[0] + int(margin[0]), layer.corner_xy[1] + int(margin[1])
    missing = max(0, bottom - y - len(layer.labels))
    rgb = np.concatenate([layer.rgb, np.repeat(layer.rgb[-1:], missing, axis=0)])
    labels = np.concatenate([layer.labels, np.repeat(layer.labels[-1:], missing, axis=0)])
    return rgb, labels, (x, y)


def _paste(
    canvas: Rgb,
    owners: Labels,
    rgb: Rgb,
    cover: Float32[np.ndarray, "h w"],
    marks: np.ndarray,
    corner_xy: tuple[int, int],
) -> None:
    """Lay a picture over a canvas that is being made; marks say whose its pixels are, 0 where they stay another's."""
    x, y = corner_xy
    height, width = canvas.shape[:2]
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + rgb.shape[1], width), min(y + rgb.shape[0], height)
    if right <= left or bottom <= top:
        return
    here = (slice(top, bottom), slice(left, right))
    there = (slice(top - y, bottom - y), slice(left - x, right - x))
    part = cover[there][..., None]
    canvas[here] = np.round(canvas[here] * (1 - part) + rgb[there] * part).astype(np.uint8)
    owners[here] = np.where(marks[there] > 0, marks[there], owners[here]).astype(np.uint8)


def _draw(
    thing: Thing, width: int, height: int, margin: np.ndarray
) -> tuple[Rgb, Float32[np.ndarray, "h w"], tuple[int, int]]:
    """A thing's pictures around itself: colour, how much it covers, and where the corner lies.

    Its shape is the upper hull of all capsules seen as solid bodies, lit from above left.
    """
    ends = np.array([point for each in thing.capsules for point in (each.begin_xy, each.end_xy)]) + margin
    reach = max(each.radius for each in thing.capsules) + 2
    low = np.clip(np.floor(ends.min(axis=0) - reach), 0, [width - 1, height - 1]).astype(int)
    high = np.clip(np.ceil(ends.max(axis=0) + reach), low + 1, [width, height]).astype(int)
    x, y = np.meshgrid(np.arange(low[0], high[0]) - margin[0], np.arange(low[1], high[1]) - margin[1])
    height_px, cover = np.zeros(x.shape), np.zeros(x.shape)
    for each in thing.capsules:
        begin, along = np.array(each.begin_xy), np.subtract(each.end_xy, each.begin_xy)
        part = ((x - begin[0]) * along[0] + (y - begin[1]) * along[1]) / max(float(along @ along), 1e-6)
        part = np.clip(part, 0, 1)
        distance = np.hypot(x - begin[0] - part * along[0], y - begin[1] - part * along[1])
        height_px = np.maximum(height_px, np.sqrt(np.clip(each.radius**2 - distance**2, 0, None)))
        cover = np.maximum(cover, np.clip(each.radius - distance + 0.5, 0, 1))
    rise_y, rise_x = np.gradient(cv2.GaussianBlur(height_px, (0, 0), 1.0))
    facing = (0.35 * rise_x + 0.45 * rise_y + 0.8) / np.sqrt(1 + rise_x**2 + rise_y**2)
    shade = 0.3 + 0.7 * np.clip(facing, 0, 1)
    rgb = np.round(255 * np.clip(shade[..., None] * np.array(thing.rgb), 0, 1)).astype(np.uint8)
    return rgb, cover.astype(np.float32), (int(low[0]), int(low[1]))


def _turn(turn_deg: float, canvas_hw: tuple[int, int]) -> Float32[np.ndarray, "2 3"]:
    """From the canvas, turned about its middle, into the frame."""
    height, width = canvas_hw
    turn = np.asarray(cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn_deg, 1.0), np.float64)
    turn[:, 2] -= (np.array([width, height]) - FRAME_WH) / 2
    return turn.astype(np.float32)


def degraded(rgb: Rgb, plan: Plan, rng: np.random.Generator) -> Rgb:
    """The frame as a worse camera would have recorded it."""
    if not (plan.defocus_px or any(plan.moved_xy) or plan.stops):
        return rgb
    light = through_lens(scene_light(rgb), Lens(blur_px=plan.defocus_px))
    if any(plan.moved_xy):
        motion = np.broadcast_to(np.array(plan.moved_xy, np.float32), (*rgb.shape[:2], 2)).copy()
        light = exposed(light, motion, Shutter(angle_deg=360.0), 1.0)
    if plan.stops:
        light = sensed(light, replace(SENSOR, exposure_stops=-plan.stops), (1.0, 1.0, 1.0), rng)
    return np.asarray(np.clip(np.round(signal(light, Processing()) * 255), 0, 255), np.uint8)
