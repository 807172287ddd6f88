"""Glasses: a frame, and the lenses in it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from countenance.actors.actor import Glasses
from countenance.actors.head import Points, load_head
from countenance.actors.mesh import Mesh, joined, tube

NUM_RINGS, NUM_SIDES = 7, 40
BRIDGE_M = 0.009
"""Half of the distance between the rims."""
BULGE_M = 0.0026
"""How far the middle of a lens lies before its edge."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Lenses:
    """Both lenses; without glasses, none."""

    mesh: Mesh
    passing: Float32[np.ndarray, "L 3"]
    """Fraction of the light that passes at each point, linear."""
    reflectance: float
    """Fraction of the light that is reflected head-on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fit:
    """Where glasses sit on a face."""

    middle: Float[np.ndarray, " 3"]
    """Between the eyes."""
    front: float
    """The rims' foremost z."""


def glasses_on(glasses: Glasses | None, points: Points) -> Mesh:
    """Rims, bridge and temples, as tubes; `half` frames have no lower rim."""
    if glasses is None:
        return Mesh(points=np.zeros((0, 3)), faces=np.zeros((0, 4), np.int64))
    fit = _fit(points)
    skin = points[np.unique(load_head().skin_faces)]
    radius = glasses.thickness_m / 2
    half_w, half_h = glasses.width_m / 2, glasses.height_m / 2
    turn = np.linspace(-0.12 * np.pi, 1.12 * np.pi, 33) if glasses.kind == "half" else np.linspace(0, 2 * np.pi, 41)
    tubes = []
    for side in (1, -1):
        tubes.append(tube(_outline(glasses, fit, side, turn, 1.0), radius))
        hinge_y = fit.middle[1] - 0.004 + 0.45 * half_h
        outside = fit.middle[0] + side * (2 * half_w + BRIDGE_M)
        hinge = np.array([outside, hinge_y, fit.front - 0.35 * (outside - fit.middle[0]) ** 2 / 0.06])
        # Along the temple, just off the skin, to where the ear begins.
        near = skin[(np.abs(skin[:, 1] - hinge_y) < 0.008) & (side * skin[:, 0] > 0.04)]
        steps = [hinge]
        width = 0.05
        for z in np.arange(0.075, 0.02, -0.0175):
            beside = near[(np.abs(near[:, 2] - z) < 0.012) & (near[:, 2] > 0.028)]
            if len(beside):
                width = max(float(np.abs(beside[:, 0]).max()), 0.05) + radius + 0.001
            free = np.interp(z, [0.0, 0.08], [width, side * (outside - fit.middle[0])])
            steps.append(np.array([side * max(width, free), hinge_y + 0.001, z]))
        tubes.append(tube(np.stack(steps), 0.8 * radius))
    across = np.linspace(-BRIDGE_M - 0.0005, BRIDGE_M + 0.0005, 8)
    bridge = np.stack(
        [
            fit.middle[0] + across,
            np.full(8, fit.middle[1] + 0.001) + 0.003 * np.cos(across / 0.0095 * np.pi / 2),
            np.full(8, fit.front),
        ],
        axis=1,
    )
    tubes.append(tube(bridge, radius))
    return joined(tubes)


def lenses_on(glasses: Glasses | None, points: Points) -> Lenses:
    """Discs that fill the rims, curved as lenses are."""
    if glasses is None:
        none = Mesh(points=np.zeros((0, 3)), faces=np.zeros((0, 4), np.int64))
        return Lenses(mesh=none, passing=np.zeros((0, 3), np.float32), reflectance=0.0)
    fit = _fit(points)
    turn = np.linspace(0, 2 * np.pi, NUM_SIDES, endpoint=False)
    i, j = np.meshgrid(np.arange(NUM_RINGS - 1), np.arange(NUM_SIDES), indexing="ij")
    after = (j + 1) % NUM_SIDES
    faces = np.stack(
        [i * NUM_SIDES + j, (i + 1) * NUM_SIDES + j, (i + 1) * NUM_SIDES + after, i * NUM_SIDES + after], axis=-1
    ).reshape(-1, 4)
    discs, heights = [], []
    for side in (1, -1):
        rings = [_outline(glasses, fit, side, turn, part) for part in np.linspace(0.02, 1.0, NUM_RINGS)]
        disc = np.concatenate(rings)
        # Both discs face forwards.
        discs.append(Mesh(points=disc, faces=faces if side == 1 else faces[:, ::-1]))
        heights.append((disc[:, 1] - disc[:, 1].min()) / np.ptp(disc[:, 1]))
    low = 1 - np.concatenate(heights)[:, None]
    tint = np.array(glasses.lens_rgb)
    return Lenses(
        mesh=joined(discs),
        passing=(tint * (1 + 1.2 * glasses.graded * low)).clip(0, 1).astype(np.float32),
        reflectance=0.085 * (1 - 0.8 * glasses.coating),
    )


def _fit(points: Points) -> _Fit:
    head = load_head()
    left, right = (points[head.parts[name]] for name in ("eye_left", "eye_right"))
    front = max(left[:, 2].max(), right[:, 2].max()) + 0.011
    return _Fit(middle=(left.mean(axis=0) + right.mean(axis=0)) / 2, front=float(front))


def _outline(glasses: Glasses, fit: _Fit, side: int, turn: Float[np.ndarray, " N"], part: float) -> Points:
    """Points of a rim, or of a smaller ring inside it."""
    exponent = 2 / (2 + 3 * (1 - glasses.roundness))
    half_w, half_h = glasses.width_m / 2, glasses.height_m / 2
    cosine, sine = np.cos(turn), np.sin(turn)
    x = fit.middle[0] + side * (half_w + BRIDGE_M) + side * part * half_w * np.sign(cosine) * np.abs(cosine) ** exponent
    y = fit.middle[1] - 0.004 + part * half_h * np.sign(sine) * np.abs(sine) ** exponent
    z = fit.front - 0.35 * np.abs(x - fit.middle[0]) ** 2 / 0.06 + BULGE_M * (1 - part**2)
    return np.stack([x, y, z], axis=1)
