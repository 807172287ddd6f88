"""How the caster sees eyes."""

import numpy as np

from countenance.actors.figure import Figure
from countenance.actors.materials import Colours, Look, Rows, Surface
from countenance.actors.rays import Hits, Triangles, Vectors, linear, spread


def add_eyes(
    surface: Surface, look: Look, triangles: Triangles, hits: Hits, rays: Vectors, rows: Rows, at: Rows
) -> None:
    """Fill in the places `at` of the surface that show an eyeball; `rows` are the same places among all rays."""
    surface.albedo[at] = _colour(look.figure, triangles, hits, rows)
    surface.roughness[at], surface.shine[at] = 0.06, 0.05
    # Lids shade the ball from above and at its corners.
    outward = -(surface.normal[at] * rays[rows]).sum(axis=1)
    surface.openness[at] = 0.42 + 0.4 * np.clip(1.2 * outward - 0.2, 0, 1)


def _colour(figure: Figure, triangles: Triangles, hits: Hits, rows: Rows) -> Colours:
    """Pupil, iris with fibres, limbal ring, and a white that is not white."""
    x, y, z = spread(triangles.eye_directions, triangles.triangles, hits, rows).T
    radius = np.hypot(x, y) + 2 * (z < 0)
    angle = np.arctan2(y, x)
    fibres = 0.5 + 0.25 * np.sin(angle * 23 + 3 * np.sin(angle * 5)) + 0.25 * np.sin(angle * 41 + radius * 30)
    iris = linear(figure.face.iris_rgb) * (0.45 + 0.9 * fibres * np.clip(radius / 0.4, 0.4, 1))[:, None]
    iris = iris * (1 - 0.85 * np.clip((radius - 0.37) / 0.09, 0, 1))[:, None]
    away = np.clip((radius - 0.5) / 0.5, 0, 1)[:, None]
    white = np.array([0.66, 0.62, 0.57]) * (1 - 0.25 * away) - np.array([0.0, 0.08, 0.08]) * away
    edge = np.clip((radius - 0.45) / 0.06, 0, 1)[:, None]
    pupil = np.clip((0.19 - radius) / 0.025, 0, 1)[:, None]
    return np.asarray((iris * (1 - edge) + white * edge) * (1 - pupil) + 0.004 * pupil, np.float32)
