"""Make `weights/segmenter.safetensors`, and measure it: the network that says what each pixel of a face shows.

    .venv/bin/python tools/segmenter/train.py render --folder ~/.cache/countenance/segmenter
    .venv/bin/python tools/segmenter/train.py train --folder ~/.cache/countenance/segmenter
    .venv/bin/python tools/segmenter/train.py refine --folder ~/.cache/countenance/segmenter
    .venv/bin/python tools/segmenter/train.py measure --folder ~/.cache/countenance/segmenter --sheet sheet.png

All that it learns from is drawn by code: synthetic actors with exact labels, things pasted in front of them,
backgrounds, light, blur and noise. `render` goes on where it was, and `train` may run beside it. All chance comes from
one seed. `measure` uses actors and things that training never saw, and crops from the mesh that `prepare` would find,
and prints the tables of the card.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, UInt8
from safetensors.torch import load_file
from safetensors.torch import save as serialised
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from countenance.actors.actor import TONES, Actor, draw_actor
from countenance.actors.caster import Caster
from countenance.actors.figure import build_figure, pose_figure
from countenance.actors.performance import PerformanceConfig, draw_performance
from countenance.actors.scene import Camera
from countenance.actors.staging import draw_scene
from countenance.geometry import transform_points, warp
from countenance.vision.align import HeadPose, frame_to_crop, head_pose
from countenance.vision.landmarks import FaceMesh
from countenance.vision.mask import face_mask
from countenance.vision.networks import weights_folder
from countenance.vision.parts import FACE_PARTS, Part
from countenance.vision.segment import (
    INPUT_SIZE,
    MIN_SURENESS,
    WEIGHTS_NAME,
    Segmenter,
    SegmentNet,
    Segments,
    as_input,
    choose_mask,
    fused,
)

TRAINING_SEEDS, HELD_OUT_SEEDS = range(1000, 1320), range(900, 940)
FRAMES, SHOTS, LENGTH = 8, 4, 240
TRAINING_SIZE, HELD_OUT_SIZE = 176, 336
ROOM = 1.3
"""Side of a rendered frame in sides of the crop: what is left for crops that lie wrong."""
SPRITE, NUM_SPRITES = 160, 1200
SEED = 1
FIRST_ACTORS, EXAMPLES_AN_ACTOR = 60, 224
"""Training begins with few actors, and each so many examples one more joins, until all are there."""
BATCH_SIZE, WARM_UP, EMA = 16, 200, 0.998
STEPS, LEARNING_RATE = 4500, 3e-3
REFINING_STEPS, REFINING_RATE = 2500, 8e-4


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Footage:
    """Frames of one actor with exact labels."""

    rgb: UInt8[np.ndarray, "N S S 3"]
    labels: UInt8[np.ndarray, "N S S"]
    face: UInt8[np.ndarray, "N S S"]
    """0-255: how much of a pixel shows the face."""
    landmarks_xyz: Float32[np.ndarray, "N 468 3"]
    """Pixels; z away from the camera."""


def render_footage(folder: Path) -> None:
    """Render what is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for seeds, size in ((TRAINING_SEEDS, TRAINING_SIZE), (HELD_OUT_SEEDS, HELD_OUT_SIZE)):
        for seed in seeds:
            path = folder / f"{seed}.npz"
            if not path.exists():
                footage = render_actor(dressed(seed), size)
                part = path.with_name(f".{path.name}")
                np.savez_compressed(
                    part.open("wb"),
                    rgb=footage.rgb,
                    labels=footage.labels,
                    face=footage.face,
                    landmarks_xyz=footage.landmarks_xyz,
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


def render_actor(actor: Actor, size: int) -> Footage:
    """Frames from all over a performance, in four lights, the head in the middle."""
    caster = Caster(build_figure(actor))
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


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sprite:
    """Something that can lie in front of a face."""

    rgb: UInt8[np.ndarray, "P P 3"]
    alpha: UInt8[np.ndarray, "P P"]
    is_skin: bool
    """Its colours are shades only, to be multiplied by a skin's."""


def draw_hand(chance: np.random.Generator) -> Sprite:
    """Fingers side by side or spread, more or less bent, a thumb, a palm, a wrist that leaves the picture."""
    canvas, alpha = np.full((SPRITE, SPRITE, 3), 0.7, np.float32), np.zeros((SPRITE, SPRITE), np.uint8)
    width, spread = chance.uniform(9, 13), chance.uniform(-0.02, 0.2)
    knuckles, light = np.array([SPRITE / 2, SPRITE * 0.5]), chance.uniform(-np.pi, np.pi)
    wrist = knuckles + np.array([chance.uniform(-12, 12), 42])
    limbs = [([wrist + np.array([chance.uniform(-25, 25), 70]), wrist], 2.1 * width)]
    limbs.append(([wrist, knuckles + np.array([0, 18])], 2.3 * width))
    folded = chance.random() < 0.25
    for number in range(4):
        base = knuckles + np.array([(number - 1.5) * 1.25 * width, 4 * abs(number - 1.4)])
        half = (23, 27, 25, 19)[number] * chance.uniform(0.25, 0.5 if folded else 1.1)
        angle = (number - 1.5) * spread + chance.normal(0, 0.06)
        middle = base + half * upward(angle)
        tip = middle + half * upward(angle + chance.normal(0, 0.2))
        limbs.append(([base + np.array([0, 16]), middle, tip], width))
    side = 1 if chance.random() < 0.5 else -1
    root, out = knuckles + np.array([side * 2.0 * width, 28]), side * chance.uniform(0.1, 1.1)
    limbs.append(([root, root + 34 * upward(out)], 1.1 * width))
    for points, thickness in limbs:
        shape = np.zeros((SPRITE, SPRITE), np.uint8)
        path = np.round(np.array(points) * 16).astype(np.int32)
        cv2.polylines(shape, [path], False, 255, max(1, round(thickness)), cv2.LINE_AA, shift=4)
        cover = shape[..., None].astype(np.float32) / 255
        canvas = (1 - cover) * canvas + cover * rounded(shape, light, thickness / 2)[..., None]
        alpha = np.maximum(alpha, shape)
    canvas *= 1 + 0.12 * (noise(chance, 8) - 0.5)[..., None]
    return Sprite(rgb=to_bytes(canvas), alpha=alpha, is_skin=True)


def upward(angle: float) -> Float[np.ndarray, " 2"]:
    """A step of one pixel up, turned clockwise by an angle in radians."""
    return np.array([np.sin(angle), -np.cos(angle)])


def draw_microphone(chance: np.random.Generator) -> Sprite:
    """A handle and a head of wire or foam."""
    shape, light = np.zeros((SPRITE, SPRITE), np.uint8), chance.uniform(-np.pi, np.pi)
    head_radius, width = chance.uniform(16, 34), chance.uniform(8, 20)
    middle = (SPRITE // 2, round(SPRITE * 0.3))
    cv2.line(shape, middle, (SPRITE // 2, SPRITE), 255, round(width), cv2.LINE_AA)
    canvas = rounded(shape, light, width / 2)[..., None] * colour(chance)
    head = np.zeros_like(shape)
    cv2.ellipse(
        head,
        middle,
        (round(head_radius), round(head_radius * chance.uniform(0.9, 1.3))),
        0,
        0,
        360,
        255,
        -1,
        cv2.LINE_AA,
    )
    y, x = np.mgrid[:SPRITE, :SPRITE] * chance.uniform(0.6, 2.2)
    grain = 1 + chance.uniform(0, 0.35) * np.sign(np.sin(x)) * np.sign(np.sin(y))
    ball = rounded(head, light, head_radius)[..., None] * colour(chance) * grain[..., None]
    cover = head[..., None] / 255.0
    return Sprite(rgb=to_bytes((1 - cover) * canvas + cover * ball), alpha=np.maximum(shape, head), is_skin=False)


def draw_cup(chance: np.random.Generator) -> Sprite:
    """A cup with a handle, a rim and a band."""
    shape = np.zeros((SPRITE, SPRITE), np.uint8)
    half, taper, top, bottom = chance.uniform(30, 50), chance.uniform(0.7, 1.0), 36, 36 + chance.uniform(50, 96)
    middle = SPRITE / 2
    corners = [
        (middle - half, top),
        (middle + half, top),
        (middle + taper * half, bottom),
        (middle - taper * half, bottom),
    ]
    cv2.fillPoly(shape, [np.array(corners, np.int32)], 255, cv2.LINE_AA)
    if chance.random() < 0.6:
        place = (round(middle + half), round((top + bottom) / 2))
        cv2.ellipse(shape, place, (18, 24), 0, 0, 360, 255, 7, cv2.LINE_AA)
    across = (np.arange(SPRITE) - middle) / half
    shade = 0.45 + 0.6 * np.clip(1 - (across - chance.uniform(-0.6, 0.6)) ** 2, 0, 1)
    canvas = np.broadcast_to(shade[None, :, None], (SPRITE, SPRITE, 3)) * colour(chance)
    band = round(chance.uniform(top, bottom))
    canvas = canvas.copy()
    canvas[band : band + round(chance.uniform(0, 30))] = shade[:, None] * colour(chance)
    canvas[top - 2 : top + 3] *= 1.25
    return Sprite(rgb=to_bytes(canvas), alpha=shape, is_skin=False)


def draw_phone(chance: np.random.Generator) -> Sprite:
    """A slab with round corners: its back with lenses, or a lit screen."""
    shape = np.zeros((SPRITE, SPRITE), np.uint8)
    width, height, corner = chance.uniform(44, 70), chance.uniform(90, 130), chance.uniform(4, 14)
    low = np.array([SPRITE - width, SPRITE - height]) / 2 + corner
    high = np.array([SPRITE + width, SPRITE + height]) / 2 - corner
    cv2.rectangle(shape, np.round(low).astype(int).tolist(), np.round(high).astype(int).tolist(), 255, -1)
    shape = np.asarray(
        cv2.dilate(shape, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(corner) + 1,) * 2)), np.uint8
    )
    canvas = np.broadcast_to(colour(chance, dark=chance.random() < 0.6), (SPRITE, SPRITE, 3)).copy()
    if chance.random() < 0.4:
        canvas[round(low[1]) : round(high[1]), round(low[0] - 4) : round(high[0] + 4)] = texture(chance)[
            round(low[1]) : round(high[1]), round(low[0] - 4) : round(high[0] + 4)
        ]
    else:
        for number in range(int(chance.integers(1, 4))):
            cv2.circle(
                canvas, (round(low[0] + 6), round(low[1] + 6 + 14 * number)), 6, (0.05, 0.05, 0.06), -1, cv2.LINE_AA
            )
    gloss = np.clip(
        np.linspace(-1, 1, SPRITE)[:, None] + np.linspace(-1, 1, SPRITE)[None] + chance.uniform(-1, 1), 0, 1
    )
    return Sprite(rgb=to_bytes(canvas + chance.uniform(0, 0.35) * gloss[..., None]), alpha=shape, is_skin=False)


def draw_bar(chance: np.random.Generator) -> Sprite:
    """A pole or a strip across the whole picture."""
    shape, width = np.zeros((SPRITE, SPRITE), np.uint8), chance.uniform(6, 40)
    middle = SPRITE / 2
    shape[:, round(middle - width / 2) : round(middle + width / 2)] = 255
    across = 2 * (np.arange(SPRITE) - middle) / width
    shade = np.clip(1 - (across - chance.uniform(-0.7, 0.7)) ** 2, 0, 1) if chance.random() < 0.6 else np.ones(SPRITE)
    canvas = (0.4 + 0.6 * shade)[None, :, None] * (colour(chance) if chance.random() < 0.6 else texture(chance))
    return Sprite(rgb=to_bytes(np.broadcast_to(canvas, (SPRITE, SPRITE, 3))), alpha=shape, is_skin=False)


def draw_paper(chance: np.random.Generator) -> Sprite:
    """A sheet, blank, written on, or printed with a picture."""
    shape, middle = np.zeros((SPRITE, SPRITE), np.uint8), SPRITE / 2
    corners = (
        middle
        + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * chance.uniform(28, 70, 2)
        + chance.normal(0, 6, (4, 2))
    )
    cv2.fillPoly(shape, [np.round(corners).astype(np.int32)], 255, cv2.LINE_AA)
    if chance.random() < 0.3:
        canvas = texture(chance)
    else:
        canvas = np.broadcast_to(1 - 0.25 * chance.random(3).astype(np.float32), (SPRITE, SPRITE, 3)).copy()
        for row in range(int(chance.integers(10, 40)), SPRITE, int(chance.integers(5, 14))):
            cv2.line(
                canvas, (int(chance.integers(50)), row), (int(chance.integers(90, SPRITE)), row), (0.2, 0.2, 0.25), 1
            )
    fold = 1 + 0.25 * np.sin(np.linspace(0, chance.uniform(1, 9), SPRITE))
    return Sprite(rgb=to_bytes(canvas * fold[None, :, None]), alpha=shape, is_skin=False)


def draw_cloth(chance: np.random.Generator) -> Sprite:
    """A piece with a wavy border and folds: a scarf, a sleeve, a mask."""
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    radius = np.ones(60)
    for k in range(1, 6):
        radius += chance.normal(0, 0.22 / k) * np.sin(k * angle + chance.uniform(0, 6.3))
    half = chance.uniform(30, 70, 2)
    points = SPRITE / 2 + np.column_stack([np.cos(angle), np.sin(angle)]) * radius[:, None] * half
    shape = np.zeros((SPRITE, SPRITE), np.uint8)
    cv2.fillPoly(shape, [np.round(points).astype(np.int32)], 255, cv2.LINE_AA)
    y, x = np.mgrid[:SPRITE, :SPRITE] / SPRITE
    turn, number = chance.uniform(0, np.pi), chance.uniform(2, 9)
    folds = np.sin(2 * np.pi * number * (np.cos(turn) * x + np.sin(turn) * y) + 5 * noise(chance, 4))
    canvas = (texture(chance) if chance.random() < 0.5 else colour(chance)) * (0.8 + 0.25 * folds)[..., None]
    return Sprite(rgb=to_bytes(canvas), alpha=shape, is_skin=False)


def draw_blob(chance: np.random.Generator) -> Sprite:
    """Any smooth shape, rounded or flat, of any pattern; sometimes of skin."""
    grain = noise(chance, int(chance.choice([2, 3, 4, 6])))
    y, x = np.mgrid[:SPRITE, :SPRITE] / SPRITE - 0.5
    level = grain - 1.1 * np.hypot(x, y) ** 2 * chance.uniform(2, 5)
    limit = np.quantile(level, chance.uniform(0.55, 0.9))
    shape = np.asarray(np.clip((level - limit) * 60 + 0.5, 0, 1) * 255, np.uint8)
    is_skin = bool(chance.random() < 0.3)
    shade = (
        rounded(shape, chance.uniform(-np.pi, np.pi), chance.uniform(8, 50))
        if chance.random() < 0.6
        else np.ones_like(grain)
    )
    canvas = shade[..., None] * (np.ones(3) if is_skin else texture(chance))
    return Sprite(rgb=to_bytes(canvas * (0.75 if is_skin else 1)), alpha=shape, is_skin=is_skin)


def draw_curve(chance: np.random.Generator) -> Sprite:
    """Something long and thin that bends: a cable, a straw, a strap."""
    shape, at = np.zeros((SPRITE, SPRITE), np.uint8), np.linspace(0, 1, 40)
    ends, bulge = chance.uniform(0, SPRITE, (2, 2)), chance.normal(0, 0.3 * SPRITE, 2)
    path = ends[0] + at[:, None] * (ends[1] - ends[0]) + (4 * at * (1 - at))[:, None] * bulge
    width = chance.uniform(2, 14)
    points = np.round(path * 16).astype(np.int32)
    cv2.polylines(shape, [points], False, 255, max(1, round(width)), cv2.LINE_AA, shift=4)
    shade = rounded(shape, chance.uniform(-np.pi, np.pi), width / 2)[..., None] if chance.random() < 0.7 else 1.0
    return Sprite(
        rgb=to_bytes(np.broadcast_to(shade * (0.2 + 0.8 * colour(chance)), (SPRITE, SPRITE, 3))),
        alpha=shape,
        is_skin=bool(chance.random() < 0.15),
    )


def draw_leaves(chance: np.random.Generator) -> Sprite:
    """A twig with leaves."""
    shape = np.zeros((SPRITE, SPRITE), np.uint8)
    canvas = np.broadcast_to(colour(chance), (SPRITE, SPRITE, 3)).copy()
    green = np.array([chance.uniform(0.1, 0.5), chance.uniform(0.35, 0.65), chance.uniform(0.08, 0.3)])
    cv2.line(shape, (SPRITE // 2, SPRITE), (SPRITE // 2, 20), 255, 4, cv2.LINE_AA)
    for number in range(int(chance.integers(4, 9))):
        place = (SPRITE // 2 + (30 if number % 2 else -30), 24 + round(number * chance.uniform(12, 17)))
        angle, leaf = (-35 if number % 2 else 35) + chance.normal(0, 12), np.zeros_like(shape)
        cv2.ellipse(
            leaf,
            place,
            (round(chance.uniform(24, 36)), round(chance.uniform(8, 15))),
            angle,
            0,
            360,
            255,
            -1,
            cv2.LINE_AA,
        )
        cover = leaf[..., None] / 255.0
        canvas = (1 - cover) * canvas + cover * green * chance.uniform(0.7, 1.2) * rounded(leaf, 1.0, 14)[..., None]
        shape = np.maximum(shape, leaf)
    return Sprite(rgb=to_bytes(canvas), alpha=shape, is_skin=False)


def draw_ball(chance: np.random.Generator) -> Sprite:
    """A ball or a fruit with a highlight."""
    shape, radius = np.zeros((SPRITE, SPRITE), np.uint8), chance.uniform(30, 60)
    cv2.circle(shape, (SPRITE // 2, SPRITE // 2), round(radius), 255, -1, cv2.LINE_AA)
    light = chance.uniform(-np.pi, np.pi)
    y, x = np.mgrid[:SPRITE, :SPRITE] - SPRITE / 2
    spot = np.exp(
        -((x - 0.4 * radius * np.cos(light)) ** 2 + (y - 0.4 * radius * np.sin(light)) ** 2) / (0.02 * radius**2)
    )
    canvas = rounded(shape, light, radius)[..., None] * colour(chance) * (1 + 0.3 * (noise(chance, 5) - 0.5))[..., None]
    return Sprite(rgb=to_bytes(canvas + 0.6 * spot[..., None]), alpha=shape, is_skin=False)


def draw_spoon(chance: np.random.Generator) -> Sprite:
    """A spoon, a ladle, a hairbrush: something with a stem."""
    shape = np.zeros((SPRITE, SPRITE), np.uint8)
    middle = SPRITE // 2
    cv2.line(
        shape,
        (middle, 50),
        (middle + round(chance.uniform(-15, 15)), SPRITE),
        255,
        round(chance.uniform(6, 12)),
        cv2.LINE_AA,
    )
    axes = (round(chance.uniform(16, 30)), round(chance.uniform(26, 40)))
    cv2.ellipse(shape, (middle, 44), axes, 0, 0, 360, 255, -1, cv2.LINE_AA)
    metal = colour(chance) * 0.3 + 0.55
    return Sprite(
        rgb=to_bytes(rounded(shape, chance.uniform(-3, 3), 20)[..., None] * metal), alpha=shape, is_skin=False
    )


def draw_fist(chance: np.random.Generator) -> Sprite:
    """A fist on an arm: four knuckles, as no training hand has them."""
    shape, light = np.zeros((SPRITE, SPRITE), np.uint8), chance.uniform(-np.pi, np.pi)
    middle = SPRITE // 2
    cv2.line(shape, (middle, 90), (middle + round(chance.uniform(-30, 30)), SPRITE), 255, 44, cv2.LINE_AA)
    canvas = np.broadcast_to(rounded(shape, light, 22)[..., None], (SPRITE, SPRITE, 3)).copy()
    whole = shape
    for row in (1, 0):
        for number in range(4):
            part = np.zeros_like(shape)
            place = (middle - 30 + 20 * number, 66 + 24 * row + round(chance.normal(0, 2)))
            cv2.ellipse(part, place, (12, 19), chance.normal(0, 8), 0, 360, 255, -1, cv2.LINE_AA)
            cover = part[..., None] / 255.0
            canvas = (1 - cover) * canvas + cover * rounded(part, light, 12)[..., None]
            whole = np.maximum(whole, part)
    return Sprite(rgb=to_bytes(canvas), alpha=whole, is_skin=True)


def rounded(shape: UInt8[np.ndarray, "P P"], light: float, radius: float) -> Float32[np.ndarray, "P P"]:
    """Shades of a shape that bulges towards its middle, lit from the side: about .3-1.05."""
    inward = cv2.distanceTransform((shape > 127).astype(np.uint8), cv2.DIST_L2, 3).clip(0, radius) / radius
    height = (radius * np.sqrt(np.clip(inward * (2 - inward), 0, 1))).astype(np.float32)
    down, across = (np.asarray(slope, np.float32) for slope in np.gradient(cv2.GaussianBlur(height, (0, 0), 1.5)))
    toward = (across * np.cos(light) + down * np.sin(light)) / np.sqrt(1 + across**2 + down**2)
    return np.asarray(0.75 - 0.32 * toward - 0.15 * (1 - inward) ** 2, np.float32)


def noise(chance: np.random.Generator, cells: int) -> Float32[np.ndarray, "P P"]:
    """Smooth noise of several octaves, 0-1."""
    total = np.zeros((SPRITE, SPRITE), np.float32)
    for octave in range(3):
        number = (cells << octave) + 1
        grid = chance.random((number, number)).astype(np.float32)
        total = total + np.asarray(cv2.resize(grid, (SPRITE, SPRITE), interpolation=cv2.INTER_CUBIC)) * 0.5**octave
    return np.asarray(np.clip(total / 1.75, 0, 1), np.float32)


def colour(chance: np.random.Generator, *, dark: bool = False) -> Float32[np.ndarray, " 3"]:
    """Grey or coloured, as things are."""
    grey = chance.uniform(0.03, 0.25) if dark else chance.uniform(0.05, 1.0)
    return np.clip(grey + chance.normal(0, chance.choice([0.02, 0.2]), 3), 0.02, 1).astype(np.float32)


def texture(chance: np.random.Generator) -> Float32[np.ndarray, "P P 3"]:
    """Stripes, checks, spots or clouds in two or three colours."""
    y, x = np.mgrid[:SPRITE, :SPRITE] * chance.uniform(0.08, 0.9)
    patterns = (
        lambda: noise(chance, int(chance.choice([3, 8, 24]))),
        lambda: 0.5 + 0.5 * np.sign(np.sin(x + chance.uniform(0, 1) * y)),
        lambda: 0.5 + 0.5 * np.sign(np.sin(x) * np.sin(y)),
        lambda: np.asarray(np.sin(x) * np.sin(y) > 0.5, np.float32),
    )
    weight = patterns[chance.integers(len(patterns))]()[..., None]
    mixed = (1 - weight) * colour(chance) + weight * colour(chance)
    return np.asarray(mixed + 0.15 * (noise(chance, 10) - 0.5)[..., None], np.float32)


def to_bytes(picture: np.ndarray) -> UInt8[np.ndarray, "P P 3"]:
    return np.clip(np.round(picture * 255), 0, 255).astype(np.uint8)


TRAINING_OCCLUDERS = (
    draw_hand,
    draw_hand,
    draw_microphone,
    draw_cup,
    draw_phone,
    draw_bar,
    draw_paper,
    draw_cloth,
    draw_blob,
)
HELD_OUT_OCCLUDERS = (draw_leaves, draw_ball, draw_spoon, draw_fist)


# What training sees


class Dataset:
    """Frames of actors, read when first needed, and the things that are pasted in front of them."""

    def __init__(
        self, folder: Path, seeds: Sequence[int], occluders: Sequence[Callable[[np.random.Generator], Sprite]]
    ) -> None:
        self._folder, self._seeds = folder, seeds
        self._footage: dict[int, Footage] = {}
        self.sprites = [
            occluders[number % len(occluders)](np.random.default_rng([SEED, 1, number]))
            for number in range(NUM_SPRITES)
        ]

    def example(self, number: int) -> "Example":
        """The example of a number: always the same one."""
        chance = np.random.default_rng([SEED, 2, number])
        num_actors = min(len(self._seeds), FIRST_ACTORS + number // EXAMPLES_AN_ACTOR)
        footage = self._actor(int(chance.integers(num_actors)))
        index = int(chance.integers(len(footage.rgb)))
        example = jittered_crop(footage, index, chance)
        if chance.random() < 0.4:
            other = self._actor(int(chance.integers(num_actors)))
            example = before_another_background(example, a_background(other, chance), chance)
        for _ in range(int(chance.choice(3, p=(0.35, 0.45, 0.2)))):
            example = with_in_front(example, self.sprites[chance.integers(len(self.sprites))], chance)
        return replace(example, rgb=as_filmed(in_another_light(example.rgb, chance), chance))

    def _actor(self, place: int) -> Footage:
        """Wait for it if it isn't rendered yet, so that rendering and training may run side by side."""
        if place not in self._footage:
            path = self._folder / f"{self._seeds[place]}.npz"
            while not path.exists():
                time.sleep(1)
            self._footage[place] = read_footage(path)
        return self._footage[place]


def a_background(other: Footage, chance: np.random.Generator) -> UInt8[np.ndarray, "S S 3"]:
    """A pattern, or part of another frame, never upright, so that no second face is called background."""
    if chance.random() < 0.5:
        return np.asarray(cv2.resize(to_bytes(texture(chance)), (INPUT_SIZE, INPUT_SIZE)), np.uint8)
    turned = np.rot90(other.rgb[chance.integers(len(other.rgb))], int(chance.integers(1, 4)))
    half = len(turned) // 2
    top, left = chance.integers(0, half, 2)
    part = turned[top : top + half, left : left + half]
    return np.asarray(cv2.resize(part, (INPUT_SIZE, INPUT_SIZE)), np.uint8)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Example:
    """A crop and what it shows."""

    rgb: UInt8[np.ndarray, "S S 3"]
    labels: UInt8[np.ndarray, "S S"]
    face: UInt8[np.ndarray, "S S"]
    """0-255."""


def read_footage(path: Path, *, clean: bool = True) -> Footage:
    """An actor's frames, their labels without specks if `clean`."""
    with np.load(path) as stored:
        footage = Footage(**{name: stored[name] for name in ("rgb", "labels", "face", "landmarks_xyz")})
    if not clean:
        return footage
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


def jittered_crop(footage: Footage, index: int, chance: np.random.Generator) -> Example:
    """The crop as the mesh would cut it: a little beside, too large, too small, tilted; or its mirror image."""
    pose, wild = head_pose(footage.landmarks_xyz[index]), chance.random() < 0.15
    factor = 3.0 if wild else 1.0
    moved = replace(
        pose,
        centre_xy=(pose.centre_xy + chance.normal(0, 0.03 * factor, 2) * pose.crop_side_px).astype(np.float32),
        unit_px=pose.unit_px * float(np.exp(chance.normal(0, 0.05 * factor))),
        roll_deg=pose.roll_deg + float(chance.normal(0, 5 * factor)),
    )
    transform = frame_to_crop(moved, INPUT_SIZE)
    if chance.random() < 0.5:
        transform = np.array([[-1, 0, INPUT_SIZE - 1], [0, 1, 0]], np.float32) @ np.vstack(
            [transform, [0, 0, 1]]
        ).astype(np.float32)
    frame = Example(rgb=footage.rgb[index], labels=footage.labels[index], face=footage.face[index])
    return cropped(frame, transform, INPUT_SIZE)


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
    example: Example, background: UInt8[np.ndarray, "S S 3"], chance: np.random.Generator
) -> Example:
    """The same head elsewhere; the border stays soft."""
    cover = cv2.GaussianBlur((example.labels == Part.BACKGROUND).astype(np.float32), (0, 0), 0.7)[..., None]
    blurred = cv2.GaussianBlur(background, (0, 0), chance.uniform(0.3, 4))
    rgb = (1 - cover) * example.rgb + cover * blurred * chance.uniform(0.3, 1.1)
    return replace(example, rgb=np.clip(rgb, 0, 255).astype(np.uint8))


def with_in_front(
    example: Example, sprite: Sprite, chance: np.random.Generator, *, crop_side: float = INPUT_SIZE
) -> Example:
    """Something in front of the face, in about its light, with a shadow beside it."""
    size = len(example.rgb)
    skin = example.labels == Part.SKIN
    rows, columns = np.nonzero(np.isin(example.labels, FACE_PARTS))
    if skin.sum() < 50:
        return example
    which = chance.integers(len(rows))
    place = np.array([columns[which], rows[which]]) + chance.normal(0, 0.06 * crop_side, 2)
    scale = crop_side / SPRITE * chance.uniform(0.35, 1.3)
    turn = cv2.getRotationMatrix2D((SPRITE / 2, SPRITE / 2), chance.uniform(-180, 180), scale)
    turn = np.column_stack([turn[:, :2], turn[:, 2] + place - SPRITE / 2])
    hard = cv2.warpAffine(sprite.alpha, turn, (size, size), flags=cv2.INTER_LINEAR).astype(np.float32) / 255
    alpha = np.asarray(cv2.GaussianBlur(hard, (0, 0), crop_side / INPUT_SIZE * chance.uniform(0.3, 0.9)))
    face = example.face.astype(np.float32) / 255
    if (alpha * face).sum() > 0.6 * face.sum():
        return example
    rgb = cv2.warpAffine(sprite.rgb, turn, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    light = example.rgb[skin].mean(axis=0)
    if sprite.is_skin:
        own = chance.random() < 0.6
        tone = light * 1.3 if own else TONES[chance.integers(len(TONES))] * (0.4 + 0.6 * light.mean() / 128)
        thing = rgb / 255.0 * tone * chance.uniform(0.75, 1.3) * (1 + chance.normal(0, 0.04, 3))
    else:
        thing = rgb * (np.clip(light.mean() / 128, 0.15, 1.3) if chance.random() < 0.7 else 1.0)
    shift = chance.normal(0, 0.05 * crop_side, 2)
    shadow = cv2.warpAffine(alpha, np.array([[1, 0, shift[0]], [0, 1, shift[1]]]), (size, size))
    shadow = cv2.GaussianBlur(shadow, (0, 0), crop_side * chance.uniform(0.01, 0.06)) * chance.uniform(0, 0.6)
    shaded = example.rgb * (1 - shadow[..., None])
    cover = alpha[..., None]
    return Example(
        rgb=np.clip((1 - cover) * shaded + cover * thing, 0, 255).astype(np.uint8),
        labels=np.where(alpha > 0.5, np.uint8(Part.OCCLUDER), example.labels),
        face=np.round(example.face * (1 - alpha)).astype(np.uint8),
    )


def in_another_light(rgb: UInt8[np.ndarray, "S S 3"], chance: np.random.Generator) -> UInt8[np.ndarray, "S S 3"]:
    """Exposure, contrast, tint, saturation, and sometimes light from one side."""
    levels = np.arange(256) / 255
    gamma, contrast = np.exp(chance.normal(0, 0.25)), np.exp(chance.normal(0, 0.2))
    gain = np.exp(chance.normal(-0.05, 0.3)) * (chance.uniform(0.15, 0.6) if chance.random() < 0.1 else 1)
    curves = ((levels**gamma - 0.4) * contrast + 0.4)[:, None] * gain * np.exp(chance.normal(0, 0.07, 3))
    curves = np.clip(np.round(curves * 255), 0, 255).astype(np.uint8)
    lit = np.asarray(cv2.LUT(rgb, curves[None]), np.uint8)
    if chance.random() < 0.5:
        amount = chance.uniform(0, 1.5) if chance.random() < 0.85 else 0.0
        grey = cv2.cvtColor(lit, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
        lit = np.clip(grey + amount * (lit - grey), 0, 255).astype(np.uint8)
    if chance.random() < 0.2:
        y, x = np.mgrid[: len(rgb), : len(rgb)] / len(rgb) - 0.5
        angle = chance.uniform(0, 2 * np.pi)
        ramp = 1 + chance.uniform(0.2, 1.4) * (x * np.cos(angle) + y * np.sin(angle))
        lit = np.clip(lit * ramp[..., None], 0, 255).astype(np.uint8)
    return lit


def as_filmed(rgb: UInt8[np.ndarray, "S S 3"], chance: np.random.Generator) -> UInt8[np.ndarray, "S S 3"]:
    """Few pixels, blur of focus or of motion, noise, JPEG."""
    size, filmed = len(rgb), np.asarray(rgb)
    if chance.random() < 0.3:
        small = int(chance.uniform(40, size))
        down = cv2.INTER_AREA if chance.random() < 0.7 else cv2.INTER_LINEAR
        up = cv2.INTER_LINEAR if chance.random() < 0.6 else cv2.INTER_CUBIC
        shrunk = cv2.resize(filmed, (small, small), interpolation=down)
        filmed = np.asarray(cv2.resize(shrunk, (size, size), interpolation=up))
    blur = chance.random()
    if blur < 0.15:
        filmed = np.asarray(cv2.GaussianBlur(filmed, (0, 0), size / INPUT_SIZE * chance.uniform(0.4, 2.2)))
    elif blur < 0.3:
        filmed = moved_while_filmed(filmed, int(chance.integers(3, 12)), chance.uniform(0, 180))
    elif blur < 0.45:
        # As cameras sharpen.
        soft, amount = cv2.GaussianBlur(filmed, (0, 0), 1.2), chance.uniform(0.2, 1.2)
        filmed = np.asarray(cv2.addWeighted(filmed, 1 + amount, soft, -amount, 0))
    if chance.random() < 0.5:
        grain = chance.standard_normal(rgb.shape, np.float32) * chance.uniform(1, 14)
        if chance.random() < 0.4:
            grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), 0.8)) * 1.8
        filmed = np.clip(filmed + grain, 0, 255).astype(np.uint8)
    if chance.random() < 0.5:
        data = cv2.imencode(".jpg", filmed, [cv2.IMWRITE_JPEG_QUALITY, int(chance.integers(20, 95))])[1]
        filmed = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return np.asarray(filmed, np.uint8)


def moved_while_filmed(rgb: UInt8[np.ndarray, "S S 3"], length: int, angle_deg: float) -> UInt8[np.ndarray, "S S 3"]:
    """Blur along a line of some pixels."""
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    turn = cv2.getRotationMatrix2D((length // 2, length // 2), angle_deg, 1)
    kernel = np.asarray(cv2.warpAffine(kernel, turn, (length, length)), np.float32)
    return np.asarray(cv2.filter2D(rgb, -1, kernel / kernel.sum()), np.uint8)


# Training


def train(folder: Path, weights: Path) -> None:
    """From nothing, with norms; rare parts count a little more."""
    torch.manual_seed(SEED)
    dataset = Dataset(folder, TRAINING_SEEDS, TRAINING_OCCLUDERS)
    class_weights = weights_of_classes([dataset.example(number) for number in range(300)])
    learn(SegmentNet(), dataset, 0, STEPS, LEARNING_RATE, class_weights, folder, weights)


def refine(folder: Path, weights: Path) -> None:
    """On from the file's weights, norms in the convolutions; all parts count alike, and thin things join in."""
    network = fused(SegmentNet())
    network.load_state_dict({name: number.float() for name, number in load_file(weights).items()})
    dataset = Dataset(folder, TRAINING_SEEDS, (*TRAINING_OCCLUDERS, draw_curve))
    alike = torch.ones(len(Part))
    learn(network, dataset, STEPS * BATCH_SIZE, REFINING_STEPS, REFINING_RATE, alike, folder, weights)


def learn(
    network: SegmentNet,
    dataset: Dataset,
    first: int,
    steps: int,
    rate: float,
    class_weights: Tensor,
    folder: Path,
    weights: Path,
) -> None:
    """Learn from the examples from the `first` on, and write the running mean of the weights."""
    torch.set_num_threads(1)
    held_out = Dataset(folder, HELD_OUT_SEEDS[:20], HELD_OUT_OCCLUDERS)
    watched = [held_out.example(number) for number in range(160)]
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    running_mean = get_ema_multi_avg_fn(EMA)  # type: ignore[no-untyped-call]
    mean = AveragedModel(network, multi_avg_fn=running_mean, use_buffers=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / WARM_UP, 0.5 + 0.5 * np.cos(np.pi * step / steps))
    )
    begun, running = time.time(), 0.0
    for step in range(steps):
        numbers = range(first + step * BATCH_SIZE, first + (step + 1) * BATCH_SIZE)
        rgb, labels, face = batch_of([dataset.example(number) for number in numbers])
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(as_input(rgb))
        loss = loss_of(logits.float(), labels, face, class_weights)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        mean.update_parameters(network)
        running += (loss.item() - running) / min(step + 1, 100)
        if (step + 1) % 250 == 0 or step + 1 == steps:
            seen = {"step": step + 1, "loss": round(running, 4), "s": round(time.time() - begun)}
            print(json.dumps({**seen, **watch(mean.module, watched)}), flush=True)
            save(cast(SegmentNet, mean.module), weights)


def save(network: SegmentNet, path: Path) -> None:
    """The weights, norms in the convolutions, in halves."""
    numbers, part = fused(network).state_dict(), path.with_name(f".{path.name}")
    part.write_bytes(serialised({name: number.half().contiguous() for name, number in numbers.items()}))
    part.rename(path)


def batch_of(examples: Sequence[Example]) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures [B S S 3], parts [B S S], and how much of each pixel is face [B S S]."""
    rgb = torch.from_numpy(np.stack([each.rgb for each in examples]))
    labels = torch.from_numpy(np.stack([each.labels for each in examples])).long()
    return rgb, labels, torch.from_numpy(np.stack([each.face for each in examples])).float() / 255


def weights_of_classes(examples: Sequence[Example]) -> Tensor:
    """Rare parts count a little more; much more would widen them at the cost of the skin around."""
    counts = np.bincount(np.concatenate([each.labels.ravel() for each in examples]), minlength=len(Part))
    weights = ((counts.max() / np.maximum(counts, 1)) ** 0.25).clip(1, 2.5)
    return torch.from_numpy(weights / (weights * counts / counts.sum()).sum()).float()


def loss_of(logits: Tensor, labels: Tensor, face: Tensor, class_weights: Tensor) -> Tensor:
    """Cross-entropy of parts and of the face, and of the face what its overlap lacks (soft Jaccard)."""
    parts = F.cross_entropy(logits[:, :-1], labels, weight=class_weights)
    whole = F.binary_cross_entropy_with_logits(logits[:, -1], face)
    chance = logits[:, -1].sigmoid()
    shared = (chance * face).sum(dim=(1, 2))
    union = (chance + face - chance * face).sum(dim=(1, 2))
    return parts + 2 * whole + (1 - (shared + 1) / (union + 1)).mean()


def watch(network: torch.nn.Module, examples: Sequence[Example]) -> dict[str, float]:
    """IoU over hard held-out examples: face, skin, occluders, glasses, hair."""
    network.eval()
    counts: dict[str, np.ndarray] = {}
    with torch.inference_mode():
        for start in range(0, len(examples), BATCH_SIZE):
            rgb, labels, face = batch_of(examples[start : start + BATCH_SIZE])
            logits = network(as_input(rgb))
            found = logits[:, :-1].argmax(dim=1)
            pairs = {"face": (logits[:, -1] > 0, face > 0.5)}
            for part in (Part.SKIN, Part.OCCLUDER, Part.GLASSES, Part.HAIR):
                pairs[part.name.lower()] = (found == part, labels == part)
            for name, (one, other) in pairs.items():
                counts[name] = counts.get(name, np.zeros(2)) + np.array(
                    [int((one & other).sum()), int((one | other).sum())]
                )
    return {name: round(float(shared / max(union, 1)), 4) for name, (shared, union) in counts.items()}


# Measuring

BANDS = ((0, 20), (20, 40), (40, 60), (60, 90))
CROP = 256
VARIANTS = PLAIN, COVERED, FILMED, SPOILT = "as rendered", "something in front", "and badly filmed", "spoilt"
COLOURS = np.array(
    [
        *((0, 0, 0), (230, 180, 150), (120, 70, 30), (255, 255, 255), (60, 60, 60), (220, 60, 90), (120, 0, 40)),
        *((90, 60, 200), (250, 220, 60), (120, 160, 90), (60, 110, 140), (160, 100, 30), (0, 220, 60), (0, 200, 255)),
    ],
    np.uint8,
)
"""Of each `Part`, in the sheet."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Judged:
    """One held-out face, what is known of it and what was found."""

    variant: str
    occluder: str
    """What lies in front; empty if nothing."""
    yaw_deg: float
    truth: Example
    hull: Float32[np.ndarray, "S S"]
    segments: Segments

    @property
    def face(self) -> np.ndarray:
        return self.truth.face > 127

    @property
    def hidden(self) -> np.ndarray:
        """Where something hides the face."""
        return np.asarray((self.truth.labels == Part.OCCLUDER) & (self.hull > 0.5))

    @property
    def found_hidden(self) -> np.ndarray:
        return np.asarray(self.labels == Part.OCCLUDER)

    @property
    def labels(self) -> np.ndarray:
        """What was found, as large as the truth."""
        size = self.hull.shape
        return np.asarray(cv2.resize(self.segments.labels, size, interpolation=cv2.INTER_NEAREST))

    def overlap(self, *parts: Part) -> np.ndarray:
        """Pixels of these parts that were found rightly, that are there, and that were found."""
        there, found = np.isin(self.truth.labels, parts), np.isin(self.labels, parts)
        return np.array([(there & found).sum(), there.sum(), found.sum()])

    def mask_iou(self) -> float:
        """Of the network's mask, whether or not it is sure enough for it."""
        sure = replace(self.segments, sureness=1.0)
        return iou(choose_mask(sure, self.hull).mask > 0.5, self.face)

    def hull_iou(self) -> float:
        return iou(self.hull > 0.5, self.face)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    return float((one & other).sum() / max((one | other).sum(), 1))


def spoilt(rgb: UInt8[np.ndarray, "S S 3"], chance: np.random.Generator) -> UInt8[np.ndarray, "S S 3"]:
    """Out of focus, tiny, dark, noisy or burnt out: from much to far beyond what a film would keep."""
    way, much, size = int(chance.integers(5)), chance.uniform(0.3, 1.1), len(rgb)
    if way == 0:
        return np.asarray(cv2.GaussianBlur(rgb, (0, 0), 1 + 13 * much), np.uint8)
    if way == 1:
        small = round(70 * (1.1 - much) + 8)
        tiny = cv2.resize(rgb, (small, small), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(tiny, (size, size)), np.uint8)
    stops, noise_level = ((-1 - 5 * much, 3), (0, 15 + 105 * much), (0.5 + 3.5 * much, 0))[way - 2]
    noisy = rgb * 2.0**stops + chance.normal(0, 1, rgb.shape) * noise_level
    return np.clip(noisy, 0, 255).astype(np.uint8)


def judged_faces(folder: Path) -> Iterator[Judged]:
    """Every held-out frame: as rendered, with something new in front, that badly filmed too, and spoilt."""
    segmenter, mesh = Segmenter(), FaceMesh()
    for seed in HELD_OUT_SEEDS:
        footage = read_footage(folder / f"{seed}.npz", clean=False)
        for index in range(len(footage.rgb)):
            chance = np.random.default_rng([SEED, 3, seed, index])
            draw = HELD_OUT_OCCLUDERS[int(chance.integers(len(HELD_OUT_OCCLUDERS)))]
            plain = Example(rgb=footage.rgb[index], labels=footage.labels[index], face=footage.face[index])
            covered = with_in_front(plain, draw(chance), chance, crop_side=len(plain.rgb) / ROOM)
            filmed = replace(covered, rgb=as_filmed(in_another_light(covered.rgb, chance), chance))
            yaw_deg = head_pose(footage.landmarks_xyz[index]).yaw_deg
            thing = draw.__name__.removeprefix("draw_")
            for variant, frame, occluder in (
                (PLAIN, plain, ""),
                (COVERED, covered, thing),
                (FILMED, filmed, thing),
                *((SPOILT, replace(plain, rgb=spoilt(plain.rgb, chance)), "") for _ in range(3)),
            ):
                # As in a scan, where the mesh of the frame before says where to look.
                landmarks = mesh.follow(frame.rgb, footage.landmarks_xyz[index]).landmarks_xyz
                transform = frame_to_crop(head_pose(landmarks), CROP)
                truth = cropped(frame, transform, CROP)
                hull = face_mask(transform_points(transform, landmarks[:, :2]), (CROP, CROP))
                (segments,) = segmenter([truth.rgb], [hull])
                yield Judged(
                    variant=variant, occluder=occluder, yaw_deg=yaw_deg, truth=truth, hull=hull, segments=segments
                )


def measure(folder: Path, sheet: Path | None) -> None:
    """Print the card's tables."""
    torch.set_num_threads(1)
    faces = list(judged_faces(folder))
    of = {variant: [face for face in faces if face.variant == variant] for variant in VARIANTS}
    print("| frames | yaw | faces | mask | hull | parts of the face together | skin |\n| --- " + "| --- " * 6 + "|")
    for variant, (low, high) in product((PLAIN, COVERED, FILMED), ((0, 90), *BANDS)):
        some = [face for face in of[variant] if low <= abs(face.yaw_deg) < high]
        means = np.mean([[face.mask_iou(), face.hull_iou()] for face in some], axis=0).tolist()
        means += [pooled(some, *FACE_PARTS)[0], pooled(some, Part.SKIN)[0]]
        print(f"| {variant} | {low}–{high}° | {len(some)} | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")
    print(
        "\n| part | " + " | ".join(f"{variant}: IoU, recall, precision" for variant in (PLAIN, COVERED, FILMED)) + " |"
    )
    print("| --- | --- | --- | --- |")
    for part in Part:
        shares = (pooled(of[variant], part) for variant in (PLAIN, COVERED, FILMED))
        print(
            f"| {part.name.lower()} | " + " | ".join("{:.3f}, {:.3f}, {:.3f}".format(*each) for each in shares) + " |"
        )
    print(
        "\n| in front | frames | faces | IoU | recall | recall in the hull | found by half |\n| --- "
        + "| --- " * 6
        + "|"
    )
    things = sorted({face.occluder for face in faces} - {""})
    for variant, thing in product((COVERED, FILMED), ("", *things)):
        some = [face for face in of[variant] if thing in ("", face.occluder) and face.hidden.sum() > 100]
        overlap, recall, _ = pooled(some, Part.OCCLUDER)
        found = np.array([[(face.hidden & face.found_hidden).sum(), face.hidden.sum()] for face in some])
        by_half = np.mean(found[:, 0] > 0.5 * found[:, 1])
        numbers = f"{overlap:.3f} | {recall:.3f} | {found[:, 0].sum() / found[:, 1].sum():.3f} | {by_half:.3f}"
        print(f"| {thing or 'all'} | {variant} | {len(some)} | {numbers} |")
    print("\n| sureness | spoilt faces | mask | hull | mask worse in |\n| --- | --- | --- | --- | --- |")
    for least, most in pairwise((0.0, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 1.01)):
        some = [face for face in of[SPOILT] if least <= face.segments.sureness < most]
        if some:
            ious = np.array([[face.mask_iou(), face.hull_iou()] for face in some])
            means = ious.mean(axis=0).tolist()
            worse = np.mean(ious[:, 0] < ious[:, 1])
            print(f"| {least}–{most} | {len(some)} | {means[0]:.3f} | {means[1]:.3f} | {worse:.2f} |")
    for variant in VARIANTS:
        sureness = np.array([face.segments.sureness for face in of[variant]])
        print(f"{variant}: the hull taken for {np.mean(sureness < MIN_SURENESS):.1%}")
    wrongly = [(face.found_hidden & (face.hull > 0.5)).sum() / max((face.hull > 0.5).sum(), 1) for face in of[PLAIN]]
    print(f"of the hull taken for something in front where nothing is: {np.mean(wrongly):.2%}")
    if sheet:
        draw_sheet([face for face in faces if face.variant != SPOILT], sheet)


def pooled(faces: Sequence[Judged], *parts: Part) -> tuple[float, float, float]:
    """IoU, recall and precision over the pixels of many faces."""
    right, there, found = np.sum([face.overlap(*parts) for face in faces], axis=0)
    return right / max(there + found - right, 1), right / max(there, 1), right / max(found, 1)


def draw_sheet(faces: Sequence[Judged], path: Path) -> None:
    """Faces in threes of crop, exact parts, parts found, and the mask over the crop."""
    step = max(len(faces) // 36, 1)
    tiles = []
    for face in faces[::step][:36]:
        mask = choose_mask(face.segments, face.hull).mask[..., None]
        shown = face.truth.rgb * (0.25 + 0.75 * mask) + (1 - mask) * np.array([0, 60, 0])
        row = [
            face.truth.rgb,
            COLOURS[face.truth.labels],
            COLOURS[face.labels],
            shown.clip(0, 255).astype(np.uint8),
        ]
        tiles.append(np.hstack([cv2.resize(tile, (160, 160), interpolation=cv2.INTER_AREA) for tile in row]))
    rows = [np.hstack(tiles[start : start + 3]) for start in range(0, len(tiles) - 2, 3)]
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("render", "train", "refine", "measure"))
    parser.add_argument("--folder", type=Path, required=True, help="where rendered frames are kept")
    parser.add_argument("--weights", type=Path, default=weights_folder() / WEIGHTS_NAME)
    parser.add_argument("--sheet", type=Path, help="with measure: a picture of held-out faces and what is made of them")
    options = parser.parse_args()
    if options.verb == "render":
        render_footage(options.folder)
    elif options.verb == "train":
        train(options.folder, options.weights)
    elif options.verb == "refine":
        refine(options.folder, options.weights)
    else:
        measure(options.folder, options.sheet)


if __name__ == "__main__":
    main()
