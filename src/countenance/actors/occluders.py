"""What lies before a face, as geometry of a figure: hats, scarves, masks, hands, microphones, cups and phones.

Labels are exact, one for each prop: what people hold or wear over face or hair is `Part.OCCLUDER`, hats, hoods and
headscarves included; a scarf that leaves the chin free belongs to the clothes, `Part.CLOTH`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int

from countenance.actors.actor import Actor
from countenance.actors.colour import to_light
from countenance.actors.extra import sparse, spatial
from countenance.actors.handheld import gesture, held, lavalier, studio_microphone
from countenance.actors.head import BONES, Matrix, Points, load_head, pose_by, transform
from countenance.actors.headwear import (
    Wearer,
    beanie,
    brimmed_hat,
    cap,
    headscarf,
    headset,
    hood,
)
from countenance.actors.mesh import Mesh, joined
from countenance.actors.props import HELD, MATERIALS, STANDING, Material, Motion, Piece, Prop
from countenance.actors.strands import Strands
from countenance.actors.surface import embree_scene, normals, triangles_of, unit
from countenance.actors.wraps import scarf, surgical_mask
from countenance.vision.parts import Part

BUILDERS = {
    "beanie": beanie,
    "cap": cap,
    "brimmed hat": brimmed_hat,
    "hood": hood,
    "headscarf": headscarf,
    "headset": headset,
    "surgical mask": surgical_mask,
    "scarf": scarf,
    "high scarf": scarf,
    "lavalier": lavalier,
    "studio microphone": studio_microphone,
}
OVER_HAIR = ("beanie", "cap", "brimmed hat", "hood", "headscarf", "headset")
NUM_NEAREST, FOLLOW_SIGMA_M = 16, 0.012
"""Points of the skin that a point of a prop follows."""
AWAY_M = np.array([-0.14, -0.38, 0.10])
"""Where a right hand waits, from where it touches the face."""
AWAY_TILT_DEG = 28.0
BELOW_HAT_M = 0.003
FACE_AXIS_Z_M = 0.05
PRESSED_M, BENEATH_M = 0.02, 0.002
"""How far skin is pressed in at most, and how far beneath what is worn it then lies."""
NUM_OPENNESS_RAYS, OPENNESS_REACH_M = 20, 0.06


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Worn:
    """Follows the bones and what face units do to the skin beneath."""

    bone_weights: Float[np.ndarray, "4 P"]
    follow: Any
    """Sparse, the prop's points × the template's."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Held:
    """Comes to a place of the face, moves with it, and goes."""

    touched: Float[np.ndarray, " 3"]
    follow: Any
    """Sparse, 1 × the template's points: the skin at that place."""
    away_m: Float[np.ndarray, " 3"]
    away_about: Float[np.ndarray, " 3"]
    """Turned by this rotation vector while away."""
    motion: Motion


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Standing:
    """Stays where it is."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Occluder:
    """A mesh of one material before the face, in neutral pose."""

    mesh: Mesh
    rgb: Float32[np.ndarray, "P 3"]
    """Linear albedo of the points."""
    openness: Float32[np.ndarray, " P"]
    """0–1: how much of the sky a point sees past its own prop and the head."""
    material: Material
    part: Part
    riding: Worn | Held | Standing
    over_hair: bool


def occluders_on(
    props: Sequence[Prop],
    actor: Actor,
    points: Points,
    skin: Points,
    skin_faces: Int[np.ndarray, "F 4"],
    template: Points,
    cloth: Mesh,
    step_m: float,
) -> tuple[Occluder, ...]:
    """Props on a body in neutral pose; `points` and `template` are rows of the skin's finer mesh and of the head's."""
    if not props:
        return ()
    used = np.unique(skin_faces)
    both = np.concatenate([skin, cloth.points]), np.concatenate([skin_faces, cloth.faces + len(skin)])
    wearer = Wearer(
        points=skin[used],
        template=template[used],
        skin=embree_scene(skin, triangles_of(skin_faces)),
        scene=embree_scene(both[0], triangles_of(both[1])),
        step_m=step_m,
    )
    found: list[Occluder] = []
    for prop in props:
        anchor = np.zeros(3)
        if prop.kind in HELD:
            build = gesture if prop.kind == "hand" else held
            pieces, anchor = build(prop, actor, wearer)
            if prop.left:
                pieces = [_mirrored(piece) for piece in pieces]
                anchor = anchor * np.array([-1, 1, 1])
        else:
            pieces = BUILDERS[prop.kind](prop, wearer)
        found += _as_occluders(prop, pieces, anchor, points, wearer)
    return tuple(found)


def posed_occluders(
    occluders: Sequence[Occluder],
    offsets: Points,
    matrices: dict[str, Matrix],
    time_s: float,
) -> tuple[Points, ...]:
    """Where they are in a frame; `offsets` is how far face units move the template's points in neutral pose."""
    return tuple(_posed(occluder, offsets, matrices, time_s) for occluder in occluders)


def hair_beneath(hair: Strands, occluders: Sequence[Occluder]) -> Strands:
    """Hair pressed under hats and scarves; strands that pierce one all the same are left out."""
    shells = [occluder.mesh for occluder in occluders if occluder.over_hair]
    if not shells or not len(hair.points):
        return hair
    strands = hair.points
    scenes = [embree_scene(shell.points, triangles_of(shell.faces)) for shell in shells]
    head = load_head().points[np.unique(load_head().skin_faces)]
    centre = np.array([0.0, head[:, 1].max() - 0.095, 0.05])
    away = strands - centre
    radius = np.linalg.norm(away, axis=-1, keepdims=True)
    direction = (away / radius).reshape(-1, 3).astype(np.float32)
    start = np.broadcast_to(centre, direction.shape).astype(np.float32)
    limit = np.full(len(direction), np.inf, np.float32)
    for scene in scenes:
        hit = scene.run(start, direction, output=1)
        limit = np.where(hit["primID"] >= 0, np.minimum(limit, hit["tfar"]), limit)
    allowed = np.minimum(radius, (limit - BELOW_HAT_M).reshape(radius.shape))
    pressed = centre + allowed * (away / radius)
    pierces = np.zeros(len(strands), bool)
    for step in range(strands.shape[1] - 1):
        begin, end = pressed[:, step], pressed[:, step + 1]
        length = np.linalg.norm(end - begin, axis=1)
        along = unit(end - begin).astype(np.float32)
        for scene in scenes:
            hit = scene.run(begin.astype(np.float32), along, output=1)
            pierces |= (hit["primID"] >= 0) & (hit["tfar"] < length + 0.0005)
    return Strands(
        points=pressed[~pierces].astype(np.float32),
        radius_m=hair.radius_m[~pierces],
        cover=hair.cover[~pierces],
        rgb=hair.rgb[~pierces],
    )


def skin_beneath(points: Points, occluders: Sequence[Occluder]) -> Points:
    """The template's points, pressed in where another face than the wearer's would come through what is worn."""
    worn = [occluder.mesh for occluder in occluders if isinstance(occluder.riding, Worn)]
    if not worn:
        return points
    head, pressed, over = load_head(), points.copy(), joined(worn)
    skin = np.zeros(len(points), bool)
    skin[np.unique(head.skin_faces)] = True
    rows = np.flatnonzero(skin & (head.face_weight > 0))
    # Outwards from the head's upright axis.
    axis = np.stack([np.zeros(len(rows)), points[rows, 1], np.full(len(rows), FACE_AXIS_Z_M)], axis=1)
    outward, away = unit(points[rows] - axis), np.linalg.norm(points[rows] - axis, axis=1)
    hit = embree_scene(over.points, triangles_of(over.faces)).run(
        axis.astype(np.float32), outward.astype(np.float32), output=1
    )
    depth = hit["tfar"] - BENEATH_M
    through = (hit["primID"] >= 0) & (away > depth) & (away < depth + PRESSED_M)
    pressed[rows[through]] = axis[through] + depth[through, None] * outward[through]
    return pressed


def _mirrored(piece: Piece) -> Piece:
    return Piece(
        mesh=Mesh(points=piece.mesh.points * np.array([-1, 1, 1]), faces=piece.mesh.faces[:, ::-1]),
        rgb=piece.rgb,
        finish=piece.finish,
    )


def _as_occluders(
    prop: Prop, pieces: Sequence[Piece], anchor: Float[np.ndarray, " 3"], points: Points, wearer: Wearer
) -> list[Occluder]:
    scenes = [wearer.skin] + [embree_scene(piece.mesh.points, triangles_of(piece.mesh.faces)) for piece in pieces]
    part = Part.CLOTH if prop.kind == "scarf" else Part.OCCLUDER
    return [
        Occluder(
            mesh=piece.mesh,
            rgb=to_light(piece.rgb).astype(np.float32),
            openness=_openness(piece.mesh, scenes),
            material=MATERIALS[piece.finish],
            part=part,
            riding=_riding(prop, piece.mesh.points, anchor, points),
            over_hair=prop.kind in OVER_HAIR,
        )
        for piece in pieces
    ]


def _riding(prop: Prop, on: Points, anchor: Float[np.ndarray, " 3"], points: Points) -> Worn | Held | Standing:
    if prop.kind in STANDING:
        return Standing()
    if prop.kind in HELD:
        side = np.array([-1.0 if prop.left else 1.0, 1, 1])
        rng = np.random.default_rng([prop.seed, 46])
        tilt = np.radians(AWAY_TILT_DEG) * unit(np.array([0.4, 0.2, 0.9]) + rng.normal(0, 0.3, 3))
        return Held(
            touched=anchor,
            follow=_follow(anchor[None], points),
            away_m=(AWAY_M + rng.normal(0, 0.03, 3)) * side,
            away_about=tilt * side * np.array([1, side[0], side[0]]),
            motion=prop.motion,
        )
    follow = _follow(on, points)
    return Worn(bone_weights=np.asarray((follow @ load_head().bone_weights.T).T), follow=follow)


def _follow(on: Points, points: Points) -> Any:
    """Weights of the skin's points near each of some places, by distance; they sum to one."""
    rows = np.unique(load_head().skin_faces)
    distance, near = spatial().cKDTree(points[rows]).query(on, k=NUM_NEAREST)
    # Relative to the nearest, so that what stands far off follows as many.
    weight = np.exp(-((distance - distance[:, :1]) ** 2) / (2 * FOLLOW_SIGMA_M**2))
    weight /= weight.sum(axis=1, keepdims=True)
    corner = np.repeat(np.arange(len(on)), NUM_NEAREST)
    return sparse().csr_array((weight.ravel(), (corner, rows[near].ravel())), (len(on), len(points)))


def _posed(occluder: Occluder, offsets: Points, matrices: dict[str, Matrix], time_s: float) -> Points:
    riding, rest = occluder.riding, occluder.mesh.points
    if isinstance(riding, Standing):
        return rest
    if isinstance(riding, Worn):
        return pose_by(riding.bone_weights, rest + riding.follow @ offsets, matrices)
    head = matrices[BONES[-1]]
    here = riding.motion.presence(time_s)
    about = here * cv2.Rodrigues(head[:3, :3])[0].ravel() + (1 - here) * riding.away_about
    turn = cv2.Rodrigues(about)[0]
    touched = transform(head, riding.touched + riding.follow @ offsets)[0]
    middle = here * touched + (1 - here) * (riding.touched + riding.away_m)
    return np.asarray((rest - riding.touched) @ turn.T + middle)


def _openness(mesh: Mesh, scenes: Sequence[Any]) -> Float32[np.ndarray, " P"]:
    outward = normals(mesh.points, mesh.faces)
    start = (mesh.points + 0.001 * outward).astype(np.float32)
    seen = np.zeros(len(start), np.float32)
    for direction in unit(np.random.default_rng(12).normal(size=(NUM_OPENNESS_RAYS, 3))):
        rays = unit(outward + 0.98 * direction).astype(np.float32)
        hidden = np.zeros(len(start), bool)
        for scene in scenes:
            hit = scene.run(start, rays, output=1)
            hidden |= (hit["primID"] >= 0) & (hit["tfar"] < OPENNESS_REACH_M)
        seen += ~hidden
    return np.asarray(seen / NUM_OPENNESS_RAYS, np.float32)
