"""How the caster sees glasses: the frame's surface, and what lenses add to and take from what lies behind them."""

import numpy as np

from countenance.actors.light import look_up
from countenance.actors.materials import Colours, Lighting, Look, Rows, Surface
from countenance.actors.rays import LensHits, Vectors

COATED_RGB = np.array([0.75, 1.05, 0.95], np.float32)
"""What coated lenses reflect is greenish."""
BRIGHTEST = 30.0


def add_frame(surface: Surface, look: Look, at: Rows) -> None:
    """Fill in the places `at` of the surface that show a frame."""
    glasses = look.figure.body.glasses
    if glasses is not None and glasses.kind in {"wire", "half"}:
        surface.albedo[at] *= 0.5
        surface.roughness[at], surface.shine[at] = 0.09, 0.4
    else:
        surface.roughness[at], surface.shine[at] = 0.14, 0.05


def through_lenses(look: Look, lens: LensHits, rays: Vectors, seen: Colours, light: Lighting) -> Colours:
    """What is seen behind lenses, tinted, and the surroundings and lamps that they mirror."""
    normal = np.where((lens.normal * rays).sum(axis=1, keepdims=True) > 0, -lens.normal, lens.normal)
    facing = np.clip(-(rays * normal).sum(axis=1), 0, 1)
    least = look.figure.lenses.reflectance
    reflected = (least + (1 - least) * (1 - facing) ** 5)[:, None]
    mirrored = (rays + 2 * facing[:, None] * normal).astype(np.float32)
    bright = look_up(light.around.picture, mirrored).clip(0, BRIGHTEST)
    # The environments' own suns are in their pictures.
    num_lamps = len(light.lamps) - len(light.around.suns)
    for (direction, power), radius in zip(light.lamps[:num_lamps], light.radii[:num_lamps], strict=True):
        away = np.arccos(np.clip(mirrored @ direction, -1, 1)) / radius
        bright += np.clip(4 - 4 * away, 0, 1)[:, None] * power / np.float32(np.pi * radius**2)
    glasses = look.figure.body.glasses
    coating = 0.0 if glasses is None else glasses.coating
    return np.asarray(
        (1 - reflected) * lens.passing * seen + reflected * bright * (1 + coating * (COATED_RGB - 1)), np.float32
    )
