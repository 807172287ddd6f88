"""Eyes: what an iris, a pupil, a white, tears and lashes look like, and whose they are."""

from dataclasses import replace

import numpy as np
import pytest

from countenance.actors.actor import draw_actor
from countenance.actors.caster import Caster
from countenance.actors.eyes import eye_frame, paint_eyes
from countenance.actors.figure import Figure, Posed, pose_figure
from countenance.actors.light import lamp_windows, pupil_scale, windows_seen
from countenance.actors.performance import still
from countenance.actors.scene import FACE_CENTRE, Camera, Lamp, Light
from countenance.vision.parts import Part

LAMP = Lamp(azimuth_deg=20.0, elevation_deg=15.0, power_w=8.0, size_m=0.4, rgb=(1.0, 1.0, 1.0))
DIM = Light(environment="interior", turn_deg=0.0, strength=0.3)
LIT = replace(DIM, lamps=(LAMP,))
SIZE = 96


def close_to(posed: Posed) -> Camera:
    """An eye fills the image."""
    centre = eye_frame(posed.eye_left).centre - FACE_CENTRE
    return Camera(frame_m=0.034, shift_m=(float(centre[0]), float(centre[1])))


def pattern(iris: np.ndarray) -> np.ndarray:
    """Detail without colour or rings."""
    grey = iris.mean(axis=2)
    return np.asarray((grey / grey.mean(axis=1, keepdims=True) - 1)[4:-8])


def alike(one: np.ndarray, other: np.ndarray) -> float:
    """The highest correlation over all turns, mirrored or not."""
    found = []
    for turned in (other, other[:, ::-1]):
        spectrum = (np.fft.fft(one, axis=1) * np.conj(np.fft.fft(turned, axis=1))).sum(axis=0)
        found.append(np.fft.ifft(spectrum).real.max() / np.sqrt((one**2).sum() * (other**2).sum()))
    return float(max(found))


def test_no_two_irises_share_a_pattern() -> None:
    maps = [paint_eyes(draw_actor(seed), 128).iris for seed in range(8)]
    patterns = [pattern(iris) for pair in maps for iris in pair]
    assert alike(patterns[0], np.roll(patterns[0], 9, axis=1)) > 0.99
    between = [alike(one, other) for i, one in enumerate(patterns) for other in patterns[:i]]
    assert np.median(between) < 0.6
    assert all(alike(pattern(left), pattern(right)) < 0.95 for left, right in maps)


def test_irises_keep_their_colours_and_some_have_two() -> None:
    actors = [draw_actor(seed) for seed in range(120)]
    for actor in actors[:24]:
        own, seen = np.array(actor.iris_rgb), paint_eyes(actor, 64).iris[:, 5:7].mean(axis=(0, 1, 2)) ** (1 / 2.2)
        assert np.corrcoef(own, seen)[0, 1] > 0.5
    dark = [actor for actor in actors if actor.skin.tone > 0.75]
    assert np.mean([sum(actor.eyes.iris_rgb) < 1.1 for actor in dark]) > 0.9
    pale = [actor for actor in actors if sum(actor.iris_rgb) > 1.0]
    assert 0.1 < np.mean([actor.eyes.inner_strength > 0.4 for actor in pale]) < 0.7


def test_whites_redden_and_yellow_and_are_never_white() -> None:
    actor = draw_actor(3)

    def white(redness: float, yellowing: float) -> np.ndarray:
        eyes = replace(actor.eyes, redness=redness, yellowing=yellowing)
        return np.asarray(paint_eyes(replace(actor, eyes=eyes), 128).sclera)

    young, red, yellow = white(0.0, 0.0), white(1.0, 0.0), white(0.0, 1.0)
    assert young.max() < 0.75
    redness = [float((each[..., 0] / each[..., 1]).mean()) for each in (young, red)]
    assert redness[1] > 1.05 * redness[0]
    assert red.std(axis=2).max() > 1.5 * young.std(axis=2).max()
    assert (yellow[..., 2] / yellow[..., 0]).mean() < 0.85 * (young[..., 2] / young[..., 0]).mean()


def test_pupils_narrow_in_light(likeness: Figure) -> None:
    assert pupil_scale(replace(DIM, strength=3.0)) < pupil_scale(replace(DIM, strength=0.5))
    posed = pose_figure(likeness, still(), 0)
    caster, camera = Caster(likeness), close_to(posed)
    dark = []
    for strength in (0.4, 3.0):
        light = replace(DIM, environment="studio", strength=strength)
        picture = caster.draw(posed, camera, light, SIZE)
        eye = picture.rgb[picture.labels == Part.EYE].mean(axis=1)
        dark.append((eye < 0.25 * np.median(eye)).sum())
    assert dark[0] > 1.1 * dark[1] > 0
    assert len({draw_actor(seed).eyes.pupil for seed in range(20)}) == 20


def test_a_lamp_is_a_bright_square_in_the_eye(likeness: Figure) -> None:
    (window,) = lamp_windows(LIT)
    middle, edge = window.axes[2], window.axes[2] + 1.5 * window.half_width * window.axes[0]
    seen = windows_seen([window], np.stack([middle, edge / np.linalg.norm(edge), -middle]).astype(np.float32))
    assert seen[0].min() > 5
    assert seen[1:].max() == 0
    posed = pose_figure(likeness, still(), 0)
    caster, camera = Caster(likeness), close_to(posed)
    without, with_it = (caster.draw(posed, camera, light, SIZE).rgb.astype(int).min(axis=2) for light in (DIM, LIT))
    labels = caster.draw(posed, camera, LIT, SIZE, colour=False).labels
    gain = np.where(labels == Part.EYE, with_it - without, 0)
    bright = np.argwhere(gain > 100)
    # A few pixels of the cornea, together.
    assert 3 <= len(bright) < 0.06 * (labels == Part.EYE).sum()
    assert np.ptp(bright, axis=0).max() < 0.2 * SIZE


def test_the_upper_lid_shades_the_ball(likeness: Figure) -> None:
    posed = pose_figure(likeness, still(), 0)
    camera, caster, light = close_to(posed), Caster(likeness), replace(DIM, environment="studio", strength=1.0)
    # With the lids' margins out of the way nothing shades.
    bare = replace(posed, lids=posed.lids - [0, 0, 0.2])
    shaded, even = (caster.draw(each, camera, light, SIZE) for each in (posed, bare))
    eye = shaded.labels == Part.EYE
    share = shaded.rgb.mean(axis=2) / np.maximum(even.rgb.mean(axis=2), 1)
    near, far = [], []
    for column in np.flatnonzero(eye.sum(axis=0) > 12):
        rows = np.flatnonzero(eye[:, column])
        near.append(share[rows[1:3], column].mean())
        far.append(share[rows[len(rows) // 2], column])
    assert np.mean(near) < 0.9 * np.mean(far)


def test_tears_are_part_of_the_eye_and_closed_lids_hide_all_of_it(likeness: Figure) -> None:
    posed = pose_figure(likeness, still(), 0)
    camera, caster = close_to(posed), Caster(likeness)
    wet = caster.draw(posed, camera, DIM, SIZE, colour=False)
    dry = caster.draw(replace(posed, wet=posed.wet - [0, 0, 0.05]), camera, DIM, SIZE, colour=False)
    shown = wet.depth != dry.depth
    assert shown.sum() > 40
    assert np.isin(wet.labels[shown], (Part.EYE, Part.LASH)).all()
    assert (wet.labels[shown] == Part.EYE).sum() > 30
    closed = pose_figure(likeness, still(units={"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}), 0)
    assert not (caster.draw(closed, camera, DIM, SIZE, colour=False).labels == Part.EYE).any()


def test_lashes_grow_from_the_lids_and_upper_ones_are_longer(likeness: Figure) -> None:
    posed = pose_figure(likeness, still(), 0)
    upper = likeness.lashes.margin % 2 == 0
    length = np.linalg.norm(np.diff(posed.lashes, axis=1), axis=2).sum(axis=1)
    assert length[upper].mean() > 1.4 * length[~upper].mean()
    assert upper.sum() > 1.8 * (~upper).sum()
    away = np.linalg.norm(posed.lashes[:, None, 0] - posed.lids.reshape(1, -1, 3), axis=2).min(axis=1)
    apart = np.linalg.norm(np.diff(posed.lids, axis=2), axis=3).max()
    assert away.max() < 0.51 * apart < 0.003
    # They curl: up above the eye, down below it.
    rise = posed.lashes[:, -1, 1] - posed.lashes[:, 0, 1]
    assert rise[upper].mean() > 0.002
    assert rise[~upper].mean() < -0.001
    bent = np.linalg.norm(posed.lashes[:, 2] - (posed.lashes[:, 0] + posed.lashes[:, -1]) / 2, axis=1)
    assert bent[upper].mean() > 0.05 * length[upper].mean()


def test_eyes_of_a_truth_are_the_likenesss(likeness: Figure, performer: Figure, exact: Figure) -> None:
    assert np.array_equal(exact.eye_maps.iris, likeness.eye_maps.iris)
    assert np.array_equal(exact.lashes.length, likeness.lashes.length)
    assert not np.array_equal(exact.eye_maps.iris, performer.eye_maps.iris)


@pytest.mark.parametrize("gaze", [(0.0, 0.0), (20.0, -10.0)])
def test_the_frame_of_an_eye_follows_its_gaze(likeness: Figure, gaze: tuple[float, float]) -> None:
    posed = pose_figure(likeness, replace(still(), gaze_deg=np.array([gaze])), 0)
    frame = eye_frame(posed.eye_left)
    x, y, z = frame.axes[2]
    assert np.allclose(np.rad2deg([np.arctan2(x, z), np.arcsin(y)]), gaze, atol=0.1)
    ball = (posed.eye_left - frame.centre) @ frame.axes.T / frame.radius_m
    assert np.allclose(ball, likeness.eye.points, atol=1e-6)
