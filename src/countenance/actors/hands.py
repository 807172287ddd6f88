"""A hand and forearm: bent into a gesture, laid against a face, coloured as its owner's skin."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int

from countenance.actors.actor import Actor, skin_tone
from countenance.actors.head import Points
from countenance.actors.headwear import Wearer
from countenance.actors.mesh import Mesh
from countenance.actors.noise import noise
from countenance.actors.props import Gesture, Piece, Prop
from countenance.actors.subdivide import Subdivision, subdivide
from countenance.actors.surface import normals, unit

SLEEVE_FROM_M = -0.075
"""Along the hand's axis: the sleeve begins above the wrist."""
LAST_HAND_M = -0.03
"""Points further up the arm don't touch a face."""
LOWEST_TOUCHED = (0.0, 0.596, 0.068)
"""On the throat of the template."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HandData:
    """A right hand, flat: y along its fingers, x to the thumb's side, z out of the palm; the wrist at the origin."""

    levels: tuple[Subdivision, Subdivision]
    """Subdivided once and twice."""
    points: Points
    bone_weights: Float[np.ndarray, "17 N"]
    """Of forearm, palm, then three bones a finger from the thumb on."""
    joints: Float[np.ndarray, "5 4 3"]
    """Of each finger, from its root to its tip."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pose:
    """Angles in degrees."""

    bends: tuple[tuple[float, float, float], ...]
    """Of each finger's joints towards the palm, from the thumb on."""
    opposed: float
    """How far the thumb is turned in front of the palm."""
    spread: float
    """Between neighbouring fingers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contact:
    """How a right hand lies against a face; x > 0 is the subject's left."""

    pose: Pose
    fingers: tuple[float, float, float]
    """Direction of the fingers."""
    palm: tuple[float, float, float]
    """Direction the palm faces, about."""
    anchor: tuple[float, float, float]
    """Place on the template's head."""
    hand_place: tuple[float, float, float]
    """The place of the bent hand that comes to the anchor: which fingertip, or a place by the flat hand's axes."""
    away: tuple[float, float, float]
    """Along which it comes to the face."""
    forearm: tuple[float, float, float]
    """Direction from the wrist to the elbow."""


FLAT = Pose(bends=((10, 8, 8), (6, 8, 6), (5, 8, 6), (6, 8, 6), (8, 10, 8)), opposed=10, spread=1)
LOOSE = Pose(bends=((14, 12, 10), (14, 22, 12), (18, 26, 14), (22, 28, 16), (26, 30, 18)), opposed=20, spread=4)
FIST = Pose(bends=((30, 35, 30), (78, 88, 50), (82, 92, 52), (84, 92, 52), (82, 88, 50)), opposed=45, spread=0)
POINTING = Pose(bends=((30, 40, 35), (8, 12, 8), (76, 88, 50), (82, 90, 52), (82, 88, 50)), opposed=48, spread=0)
PINCH = Pose(bends=((18, 18, 12), (44, 40, 22), (52, 52, 28), (58, 58, 30), (62, 60, 30)), opposed=45, spread=2)
CURVED = Pose(bends=((8, 10, 8), (28, 26, 14), (30, 28, 15), (30, 28, 16), (30, 28, 16)), opposed=40, spread=3)
AROUND_PHONE = Pose(bends=((6, 10, 8), (8, 10, 8), (8, 10, 8), (8, 12, 8), (10, 14, 10)), opposed=8, spread=3)
GRIP = Pose(bends=((22, 30, 25), (52, 62, 30), (56, 64, 32), (60, 66, 32), (64, 66, 32)), opposed=62, spread=0)
WIDE_GRIP = Pose(bends=((14, 16, 12), (30, 42, 22), (32, 44, 22), (34, 44, 22), (36, 44, 22)), opposed=60, spread=3)
THUMB, INDEX, MIDDLE = (0.0, -1.0, 0.0), (1.0, -1.0, 0.0), (2.0, -1.0, 0.0)
"""Fingertips as places of a hand: number of the finger, −1."""

CONTACTS: Mapping[Gesture, Contact] = {
    "mouth": Contact(
        pose=FLAT,
        fingers=(0.72, 0.62, 0.12),
        palm=(0.1, 0.05, -1),
        anchor=(0.0, 0.668, 0.16),
        hand_place=(0.0, 0.115, 0.0),
        away=(0, 0, 1),
        forearm=(-0.45, -0.85, 0.25),
    ),
    "chin on fist": Contact(
        pose=FIST,
        fingers=(0.35, 0.9, -0.1),
        palm=(0.15, -0.1, -1),
        anchor=(-0.012, 0.616, 0.118),
        hand_place=(0.0, 0.10, -0.01),
        away=(0, -0.75, 0.66),
        forearm=(-0.35, -0.9, 0.25),
    ),
    "chin in hand": Contact(
        pose=CURVED,
        fingers=(-0.15, 0.85, -0.3),
        palm=(0.75, 0.35, -0.55),
        anchor=(-0.05, 0.648, 0.10),
        hand_place=(0.0, 0.09, 0.0),
        away=(-0.72, -0.35, 0.6),
        forearm=(-0.1, -0.95, 0.3),
    ),
    "cheek": Contact(
        pose=LOOSE,
        fingers=(0.05, 0.9, -0.32),
        palm=(0.9, 0.0, -0.4),
        anchor=(-0.06, 0.695, 0.085),
        hand_place=(0.0, 0.10, 0.0),
        away=(-0.9, 0, 0.42),
        forearm=(-0.2, -0.92, 0.3),
    ),
    "forehead": Contact(
        pose=LOOSE,
        fingers=(0.75, 0.6, -0.05),
        palm=(0.15, -0.05, -1),
        anchor=(0.0, 0.765, 0.15),
        hand_place=(0.0, 0.13, 0.0),
        away=(0, 0.1, 1),
        forearm=(-0.6, -0.75, 0.25),
    ),
    "scratch": Contact(
        pose=PINCH,
        fingers=(0.45, 0.85, -0.25),
        palm=(0.5, 0.0, -0.85),
        anchor=(-0.045, 0.69, 0.125),
        hand_place=INDEX,
        away=(-0.5, -0.1, 0.85),
        forearm=(-0.3, -0.88, 0.35),
    ),
    "glasses": Contact(
        pose=PINCH,
        fingers=(0.5, 0.75, -0.4),
        palm=(0.7, 0.1, -0.7),
        anchor=(-0.066, 0.725, 0.115),
        hand_place=INDEX,
        away=(-0.75, 0, 0.65),
        forearm=(-0.35, -0.86, 0.36),
    ),
    "point": Contact(
        pose=POINTING,
        fingers=(0.35, 0.88, -0.3),
        palm=(0.25, 0.1, -0.95),
        anchor=(-0.008, 0.672, 0.16),
        hand_place=INDEX,
        away=(0, -0.15, 1),
        forearm=(-0.3, -0.9, 0.3),
    ),
}


@cache
def load_hand() -> HandData:
    """The hand data of the package."""
    with np.load(Path(__file__).parent / "data/hand.npz") as file:
        points, faces = file["points"].astype(np.float64), file["faces"].astype(np.int64)
        weights, joints = file["bone_weights"].astype(np.float64), file["finger_joints"].astype(np.float64)
    none = np.zeros((*faces.shape, 2), np.float32)
    once = subdivide(faces, none, len(points))
    twice = once.then(subdivide(once.faces, once.uv, once.matrix.shape[0]))
    return HandData(levels=(once, twice), points=points, bone_weights=weights / weights.sum(axis=0), joints=joints)


def bent(pose: Pose, *, forearm: Float[np.ndarray, " 3"] | None = None) -> tuple[Points, Float[np.ndarray, "5 3"]]:
    """The hand's points and its fingertips in a pose; `forearm` is where the elbow lies, by the hand's own axes."""
    hand = load_hand()
    matrices = [np.eye(4), np.eye(4)]
    if forearm is not None:
        straight = unit(hand.points[hand.points[:, 1] < -0.15].mean(axis=0))
        matrices[0][:3, :3] = _turn_between(straight, unit(forearm))
    tips = []
    for finger in range(5):
        joints = hand.joints[finger]
        along = unit(np.diff(joints, axis=0))
        carried = np.eye(4)
        for joint in range(3):
            if finger == 0:
                axis = unit(np.cross(along[joint], np.array([-1.0, 0.35, 0.25])))
            else:
                axis = unit(np.array([1.0, 0, 0]) - along[joint][0] * along[joint])
            turn = _about(axis, pose.bends[finger][joint])
            if joint == 0 and finger == 0:
                turn = _about(np.array([0.0, 1.0, 0.0]), -pose.opposed) @ turn
            if joint == 0 and finger > 0:
                turn = _about(np.array([0.0, 0.0, 1.0]), pose.spread * (finger - 2.2)) @ turn
            carried = carried @ _at(joints[joint], turn)
            matrices.append(carried)
        tips.append(carried[:3, :3] @ joints[3] + carried[:3, 3])
    points = sum(
        weight[:, None] * (hand.points @ matrix[:3, :3].T + matrix[:3, 3])
        for weight, matrix in zip(hand.bone_weights, matrices, strict=True)
    )
    return np.asarray(points), np.array(tips)


def hand_in_place(
    contact: Contact, wearer: Wearer, prop: Prop
) -> tuple[Points, Float[np.ndarray, "4 4"], Float[np.ndarray, " 3"]]:
    """Coarse points of a right hand that touches the face, its matrix, and where it touches."""
    rng = np.random.default_rng([prop.seed, 44])
    fingers = unit(np.array(contact.fingers) + rng.normal(0, 0.07, 3))
    palm = np.array(contact.palm) + rng.normal(0, 0.05, 3)
    palm = unit(palm - (palm @ fingers) * fingers)
    turn = np.stack([np.cross(fingers, palm), fingers, palm], axis=1)
    elbow = turn.T @ unit(np.array(contact.forearm) + rng.normal(0, 0.06, 3))
    pose = Pose(
        bends=tuple(
            (a + float(rng.normal(0, 4)), b + float(rng.normal(0, 4)), c + float(rng.normal(0, 3)))
            for a, b, c in contact.pose.bends
        ),
        opposed=contact.pose.opposed + float(rng.normal(0, 4)),
        spread=contact.pose.spread + float(abs(rng.normal(0, 1.5))),
    )
    points, tips = bent(pose, forearm=elbow)
    number, marker, _ = contact.hand_place
    place = tips[int(number)] if marker == -1.0 else np.array(contact.hand_place)
    anchor = wearer.place(contact.anchor) + np.array([*rng.normal(0, 0.006, 2), 0])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn, anchor - turn @ place
    placed = points @ turn.T + matrix[:3, 3]
    touching = placed[load_hand().points[:, 1] > LAST_HAND_M]
    away = unit(np.array(contact.away, np.float64))
    shift = resting_shift(touching, wearer, away) * away
    matrix[:3, 3] += shift
    return placed + shift, matrix, anchor


def resting_shift(points: Points, wearer: Wearer, away: Float[np.ndarray, " 3"]) -> float:
    """How far along a direction points must move so that they just touch the head."""
    start = (points + 0.4 * away).astype(np.float32)
    hit = wearer.skin.run(start, np.tile((-away).astype(np.float32), (len(points), 1)), output=1)
    met = hit["primID"] >= 0
    # Shoulders don't hold a hand away.
    met &= start[:, 1] - hit["tfar"] * away[1] > wearer.place(LOWEST_TOUCHED)[1]
    if not met.any():
        return 0.0
    needed = 0.4 - hit["tfar"][met]
    # Skin gives way a little.
    return float(np.quantile(needed, 0.998)) - 0.001


def hand_pieces(points: Points, actor: Actor, prop: Prop, wearer: Wearer) -> list[Piece]:
    """Skin, nails and a sleeve."""
    hand = load_hand()
    level = hand.levels[0 if wearer.step_m > 0.0025 else 1]
    fine, flat = level.matrix @ points, level.matrix @ hand.points
    rng = np.random.default_rng([prop.seed, 45])
    bare = rng.random() < 0.25
    sleeve = flat[:, 1] < SLEEVE_FROM_M - 0.02
    skin_faces = level.faces if bare else level.faces[~sleeve[level.faces].all(axis=1)]
    pieces = [
        Piece(
            mesh=compact(fine, skin_faces),
            rgb=_skin_rgb(flat, level, actor, prop)[np.unique(skin_faces)],
            finish="skin",
        )
    ]
    if not bare:
        outward = normals(fine, level.faces)
        wavy = noise(flat, 42.0, prop.seed % 953, 3)
        start = np.clip((SLEEVE_FROM_M - flat[:, 1]) / 0.01, 0, 1)
        puffed = fine + outward * (0.0035 + 0.009 * wavy * start)[:, None]
        covered = level.faces[(flat[:, 1] < SLEEVE_FROM_M)[level.faces].all(axis=1)]
        cuff = np.abs(flat[:, 1] - SLEEVE_FROM_M + 0.006) < 0.006
        tint = np.array(actor.cloth_rgb) * (0.9 + 0.15 * wavy - 0.08 * cuff)[:, None]
        pieces.append(
            Piece(
                mesh=compact(puffed, covered),
                rgb=np.clip(tint, 0, 1).astype(np.float32)[np.unique(covered)],
                finish="cloth",
            )
        )
    return pieces


def compact(points: Points, faces: Int[np.ndarray, "F 4"]) -> Mesh:
    """Only the points that faces use."""
    used, local = np.unique(faces, return_inverse=True)
    return Mesh(points=points[used], faces=local.reshape(faces.shape))


def _skin_rgb(flat: Points, level: Subdivision, actor: Actor, prop: Prop) -> Float32[np.ndarray, "P 3"]:
    """The body's tone: a paler palm, darker creases, redder knuckles and fingertips, veins, nails."""
    hand, tone = load_hand(), np.array(skin_tone(actor.skin))
    weights = level.matrix @ hand.bone_weights.T
    outward = normals(flat, level.faces)
    palm = np.clip(1.3 * outward[:, 2] + 0.2, 0, 1) * np.clip((flat[:, 1] + 0.01) / 0.02, 0, 1)
    colour = np.tile(tone, (len(flat), 1))
    pale = np.clip(tone + (np.array([0.86, 0.66, 0.56]) - tone) * (0.25 + 0.35 * actor.skin.tone), 0, 1)
    colour += palm[:, None] * (pale - tone)
    red = np.zeros(len(flat))
    crease = np.zeros(len(flat))
    nail = np.zeros(len(flat))
    for finger in range(5):
        joints = hand.joints[finger]
        last = weights[:, 2 + 3 * finger + 2]
        along = unit(joints[3] - joints[2])
        length = np.linalg.norm(joints[3] - joints[2])
        part = (flat - joints[2]) @ along / length
        red += 0.6 * last * np.clip((part - 0.4) / 0.4, 0, 1)
        back = np.array([0.0, 0, -1.0]) if finger else unit(np.array([0.75, 0.1, -0.65]))
        back = unit(back - (back @ along) * along)
        side = np.cross(along, back)
        off = (flat - joints[2]) @ side
        half = 0.0062 if finger in (0, 2) else 0.0055
        shape = ((part - 0.92) / 0.34) ** 4 + (off / half) ** 4
        nail = np.maximum(nail, last * (shape < 1) * np.clip((outward @ back - 0.45) / 0.15, 0, 1))
        for joint in range(3):
            near = np.linalg.norm(flat - joints[joint], axis=1)
            band = (flat - joints[joint]) @ unit(joints[joint + 1] - joints[max(joint - 1, 0)] + 1e-9)
            mine = weights[:, 2 + 3 * finger : 5 + 3 * finger].sum(axis=1)
            dorsal = np.clip(outward @ back, 0, 1)
            red += 0.55 * mine * np.exp(-((near / 0.011) ** 2)) * dorsal
            lines = 0.5 + 0.5 * np.cos(2 * np.pi * band / 0.0022)
            if joint:
                crease += 0.8 * mine * lines**3 * np.exp(-((band / 0.0042) ** 2)) * dorsal
                crease += mine * np.exp(-((band / 0.0011) ** 2)) * (1 - dorsal) * np.clip(outward[:, 2], 0, 1)
    lines = np.exp(-(((noise(flat, 26.0, prop.seed % 947, 1) - 0.5) / 0.03) ** 2))
    crease += 0.5 * palm * lines * (flat[:, 1] < 0.1) * (flat[:, 1] > 0.0)
    veins = np.exp(-(((noise(flat * [1, 0.45, 1], 55.0, prop.seed % 941, 2) - 0.5) / 0.035) ** 2))
    veins *= np.clip(-outward[:, 2], 0, 1) * (weights[:, :2].sum(axis=1)) * (0.25 + 0.4 * actor.age)
    blotch = noise(flat, 70.0, prop.seed % 937, 3) - 0.5
    fine = noise(flat, 420.0, prop.seed % 929, 2) - 0.5
    colour *= (1 + 0.16 * blotch + 0.14 * fine)[:, None]
    colour += np.clip(red, 0, 1)[:, None] * (colour * np.array([1.06, 0.82, 0.80]) - colour)
    colour += np.clip(veins, 0, 1)[:, None] * 0.35 * (colour * np.array([0.82, 0.95, 1.05]) - colour)
    colour *= (1 - 0.32 * np.clip(crease, 0, 1))[:, None]
    nail_rgb = np.clip(tone * np.array([1.04, 0.94, 0.96]) + np.array([0.05, 0.03, 0.03]), 0, 1)
    if actor.sex < 0.5 and prop.seed % 4 == 0:
        nail_rgb = np.array(prop.second_rgb)
    colour += np.clip(nail, 0, 1)[:, None] * (nail_rgb - colour)
    return np.asarray(np.clip(colour, 0, 1), np.float32)


def _about(axis: Float[np.ndarray, " 3"], angle_deg: float) -> Float[np.ndarray, "3 3"]:
    return np.asarray(cv2.Rodrigues(np.radians(angle_deg) * axis)[0])


def _at(pivot: Float[np.ndarray, " 3"], turn: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "4 4"]:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn, pivot - turn @ pivot
    return matrix


def _turn_between(one: Float[np.ndarray, " 3"], other: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
    """The shortest turn, at most as far as a wrist goes."""
    axis = np.cross(one, other)
    angle = np.degrees(np.arctan2(np.linalg.norm(axis), one @ other))
    return _about(unit(axis), min(float(angle), 65.0))
