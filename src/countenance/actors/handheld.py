"""Microphones, cups and phones: held by a hand, clipped to a shirt, or on a stand."""

import numpy as np
from jaxtyping import Float

from countenance.actors.actor import Actor
from countenance.actors.hands import (
    AROUND_PHONE,
    CONTACTS,
    GRIP,
    LAST_HAND_M,
    WIDE_GRIP,
    Pose,
    bent,
    hand_in_place,
    hand_pieces,
    load_hand,
    resting_shift,
)
from countenance.actors.head import Points
from countenance.actors.headwear import Wearer
from countenance.actors.mesh import Mesh, revolved, sheet, tube
from countenance.actors.noise import noise
from countenance.actors.props import Piece, Prop, patterned
from countenance.actors.surface import unit

METAL_RGB, DARK_RGB = (0.62, 0.62, 0.64), (0.045, 0.045, 0.05)
ALONG_X = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
"""Turns y to x."""


def gesture(prop: Prop, actor: Actor, wearer: Wearer) -> tuple[list[Piece], Float[np.ndarray, " 3"]]:
    """A hand alone, and where it touches the face."""
    points, _, anchor = hand_in_place(CONTACTS[prop.gesture], wearer, prop)
    return hand_pieces(points, actor, prop, wearer), anchor


def held(prop: Prop, actor: Actor, wearer: Wearer) -> tuple[list[Piece], Float[np.ndarray, " 3"]]:
    """A right hand with something in it before the face, and the place of the face that they follow."""
    rng = np.random.default_rng([prop.seed, 44])
    pose: Pose
    if prop.kind == "hand-held microphone":
        pose, axis, palm = GRIP, (0.3, 0.72, -0.62), (0.85, -0.1, -0.45)
        things = microphone(prop, wearer, rng)
        grip, anchor = np.array([0.0, 0.082, 0.030]), (0.0, 0.66, 0.16)
        aim, away, gap = np.array([0.10, 0.0, 0.0]), (0.0, -0.35, 0.94), rng.uniform(0.004, 0.03)
    elif prop.kind == "cup":
        pose, axis, palm = WIDE_GRIP, (0.05, 1.0, -0.22), (0.62, 0.0, -0.75)
        radius = rng.uniform(0.034, 0.041)
        things = cup(prop, wearer, rng, radius)
        grip, anchor = np.array([0.004, 0.088, radius + 0.012]), (0.0, 0.652, 0.155)
        aim, away, gap = np.array([0.042, 0.0, 0.0]), (0.0, -0.2, 1.0), rng.uniform(0.0, 0.03)
    else:
        pose, axis, palm = AROUND_PHONE, (0.0, 0.8, -0.48), (1.0, 0.0, -0.12)
        things = phone(prop, wearer, rng)
        grip, anchor = np.array([0.012, 0.085, 0.020]), (-0.079, 0.705, 0.045)
        aim, away, gap = np.array([0.02, 0.0, 0.0]), (-1.0, 0.0, 0.25), 0.0
    thumb = unit(np.array(axis) + rng.normal(0, 0.06, 3))
    facing = np.array(palm) + rng.normal(0, 0.05, 3)
    facing = unit(facing - (facing @ thumb) * thumb)
    turn = np.stack([thumb, np.cross(facing, thumb), facing], axis=1)
    elbow = turn.T @ unit(np.array([-0.35, -0.88, 0.32]) + rng.normal(0, 0.06, 3))
    points, _ = bent(pose, forearm=elbow)
    touched = wearer.place(anchor)
    shift = touched - turn @ (grip + aim)
    placed = points @ turn.T + shift
    moved = [
        Piece(
            mesh=Mesh(points=(piece.mesh.points + grip) @ turn.T + shift, faces=piece.mesh.faces),
            rgb=piece.rgb,
            finish=piece.finish,
        )
        for piece in things
    ]
    out = unit(np.array(away, np.float64))
    touching = np.concatenate([placed[load_hand().points[:, 1] > LAST_HAND_M], *(piece.mesh.points for piece in moved)])
    rest = (resting_shift(touching, wearer, out) + gap) * out
    moved = [
        Piece(mesh=Mesh(points=piece.mesh.points + rest, faces=piece.mesh.faces), rgb=piece.rgb, finish=piece.finish)
        for piece in moved
    ]
    return [*moved, *hand_pieces(placed + rest, actor, prop, wearer)], touched


def microphone(prop: Prop, wearer: Wearer, rng: np.random.Generator) -> list[Piece]:
    """Along x, its head at +x: a tapered body and a ball of wire mesh or foam."""
    head, foam = rng.uniform(0.021, 0.027), rng.random() < 0.4
    head *= 1.25 if foam else 1.0
    sides = max(20, round(0.14 / wearer.step_m))
    body_r = np.array([0.002, 0.0105, 0.0115, 0.013, 0.0165, 0.0185, 0.0185, 0.012])
    body_y = np.array([-0.085, -0.084, -0.05, 0.0, 0.05, 0.068, 0.075, 0.076])
    body = _along_x(revolved(body_r, body_y, sides))
    steps = max(14, round(0.08 / wearer.step_m))
    angle = np.linspace(np.pi - 0.5, 0.02, steps)
    middle = 0.076 + 0.75 * head
    radius, height = head * np.sin(angle), middle + head * np.cos(angle)
    band = np.abs(height - middle + 0.1 * head) < 0.0022
    radius = radius + 0.0012 * band * (not foam)
    ball = _along_x(revolved(radius, height, sides))
    turned = np.arctan2(ball.points[:, 1], ball.points[:, 2])
    wires = 0.75 + 0.25 * np.sign(np.sin(34 * turned) * np.sin(ball.points[:, 0] * 2200))
    rgb = np.array(prop.second_rgb if rng.random() < 0.3 else DARK_RGB) if foam else np.array(METAL_RGB) * 0.8
    return [
        Piece(mesh=body, rgb=_plain(prop.rgb, body.points, prop), finish="plastic"),
        Piece(
            mesh=ball,
            rgb=np.clip(rgb * (np.ones(len(turned)) if foam else wires)[:, None], 0, 1).astype(np.float32),
            finish="foam" if foam else "metal",
        ),
    ]


def cup(prop: Prop, wearer: Wearer, rng: np.random.Generator, radius: float) -> list[Piece]:
    """Along x, open at +x: of paper with a lid, or a mug."""
    paper, high = rng.random() < 0.5, rng.uniform(0.042, 0.055)
    sides, rows = max(24, round(0.24 / wearer.step_m)), max(12, round(2 * high / wearer.step_m))
    level = np.linspace(-high, high, rows)
    wide = radius * (1 + (0.16 if paper else 0.0) * level / high)
    outside_r, outside_y = np.r_[0.002, wide], np.r_[-high, level]
    if paper:
        lid = np.array([(1.03, 0), (1.05, 0.004), (1.0, 0.008), (0.86, 0.011), (0.8, 0.008), (0.02, 0.008)])
        rim_r, rim_y = wide[-1] * lid[:, 0], high + lid[:, 1]
    else:
        inner = np.linspace(high, -0.6 * high, max(6, rows // 2))
        rim_r, rim_y = (
            np.r_[wide[-1] - 0.001, np.full(len(inner), wide[-1] - 0.004), 0.002],
            np.r_[high + 0.0015, inner, inner[-1]],
        )
    profile_r, profile_y = np.r_[outside_r, rim_r], np.r_[outside_y, rim_y]
    mesh = _along_x(revolved(profile_r, profile_y, sides))
    turned = np.arctan2(mesh.points[:, 1], mesh.points[:, 2])
    rgb = patterned(prop, mesh.points, mesh.points[:, 0], radius * turned)
    inside = np.repeat(np.arange(len(profile_r)) >= len(outside_r), sides)
    rgb[inside] = np.array(prop.second_rgb if paper else (0.86, 0.85, 0.82), np.float32)
    pieces = [Piece(mesh=mesh, rgb=rgb, finish="paper" if paper else "plastic")]
    if not paper:
        bow = np.linspace(-0.45 * np.pi, 0.45 * np.pi, 20)
        # On the side away from the palm.
        path = np.stack([0.026 * np.sin(bow), np.zeros(20), radius - 0.004 + 0.03 * np.cos(bow)], axis=1)
        ear = tube(path, 0.005)
        pieces.append(Piece(mesh=ear, rgb=_plain(prop.rgb, ear.points, prop), finish="plastic"))
    return pieces


def phone(prop: Prop, wearer: Wearer, rng: np.random.Generator) -> list[Piece]:
    """Long along x, its screen at +z, two or three lenses at the back."""
    long, wide, thick = rng.uniform(0.069, 0.079), rng.uniform(0.034, 0.038), 0.0042
    turn = np.linspace(0, 2 * np.pi, 4 * max(10, round(0.08 / wearer.step_m)) + 1)[:-1]
    cosine, sine = (np.sign(wave) * np.abs(wave) ** 0.28 for wave in (np.cos(turn), np.sin(turn)))
    rings = np.array(
        [
            *((0.02, -1), (0.5, -1), (0.95, -1), (1.0, -0.4), (1.0, 0.4)),
            *((0.95, 1), (0.94, 0.96), (0.5, 0.96), (0.02, 0.96)),
        ]
    )
    rows = [
        np.stack([long * size * cosine, wide * size * sine, np.full_like(turn, thick * depth)], axis=1)
        for size, depth in rings
    ]
    slab = sheet(np.stack(rows), closed=True)
    rgb = _plain(prop.rgb, slab.points, prop)
    rgb[len(turn) * 6 :] = np.array((0.02, 0.02, 0.025), np.float32)
    pieces = [Piece(mesh=slab, rgb=rgb, finish="plastic")]
    for number in range(int(rng.integers(2, 4))):
        lens = revolved(np.array([0.0085, 0.0085, 0.0065, 0.001]), np.array([0.0, 0.0022, 0.0026, 0.0022]), 24)
        centre = np.array([long - 0.016 - 0.019 * number, wide - 0.014, -thick])
        # Its axis to the back.
        points = lens.points[:, [0, 2, 1]] * np.array([1, 1, -1]) + centre
        pieces.append(
            Piece(mesh=Mesh(points=points, faces=lens.faces), rgb=_plain(DARK_RGB, points, prop), finish="plastic")
        )
    return pieces


def lavalier(prop: Prop, wearer: Wearer) -> list[Piece]:
    """A capsule of foam on the collar, with its cable."""
    rng = np.random.default_rng([prop.seed, 44])
    side = 1 if prop.left else -1
    x, y = side * rng.uniform(0.0, 0.03), wearer.place((0.0, 0.585, 0.07))[1] - rng.uniform(0.012, 0.03)
    start = np.array([[x, y, 0.6]], np.float32)
    hit = wearer.scene.run(start, np.array([[0, 0, -1]], np.float32), output=1)
    place = np.array([x, y, 0.6 - float(hit["tfar"][0]) if hit["primID"][0] >= 0 else 0.1])
    angle = np.linspace(0.02, np.pi - 0.02, 14)
    capsule = revolved(0.0062 * np.sin(angle), 0.0095 * np.cos(angle), 20)
    ball = Mesh(points=capsule.points + place + np.array([0, 0.004, 0.007]), faces=capsule.faces)
    down = np.linspace(0, 1, 20)
    path = place + np.stack([0.01 * side * np.sin(3 * down), -0.07 * down, 0.004 + 0.012 * down], axis=1)
    cable = tube(path, 0.0013)
    return [
        Piece(mesh=ball, rgb=_plain(DARK_RGB, ball.points, prop), finish="foam"),
        Piece(mesh=cable, rgb=_plain(DARK_RGB, cable.points, prop), finish="plastic"),
    ]


def studio_microphone(prop: Prop, wearer: Wearer) -> list[Piece]:
    """A large one on an arm beside the mouth, some with a pop filter before it."""
    rng = np.random.default_rng([prop.seed, 44])
    side = 1 if prop.left else -1
    mouth = wearer.place((0.0, 0.665, 0.16))
    place = mouth + np.array([side * rng.uniform(0.0, 0.06), rng.uniform(-0.06, 0.02), rng.uniform(0.07, 0.13)])
    sides, rows = max(24, round(0.17 / wearer.step_m)), max(20, round(0.17 / wearer.step_m))
    y = np.linspace(-0.12, 0.05, rows)
    wide = 0.026 * np.minimum(1, np.sqrt(np.clip((0.05 - y) / 0.018, 0.0005, 1)))
    body = revolved(wide, y, sides)
    grille = body.points[:, 1] > -0.03
    wires = 0.7 + 0.3 * np.sign(np.sin(1900 * body.points[:, 1]) * np.sin(30 * np.arctan2(*body.points[:, [0, 2]].T)))
    rgb = _plain(prop.rgb, body.points, prop)
    rgb[grille] = (np.array(METAL_RGB) * 0.85 * wires[grille, None]).astype(np.float32)
    lean = np.radians(rng.uniform(-18, 18))
    tilt = np.array([[np.cos(lean), -np.sin(lean), 0], [np.sin(lean), np.cos(lean), 0], [0, 0, 1]])
    placed = body.points @ tilt.T + place
    t = np.linspace(0, 1, 24)[:, None]
    foot = place + tilt @ np.array([0, -0.12, 0])
    arm = tube(foot + t * np.array([side * 0.16, -0.25, 0.06]), 0.008)
    ring = np.linspace(0, 2 * np.pi, 41)
    mount = tube(place + np.stack([0.042 * np.cos(ring), -0.06 + 0 * ring, 0.042 * np.sin(ring)], axis=1), 0.003)
    pieces = [
        Piece(mesh=Mesh(points=placed, faces=body.faces), rgb=rgb, finish="metal"),
        Piece(mesh=arm, rgb=_plain(DARK_RGB, arm.points, prop), finish="metal"),
        Piece(mesh=mount, rgb=_plain(DARK_RGB, mount.points, prop), finish="plastic"),
    ]
    if rng.random() < 0.4:
        centre, size = place + np.array([-side * 0.005, 0.01, -0.035]), rng.uniform(0.055, 0.075)
        across = size * np.stack([np.cos(ring[:-1]), np.sin(ring[:-1]), 0 * ring[:-1]], axis=1)
        disc = np.linspace(0.01, 1, 10)[:, None, None] * across
        cloth = sheet(centre + disc, closed=True)
        hoop = tube(centre + np.stack([size * np.cos(ring), size * np.sin(ring), 0 * ring], axis=1), 0.004)
        neck = tube(centre - np.array([0, size, 0]) + t * (foot - centre + np.array([0, size, 0])), 0.0035)
        pieces += [
            Piece(mesh=cloth, rgb=_plain((0.09, 0.09, 0.1), cloth.points, prop), finish="cloth"),
            Piece(mesh=hoop, rgb=_plain(DARK_RGB, hoop.points, prop), finish="plastic"),
            Piece(mesh=neck, rgb=_plain(DARK_RGB, neck.points, prop), finish="metal"),
        ]
    return pieces


def _along_x(mesh: Mesh) -> Mesh:
    return Mesh(points=mesh.points @ ALONG_X.T, faces=mesh.faces)


def _plain(rgb: tuple[float, float, float], points: Points, prop: Prop) -> Float[np.ndarray, "P 3"]:
    uneven = 0.96 + 0.08 * noise(points, 90.0, prop.seed % 919, 2)
    return np.clip(np.array(rgb) * uneven[:, None], 0, 1).astype(np.float32)
