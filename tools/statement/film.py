"""Films a synthetic actor giving a statement: the code on a card in a hand, the head turned as asked.

Card and hand are geometry of the scene: they have its light and shadows, and go through the camera's lens, sensor,
noise reduction and codec with everything else. Exposure has no length here: nothing is blurred by motion.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import cv2
import numpy as np
import segno
from jaxtyping import Float, UInt8

from countenance.actors.actor import draw_actor
from countenance.actors.caster import Caster
from countenance.actors.colour import to_light
from countenance.actors.figure import build_figure, pose_figure
from countenance.actors.hands import Pose, bent, hand_pieces
from countenance.actors.head import load_head
from countenance.actors.headwear import Wearer
from countenance.actors.mesh import Mesh
from countenance.actors.occluders import Occluder, Standing
from countenance.actors.performance import Performance
from countenance.actors.props import MATERIALS, Piece, draw_prop
from countenance.actors.scene import Camera, Light
from countenance.actors.staging import draw_light, exposed
from countenance.actors.surface import embree_scene, triangles_of
from countenance.capture.film import film_frames
from countenance.capture.settings import Capture
from countenance.faces.turns import Turn
from countenance.vision.parts import Part

Rgb = UInt8[np.ndarray, "S S 3"]
FRAME_RATE = 6
SIZE = 480
CODE_M, QUIET = 0.105, 4
"""Width of the code on the card, and modules of white around it."""
PAPER, INK = 0.78, 0.045
"""Reflectance of paper and of printed black."""
TURN_DEG = {"left": (28.0, 0.0), "right": (-28.0, 0.0), "up": (0.0, -19.0), "down": (0.0, 19.0)}
"""Yaw and pitch, as `align.HeadPose` has them."""
PINCH = Pose(bends=((2, 4, 4), (2, 4, 3), (2, 4, 3), (2, 5, 3), (3, 6, 4)), opposed=38, spread=3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Take:
    """One statement as it is filmed."""

    actor: int
    seed: int
    """Of light, camera and movements."""
    turns: tuple[Turn, ...]
    code: str | None
    """What the card shows; None without card and hand."""


def performance_of(take: Take) -> Performance:
    """Looks into the camera, turns, and comes back, as often as asked."""
    rng = np.random.default_rng([take.seed, 71])
    yaw_pitch: list[tuple[float, float]] = [(0.0, 0.0)] * (FRAME_RATE)
    for turn in take.turns:
        yaw, pitch = np.array(TURN_DEG[turn]) * rng.uniform(0.9, 1.15)
        out, hold, ahead = int(rng.integers(3, 5)), int(rng.integers(2, 4)), int(rng.integers(2, 4))
        part = np.r_[(np.arange(out) + 0.5) / out, np.ones(hold), 1 - (np.arange(out) + 0.5) / out, np.zeros(ahead)]
        yaw_pitch += [(float(p * p * (3 - 2 * p) * yaw), float(p * p * (3 - 2 * p) * pitch)) for p in part]
    num = len(yaw_pitch)
    turned = np.column_stack([np.array(yaw_pitch), np.zeros(num)]) + 1.6 * _wander(rng, num, 3, 5)
    gaze = np.clip(np.column_stack([-0.7 * turned[:, 0], 0.7 * turned[:, 1]]), -22, 22)
    blink = np.zeros(num)
    blink[rng.choice(num, num // 12, replace=False)] = 0.9
    smile = np.clip(0.25 * _wander(rng, num, 1, 8)[:, 0], 0, 1)
    units = {f"eyeBlink{side}": blink for side in ("Left", "Right")}
    units |= {f"mouthSmile{side}": smile for side in ("Left", "Right")}
    return Performance(seed=take.seed, yaw_pitch_roll_deg=turned, gaze_deg=gaze, units=units)


def film(take: Take, frames: Sequence[int] | None = None) -> Iterator[tuple[Rgb, Float[np.ndarray, "4 2"]]]:
    """Pictures as rendered, and where the corners of the code are, clockwise from its upper left one."""
    rng = np.random.default_rng([take.seed, 72])
    actor = draw_actor(take.actor)
    figure = build_figure(actor, "fine")
    pieces: list[Piece] = [] if take.code is None else [card(take.code), *_hand(take, figure)]
    occluders = tuple(
        Occluder(
            mesh=piece.mesh,
            rgb=to_light(piece.rgb).astype(np.float32),
            openness=np.ones(len(piece.mesh.points), np.float32),
            material=MATERIALS[piece.finish],
            part=Part.OCCLUDER,
            riding=Standing(),
            over_hair=False,
        )
        for piece in pieces
    )
    figure = replace(figure, occluders=occluders)
    caster, performance = Caster(figure), performance_of(take)
    light, camera = _light(rng), _camera(rng)
    moves = card_moves(take.seed, performance.num_frames)
    corners = np.array([[-1, 1, 0], [1, 1, 0], [1, -1, 0], [-1, -1, 0]]) * CODE_M / 2
    for index in range(performance.num_frames) if frames is None else frames:
        turn, place = moves[index]
        posed = pose_figure(figure, performance, index)
        posed = replace(posed, occluders=tuple(piece.mesh.points @ turn.T + place for piece in pieces))
        picture = caster.draw(posed, camera, light, SIZE)
        yield picture.rgb, camera.project(corners @ turn.T + place, SIZE)[0]


def filmed(pictures: Sequence[Rgb], capture: Capture) -> Iterator[Rgb]:
    """As a camera records them."""
    yield from film_frames(pictures, capture, frame_rate=Fraction(FRAME_RATE))


def card(code: str) -> Piece:
    """A card that faces +z, its code in the middle; each module has corners of its own, so that it is sharp."""
    dark = np.array(list(segno.make(code, error="h", micro=False, boost_error=False).matrix), bool)
    dark = np.pad(dark, QUIET)
    num, step = len(dark), CODE_M / (len(dark) - 2 * QUIET)
    row, column = np.divmod(np.arange(num * num), num)
    left, top = (column - num / 2) * step, (num / 2 - row) * step
    x = np.stack([left, left, left + step, left + step], axis=1)
    y = np.stack([top, top - step, top - step, top], axis=1)
    points = np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3)
    shade = np.where(dark.ravel(), INK, PAPER)
    srgb = np.where(shade <= 0.0031308, shade * 12.92, 1.055 * shade ** (1 / 2.4) - 0.055)
    rgb = np.repeat(np.repeat(srgb[:, None], 3, axis=1), 4, axis=0).astype(np.float32)
    return Piece(mesh=Mesh(points=points, faces=np.arange(4 * num * num).reshape(-1, 4)), rgb=rgb, finish="paper")


def card_moves(seed: int, num_frames: int) -> list[tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, " 3"]]]:
    """How a hand holds it: turn and place in each frame."""
    rng = np.random.default_rng([seed, 73])
    place = np.array([0.155, 0.665, 0.14]) + rng.normal(0, 0.008, 3)
    drift, tremor = _wander(rng, num_frames, 6, 8), rng.normal(0, 1, (num_frames, 6))
    tilt = np.radians(rng.normal(0, 5, 3))
    return [
        (
            np.asarray(cv2.Rodrigues(tilt + np.radians(7) * drift[n, :3] + np.radians(0.5) * tremor[n, :3])[0]),
            place + 0.012 * drift[n, 3:] + 0.0006 * tremor[n, 3:],
        )
        for n in range(num_frames)
    ]


def _hand(take: Take, figure) -> list[Piece]:  # type: ignore[no-untyped-def]
    """A left hand below the card, its fingers behind and its thumb before it."""
    head = load_head()
    mesh = head.skin_levels[figure.detail.level]
    skin = mesh.matrix @ figure.points
    used = np.unique(figure.skin_faces)
    scene = embree_scene(skin, triangles_of(figure.skin_faces))
    wearer = Wearer(points=skin[used], template=skin[used], skin=scene, scene=scene, step_m=figure.detail.prop_step_m)
    points, _ = bent(PINCH, forearm=np.array([0.25, -0.9, 0.1]))
    side = CODE_M * (29 + 2 * QUIET) / 29 / 2
    points = points + np.array([0.0, -side - 0.085, -0.026])
    pieces = hand_pieces(points, figure.body, draw_prop("hand", take.seed), wearer)
    return [
        Piece(
            mesh=Mesh(points=piece.mesh.points * np.array([-1, 1, 1]), faces=piece.mesh.faces[:, ::-1]),
            rgb=piece.rgb,
            finish=piece.finish,
        )
        for piece in pieces
    ]


def _light(rng: np.random.Generator) -> Light:
    light = draw_light(rng, str(rng.choice(["studio", "interior", "courtyard"])))  # type: ignore[arg-type]
    return exposed(light, float(rng.uniform(0.8, 1.1)))


def _camera(rng: np.random.Generator) -> Camera:
    return Camera(
        azimuth_deg=float(rng.uniform(-6, 6)),
        elevation_deg=float(rng.uniform(-4, 4)),
        distance_m=float(rng.uniform(0.6, 0.9)),
        frame_m=0.45,
        shift_m=(0.065, -0.03),
    )


def _wander(rng: np.random.Generator, num: int, axes: int, step: int) -> Float[np.ndarray, "N A"]:
    knots = rng.uniform(-1, 1, (num // step + 3, axes))
    at = np.arange(num) / step
    low = at.astype(int)
    t = (at - low)[:, None]
    return np.asarray(knots[low] + (knots[low + 1] - knots[low]) * t * t * (3 - 2 * t))
