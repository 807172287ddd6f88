"""The head that every actor's is made from: its points, how they move, and which part of a face they are.

Lengths are metres; y is up, z out of the face, x to the subject's left. Source of the data: `tools/make_head.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from countenance.actors.extra import sparse
from countenance.actors.subdivide import Subdivision, subdivide

BONES = ("neck01", "neck02", "neck03", "head")
BONE_SHARES = (0.15, 0.15, 0.2, 0.5)
"""Of a turn of the head; each bone carries those above it."""
EYE_SOCKET_M = 0.021
RegionName = Literal["face", "lips", "ears", "inside_mouth", "eyelids"]
PartName = Literal["eye_left", "eye_right", "teeth_upper", "teeth_lower", "tongue", "lashes"]
Points = Float[np.ndarray, "_ 3"]
"""Any number of them."""
Matrix = Float[np.ndarray, "4 4"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Head:
    """The template and its moves."""

    points: Points
    skin_faces: Int[np.ndarray, "F 4"]
    skin_uv: Float32[np.ndarray, "F 4 2"]
    """Where each corner lies in the maps, 0–1, v up."""
    cloth_faces: Int[np.ndarray, "C 4"]
    tongue_faces: Int[np.ndarray, "T 4"]
    lash_pairs: Int[np.ndarray, "4 14 2"]
    """Vertices at roots and tips of lashes: left upper, left lower, right upper, right lower."""
    bone_weights: Float[np.ndarray, "4 N"]
    joints: Mapping[str, Int[np.ndarray, " J"]]
    parts: Mapping[PartName, Int[np.ndarray, " P"]]
    maps: Mapping[RegionName, UInt8[np.ndarray, "1024 1024"]]
    """Regions of the skin, 0–255; the first row is v = 1."""
    targets: Mapping[str, tuple[Int[np.ndarray, " K"], Float32[np.ndarray, "K 3"]]]
    """Rows of `points` and how far they move at weight one."""
    skin_levels: tuple[Subdivision, Subdivision, Subdivision]
    """The skin as it is, and subdivided once and twice."""
    face_weight: Float[np.ndarray, " N"]
    """0–1: how far a point belongs to the face that is replaced."""


@cache
def load_head() -> Head:
    """The head data of the package."""
    with np.load(Path(__file__).parent / "data/head.npz") as file:
        arrays: dict[str, Any] = dict(file)
    starts = arrays["target_starts"]
    targets = {
        str(name): (
            arrays["target_rows"][start:end].astype(np.int64),
            arrays["target_offsets"][start:end].astype(np.float32) / 10_000,
        )
        for name, start, end in zip(arrays["target_names"], starts[:-1], starts[1:], strict=True)
    }
    skin_faces = arrays["skin_faces"].astype(np.int64)
    skin_uv = arrays["skin_uv"]
    points = arrays["points"].astype(np.float64)
    targets |= _side_targets(arrays["points"].astype(np.float64))
    maps = {name: arrays[f"map_{name}"] for name in ("face", "lips", "ears", "inside_mouth", "eyelids")}
    parts = {name.removeprefix("part_"): arrays[name].astype(np.int64) for name in arrays if name.startswith("part_")}
    once = subdivide(skin_faces, skin_uv, len(points))
    twice = once.then(subdivide(once.faces, once.uv, once.matrix.shape[0]))
    return Head(
        points=points,
        skin_faces=skin_faces,
        skin_uv=skin_uv,
        cloth_faces=arrays["cloth_faces"].astype(np.int64),
        tongue_faces=arrays["tongue_faces"].astype(np.int64),
        lash_pairs=arrays["lash_pairs"].astype(np.int64),
        bone_weights=arrays["bone_weights"].astype(np.float64),
        joints={bone: arrays[f"joint_{bone}"].astype(np.int64) for bone in BONES},
        parts=parts,  # type: ignore[arg-type]
        maps=maps,  # type: ignore[arg-type]
        targets=targets,
        skin_levels=(
            Subdivision(faces=skin_faces, uv=skin_uv, matrix=sparse().eye_array(len(points), format="csr")),
            once,
            twice,
        ),
        face_weight=_face_weight(skin_faces, skin_uv, maps, parts, points),
    )


def sample_map(region: UInt8[np.ndarray, "S S"], uv: Float[np.ndarray, "*B 2"]) -> Float32[np.ndarray, "*B"]:
    """The nearest texel of a region's map, 0–1."""
    size = region.shape[0]
    column = np.clip((uv[..., 0] * size).astype(np.int64), 0, size - 1)
    row = np.clip(((1 - uv[..., 1]) * size).astype(np.int64), 0, size - 1)
    return np.asarray(region[row, column], np.float32) / np.float32(255)


def moved(points: Points, weights: Mapping[str, float]) -> Points:
    """Points after some of the targets were applied.

    Raises:
        KeyError: no such target.
    """
    targets = load_head().targets
    result = points.copy()
    for name, weight in weights.items():
        rows, offsets = targets[name]
        result[rows] += weight * offsets
    return result


def rotation(yaw_deg: float, pitch_deg: float, roll_deg: float) -> Float[np.ndarray, "3 3"]:
    """Yaw > 0 turns to the subject's left, pitch > 0 looks down, roll > 0 tilts counter-clockwise in the picture."""
    (cy, sy), (cp, sp), (cr, sr) = (
        (np.cos(a), np.sin(a)) for a in np.radians([yaw_deg, pitch_deg, roll_deg]).astype(float)
    )
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z)


def bone_matrices(points: Points, yaw_deg: float, pitch_deg: float, roll_deg: float) -> dict[str, Matrix]:
    """Where neck and head take what hangs on them; the last is the head's own motion."""
    head = load_head()
    found: dict[str, Matrix] = {}
    carried = np.eye(4)
    # Parts of a turn about one axis, which together are the turn; parts of its angles would not be.
    about = cv2.Rodrigues(rotation(yaw_deg, pitch_deg, roll_deg))[0]
    for bone, share in zip(BONES, BONE_SHARES, strict=True):
        pivot = points[head.joints[bone]].mean(axis=0)
        turn = np.eye(4)
        turn[:3, :3] = cv2.Rodrigues(share * about)[0]
        turn[:3, 3] = pivot - turn[:3, :3] @ pivot
        carried = carried @ turn
        found[bone] = carried
    return found


def transform(matrix: Matrix, points: Points) -> Points:
    """Move points by a 4 × 4 matrix."""
    return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3])


def pose(points: Points, matrices: Mapping[str, Matrix]) -> Points:
    """Points of the template's layout, each following the bones by its weights."""
    return pose_by(load_head().bone_weights, points, matrices)


def pose_by(weights: Float[np.ndarray, "4 N"], points: Points, matrices: Mapping[str, Matrix]) -> Points:
    """Points that follow the bones by weights of their own."""
    result = points * (1 - np.clip(weights.sum(axis=0), 0, 1))[:, None]
    for weight, bone in zip(weights, BONES, strict=True):
        result += weight[:, None] * transform(matrices[bone], points)
    return np.asarray(result)


def _side_targets(points: Points) -> dict[str, tuple[Int[np.ndarray, " K"], Float32[np.ndarray, "K 3"]]]:
    """Breadth of the face beside the features, of the skull behind it and of the jaw's angle; weight one: 1 cm a side.

    The data has no target for them: its own scale eyes, nose and mouth along with the head, or only push outwards.
    """
    x, y, z = points.T
    side = np.sign(x) * _smooth((np.abs(x) - 0.036) / 0.030)
    above_neck = _smooth((y - 0.610) / 0.05)
    skull = _smooth((y - 0.735) / 0.05)
    angle = np.sign(x) * _smooth((np.abs(x) - 0.012) / 0.03)
    jaw = 0.01 * angle * _smooth((0.708 - y) / 0.042) * _smooth((y - 0.600) / 0.035) * _smooth((0.140 - z) / 0.045)
    jaw *= _smooth((z - 0.020) / 0.040)
    found = {}
    for name, offset in (
        ("face-breadth", 0.01 * side * above_neck * (1 - skull)),
        ("skull-breadth", 0.01 * side * skull * _smooth((0.095 - z) / 0.06)),
        ("jaw-breadth", jaw),
    ):
        rows = np.flatnonzero(np.abs(offset) > 1e-5)
        outwards = np.zeros((len(rows), 3), np.float32)
        outwards[:, 0] = offset[rows]
        found[f"detail-{name}-decr"], found[f"detail-{name}-incr"] = (rows, -outwards), (rows, outwards)
    return found


def _smooth(place: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """From 0 to 1 with soft ends."""
    at = np.clip(place, 0, 1)
    return np.asarray(at * at * (3 - 2 * at))


def _face_weight(
    faces: Int[np.ndarray, "F 4"],
    uv: Float32[np.ndarray, "F 4 2"],
    maps: Mapping[str, UInt8[np.ndarray, "S S"]],
    parts: Mapping[str, Int[np.ndarray, " P"]],
    points: Points,
) -> Float[np.ndarray, " N"]:
    """The face's map, softened over the mesh inwards from its border; nothing outside of it moves."""
    num_points = len(points)

    def at_points(name: str) -> Float[np.ndarray, " N"]:
        values = np.zeros(num_points)
        values[faces.ravel()] = sample_map(maps[name], uv).ravel()
        return values

    edges = np.unique(np.sort(np.concatenate([faces[:, [i, (i + 1) % 4]] for i in range(4)]), axis=1), axis=0)
    both = np.concatenate([edges, edges[:, ::-1]])
    degree = np.maximum(np.bincount(both[:, 0], minlength=num_points), 1)
    inside = at_points("inside_mouth") > 0.5
    # The lids' inner sides have islands of their own in the map, which the face's doesn't cover.
    socket = np.zeros(num_points, bool)
    for eye in ("eye_left", "eye_right"):
        socket |= np.linalg.norm(points - points[parts[eye]].mean(axis=0), axis=1) < EYE_SOCKET_M
    inside |= socket
    core = np.where(inside, 1.0, at_points("face"))
    weight = core
    for _ in range(4):
        total = np.bincount(both[:, 0], weights=weight[both[:, 1]], minlength=num_points)
        weight = 0.5 * weight + 0.5 * total / degree
    weight = weight * (core > 0.02) * (at_points("ears") < 0.3)
    weight[inside] = 1
    for rows in parts.values():
        weight[rows] = 1
    return np.asarray(weight)
