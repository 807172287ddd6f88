"""Measure the camera's presets: what each does to frames, and what it costs; prints the tables of `docs/capture.md`.

    .venv/bin/python tools/measure_capture.py

Frames are those of the demo's performance. Losses are counted against an ideal camera: the same exposure, white
balance and tone, and nothing else.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import islice

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.capture.codec import Spent, recorded
from countenance.capture.film import develop_frames
from countenance.capture.lens import through_lens
from countenance.capture.presets import draw_capture
from countenance.capture.processing import Developer
from countenance.capture.sensor import sensed
from countenance.capture.settings import KINDS, Capture, Lens, Processing, Sensor
from countenance.capture.shutter import exposed
from countenance.capture.tone import film_curve, scene_light
from countenance.demo import data_folder
from countenance.media.probe import probe
from countenance.media.reader import read_frames

FRAME_RATE, NUM_FRAMES, SEEDS = Fraction(24), 24, range(6)
EDGE_LIGHT = (0.08, 0.32)
"""On both sides of the edge by which sharpness is measured, two stops apart around mid grey."""
EDGE_DEG = 5.0


def main() -> None:
    frames = [frame.rgb for frame in islice(read_frames(probe(data_folder() / "performance.mp4")), NUM_FRAMES)]
    print_noise()
    print("\n| kind | PSNR before encoding, dB | after | MTF50, cycles a pixel | bits a pixel asked | spent |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind in KINDS:
        rows = np.array([losses(frames, draw_capture(seed, kind)) for seed in SEEDS])
        cells = [f"{np.median(column):.2f} ({column.min():.2f}–{column.max():.2f})" for column in rows.T]
        print(f"| {kind} | {' | '.join(cells)} |")
    for height, width in ((256, 256), (720, 1280)):
        print_costs(frames[0], height, width)


def print_noise() -> None:
    """Variance of flat patches against their mean, in electrons: the slope is shot noise, what is left read noise."""
    print("| kind | full well, e⁻ | read noise, e⁻ | slope of variance | read noise found, e⁻ |")
    print("| --- | --- | --- | --- | --- |")
    for kind in KINDS:
        sensor = replace(draw_capture(0, kind).sensor, has_mosaic=False, exposure_stops=0.0, sensitivity_rgb=(1, 1, 1))
        to_electrons = sensor.saturation_e / sensor.clip_light
        means, variances = [], []
        # Dense where read noise decides.
        for number, level in enumerate(np.linspace(0, 0.85, 16) ** 2):
            light = np.full((512, 512, 3), level * sensor.clip_light, np.float32)
            counted = sensed(light, sensor, (1, 1, 1), np.random.default_rng(number)) * np.float32(to_electrons)
            means.append(float(counted.mean(dtype=np.float64)))
            variances.append(float(counted.var(dtype=np.float64)))
        weights = 1 / np.array(variances)
        slope, constant = np.polyfit(means, variances, 1, w=weights)
        wells = f"{sensor.full_well_e:.0f}, {sensor.gain_stops:.1f} stops of gain"
        print(f"| {kind} | {wells} | {sensor.read_noise_e:.1f} | {slope:.3f} | {np.sqrt(max(constant, 0)):.1f} |")


def losses(frames: list[UInt8[np.ndarray, "H W 3"]], capture: Capture) -> tuple[float, ...]:
    """PSNR before and after encoding, sharpness, and bits of the last codec."""
    wanted = list(develop_frames(frames, ideal(capture), frame_rate=FRAME_RATE))
    shown = developed = list(develop_frames(frames, capture, frame_rate=FRAME_RATE))
    spent = Spent()
    for codec in capture.codecs:
        spent = Spent()
        shown = list(recorded(shown, codec, FRAME_RATE, spent=spent))
    height, width = frames[0].shape[:2]
    bits = spent.bits_per_pixel(width, height)
    return psnr(wanted, developed), psnr(wanted, shown), mtf50(capture), capture.codecs[-1].bits_per_pixel, bits


def ideal(capture: Capture) -> Capture:
    """The same exposure and colours, and nothing that is lost or added."""
    sensor = Sensor(
        full_well_e=1e12,
        read_noise_e=0,
        headroom_stops=capture.sensor.headroom_stops,
        exposure_stops=capture.sensor.exposure_stops,
        has_mosaic=False,
    )
    kept = capture.processing
    processing = Processing(
        white_balance_rgb=kept.white_balance_rgb, saturation=kept.saturation, knee=kept.knee, shadows=kept.shadows
    )
    return replace(capture, lens=Lens(), sensor=sensor, processing=processing)


def psnr(wanted: list[UInt8[np.ndarray, "H W 3"]], got: list[UInt8[np.ndarray, "H W 3"]]) -> float:
    """Over all frames, in dB."""
    error = np.mean([np.square(a.astype(np.float64) - b).mean() for a, b in zip(wanted, got, strict=True)])
    return float(10 * np.log10(255**2 / error))


def mtf50(capture: Capture) -> float:
    """Spatial frequency at which half of the contrast is left, before encoding: ISO 12233's slanted edge, on luma."""
    size = 128
    y, x = np.mgrid[:size, :size].astype(np.float64) - (size - 1) / 2
    distance = x * np.cos(np.radians(EDGE_DEG)) + y * np.sin(np.radians(EDGE_DEG))
    # An ideal pixel gathers the light of its own square.
    part = np.clip(distance + 0.5, 0, 1)[..., None]
    light = EDGE_LIGHT[0] + (EDGE_LIGHT[1] - EDGE_LIGHT[0]) * part * np.ones(3)
    rgb = np.round(film_curve(light) * 255).astype(np.uint8)
    clean = replace(capture, sensor=replace(capture.sensor, full_well_e=1e9, read_noise_e=0))
    (seen,) = develop_frames([rgb], clean, frame_rate=FRAME_RATE)
    grey = cv2.cvtColor(seen, cv2.COLOR_RGB2GRAY).astype(np.float64)[16:-16, 16:-16]
    bins = np.round(distance[16:-16, 16:-16] * 4).astype(int)
    positions = np.arange(-80, 81)
    edge = np.array([grey[bins == each].mean() for each in positions])
    spread = np.diff(edge) * np.hanning(len(edge) - 1)
    contrast = np.abs(np.fft.rfft(spread, 4096))
    contrast /= contrast[0]
    frequencies = np.fft.rfftfreq(4096, 0.25)
    return float(frequencies[int(np.argmax(contrast < 0.5))])


def print_costs(frame: UInt8[np.ndarray, "H W 3"], height: int, width: int) -> None:
    """CPU milliseconds a frame of each stage."""
    rgb = cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC)
    print(f"\n| {width} × {height} | light | lens | motion | sensor | processing | codecs |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for kind in KINDS:
        cells = [f"{cost:.1f}" for cost in costs(rgb, draw_capture(1, kind))]
        print(f"| {kind} | {' | '.join(cells)} |")


def costs(rgb: UInt8[np.ndarray, "H W 3"], capture: Capture) -> list[float]:
    """CPU milliseconds a frame of each stage; a head in the middle moves."""
    height, width = rgb.shape[:2]
    light = scene_light(rgb)
    motion = np.zeros((height, width, 2), np.float32)
    motion[height // 6 : -height // 6, width // 3 : -width // 3] = (3, 1)
    developer = Developer(processing=capture.processing)
    stages: list[Callable[[], object]] = [
        lambda: scene_light(rgb),
        lambda: through_lens(light, capture.lens),
        lambda: exposed(light, motion, capture.shutter, float(FRAME_RATE)),
        lambda: sensed(light, capture.sensor, (1, 1, 1), np.random.default_rng(1)),
        lambda: developer.develop(light),
    ]
    noisy = list(develop_frames([rgb] * 12, capture, frame_rate=FRAME_RATE))
    return [milliseconds(stage, 5) for stage in stages] + [milliseconds(lambda: encoded(noisy, capture), 1) / 12]


def encoded(frames: list[UInt8[np.ndarray, "H W 3"]], capture: Capture) -> Float32[np.ndarray, " 3"]:
    """Mean colour after all codecs."""
    for codec in capture.codecs:
        frames = list(recorded(frames, codec, FRAME_RATE))
    return np.asarray(frames[-1].mean(axis=(0, 1)), np.float32)


def milliseconds(stage: Callable[[], object], repeats: int) -> float:
    """Of processor time, after a first run."""
    if repeats > 1:
        stage()
    begun = time.process_time()
    for _ in range(repeats):
        stage()
    return (time.process_time() - begun) / repeats * 1e3


if __name__ == "__main__":
    main()
