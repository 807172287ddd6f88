"""Scenes drawn from a seed."""

from dataclasses import replace

import numpy as np

from countenance.actors.light import irradiance, lamp_irradiance, surroundings
from countenance.actors.scene import ENVIRONMENTS, FRAME_M, Camera, Environment, Lamp, Light, Scene, Shot
from countenance.actors.surface import unit


def draw_scene(seed: int, num_frames: int, num_shots: int = 1) -> Scene:
    """The scene of a seed; its shots are of equal length, the last takes what is left."""
    rng = np.random.default_rng([seed, 3])
    lengths = [num_frames // num_shots] * num_shots
    lengths[-1] += num_frames - sum(lengths)
    chosen = [ENVIRONMENTS[(seed + i * 3 + int(rng.integers(2))) % len(ENVIRONMENTS)] for i in range(num_shots)]
    return Scene(
        seed=seed,
        shots=tuple(
            Shot(num_frames=length, light=draw_light(rng, environment), camera=draw_camera(rng))
            for length, environment in zip(lengths, chosen, strict=True)
        ),
    )


def draw_light(rng: np.random.Generator, environment: Environment) -> Light:
    """An environment turned at random, with a key lamp most of the time and a weaker one sometimes."""
    lamps = []
    if rng.random() < 0.75:
        side = 1 if rng.random() < 0.5 else -1
        lamps.append(
            Lamp(
                azimuth_deg=side * float(rng.uniform(15, 70)),
                elevation_deg=float(rng.uniform(5, 50)),
                power_w=float(rng.uniform(4, 13)),
                size_m=float(rng.uniform(0.3, 0.8)),
                rgb=(1.0, float(rng.uniform(0.88, 1.0)), float(rng.uniform(0.75, 1.0))),
            )
        )
        if rng.random() < 0.3:
            lamps.append(
                Lamp(
                    azimuth_deg=-side * float(rng.uniform(60, 140)),
                    elevation_deg=float(rng.uniform(10, 50)),
                    power_w=float(rng.uniform(3, 10)),
                    size_m=float(rng.uniform(0.2, 0.6)),
                    rgb=(float(rng.uniform(0.8, 1.0)), float(rng.uniform(0.85, 1.0)), 1.0),
                )
            )
    light = Light(environment=environment, turn_deg=float(rng.uniform(0, 360)), strength=1.0, lamps=tuple(lamps))
    return exposed(light, float(np.exp(rng.normal(np.log(0.78), 0.25))))


def exposed(light: Light, brightness: float) -> Light:
    """The light at a strength at which a white surface that faces the camera, or a little aside, is this bright."""
    around = surroundings(light)
    facing = unit(np.array([[0, 0.15, 1], [0.7, 0, 1], [-0.7, 0, 1]])).astype(np.float32)
    from_around = irradiance(around.harmonics, facing) / np.pi
    lit = [(sun.direction, sun.irradiance) for sun in around.suns] + lamp_irradiance(light)
    from_lamps = sum((facing @ direction).clip(0)[:, None] * power / np.pi for direction, power in lit)
    factor = brightness / max(float(np.mean(from_around + from_lamps)), 1e-3)
    lamps = tuple(replace(lamp, power_w=lamp.power_w * factor) for lamp in light.lamps)
    return replace(light, strength=light.strength * factor, lamps=lamps)


def draw_camera(rng: np.random.Generator) -> Camera:
    """Near or far, a little from the side, never quite centred."""
    return Camera(
        azimuth_deg=float(rng.uniform(-8, 8)),
        elevation_deg=float(rng.uniform(-6, 6)),
        distance_m=float(rng.uniform(0.7, 1.8)),
        frame_m=FRAME_M * float(rng.uniform(0.95, 1.25)),
        shift_m=(float(rng.uniform(-0.015, 0.015)), float(rng.uniform(-0.02, 0.01))),
    )
