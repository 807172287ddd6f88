"""Glasses."""

import numpy as np

from countenance.actors.actor import Glasses
from countenance.actors.head import Points, load_head
from countenance.actors.mesh import Mesh, joined, tube


def glasses_on(glasses: Glasses | None, points: Points) -> Mesh:
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
        tubes.append(tube(np.stack([x, y, z], axis=1), radius))
        ear = points[np.unique(head.skin_faces)]
        ear_x = side * (np.abs(ear[(np.abs(ear[:, 1] - middle[1]) < 0.01) & (ear[:, 2] < 0.03)][:, 0]).max() - 0.004)
        hinge = np.array([middle[0] + side * (2 * half_w + 0.0095), centre[1] + 0.45 * half_h, front - 0.022])
        ends = np.stack([hinge, np.array([ear_x * 0.98, hinge[1] + 0.002, 0.055]), np.array([ear_x, hinge[1], 0.0])])
        tubes.append(tube(ends, radius))
    across = np.linspace(-0.0095, 0.0095, 8)
    bridge = np.stack(
        [
            middle[0] + across,
            np.full(8, middle[1] + 0.001) + 0.003 * np.cos(across / 0.0095 * np.pi / 2),
            np.full(8, front),
        ],
        axis=1,
    )
    tubes.append(tube(bridge, radius))
    return joined(tubes)
