"""Two rows of teeth and their gums, shaped on the template; posed with the jaw by the template's own rows."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Int

from countenance.actors.head import load_head

WIDTHS = {"upper": (85, 66, 76, 70, 68, 100, 100), "lower": (55, 60, 68, 70, 70, 105, 100)}
"""From the middle to the back; only their ratios count."""
HEIGHTS_M = {
    "upper": (0.0105, 0.0092, 0.0105, 0.0088, 0.0085, 0.0078, 0.0075),
    "lower": (0.0085, 0.0088, 0.0098, 0.0085, 0.0080, 0.0075, 0.0072),
}
AROUND, ALONG = 12, 8


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Row:
    """Teeth and gum of one jaw."""

    teeth: Float[np.ndarray, "T 3"]
    teeth_faces: Int[np.ndarray, "F 4"]
    gum: Float[np.ndarray, "G 3"]
    gum_faces: Int[np.ndarray, "H 4"]


@cache
def teeth_row(jaw: str) -> Row:
    """The row of a jaw, `upper` or `lower`."""
    head, upper = load_head(), jaw == "upper"
    helper = head.points[head.parts["teeth_upper" if upper else "teeth_lower"]]
    half_width, front, back = helper[:, 0].max(), helper[:, 2].max() - 0.003, helper[:, 2].min()
    edge = helper[:, 1].min() if upper else helper[:, 1].max()
    turn = np.linspace(0, np.pi / 2 * 0.98, 400)
    x, z = (half_width - 0.0035) * np.sin(turn), back + (front - back) * np.cos(turn)
    reach = np.r_[0, np.cumsum(np.hypot(np.diff(x), np.diff(z)))]
    widths = np.array(WIDTHS[jaw]) / sum(WIDTHS[jaw]) * reach[-1] * 0.9

    def at(distance: float) -> tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]]:
        here, ahead, behind = (
            np.array([np.interp(d, reach, x), np.interp(d, reach, z)])
            for d in (distance, distance + 0.001, max(distance - 0.001, 0))
        )
        along = ahead - behind
        return here, along / np.linalg.norm(along)

    points: list[Float[np.ndarray, "N 3"]] = []
    faces, begin = [], 0.0
    for number, (width, height) in enumerate(zip(widths, HEIGHTS_M[jaw], strict=True)):
        here, along = at(begin + width / 2)
        begin += width
        thickness = 0.0036 if number < 3 else 0.0052
        shape = _tooth(width * 0.99, height, thickness, tapers_up=upper)
        middle = edge + (0.55 if upper else -0.55) * height + (0.0008 * (number % 2) if upper else 0)
        inward = np.array([-along[1], along[0]])
        for side in (1, -1):
            placed = np.column_stack(
                [
                    here[0] + shape[:, 0] * along[0] - shape[:, 2] * inward[0],
                    middle + shape[:, 1],
                    here[1] + shape[:, 0] * along[1] - shape[:, 2] * inward[1],
                ]
            )
            placed[:, 0] *= side
            faces.append(_tube_faces(ALONG, AROUND)[:, ::-side] + sum(map(len, points)))
            points.append(placed)
    gum_y = edge + (0.0135 if upper else -0.0125)
    gum = []
    for distance in np.linspace(-reach[-1], reach[-1], 60) * 0.99:
        here, along = at(abs(distance))
        outward = np.array([along[1], -along[0]]) * (1, 1)
        outward = -outward if outward[1] < 0 else outward
        circle = np.linspace(0, 2 * np.pi, 13)[:-1]
        ring = np.column_stack(
            [
                (here[0] + outward[0] * np.cos(circle) * 0.005) * np.sign(distance or 1),
                gum_y + np.sin(circle) * 0.0075,
                here[1] + outward[1] * np.cos(circle) * 0.005,
            ]
        )
        gum.append(ring)
    return Row(
        teeth=np.concatenate(points),
        teeth_faces=np.concatenate(faces),
        gum=np.concatenate(gum),
        gum_faces=_tube_faces(60, 12),
    )


def _tooth(width: float, height: float, thickness: float, *, tapers_up: bool) -> Float[np.ndarray, "N 3"]:
    """A rounded block, x along the row, y up, z outward: a superellipsoid, a little narrower at the root."""
    around, along = np.meshgrid(np.linspace(0, 2 * np.pi, AROUND + 1)[:-1], np.linspace(-np.pi / 2, np.pi / 2, ALONG))

    def power(value: Float[np.ndarray, "A B"], exponent: float) -> Float[np.ndarray, "A B"]:
        return np.asarray(np.sign(value) * np.abs(value) ** exponent)

    x = power(np.cos(along), 0.35) * power(np.cos(around), 0.55) * width / 2
    y = power(np.sin(along), 0.6) * height * 0.62
    z = power(np.cos(along), 0.45) * power(np.sin(around), 0.7) * thickness
    x *= 1 + 0.12 * (-y if tapers_up else y) / height
    return np.stack([x, y, z], axis=-1).reshape(-1, 3)


def _tube_faces(along: int, around: int) -> Int[np.ndarray, "F 4"]:
    i, j = np.meshgrid(np.arange(along - 1), np.arange(around), indexing="ij")
    after = (j + 1) % around
    return np.stack([i * around + j, i * around + after, (i + 1) * around + after, (i + 1) * around + j], -1).reshape(
        -1, 4
    )
