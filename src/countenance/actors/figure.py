"""An actor as geometry: built once in the neutral pose, then posed for each frame."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32, Int

from countenance.actors.actor import Actor, Glasses
from countenance.actors.extra import spatial
from countenance.actors.hair import grow_hair
from countenance.actors.head import (
    BONES,
    Matrix,
    Points,
    bone_matrices,
    load_head,
    moved,
    pose,
    rotation,
    transform,
)
from countenance.actors.landmarks import landmark_points
from countenance.actors.performance import Performance
from countenance.actors.skin import SkinMaps, make_skin
from countenance.actors.strands import Lashes, ShortHair, grow_beard, grow_brows, grow_lashes
from countenance.actors.subdivide import subdivide
from countenance.actors.surface import normals, unit
from countenance.actors.teeth import teeth_row

Detail = Literal["fast", "full"]
Tone = Literal["likeness", "performer"]
"""Skin tone of a ground truth: the likeness's own, or the likeness's features in the performer's tone."""
COLLAR_M, LOWEST_SHOWN_M = 0.58, 0.555
CLOTH_OFF_M = 0.004
EYE_RINGS, EYE_SIDES = 28, 36
GUM_RGB, TONGUE_RGB, LASH_RGB = (0.66, 0.33, 0.32), (0.66, 0.34, 0.33), (0.05, 0.04, 0.035)
"""sRGB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DetailSettings:
    """How finely a figure is built."""

    level: Literal[0, 1, 2]
    """Subdivisions of the skin."""
    texture: int
    hair_strands: int
    hair_radius_m: float
    """At the root; strands stand for more hair where there are fewer."""
    beard_strands: int


DETAIL: Mapping[Detail, DetailSettings] = {
    "fast": DetailSettings(level=1, texture=512, hair_strands=9_000, hair_radius_m=0.00056, beard_strands=1_500),
    "full": DetailSettings(level=2, texture=1024, hair_strands=28_000, hair_radius_m=0.00013, beard_strands=4_500),
}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Mesh:
    """Points and quads of a part in neutral pose."""

    points: Points
    faces: Int[np.ndarray, "F 4"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Figure:
    """Everything that stays the same from frame to frame; `face` and `body` differ in a ground truth only."""

    face: Actor
    body: Actor
    detail: DetailSettings
    points: Points
    """The template's points in this person's neutral pose."""
    skin: SkinMaps
    skin_faces: Int[np.ndarray, "F 4"]
    skin_uv: Float32[np.ndarray, "F 4 2"]
    face_weight: Float[np.ndarray, " V"]
    """0–1 for each of the skin's points."""
    eye: Mesh
    """A ball of radius one, its pupil to +z."""
    teeth: Mesh
    gum: Mesh
    cloth: Mesh
    glasses: Mesh
    tongue_faces: Int[np.ndarray, "T 4"]
    hair: Float32[np.ndarray, "S K 3"]
    brows: ShortHair
    lashes: Lashes
    beard: ShortHair | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Posed:
    """All points of a figure in one frame, in metres."""

    skin: Points
    eye_left: Points
    eye_right: Points
    teeth: Points
    gum: Points
    tongue: Points
    cloth: Points
    glasses: Points
    brows: Float[np.ndarray, "B 4 3"]
    lashes: Float[np.ndarray, "L 4 3"]
    beard: Float[np.ndarray, "R 4 3"]
    head_matrix: Matrix
    """From the neutral pose; hair and glasses ride on it."""
    landmarks: Float[np.ndarray, "468 3"]


def neutral_points(actor: Actor) -> Points:
    """The template's points in the shape of an actor."""
    targets = load_head().targets
    weights: dict[str, float] = {}
    sexes = {"female": 1 - actor.sex, "male": actor.sex}
    ages = {"young": 1 - actor.age, "old": actor.age}
    for sex, sex_part in sexes.items():
        for age, age_part in ages.items():
            for number, base_part in enumerate(actor.base_weights):
                weights[f"base{number}-{sex}-{age}"] = sex_part * age_part * base_part
            for muscle, muscle_part in _three(actor.muscle, "muscle"):
                for build, build_part in _three(actor.weight, "weight"):
                    weights[f"build-{sex}-{age}-{muscle}-{build}"] = sex_part * age_part * muscle_part * build_part
    known = {name: weight for name, weight in {**weights, **actor.shape}.items() if name in targets and weight}
    head = load_head()
    points = moved(head.points, known)
    # Tall and short look into the same camera.
    return np.asarray(points + _between_eyes(head.points) - _between_eyes(points))


def build_figure(actor: Actor, detail: Detail = "fast") -> Figure:
    """An actor, ready to be posed."""
    return _build(actor, actor, DETAIL[detail])


def build_truth(likeness: Actor, performer: Actor, tone: Tone, detail: Detail = "fast") -> Figure:
    """The performer with the likeness's face: its shape, skin, eyes, brows, lashes, beard and teeth.

    Inside the face region the likeness's shape, scaled and shifted to sit on the performer's head; both fade into each
    other over the region's border. Head, ears, neck, hair, glasses and clothes stay the performer's.
    """
    if tone == "performer":
        skin = replace(likeness.skin, tone=performer.skin.tone, warmth=performer.skin.warmth)
        likeness = replace(likeness, skin=skin)
    return _build(likeness, performer, DETAIL[detail])


def pose_figure(figure: Figure, performance: Performance, frame: int) -> Posed:
    """The figure as it is in a frame of a performance."""
    head = load_head()
    gaze_yaw, gaze_pitch = performance.gaze_deg[frame]
    yaw, pitch, roll = performance.yaw_pitch_roll_deg[frame]
    units = {**performance.units_at(frame), **_lid_units(gaze_yaw, gaze_pitch)}
    rest = moved(figure.points, {f"unit-{name}": weight for name, weight in units.items()})
    eyes = {name: head.parts[name] for name in ("eye_left", "eye_right")}
    for rows in eyes.values():
        rest[rows] = figure.points[rows]
    matrices = bone_matrices(figure.points, yaw, pitch, roll)
    head_matrix = matrices[BONES[-1]]
    posed = pose(rest, matrices)
    skin = head.skin_levels[figure.detail.level].matrix @ posed
    skin_once = skin if figure.detail.level == 1 else head.skin_levels[1].matrix @ posed
    turn = head_matrix[:3, :3]
    balls = {}
    for name, rows in eyes.items():
        ball = figure.points[rows]
        centre = (ball.max(axis=0) + ball.min(axis=0)) / 2
        radius = 0.985 * np.linalg.norm(ball - centre, axis=1).mean()
        looking = centre + radius * figure.eye.points @ rotation(gaze_yaw, -gaze_pitch, 0).T
        balls[name] = transform(head_matrix, looking)
    jaws: dict[str, list[Points]] = {"teeth": [], "gum": []}
    for jaw in ("upper", "lower"):
        rows = head.parts["teeth_upper" if jaw == "upper" else "teeth_lower"]
        placed = _affine(head.points[rows], posed[rows])
        row = teeth_row(jaw)
        jaws["teeth"].append(transform(placed, row.teeth))
        jaws["gum"].append(transform(placed, row.gum))
    skin_normals = normals(skin, figure.skin_faces)
    return Posed(
        skin=skin,
        eye_left=balls["eye_left"],
        eye_right=balls["eye_right"],
        teeth=np.concatenate(jaws["teeth"]),
        gum=np.concatenate(jaws["gum"]),
        tongue=posed[head.parts["tongue"]],
        cloth=figure.cloth.points,
        glasses=transform(head_matrix, figure.glasses.points),
        brows=figure.brows.posed(skin, skin_normals, turn),
        lashes=figure.lashes.posed(posed, turn),
        beard=np.zeros((0, 4, 3)) if figure.beard is None else figure.beard.posed(skin, skin_normals, turn),
        head_matrix=head_matrix,
        landmarks=landmark_points(skin_once),
    )


def _build(face: Actor, body: Actor, detail: DetailSettings) -> Figure:
    head = load_head()
    body_points = neutral_points(body)
    points = body_points if face is body else _fitted(neutral_points(face), body_points)
    mesh = head.skin_levels[detail.level]
    template = mesh.matrix @ head.points
    # What the shirt always covers needs no drawing.
    shown = template[mesh.faces][:, :, 1].max(axis=1) > LOWEST_SHOWN_M
    skin_faces, skin_uv = mesh.faces[shown], mesh.uv[shown]
    rows = [teeth_row("upper"), teeth_row("lower")]
    return Figure(
        face=face,
        body=body,
        detail=detail,
        points=points,
        skin=make_skin(face, body, detail.texture),
        skin_faces=skin_faces,
        skin_uv=skin_uv,
        face_weight=np.clip(mesh.matrix @ head.face_weight, 0, 1),
        eye=_eyeball(),
        teeth=_joined([Mesh(points=row.teeth, faces=row.teeth_faces) for row in rows]),
        gum=_joined([Mesh(points=row.gum, faces=row.gum_faces) for row in rows]),
        cloth=_cloth(body_points, mesh.matrix @ body_points, mesh.faces),
        glasses=_glasses(body.glasses, body_points),
        tongue_faces=head.tongue_faces - head.parts["tongue"][0],
        hair=grow_hair(body, mesh.matrix @ body_points, template, skin_faces, detail.hair_strands),
        brows=grow_brows(face, template, skin_faces),
        lashes=grow_lashes(face),
        beard=grow_beard(face, template, skin_faces, detail.beard_strands),
    )


def _fitted(face_points: Points, body_points: Points) -> Points:
    """The face's shape on the body's head."""
    head = load_head()
    weight = head.face_weight
    inside = np.zeros(len(weight), bool)
    inside[np.unique(head.skin_faces)] = True
    inside &= weight > 0.5
    face_mean, body_mean = face_points[inside].mean(axis=0), body_points[inside].mean(axis=0)
    scale = np.sqrt(((body_points[inside] - body_mean) ** 2).sum() / ((face_points[inside] - face_mean) ** 2).sum())
    moved_face = (face_points - face_mean) * scale + body_mean
    return np.asarray(weight[:, None] * moved_face + (1 - weight[:, None]) * body_points)


def _between_eyes(points: Points) -> Float[np.ndarray, "3"]:
    parts = load_head().parts
    return np.asarray((points[parts["eye_left"]].mean(axis=0) + points[parts["eye_right"]].mean(axis=0)) / 2)


def _three(value: float, what: str) -> list[tuple[str, float]]:
    """Weights of the lower extreme, the average and the upper extreme."""
    if value < 0.5:
        return [(f"min{what}", 1 - 2 * value), (f"average{what}", 2 * value)]
    return [(f"average{what}", 2 - 2 * value), (f"max{what}", 2 * value - 1)]


def _lid_units(gaze_yaw: float, gaze_pitch: float) -> dict[str, float]:
    """How lids and skin follow the eyes."""
    up, down = max(gaze_pitch, 0) / 30, max(-gaze_pitch, 0) / 30
    left, right = max(gaze_yaw, 0) / 35, max(-gaze_yaw, 0) / 35
    units: dict[str, float] = {}
    for side, outward, inward in (("Left", left, right), ("Right", right, left)):
        units |= {
            f"eyeLookUp{side}": up,
            f"eyeLookDown{side}": down,
            f"eyeLookOut{side}": outward,
            f"eyeLookIn{side}": inward,
        }
    return {name: weight for name, weight in units.items() if weight}


def _affine(from_points: Points, to_points: Points) -> Matrix:
    """The affine map nearest to one set of points from another, as a 4 × 4 matrix."""
    found, *_ = np.linalg.lstsq(np.column_stack([from_points, np.ones(len(from_points))]), to_points, rcond=None)
    matrix = np.eye(4)
    matrix[:3] = found.T
    return matrix


@cache
def _eyeball() -> Mesh:
    """A ball with a cornea that stands out a little; finer towards the pupil."""
    away = np.r_[np.linspace(0, 0.65, EYE_RINGS // 2), np.linspace(0.65, np.pi, EYE_RINGS // 2 + 1)[1:]]
    around = np.linspace(0, 2 * np.pi, EYE_SIDES + 1)[:-1]
    t, p = np.meshgrid(away, around, indexing="ij")
    direction = np.stack([np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)], axis=-1).reshape(-1, 3)
    bulge = 1 + 0.05 * np.exp(-((t.ravel() / 0.38) ** 4))
    i, j = np.meshgrid(np.arange(len(away) - 1), np.arange(EYE_SIDES), indexing="ij")
    after = (j + 1) % EYE_SIDES
    quads = [i * EYE_SIDES + j, (i + 1) * EYE_SIDES + j, (i + 1) * EYE_SIDES + after, i * EYE_SIDES + after]
    return Mesh(points=direction * bulge[:, None], faces=np.stack(quads, axis=-1).reshape(-1, 4))


def _joined(meshes: list[Mesh]) -> Mesh:
    starts = np.cumsum([0, *(len(mesh.points) for mesh in meshes)])
    return Mesh(
        points=np.concatenate([mesh.points for mesh in meshes]),
        faces=np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]),
    )


def _cloth(points: Points, skin: Points, skin_faces: Int[np.ndarray, "F 4"]) -> Mesh:
    """A shirt: what lies above the collar is drawn down to it, and all of it stays off the skin."""
    head = load_head()
    used, local = np.unique(head.cloth_faces, return_inverse=True)
    local = local.reshape(head.cloth_faces.shape)
    finer = subdivide(local, np.zeros((*local.shape, 2), np.float32), len(used))
    shirt, level = finer.matrix @ points[used], (finer.matrix @ head.points[used])[:, 1]
    faces = finer.faces[level[finer.faces].min(axis=1) < COLLAR_M]

    corners, mates = np.repeat(faces, 4, axis=0).ravel(), np.tile(faces, (1, 4)).ravel()
    order = np.lexsort((level[mates], corners))
    corner, first = np.unique(corners[order], return_index=True)
    lowest = mates[order][first]
    rim = level[corner] > COLLAR_M
    high, low = corner[rim], lowest[rim]
    part = np.clip((COLLAR_M - level[low]) / np.maximum(level[high] - level[low], 1e-6), 0, 1)
    shirt[high] = shirt[low] + (shirt[high] - shirt[low]) * part[:, None]
    for _ in range(12):
        shirt[high] = 0.5 * shirt[high] + 0.5 * _mean_along(shirt, faces, high)

    lifted = shirt + CLOTH_OFF_M * normals(shirt, faces)
    below = np.unique(skin_faces)
    below = below[skin[below][:, 1] < COLLAR_M + 0.05]
    outward = normals(skin, skin_faces)[below]
    _, nearest = spatial().cKDTree(skin[below]).query(lifted)
    height = ((lifted - skin[below][nearest]) * outward[nearest]).sum(axis=1)
    return Mesh(points=lifted + np.clip(CLOTH_OFF_M - height, 0, 0.03)[:, None] * outward[nearest], faces=faces)


def _mean_along(points: Points, faces: Int[np.ndarray, "F 4"], rim: Int[np.ndarray, " R"]) -> Points:
    """For each point of a rim the mean of its neighbours on it."""
    on_rim = np.zeros(len(points), bool)
    on_rim[rim] = True
    edges = np.concatenate([faces[:, [i, (i + 1) % 4]] for i in range(4)])
    edges = edges[on_rim[edges].all(axis=1)]
    edges = np.concatenate([edges, edges[:, ::-1]])
    degree = np.bincount(edges[:, 0], minlength=len(points))[rim]
    total = [
        np.bincount(edges[:, 0], weights=points[edges[:, 1], axis], minlength=len(points))[rim] for axis in range(3)
    ]
    mean = np.stack(total, axis=1) / np.maximum(degree, 1)[:, None]
    return np.asarray(np.where((degree > 1)[:, None], mean, points[rim]))


def _glasses(glasses: Glasses | None, points: Points) -> Mesh:
    """Two rims, a bridge and the sides, as tubes."""
    if glasses is None:
        return Mesh(points=np.zeros((0, 3)), faces=np.zeros((0, 4), np.int64))
    head = load_head()
    left, right = (points[head.parts[name]].mean(axis=0) for name in ("eye_left", "eye_right"))
    front = max(points[head.parts["eye_left"]][:, 2].max(), points[head.parts["eye_right"]][:, 2].max()) + 0.011
    middle = (left + right) / 2
    radius = glasses.thickness_m / 2
    turn = np.linspace(0, 2 * np.pi, 41)
    exponent = 2 / (2 + 3 * (1 - glasses.roundness))
    half_w, half_h = glasses.width_m / 2, glasses.height_m / 2
    tubes = []
    for side in (1, -1):
        centre = np.array([side * (half_w + 0.009), middle[1] - 0.004, front])
        centre[0] += middle[0]
        x = centre[0] + half_w * np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** exponent
        y = centre[1] + half_h * np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** exponent
        z = front - 0.35 * (np.abs(x - middle[0])) ** 2 / 0.06
        tubes.append(_tube(np.stack([x, y, z], axis=1), radius))
        ear = points[np.unique(head.skin_faces)]
        ear_x = side * (np.abs(ear[(np.abs(ear[:, 1] - middle[1]) < 0.01) & (ear[:, 2] < 0.03)][:, 0]).max() - 0.004)
        hinge = np.array([middle[0] + side * (2 * half_w + 0.0095), centre[1] + 0.45 * half_h, front - 0.022])
        ends = np.stack([hinge, np.array([ear_x * 0.98, hinge[1] + 0.002, 0.055]), np.array([ear_x, hinge[1], 0.0])])
        tubes.append(_tube(ends, radius))
    across = np.linspace(-0.0095, 0.0095, 8)
    bridge = np.stack(
        [
            middle[0] + across,
            np.full(8, middle[1] + 0.001) + 0.003 * np.cos(across / 0.0095 * np.pi / 2),
            np.full(8, front),
        ],
        axis=1,
    )
    tubes.append(_tube(bridge, radius))
    return _joined(tubes)


def _tube(path: Points, radius: float) -> Mesh:
    along = unit(np.gradient(path, axis=0))
    first = unit(np.cross(along, np.array([0.13, 0.31, 0.94])))
    second = np.cross(along, first)
    turn = np.linspace(0, 2 * np.pi, 9)[:-1]
    ring = np.cos(turn)[None, :, None] * first[:, None] + np.sin(turn)[None, :, None] * second[:, None]
    i, j = np.meshgrid(np.arange(len(path) - 1), np.arange(8), indexing="ij")
    after = (j + 1) % 8
    faces = np.stack([i * 8 + j, i * 8 + after, (i + 1) * 8 + after, (i + 1) * 8 + j], axis=-1).reshape(-1, 4)
    return Mesh(points=(path[:, None] + radius * ring).reshape(-1, 3), faces=faces)
