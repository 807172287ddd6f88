"""Synthetic actors with exact labels, and the examples that training makes of them."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.actors.actor import TONES, Actor, draw_actor
from countenance.actors.caster import Caster
from countenance.actors.figure import build_figure, pose_figure
from countenance.actors.footage import claim_folder
from countenance.actors.performance import PerformanceConfig, draw_performance
from countenance.actors.props import KINDS, Prop, PropKind, draw_props
from countenance.actors.render import detail_of
from countenance.actors.scene import Camera
from countenance.actors.staging import draw_scene
from countenance.capture.film import film_image
from countenance.capture.presets import draw_capture
from countenance.capture.settings import MID_GREY
from countenance.capture.tone import scene_light
from countenance.geometry import warp
from countenance.vision.align import HeadPose, frame_to_crop, head_pose
from countenance.vision.parts import FACE_PARTS, Part
from countenance.vision.segment import INPUT_SIZE, LABELS_SIZE
from tools.segmenter.occluders import SPRITE, Sprite, texture, to_bytes

TRAINING_SEEDS, HELD_OUT_SEEDS = range(1000, 1320), range(900, 940)
FRAMES, SHOTS, LENGTH = 8, 4, 240
SIZE = 336
"""Side in pixels of a rendered frame: labels in the crop are as fine as the network's are to be."""
ROOM = 1.3
"""Side of a rendered frame in sides of the crop: what is left for crops that lie wrong."""
HELD_OUT_KINDS: tuple[PropKind, ...] = ("hood", "headset", "high scarf", "hand-held microphone", "phone")
"""Props that only held-out actors have."""
PROPS_PERIOD, TRAINING_PROPS, HELD_OUT_PROPS = 9, 5, 5
"""Of as many actors in a row, how many have props; held ones are away in some of their frames."""
NUM_SPRITES = 1200
SEED = 1
Which = Literal["held-out", "training"]
SEEDS: dict[Which, range] = {"held-out": HELD_OUT_SEEDS, "training": TRAINING_SEEDS}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Footage:
    """Frames of one actor with exact labels."""

    rgb: UInt8[np.ndarray, "N S S 3"]
    labels: UInt8[np.ndarray, "N S S"]
    face: UInt8[np.ndarray, "N S S"]
    """0-255: how much of a pixel shows the face."""
    landmarks_xyz: Float32[np.ndarray, "N 468 3"]
    """Pixels; z away from the camera."""


def render_footage(
    folder: Path,
    which: Sequence[Which] = ("held-out", "training"),
    *,
    num_actors: int | None = None,
    num_processes: int = 1,
    limit_s: float | None = None,
    size: int = SIZE,
) -> None:
    """Render what is missing, of each set the first `num_actors` if given; after `limit_s` no actor is begun.

    Raises:
        UsageError: the folder holds another rendering.
    """
    claim_folder(
        folder, {"footage": "segmenter", "frames": FRAMES, "size": size, "props": [TRAINING_PROPS, HELD_OUT_PROPS]}
    )
    until = None if limit_s is None else time.monotonic() + limit_s
    paths = [folder / f"{seed}.npz" for name in which for seed in SEEDS[name][:num_actors]]
    missing = [path for path in paths if not path.exists()]
    render = partial(render_file, size=size, until=until)
    if num_processes == 1:
        for path in missing:
            render(path)
        return
    with ProcessPoolExecutor(num_processes, get_context("spawn")) as pool:
        list(pool.map(render, missing))


def render_file(path: Path, *, size: int, until: float | None) -> None:
    """Render the actor whose seed is the file's name, unless it is later than `until`, in seconds of the system."""
    if until is not None and time.monotonic() > until:
        return
    seed = int(path.stem)
    footage = render_actor(dressed(seed), size, props_of(seed))
    part = path.with_name(f".{path.name}")
    with part.open("wb") as file:
        np.savez_compressed(
            file,
            rgb=footage.rgb,
            labels=footage.labels,
            face=footage.face,
            landmarks_xyz=footage.landmarks_xyz,
            # Every process that makes examples reads all actors: what takes longer than reading is done once.
            clean_labels=np.stack([without_specks(labels) for labels in footage.labels]),
        )
    part.rename(path)
    print(path, flush=True)


def dressed(seed: int) -> Actor:
    """The actor of a seed; every third one who wears no glasses gets somebody's, because few wear them."""
    actor = draw_actor(seed)
    if actor.glasses is None and seed % 3 == 0:
        others = (draw_actor(other) for other in range(5000 + 20 * seed, 6000 + 20 * seed))
        return replace(actor, glasses=next(other.glasses for other in others if other.glasses))
    return actor


def props_of(seed: int) -> tuple[Prop, ...]:
    """What an actor wears and holds; held-out actors have kinds of their own."""
    held_out = seed in HELD_OUT_SEEDS
    if seed % PROPS_PERIOD >= (HELD_OUT_PROPS if held_out else TRAINING_PROPS):
        return ()
    kinds = HELD_OUT_KINDS if held_out else tuple(kind for kind in KINDS if kind not in HELD_OUT_KINDS)
    return draw_props(seed, kinds)


def render_actor(actor: Actor, size: int, props: Sequence[Prop] = ()) -> Footage:
    """Frames from all over a performance, in four lights, the head in the middle."""
    caster = Caster(build_figure(actor, detail_of("caster", size), props))
    performance = draw_performance(actor.seed, LENGTH, PerformanceConfig(max_yaw_deg=75.0, max_pitch_deg=30.0))
    scene = draw_scene(actor.seed, LENGTH, SHOTS)
    rgb, labels, face, meshes = [], [], [], []
    for index in np.linspace(0, LENGTH - 1, FRAMES).round().astype(int).tolist():
        shot, posed = scene.shot_at(index), pose_figure(caster.figure, performance, index)
        camera = closer(shot.camera, head_pose(projected(shot.camera, posed.landmarks, size)), size)
        picture = caster.draw(posed, camera, shot.light, size)
        rgb.append(picture.rgb)
        labels.append(picture.labels)
        face.append(np.round(picture.face_mask * 255).astype(np.uint8))
        meshes.append(projected(camera, posed.landmarks, size))
    return Footage(rgb=np.stack(rgb), labels=np.stack(labels), face=np.stack(face), landmarks_xyz=np.stack(meshes))


def projected(camera: Camera, points: np.ndarray, size: int) -> Float32[np.ndarray, "468 3"]:
    """Points of the world as the mesh would give them."""
    xy, depth = camera.project(points, size)
    z = (depth - depth.mean()) * camera.focal * size / depth.mean()
    return np.column_stack([xy, z]).astype(np.float32)


def closer(camera: Camera, pose: HeadPose, size: int) -> Camera:
    """The same camera with the crop and some room in its picture."""
    metres = camera.frame_m / size
    right, down = (pose.centre_xy - (size - 1) / 2) * metres
    return replace(
        camera,
        frame_m=ROOM * pose.crop_side_px * metres,
        shift_m=(camera.shift_m[0] + float(right), camera.shift_m[1] - float(down)),
    )


class Dataset:
    """Frames of actors that are rendered, read when first needed, and the things that are pasted in front of them."""

    def __init__(
        self,
        folder: Path,
        seeds: Sequence[int],
        occluders: Sequence[Callable[[np.random.Generator], Sprite]],
        *,
        has_codecs: bool = True,
    ) -> None:
        self._folder, self._occluders, self._has_codecs = folder, occluders, has_codecs
        self._seeds = [seed for seed in seeds if (folder / f"{seed}.npz").exists()]
        self._footage: dict[int, Footage] = {}
        self._sprites: dict[int, Sprite] = {}

    def __len__(self) -> int:
        """How many actors there are."""
        return len(self._seeds)

    def example(self, number: int) -> "Example":
        """The example of a number; with the same actors one number always gives the same one.

        Labels are twice as fine as the picture.
        """
        rng = np.random.default_rng([SEED, 2, number])
        footage = self._actor(int(rng.integers(len(self))))
        index = int(rng.integers(len(footage.rgb)))
        example = jittered_crop(footage, index, rng)
        if rng.random() < 0.4:
            other = self._actor(int(rng.integers(len(self))))
            example = before_another_background(example, a_background(other, rng), rng)
        for _ in range(int(rng.choice(3, p=(0.35, 0.45, 0.2)))):
            sprite = self._sprite(int(rng.integers(NUM_SPRITES)))
            example = with_in_front(example, sprite, rng, crop_side=LABELS_SIZE)
        rgb = np.asarray(cv2.resize(example.rgb, (INPUT_SIZE, INPUT_SIZE), interpolation=cv2.INTER_AREA), np.uint8)
        return replace(example, rgb=as_filmed(in_another_light(rgb, rng), rng, has_codecs=self._has_codecs))

    def _sprite(self, number: int) -> Sprite:
        if number not in self._sprites:
            draw = self._occluders[number % len(self._occluders)]
            self._sprites[number] = draw(np.random.default_rng([SEED, 1, number]))
        return self._sprites[number]

    def _actor(self, place: int) -> Footage:
        if place not in self._footage:
            self._footage[place] = read_footage(self._folder / f"{self._seeds[place]}.npz")
        return self._footage[place]


def a_background(other: Footage, rng: np.random.Generator) -> UInt8[np.ndarray, "S S 3"]:
    """A pattern, or part of another frame, never upright, so that no second face is called background."""
    if rng.random() < 0.5:
        return np.asarray(cv2.resize(to_bytes(texture(rng)), (LABELS_SIZE, LABELS_SIZE)), np.uint8)
    turned = np.rot90(other.rgb[rng.integers(len(other.rgb))], int(rng.integers(1, 4)))
    half = len(turned) // 2
    top, left = rng.integers(0, half, 2)
    part = turned[top : top + half, left : left + half]
    return np.asarray(cv2.resize(part, (LABELS_SIZE, LABELS_SIZE)), np.uint8)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Example:
    """A crop and what it shows."""

    rgb: UInt8[np.ndarray, "S S 3"]
    labels: UInt8[np.ndarray, "L L"]
    """As fine as the picture, or finer."""
    face: UInt8[np.ndarray, "L L"]
    """0-255."""


def read_footage(path: Path, *, clean: bool = True) -> Footage:
    """An actor's frames, their labels without specks if `clean`."""
    with np.load(path) as stored:
        footage = Footage(**{name: stored[name] for name in ("rgb", "labels", "face", "landmarks_xyz")})
        if not clean:
            return footage
        if "clean_labels" in stored:
            return replace(footage, labels=stored["clean_labels"])
    return replace(footage, labels=np.stack([without_specks(labels) for labels in footage.labels]))


def without_specks(labels: UInt8[np.ndarray, "S S"]) -> UInt8[np.ndarray, "S S"]:
    """Areas in place of single hairs: where much of the skin is under hair, brow or beard, all of it is.

    A label comes from one ray, and a ray hits a hair or the skin beside it.
    """
    clean, sigma = labels.copy(), len(labels) / 110
    for fine, grounds in (
        (Part.BEARD, (Part.SKIN, Part.NECK)),
        (Part.BROW, (Part.SKIN,)),
        (Part.HAIR, (Part.NECK, Part.SKIN)),
    ):
        ground, is_fine = np.isin(labels, grounds), labels == fine
        if not is_fine.any():
            continue
        both = cv2.GaussianBlur((ground | is_fine).astype(np.float32), (0, 0), sigma)
        dense = cv2.GaussianBlur(is_fine.astype(np.float32), (0, 0), sigma) > 0.4 * both
        clean[ground & dense] = fine
        lone = np.flatnonzero((is_fine & ~dense).ravel())
        if len(lone) and ground.any():
            # What is nearest of the skin, as the hair grows from it.
            _, nearest = cv2.distanceTransformWithLabels(
                (~ground).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
            )
            values = np.zeros(nearest.max() + 1, np.uint8)
            values[nearest[ground]] = labels[ground]
            clean.ravel()[lone] = values[nearest.ravel()[lone]]
    return clean


def jittered_crop(footage: Footage, index: int, rng: np.random.Generator) -> Example:
    """The crop as the mesh would cut it: a little beside, too large, too small, tilted; or its mirror image."""
    pose, wild = head_pose(footage.landmarks_xyz[index]), rng.random() < 0.15
    factor = 3.0 if wild else 1.0
    moved = replace(
        pose,
        centre_xy=(pose.centre_xy + rng.normal(0, 0.03 * factor, 2) * pose.crop_side_px).astype(np.float32),
        unit_px=pose.unit_px * float(np.exp(rng.normal(0, 0.05 * factor))),
        roll_deg=pose.roll_deg + float(rng.normal(0, 5 * factor)),
    )
    transform = frame_to_crop(moved, LABELS_SIZE)
    if rng.random() < 0.5:
        transform = np.array([[-1, 0, LABELS_SIZE - 1], [0, 1, 0]], np.float32) @ np.vstack(
            [transform, [0, 0, 1]]
        ).astype(np.float32)
    frame = Example(rgb=footage.rgb[index], labels=footage.labels[index], face=footage.face[index])
    return cropped(frame, transform, LABELS_SIZE)


def cropped(frame: Example, transform: Float32[np.ndarray, "2 3"], size: int) -> Example:
    """A frame and its labels, moved by the same transform."""

    def moved(picture: np.ndarray, flags: int) -> np.ndarray:
        warped = cv2.warpAffine(picture, transform, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(warped, np.uint8)

    return Example(
        rgb=warp(frame.rgb, transform, (size, size)),
        labels=moved(frame.labels, cv2.INTER_NEAREST),
        face=moved(frame.face, cv2.INTER_LINEAR),
    )


def before_another_background(
    example: Example, background: UInt8[np.ndarray, "S S 3"], rng: np.random.Generator
) -> Example:
    """The same head elsewhere; the border stays soft."""
    pixel = len(example.rgb) / INPUT_SIZE
    cover = cv2.GaussianBlur((example.labels == Part.BACKGROUND).astype(np.float32), (0, 0), 0.7 * pixel)[..., None]
    blurred = cv2.GaussianBlur(background, (0, 0), rng.uniform(0.3, 4) * pixel)
    rgb = (1 - cover) * example.rgb + cover * blurred * rng.uniform(0.3, 1.1)
    return replace(example, rgb=np.clip(rgb, 0, 255).astype(np.uint8))


def with_in_front(
    example: Example, sprite: Sprite, rng: np.random.Generator, *, crop_side: float = INPUT_SIZE
) -> Example:
    """Something in front of the face, in about its light, with a shadow beside it."""
    size = len(example.rgb)
    skin = example.labels == Part.SKIN
    rows, columns = np.nonzero(np.isin(example.labels, FACE_PARTS))
    if skin.sum() < 50:
        return example
    which = rng.integers(len(rows))
    place = np.array([columns[which], rows[which]]) + rng.normal(0, 0.06 * crop_side, 2)
    scale = crop_side / SPRITE * rng.uniform(0.35, 1.3)
    turn = cv2.getRotationMatrix2D((SPRITE / 2, SPRITE / 2), rng.uniform(-180, 180), scale)
    turn = np.column_stack([turn[:, :2], turn[:, 2] + place - SPRITE / 2])
    hard = cv2.warpAffine(sprite.alpha, turn, (size, size), flags=cv2.INTER_LINEAR).astype(np.float32) / 255
    alpha = np.asarray(cv2.GaussianBlur(hard, (0, 0), crop_side / INPUT_SIZE * rng.uniform(0.3, 0.9)))
    face = example.face.astype(np.float32) / 255
    if (alpha * face).sum() > 0.6 * face.sum():
        return example
    rgb = cv2.warpAffine(sprite.rgb, turn, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    light = example.rgb[skin].mean(axis=0)
    if sprite.is_skin:
        own = rng.random() < 0.6
        tone = light * 1.3 if own else TONES[rng.integers(len(TONES))] * (0.4 + 0.6 * light.mean() / 128)
        thing = rgb / 255.0 * tone * rng.uniform(0.75, 1.3) * (1 + rng.normal(0, 0.04, 3))
    else:
        thing = rgb * (np.clip(light.mean() / 128, 0.15, 1.3) if rng.random() < 0.7 else 1.0)
    shift = rng.normal(0, 0.05 * crop_side, 2)
    shadow = cv2.warpAffine(alpha, np.array([[1, 0, shift[0]], [0, 1, shift[1]]]), (size, size))
    shadow = cv2.GaussianBlur(shadow, (0, 0), crop_side * rng.uniform(0.01, 0.06)) * rng.uniform(0, 0.6)
    shaded = example.rgb * (1 - shadow[..., None])
    cover = alpha[..., None]
    return Example(
        rgb=np.clip((1 - cover) * shaded + cover * thing, 0, 255).astype(np.uint8),
        labels=np.where(alpha > 0.5, np.uint8(Part.OCCLUDER), example.labels),
        face=np.round(example.face * (1 - alpha)).astype(np.uint8),
    )


def in_another_light(rgb: UInt8[np.ndarray, "S S 3"], rng: np.random.Generator) -> UInt8[np.ndarray, "S S 3"]:
    """Exposure, contrast, tint, saturation, and sometimes light from one side."""
    levels = np.arange(256) / 255
    gamma, contrast = np.exp(rng.normal(0, 0.25)), np.exp(rng.normal(0, 0.2))
    gain = np.exp(rng.normal(-0.05, 0.3)) * (rng.uniform(0.15, 0.6) if rng.random() < 0.1 else 1)
    curves = ((levels**gamma - 0.4) * contrast + 0.4)[:, None] * gain * np.exp(rng.normal(0, 0.07, 3))
    curves = np.clip(np.round(curves * 255), 0, 255).astype(np.uint8)
    lit = np.asarray(cv2.LUT(rgb, curves[None]), np.uint8)
    if rng.random() < 0.5:
        amount = rng.uniform(0, 1.5) if rng.random() < 0.85 else 0.0
        grey = cv2.cvtColor(lit, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
        lit = np.clip(grey + amount * (lit - grey), 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        y, x = np.mgrid[: len(rgb), : len(rgb)] / len(rgb) - 0.5
        angle = rng.uniform(0, 2 * np.pi)
        ramp = 1 + rng.uniform(0.2, 1.4) * (x * np.cos(angle) + y * np.sin(angle))
        lit = np.clip(lit * ramp[..., None], 0, 255).astype(np.uint8)
    return lit


def as_filmed(
    rgb: UInt8[np.ndarray, "S S 3"], rng: np.random.Generator, *, has_codecs: bool = True
) -> UInt8[np.ndarray, "S S 3"]:
    """Few pixels, a camera's lens, motion, noise, processing and codec, far out of focus, JPEG.

    Without video codecs there is JPEG twice as often.
    """
    size, filmed = len(rgb), np.asarray(rgb)
    if rng.random() < 0.3:
        small = int(rng.uniform(40, size))
        down = cv2.INTER_AREA if rng.random() < 0.7 else cv2.INTER_LINEAR
        up = cv2.INTER_LINEAR if rng.random() < 0.6 else cv2.INTER_CUBIC
        shrunk = cv2.resize(filmed, (small, small), interpolation=down)
        filmed = np.asarray(cv2.resize(shrunk, (size, size), interpolation=up))
    if rng.random() < 0.1:
        # Further than a preset's lens would be.
        filmed = np.asarray(cv2.GaussianBlur(filmed, (0, 0), size / INPUT_SIZE * rng.uniform(1, 2.2)))
    if rng.random() < 0.6:
        filmed = by_a_camera(filmed, rng, has_codecs=has_codecs)
    if rng.random() < (0.25 if has_codecs else 0.5):
        data = cv2.imencode(".jpg", filmed, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 95))])[1]
        filmed = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return np.asarray(filmed, np.uint8)


def by_a_camera(
    rgb: UInt8[np.ndarray, "S S 3"], rng: np.random.Generator, *, has_codecs: bool
) -> UInt8[np.ndarray, "S S 3"]:
    """One frame by any of the cameras of `countenance.capture`; sometimes all of it moves."""
    capture = draw_capture(int(rng.integers(2**31)))
    # Labels stay where they are, so all rows are exposed at once.
    # In the dark a camera turns its gain up, more or less.
    short = float(np.log2(MID_GREY / max(float(scene_light(rgb).mean()), 1e-3)))
    stops = float(np.clip(short, 0, 3) * rng.uniform(0.3, 1))
    sensor = replace(
        capture.sensor,
        gain_stops=capture.sensor.gain_stops + stops,
        exposure_stops=capture.sensor.exposure_stops + stops,
    )
    capture = replace(capture, shutter=replace(capture.shutter, readout_s=0.0), sensor=sensor)
    angle, speed = rng.uniform(0, 2 * np.pi), len(rgb) / INPUT_SIZE * rng.uniform(4, 24)
    moves = np.array([np.cos(angle), np.sin(angle)], np.float32) * np.float32(speed)
    motion = np.broadcast_to(moves, (*rgb.shape[:2], 2)).copy() if rng.random() < 0.2 else None
    if not has_codecs:
        capture = replace(capture, codecs=())
    return film_image(rgb, capture, motion=motion)
