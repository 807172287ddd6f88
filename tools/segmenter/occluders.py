"""Things that can lie in front of a face, drawn by code."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

SPRITE = 160
"""Side of a sprite, px."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sprite:
    """Something that can lie in front of a face."""

    rgb: UInt8[np.ndarray, "P P 3"]
    alpha: UInt8[np.ndarray, "P P"]
    is_skin: bool
    """Its colours are shades only, to be multiplied by a skin's."""


def draw_hand(rng: np.random.Generator) -> Sprite:
    """Fingers side by side or spread, more or less bent, a thumb, a palm, a wrist that leaves the picture."""
    canvas, alpha = np.full((SPRITE, SPRITE, 3), 0.7, np.float32), np.zeros((SPRITE, SPRITE), np.uint8)
    width, spread = rng.uniform(9, 13), rng.uniform(-0.02, 0.2)
    knuckles, light = np.array([SPRITE / 2, SPRITE * 0.5]), rng.uniform(-np.pi, np.pi)
    wrist = knuckles + np.array([rng.uniform(-12, 12), 42])
    limbs = [([wrist + np.array([rng.uniform(-25, 25), 70]), wrist], 2.1 * width)]
    limbs.append(([wrist, knuckles + np.array([0, 18])], 2.3 * width))
    folded = rng.random() < 0.25
    for number in range(4):
        base = knuckles + np.array([(number - 1.5) * 1.25 * width, 4 * abs(number - 1.4)])
        half = (23, 27, 25, 19)[number] * rng.uniform(0.25, 0.5 if folded else 1.1)
        angle = (number - 1.5) * spread + rng.normal(0, 0.06)
        middle = base + half * upward(angle)
        tip = middle + half * upward(angle + rng.normal(0, 0.2))
        limbs.append(([base + np.array([0, 16]), middle, tip], width))
    side = 1 if rng.random() < 0.5 else -1
    root, out = knuckles + np.array([side * 2.0 * width, 28]), side * rng.uniform(0.1, 1.1)
    limbs.append(([root, root + 34 * upward(out)], 1.1 * width))
    for points, thickness in limbs:
        shape = np.zeros((SPRITE, SPRITE), np.uint8)
        path = np.round(np.array(points) * 16).astype(np.int32)
        cv2.polylines(shape, [path], False, 255, max(1, round(thickness)), cv2.LINE_AA, shift=4)
        cover = shape[..., None].astype(np.float32) / 255
        canvas = (1 - cover) * canvas + cover * rounded(shape, light, thickness / 2)[..., None]
        alpha = np.maximum(alpha, shape)
    canvas *= 1 + 0.12 * (noise(rng, 8) - 0.5)[..., None]
    return Sprite(rgb=to_bytes(canvas), alpha=alpha, is_skin=True)


def upward(angle: float) -> Float[np.ndarray, " 2"]:
    """A step of one pixel up, turned clockwise by an angle in radians."""
    return np.array([np.sin(angle), -np.cos(angle)])


def draw_microphone(rng: np.random.Generator) -> Sprite:
    """A handle and a head of wire or foam."""
    shape, light = np.zeros((SPRITE, SPRITE), np.uint8), rng.uniform(-np.pi, np.pi)
    head_radius, width = rng.uniform(16, 34), rng.uniform(8, 20)
    middle = (SPRITE // 2, round(SPRITE * 0.3))
    cv2.line(shape, middle, (SPRITE // 2, SPRITE), 255, round(width), cv2.LINE_AA)
    canvas = rounded(shape, light, width / 2)[..., None] * colour(rng)
    head = np.zeros_like(shape)
    cv2.ellipse(
        head,
        middle,
        (round(head_radius), round(head_radius * rng.uniform(0.9, 1.3))),
        0,
        0,
        360,
        255,
        -1,
        cv2.LINE_AA,
    )
    y, x = np.mgrid[:SPRITE, :SPRITE] * rng.uniform(0.6, 2.2)
    grain = 1 + rng.uniform(0, 0.35) * np.sign(np.sin(x)) * np.sign(np.sin(y))
    ball = rounded(head, light, head_radius)[..., None] * colour(rng) * grain[..., None]
    cover = head[..., None] / 255.0
    return Sprite(rgb=to_bytes((1 - cover) * canvas + cover * ball), alpha=np.maximum(shape, head), is_skin=False)


def draw_cup(rng: np.random.Generator) -> Sprite:
    """A cup with a handle, a rim and a band."""
    shape = np.zeros((SPRITE, SPRITE), np.uint8)
    half, taper, top, bottom = rng.uniform(30, 50), rng.uniform(0.7, 1.0), 36, 36 + rng.uniform(50, 96)
    middle = SPRITE / 2
    corners = [
        (middle - half, top),
        (middle + half, top),
        (middle + taper * half, bottom),
        (middle - taper * half, bottom),
    ]
    cv2.fillPoly(shape, [np.array(corners, np.int32)], 255, cv2.LINE_AA)
    if rng.random() < 0.6:
        place = (round(middle + half), round((top + bottom) / 2))
        cv2.ellipse(shape, place, (18, 24), 0, 0, 360, 255, 7, cv2.LINE_AA)
    across = (np.arange(SPRITE) - middle) / half
    shade = 0.45 + 0.6 * np.clip(1 - (across - rng.uniform(-0.6, 0.6)) ** 2, 0, 1)
    canvas = np.broadcast_to(shade[None, :, None], (SPRITE, SPRITE, 3)) * colour(rng)
    band = round(rng.uniform(top, bottom))
    canvas = canvas.copy()
    canvas[band : band + round(rng.uniform(0, 30))] = shade[:, None] * colour(rng)
    canvas[top - 2 : top + 3] *= 1.25
    return Sprite(rgb=to_bytes(canvas), alpha=shape, is_skin=False)


def draw_phone(rng: np.random.Generator) -> Sprite:
    """A slab with round corners: its back with lenses, or a lit screen."""
    shape = np.zeros((SPRITE, SPRITE), np.uint8)
    width, height, corner = rng.uniform(44, 70), rng.uniform(90, 130), rng.uniform(4, 14)
    low = np.array([SPRITE - width, SPRITE - height]) / 2 + corner
    high = np.array([SPRITE + width, SPRITE + height]) / 2 - corner
    cv2.rectangle(shape, np.round(low).astype(int).tolist(), np.round(high).astype(int).tolist(), 255, -1)
    shape = np.asarray(
        cv2.dilate(shape, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(corner) + 1,) * 2)), np.uint8
    )
    canvas = np.broadcast_to(colour(rng, dark=rng.random() < 0.6), (SPRITE, SPRITE, 3)).copy()
    if rng.random() < 0.4:
        canvas[round(low[1]) : round(high[1]), round(low[0] - 4) : round(high[0] + 4)] = texture(rng)[
            round(low[1]) : round(high[1]), round(low[0] - 4) : round(high[0] + 4)
        ]
    else:
        for number in range(int(rng.integers(1, 4))):
            cv2.circle(
                canvas, (round(low[0] + 6), round(low[1] + 6 + 14 * number)), 6, (0.05, 0.05, 0.06), -1, cv2.LINE_AA
            )
    gloss = np.clip(np.linspace(-1, 1, SPRITE)[:, None] + np.linspace(-1, 1, SPRITE)[None] + rng.uniform(-1, 1), 0, 1)
    return Sprite(rgb=to_bytes(canvas + rng.uniform(0, 0.35) * gloss[..., None]), alpha=shape, is_skin=False)


def draw_bar(rng: np.random.Generator) -> Sprite:
    """A pole or a strip across the whole picture."""
    shape, width = np.zeros((SPRITE, SPRITE), np.uint8), rng.uniform(6, 40)
    middle = SPRITE / 2
    shape[:, round(middle - width / 2) : round(middle + width / 2)] = 255
    across = 2 * (np.arange(SPRITE) - middle) / width
    shade = np.clip(1 - (across - rng.uniform(-0.7, 0.7)) ** 2, 0, 1) if rng.random() < 0.6 else np.ones(SPRITE)
    canvas = (0.4 + 0.6 * shade)[None, :, None] * (colour(rng) if rng.random() < 0.6 else texture(rng))
    return Sprite(rgb=to_bytes(np.broadcast_to(canvas, (SPRITE, SPRITE, 3))), alpha=shape, is_skin=False)


def draw_paper(rng: np.random.Generator) -> Sprite:
    """A sheet, blank, written on, or printed with a picture."""
    shape, middle = np.zeros((SPRITE, SPRITE), np.uint8), SPRITE / 2
    corners = (
        middle + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * rng.uniform(28, 70, 2) + rng.normal(0, 6, (4, 2))
    )
    cv2.fillPoly(shape, [np.round(corners).astype(np.int32)], 255, cv2.LINE_AA)
    if rng.random() < 0.3:
        canvas = texture(rng)
    else:
        canvas = np.broadcast_to(1 - 0.25 * rng.random(3).astype(np.float32), (SPRITE, SPRITE, 3)).copy()
        for row in range(int(rng.integers(10, 40)), SPRITE, int(rng.integers(5, 14))):
            cv2.line(canvas, (int(rng.integers(50)), row), (int(rng.integers(90, SPRITE)), row), (0.2, 0.2, 0.25), 1)
    fold = 1 + 0.25 * np.sin(np.linspace(0, rng.uniform(1, 9), SPRITE))
    return Sprite(rgb=to_bytes(canvas * fold[None, :, None]), alpha=shape, is_skin=False)


def draw_cloth(rng: np.random.Generator) -> Sprite:
    """A piece with a wavy border and folds: a scarf, a sleeve, a mask."""
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    radius = np.ones(60)
    for k in range(1, 6):
        radius += rng.normal(0, 0.22 / k) * np.sin(k * angle + rng.uniform(0, 6.3))
    half = rng.uniform(30, 70, 2)
    points = SPRITE / 2 + np.column_stack([np.cos(angle), np.sin(angle)]) * radius[:, None] * half
    shape = np.zeros((SPRITE, SPRITE), np.uint8)
    cv2.fillPoly(shape, [np.round(points).astype(np.int32)], 255, cv2.LINE_AA)
    y, x = np.mgrid[:SPRITE, :SPRITE] / SPRITE
    turn, number = rng.uniform(0, np.pi), rng.uniform(2, 9)
    folds = np.sin(2 * np.pi * number * (np.cos(turn) * x + np.sin(turn) * y) + 5 * noise(rng, 4))
    canvas = (texture(rng) if rng.random() < 0.5 else colour(rng)) * (0.8 + 0.25 * folds)[..., None]
    return Sprite(rgb=to_bytes(canvas), alpha=shape, is_skin=False)


def draw_blob(rng: np.random.Generator) -> Sprite:
    """Any smooth shape, rounded or flat, of any pattern; sometimes of skin."""
    grain = noise(rng, int(rng.choice([2, 3, 4, 6])))
    y, x = np.mgrid[:SPRITE, :SPRITE] / SPRITE - 0.5
    level = grain - 1.1 * np.hypot(x, y) ** 2 * rng.uniform(2, 5)
    limit = np.quantile(level, rng.uniform(0.55, 0.9))
    shape = np.asarray(np.clip((level - limit) * 60 + 0.5, 0, 1) * 255, np.uint8)
    is_skin = bool(rng.random() < 0.3)
    shade = (
        rounded(shape, rng.uniform(-np.pi, np.pi), rng.uniform(8, 50)) if rng.random() < 0.6 else np.ones_like(grain)
    )
    canvas = shade[..., None] * (np.ones(3) if is_skin else texture(rng))
    return Sprite(rgb=to_bytes(canvas * (0.75 if is_skin else 1)), alpha=shape, is_skin=is_skin)


def draw_curve(rng: np.random.Generator) -> Sprite:
    """Something long and thin that bends: a cable, a straw, a strap."""
    shape, at = np.zeros((SPRITE, SPRITE), np.uint8), np.linspace(0, 1, 40)
    ends, bulge = rng.uniform(0, SPRITE, (2, 2)), rng.normal(0, 0.3 * SPRITE, 2)
    path = ends[0] + at[:, None] * (ends[1] - ends[0]) + (4 * at * (1 - at))[:, None] * bulge
    width = rng.uniform(2, 14)
    points = np.round(path * 16).astype(np.int32)
    cv2.polylines(shape, [points], False, 255, max(1, round(width)), cv2.LINE_AA, shift=4)
    shade = rounded(shape, rng.uniform(-np.pi, np.pi), width / 2)[..., None] if rng.random() < 0.7 else 1.0
    return Sprite(
        rgb=to_bytes(np.broadcast_to(shade * (0.2 + 0.8 * colour(rng)), (SPRITE, SPRITE, 3))),
        alpha=shape,
        is_skin=bool(rng.random() < 0.15),
    )


def draw_leaves(rng: np.random.Generator) -> Sprite:
    """A twig with leaves."""
    shape = np.zeros((SPRITE, SPRITE), np.uint8)
    canvas = np.broadcast_to(colour(rng), (SPRITE, SPRITE, 3)).copy()
    green = np.array([rng.uniform(0.1, 0.5), rng.uniform(0.35, 0.65), rng.uniform(0.08, 0.3)])
    cv2.line(shape, (SPRITE // 2, SPRITE), (SPRITE // 2, 20), 255, 4, cv2.LINE_AA)
    for number in range(int(rng.integers(4, 9))):
        place = (SPRITE // 2 + (30 if number % 2 else -30), 24 + round(number * rng.uniform(12, 17)))
        angle, leaf = (-35 if number % 2 else 35) + rng.normal(0, 12), np.zeros_like(shape)
        cv2.ellipse(
            leaf,
            place,
            (round(rng.uniform(24, 36)), round(rng.uniform(8, 15))),
            angle,
            0,
            360,
            255,
            -1,
            cv2.LINE_AA,
        )
        cover = leaf[..., None] / 255.0
        canvas = (1 - cover) * canvas + cover * green * rng.uniform(0.7, 1.2) * rounded(leaf, 1.0, 14)[..., None]
        shape = np.maximum(shape, leaf)
    return Sprite(rgb=to_bytes(canvas), alpha=shape, is_skin=False)


def draw_ball(rng: np.random.Generator) -> Sprite:
    """A ball or a fruit with a highlight."""
    shape, radius = np.zeros((SPRITE, SPRITE), np.uint8), rng.uniform(30, 60)
    cv2.circle(shape, (SPRITE // 2, SPRITE // 2), round(radius), 255, -1, cv2.LINE_AA)
    light = rng.uniform(-np.pi, np.pi)
    y, x = np.mgrid[:SPRITE, :SPRITE] - SPRITE / 2
    spot = np.exp(
        -((x - 0.4 * radius * np.cos(light)) ** 2 + (y - 0.4 * radius * np.sin(light)) ** 2) / (0.02 * radius**2)
    )
    canvas = rounded(shape, light, radius)[..., None] * colour(rng) * (1 + 0.3 * (noise(rng, 5) - 0.5))[..., None]
    return Sprite(rgb=to_bytes(canvas + 0.6 * spot[..., None]), alpha=shape, is_skin=False)


def draw_spoon(rng: np.random.Generator) -> Sprite:
    """A spoon, a ladle, a hairbrush: something with a stem."""
    shape = np.zeros((SPRITE, SPRITE), np.uint8)
    middle = SPRITE // 2
    cv2.line(
        shape,
        (middle, 50),
        (middle + round(rng.uniform(-15, 15)), SPRITE),
        255,
        round(rng.uniform(6, 12)),
        cv2.LINE_AA,
    )
    axes = (round(rng.uniform(16, 30)), round(rng.uniform(26, 40)))
    cv2.ellipse(shape, (middle, 44), axes, 0, 0, 360, 255, -1, cv2.LINE_AA)
    metal = colour(rng) * 0.3 + 0.55
    return Sprite(rgb=to_bytes(rounded(shape, rng.uniform(-3, 3), 20)[..., None] * metal), alpha=shape, is_skin=False)


def draw_fist(rng: np.random.Generator) -> Sprite:
    """A fist on an arm: four knuckles, as no training hand has them."""
    shape, light = np.zeros((SPRITE, SPRITE), np.uint8), rng.uniform(-np.pi, np.pi)
    middle = SPRITE // 2
    cv2.line(shape, (middle, 90), (middle + round(rng.uniform(-30, 30)), SPRITE), 255, 44, cv2.LINE_AA)
    canvas = np.broadcast_to(rounded(shape, light, 22)[..., None], (SPRITE, SPRITE, 3)).copy()
    whole = shape
    for row in (1, 0):
        for number in range(4):
            part = np.zeros_like(shape)
            place = (middle - 30 + 20 * number, 66 + 24 * row + round(rng.normal(0, 2)))
            cv2.ellipse(part, place, (12, 19), rng.normal(0, 8), 0, 360, 255, -1, cv2.LINE_AA)
            cover = part[..., None] / 255.0
            canvas = (1 - cover) * canvas + cover * rounded(part, light, 12)[..., None]
            whole = np.maximum(whole, part)
    return Sprite(rgb=to_bytes(canvas), alpha=whole, is_skin=True)


def rounded(shape: UInt8[np.ndarray, "P P"], light: float, radius: float) -> Float32[np.ndarray, "P P"]:
    """Shades of a shape that bulges towards its middle, lit from the side: about 0.3-1.05."""
    inward = cv2.distanceTransform((shape > 127).astype(np.uint8), cv2.DIST_L2, 3).clip(0, radius) / radius
    height = (radius * np.sqrt(np.clip(inward * (2 - inward), 0, 1))).astype(np.float32)
    down, across = (np.asarray(slope, np.float32) for slope in np.gradient(cv2.GaussianBlur(height, (0, 0), 1.5)))
    toward = (across * np.cos(light) + down * np.sin(light)) / np.sqrt(1 + across**2 + down**2)
    return np.asarray(0.75 - 0.32 * toward - 0.15 * (1 - inward) ** 2, np.float32)


def noise(rng: np.random.Generator, cells: int) -> Float32[np.ndarray, "P P"]:
    """Smooth noise of several octaves, 0-1."""
    total = np.zeros((SPRITE, SPRITE), np.float32)
    for octave in range(3):
        number = (cells << octave) + 1
        grid = rng.random((number, number)).astype(np.float32)
        total = total + np.asarray(cv2.resize(grid, (SPRITE, SPRITE), interpolation=cv2.INTER_CUBIC)) * 0.5**octave
    return np.asarray(np.clip(total / 1.75, 0, 1), np.float32)


def colour(rng: np.random.Generator, *, dark: bool = False) -> Float32[np.ndarray, " 3"]:
    """A random colour, often grey."""
    grey = rng.uniform(0.03, 0.25) if dark else rng.uniform(0.05, 1.0)
    return np.clip(grey + rng.normal(0, rng.choice([0.02, 0.2]), 3), 0.02, 1).astype(np.float32)


def texture(rng: np.random.Generator) -> Float32[np.ndarray, "P P 3"]:
    """Stripes, checks, spots or clouds in two or three colours."""
    y, x = np.mgrid[:SPRITE, :SPRITE] * rng.uniform(0.08, 0.9)
    patterns = (
        lambda: noise(rng, int(rng.choice([3, 8, 24]))),
        lambda: 0.5 + 0.5 * np.sign(np.sin(x + rng.uniform(0, 1) * y)),
        lambda: 0.5 + 0.5 * np.sign(np.sin(x) * np.sin(y)),
        lambda: np.asarray(np.sin(x) * np.sin(y) > 0.5, np.float32),
    )
    weight = patterns[rng.integers(len(patterns))]()[..., None]
    mixed = (1 - weight) * colour(rng) + weight * colour(rng)
    return np.asarray(mixed + 0.15 * (noise(rng, 10) - 0.5)[..., None], np.float32)


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
