"""To the product's own recogniser an actor stays one person over frames, and two actors are two."""

import itertools

import numpy as np

from countenance.actors.actor import draw_actor
from countenance.actors.caster import Caster
from countenance.actors.figure import build_figure, pose_figure
from countenance.actors.performance import still
from countenance.actors.scene import Camera, Lamp, Light
from countenance.vision.identity import Recogniser, cut_chip, embed
from countenance.vision.landmarks import FaceFinder

ACTORS = (0, 1, 4, 7, 9, 14)
"""Women and men of several ages and tones."""
SIZE = 128
CAMERAS = (Camera(frame_m=0.3, distance_m=1.2), Camera(frame_m=0.3, distance_m=1.6, azimuth_deg=6.0))


def light(azimuth_deg: float) -> Light:
    lamp = Lamp(azimuth_deg=azimuth_deg, elevation_deg=30.0, power_w=6.0, size_m=0.5, rgb=(1.0, 1.0, 1.0))
    return Light(environment="studio", turn_deg=0.0, strength=0.9, lamps=(lamp,))


def test_actors_are_nearer_to_themselves_than_to_others() -> None:
    find_faces, recogniser = FaceFinder(), Recogniser()
    own: list[np.ndarray] = []
    for seed in ACTORS:
        figure = build_figure(draw_actor(seed))
        caster, chips = Caster(figure), []
        for yaw, camera, azimuth in zip((0.0, -15.0), CAMERAS, (-25.0, 35.0), strict=True):
            rgb = caster.draw(pose_figure(figure, still(yaw), 0), camera, light(azimuth), SIZE).rgb
            (face,) = find_faces(rgb)
            chips.append(cut_chip(rgb, face.landmarks_xyz[:, :2]))
        own.append(embed(recogniser, chips))
    within = [float(np.linalg.norm(one - other)) for one, other in own]
    between = [
        float(np.linalg.norm(one[:, None] - other[None], axis=2).mean())
        for one, other in itertools.combinations(own, 2)
    ]
    assert np.mean(within) < 0.4
    assert np.mean(between) > 0.55
    assert max(within) < min(between) + 0.1
    assert np.mean(between) > 1.6 * np.mean(within)
