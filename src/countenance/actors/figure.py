"""An actor as geometry: built once in the neutral pose, then posed for each frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from countenance.actors.actor import Actor
from countenance.actors.cloth import shirt_on
from countenance.actors.eyes import BALL_SCALE, EyeMaps, Lids, eye_frame, eyeball, find_lids, paint_eyes, wet_points
from countenance.actors.glasses import Lenses, glasses_on, lenses_on
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
    sample_map,
    transform,
)
from countenance.actors.landmarks import landmark_points
from countenance.actors.mesh import Mesh, joined
from countenance.actors.occluders import Occluder, hair_beneath, occluders_on, posed_occluders, skin_beneath
from countenance.actors.performance import FRAME_RATE, Performance
from countenance.actors.props import Prop
from countenance.actors.skin import LineName, SkinMaps, line_weights, make_skin
from countenance.actors.strands import Lashes, ShortHair, Strands, grow_beard, grow_brows, grow_lashes
from countenance.actors.surface import embree_scene, normals, triangles_of
from countenance.actors.teeth import JAWS, Jaw, Row, teeth_row, tongue_colour, tongue_surface

Detail = Literal["fast", "fine", "close", "full"]
"""The first three for the caster, by the size of the image; the last for Cycles."""
Tone = Literal["likeness", "performer"]
"""Skin tone of a ground truth: the likeness's own, or the likeness's features in the performer's tone."""
LOWEST_SHOWN_M = 0.555
LEAST_FLESH_M, MOST_PUSHED_M = 0.002, 0.01
"""Between the inside of the cheeks, or gums, and the skin, and how far the former gives way for it."""
BLINK_REACH = 1.2
"""How much further lids go than the template's would have to: wider eyes have to close as well."""
LASH_RGB = (0.05, 0.04, 0.035)
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
    prop_step_m: float
    """How far points of props lie apart."""
    beard_radius_m: float = 0.0003
    beard_points: int = 4
    """Of a strand."""
    brow_fineness: float = 1.0
    """Multiplies the number of a brow's hairs, which get thinner in return."""
    eye_columns: int
    """Of the eyes' maps, once around the pupil."""
    tooth_points: int
    """Around each tooth."""
    gum_points: int = 14
    """Around the gums."""


DETAIL: Mapping[Detail, DetailSettings] = {
    "fast": DetailSettings(
        level=1,
        texture=512,
        hair_strands=8_000,
        hair_radius_m=0.00058,
        beard_strands=1_500,
        prop_step_m=0.0045,
        eye_columns=64,
        tooth_points=8,
        gum_points=8,
    ),
    "fine": DetailSettings(
        level=1,
        texture=1024,
        hair_strands=15_000,
        hair_radius_m=0.00040,
        beard_strands=3_000,
        prop_step_m=0.003,
        beard_radius_m=0.0002,
        beard_points=5,
        brow_fineness=1.4,
        eye_columns=128,
        tooth_points=14,
    ),
    "close": DetailSettings(
        level=1,
        texture=2048,
        hair_strands=36_000,
        hair_radius_m=0.00021,
        beard_strands=9_000,
        prop_step_m=0.002,
        beard_radius_m=0.00014,
        beard_points=7,
        brow_fineness=2.4,
        eye_columns=256,
        tooth_points=20,
    ),
    "full": DetailSettings(
        level=2,
        texture=1024,
        hair_strands=36_000,
        hair_radius_m=0.00013,
        beard_strands=9_000,
        prop_step_m=0.002,
        beard_radius_m=0.00008,
        beard_points=7,
        brow_fineness=2.4,
        eye_columns=256,
        tooth_points=20,
    ),
}


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
    eye_maps: EyeMaps
    lids: Lids
    jaws: tuple[Row, Row]
    """Upper and lower, in the template's place."""
    teeth: Mesh
    teeth_rgb: Float32[np.ndarray, "D 3"]
    """Linear albedo, as the next."""
    gum: Mesh
    gum_rgb: Float32[np.ndarray, "G 3"]
    cloth: Mesh
    glasses: Mesh
    lenses: Lenses
    tongue_faces: Int[np.ndarray, "T 4"]
    tongue_rgb: Float32[np.ndarray, "O 3"]
    """Linear albedo."""
    hair: Strands
    brows: ShortHair
    lashes: Lashes
    beard: ShortHair | None
    occluders: tuple[Occluder, ...]


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
    lenses: Points
    brows: Float[np.ndarray, "B K 3"]
    lids: Float[np.ndarray, "2 2 M 3"]
    """Margins: left and right, upper and lower, from the inner corner to the outer."""
    wet: Points
    """Tear lines and inner corners of the eyes."""
    lashes: Float[np.ndarray, "L 5 3"]
    beard: Float[np.ndarray, "R C 3"]
    head_matrix: Matrix
    """From the neutral pose; hair and glasses ride on it."""
    lines: Mapping[LineName, float]
    """0–1: how deep an expression makes the skin's lines."""
    landmarks: Float[np.ndarray, "468 3"]
    occluders: tuple[Points, ...]


def neutral_points(actor: Actor) -> Points:
    """The template's points in the shape of an actor."""
    targets = load_head().targets
    known = {name: weight for name, weight in {**actor.macros, **actor.shape}.items() if name in targets and weight}
    head = load_head()
    points = moved(head.points, known)
    # Tall and short look into the same camera.
    return _lining_pushed_in(np.asarray(points + _between_eyes(head.points) - _between_eyes(points)))


def build_figure(actor: Actor, detail: Detail = "fast", props: Sequence[Prop] = ()) -> Figure:
    """An actor, ready to be posed."""
    return _build(actor, actor, DETAIL[detail], props)


def build_truth(
    likeness: Actor, performer: Actor, tone: Tone, detail: Detail = "fast", props: Sequence[Prop] = ()
) -> Figure:
    """The performer with the likeness's face: its shape, skin, eyes, brows, lashes, beard and teeth.

    Inside the face region the likeness's shape, scaled and shifted to sit on the performer's head; both fade into each
    other over the region's border. Head, ears, neck, hair, glasses, clothes and props stay the performer's.
    """
    face = likeness if tone == "likeness" else _in_tone_of(performer, likeness)
    return _build(face, performer, DETAIL[detail], props)


def toned(truth: Figure) -> Figure:
    """A ground truth in the likeness's own skin, again in the performer's tone; all but the skin is the same."""
    face = _in_tone_of(truth.body, truth.face)
    return replace(truth, face=face, skin=make_skin(face, truth.body, truth.detail.texture))


def _in_tone_of(performer: Actor, likeness: Actor) -> Actor:
    return replace(likeness, skin=replace(likeness.skin, tone=performer.skin.tone, warmth=performer.skin.warmth))


def pose_figure(figure: Figure, performance: Performance, frame: int) -> Posed:
    """The figure as it is in a frame of a performance."""
    head = load_head()
    gaze_yaw, gaze_pitch = performance.gaze_deg[frame]
    yaw, pitch, roll = performance.yaw_pitch_roll_deg[frame]
    units = {**performance.units_at(frame), **_lid_units(gaze_yaw, gaze_pitch)}
    reach = {name: BLINK_REACH if name.startswith("eyeBlink") else 1.0 for name in units}
    rest = moved(figure.points, {f"unit-{name}": reach[name] * weight for name, weight in units.items()})
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
        radius = BALL_SCALE * np.linalg.norm(ball - centre, axis=1).mean()
        looking = centre + radius * figure.eye.points @ rotation(gaze_yaw, -gaze_pitch, 0).T
        balls[name] = transform(head_matrix, looking)
    jaws: dict[str, list[Points]] = {"teeth": [], "gum": []}
    for jaw, row in zip(JAWS, figure.jaws, strict=True):
        placed = _jaw_matrix(jaw, posed)
        jaws["teeth"].append(transform(placed, row.teeth))
        jaws["gum"].append(transform(placed, row.gum))
    skin_normals = normals(skin, figure.skin_faces)
    lids = figure.lids.on(skin)
    frames = eye_frame(balls["eye_left"]), eye_frame(balls["eye_right"])
    return Posed(
        skin=skin,
        eye_left=balls["eye_left"],
        eye_right=balls["eye_right"],
        teeth=np.concatenate(jaws["teeth"]),
        gum=np.concatenate(jaws["gum"]),
        tongue=tongue_surface().matrix @ posed[head.parts["tongue"]],
        cloth=figure.cloth.points,
        glasses=transform(head_matrix, figure.glasses.points),
        lenses=transform(head_matrix, figure.lenses.mesh.points),
        brows=figure.brows.posed(skin, skin_normals, turn),
        lids=lids,
        wet=wet_points(lids, frames),
        lashes=figure.lashes.posed(lids, np.stack([frame.centre for frame in frames])),
        beard=np.zeros((0, 4, 3)) if figure.beard is None else figure.beard.posed(skin, skin_normals, turn),
        head_matrix=head_matrix,
        lines=line_weights(units),
        landmarks=landmark_points(skin_once),
        occluders=posed_occluders(figure.occluders, rest - figure.points, matrices, frame / FRAME_RATE),
    )


def _build(face: Actor, body: Actor, detail: DetailSettings, props: Sequence[Prop]) -> Figure:
    head = load_head()
    body_points = neutral_points(body)
    points = body_points if face is body else _fitted(neutral_points(face), body_points)
    mesh = head.skin_levels[detail.level]
    template = mesh.matrix @ head.points
    # What the shirt always covers needs no drawing.
    shown = template[mesh.faces][:, :, 1].max(axis=1) > LOWEST_SHOWN_M
    skin_faces, skin_uv = mesh.faces[shown], mesh.uv[shown]
    body_skin = mesh.matrix @ body_points
    cloth = shirt_on(body_points, body_skin, mesh.faces)
    occluders = occluders_on(props, body, body_points, body_skin, skin_faces, template, cloth, detail.prop_step_m)
    if face is not body:
        points = skin_beneath(points, occluders)
    upper, lower = (
        _gum_pushed_in(teeth_row(face, jaw, detail.tooth_points, detail.gum_points), jaw, points) for jaw in JAWS
    )
    return Figure(
        face=face,
        body=body,
        detail=detail,
        points=points,
        skin=make_skin(face, body, detail.texture),
        skin_faces=skin_faces,
        skin_uv=skin_uv,
        face_weight=np.clip(mesh.matrix @ head.face_weight, 0, 1),
        eye=eyeball(),
        eye_maps=paint_eyes(face, detail.eye_columns),
        lids=find_lids(points, mesh.matrix @ points, skin_faces),
        jaws=(upper, lower),
        teeth=joined([Mesh(points=row.teeth, faces=row.teeth_faces) for row in (upper, lower)]),
        teeth_rgb=np.concatenate([row.teeth_rgb for row in (upper, lower)]),
        gum_rgb=np.concatenate([row.gum_rgb for row in (upper, lower)]),
        gum=joined([Mesh(points=row.gum, faces=row.gum_faces) for row in (upper, lower)]),
        cloth=cloth,
        glasses=glasses_on(body.glasses, body_points),
        lenses=lenses_on(body.glasses, body_points),
        tongue_faces=tongue_surface().faces,
        tongue_rgb=tongue_colour(face),
        hair=hair_beneath(
            grow_hair(body, body_skin, template, skin_faces, detail.hair_strands, detail.hair_radius_m), occluders
        ),
        brows=grow_brows(face, template, skin_faces, detail.brow_fineness),
        lashes=grow_lashes(face),
        beard=grow_beard(face, template, skin_faces, detail.beard_strands, detail.beard_radius_m, detail.beard_points),
        occluders=occluders,
    )


def _lining_pushed_in(points: Points) -> Points:
    """With the inside of the cheeks beneath the skin: in a flat face it would come out beside the nose."""
    rows, outer = _deep_lining()
    depth = _depth_beneath(points, rows, outer)
    pushed = points.copy()
    pushed[rows, 2] -= np.clip(LEAST_FLESH_M - depth, 0, MOST_PUSHED_M)
    return pushed


def _gum_pushed_in(row: Row, jaw: Jaw, points: Points) -> Row:
    """A row whose gum is beneath the skin at both sides: from a narrow jaw its ends would come out."""
    placed = _jaw_matrix(jaw, points)
    gum = transform(placed, row.gum)
    outwards = np.where(gum[:, :1] < 0, -1.0, 1.0) * np.array([1, 0, 0])
    hit = embree_scene(points, triangles_of(load_head().skin_faces)).run(
        (gum + outwards).astype(np.float32), (-outwards).astype(np.float32), output=1
    )
    depth = np.where(hit["primID"] >= 0, 1 - hit["tfar"], np.inf)
    # Between open lips a ray may go on to the other side's skin.
    depth = np.where(depth > -np.abs(gum[:, 0]), depth, np.inf)
    if (depth > 0).all():
        return row
    pushed = gum - outwards * np.clip(1.5 * LEAST_FLESH_M - depth, 0, MOST_PUSHED_M)[:, None]
    return replace(row, gum=transform(np.linalg.inv(placed), pushed))


def _jaw_matrix(jaw: Jaw, points: Points) -> Matrix:
    """Takes a row of teeth from the template's place to where points of its layout have it."""
    head = load_head()
    rows = head.parts["teeth_upper" if jaw == "upper" else "teeth_lower"]
    return _affine(head.points[rows], points[rows])


@cache
def _deep_lining() -> tuple[Int[np.ndarray, " L"], Int[np.ndarray, "F 4"]]:
    """The template's points of the mouth's inside that lie well beneath the skin, and the faces of the skin outside."""
    head = load_head()
    inside = sample_map(head.maps["inside_mouth"], head.skin_uv)
    rows = np.unique(head.skin_faces[inside > 0.9])
    outer = head.skin_faces[inside.mean(axis=1) < 0.05]
    return rows[_depth_beneath(head.points, rows, outer) > 1.5 * LEAST_FLESH_M], outer


def _depth_beneath(
    points: Points, rows: Int[np.ndarray, " L"], outer: Int[np.ndarray, "F 4"]
) -> Float[np.ndarray, " L"]:
    """How far points lie behind the skin as seen from the front; far where there is none, or it belongs elsewhere."""
    begin = np.column_stack([points[rows, :2], np.ones(len(rows))]).astype(np.float32)
    down = np.tile(np.array([0, 0, -1], np.float32), (len(rows), 1))
    hit = embree_scene(points, triangles_of(outer)).run(begin, down, output=1)
    depth = np.where(hit["primID"] >= 0, 1 - hit["tfar"], np.inf) - points[rows, 2]
    return np.where(depth > -MOST_PUSHED_M, depth, np.inf)


def _fitted(face_points: Points, body_points: Points) -> Points:
    """The face's shape on the body's head."""
    weight, inside = load_head().face_weight, in_face()
    face_mean, body_mean = face_points[inside].mean(axis=0), body_points[inside].mean(axis=0)
    scale = np.sqrt(((body_points[inside] - body_mean) ** 2).sum() / ((face_points[inside] - face_mean) ** 2).sum())
    moved_face = (face_points - face_mean) * scale + body_mean
    return np.asarray(weight[:, None] * moved_face + (1 - weight[:, None]) * body_points)


def in_face() -> Bool[np.ndarray, " N"]:
    """Which of the head's points are skin of the face that a ground truth replaces; by them it is placed and sized."""
    head = load_head()
    inside = np.zeros(len(head.face_weight), bool)
    inside[np.unique(head.skin_faces)] = True
    return inside & (head.face_weight > 0.5)


def _between_eyes(points: Points) -> Float[np.ndarray, "3"]:
    parts = load_head().parts
    return np.asarray((points[parts["eye_left"]].mean(axis=0) + points[parts["eye_right"]].mean(axis=0)) / 2)


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
