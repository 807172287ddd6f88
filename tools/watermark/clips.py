"""Clips of many kinds on which a watermark is tried, all made here: 96 frames of 1280 × 720, 4 s.

Rendered actors, moving photographs of things (those that scikit-image brings), textures, noise, text, drawings, dark
and flat scenes, cuts and fades. No person is in them.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import skimage
from jaxtyping import Float32, UInt8
from PIL import Image

from countenance.actors.actor import draw_actor
from countenance.actors.cache import cache_folder
from countenance.actors.footage import write_clip
from countenance.actors.performance import draw_performance
from countenance.actors.render import opened_renderer, render
from countenance.actors.staging import draw_scene
from countenance.demo import data_folder

WIDTH, HEIGHT, NUM_FRAMES, FPS = 1280, 720, 96, 24
FOLDER = cache_folder() / "watermark"

Frame = UInt8[np.ndarray, "H W 3"]


def clips() -> Mapping[str, Callable[[], Iterator[Frame]]]:
    """Names and makers of all clips."""
    return {
        "actor": lambda: _actor(11),
        "demo's performance": _demo,
        "photograph, pan": lambda: _moved("coffee.png", pan=(2.0, 0.7)),
        "photograph, zoom": lambda: _moved("chelsea.png", zoom=1.4),
        "photograph, still with grain": lambda: _grained(_moved("rocket.jpg"), 4.0),
        "photograph, turning": lambda: _moved("motorcycle_left.png", turn_deg=12),
        "stars": lambda: _moved("hubble_deep_field.jpg", pan=(1.0, 0.5)),
        "gravel, fast": lambda: _moved("gravel.png", pan=(14.0, 5.0)),
        "bricks": lambda: _moved("brick.png", pan=(0.6, 0.2)),
        "grass": lambda: _moved("grass.png", pan=(3.0, 0.0)),
        "noise": _noise,
        "dark": lambda: _grained((_scaled(frame, 0.13) for frame in _moved("coffee.png", pan=(1.0, 0.0))), 1.5),
        "flat": _flat,
        "sky": _sky,
        "text, scrolling": _text,
        "page, still": lambda: _moved("page.png"),
        "cartoon": _cartoon,
        "confetti": _confetti,
        "cuts": _cuts,
        "fade": _fade,
    }


def _actor(seed: int) -> Iterator[Frame]:
    """An actor before a moving photograph; rendered once, at 480 pixels."""
    path = FOLDER / f"actor{seed}.mp4"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with opened_renderer("caster") as renderer:
            frames = render(
                draw_actor(seed),
                draw_performance(seed, NUM_FRAMES),
                draw_scene(seed, NUM_FRAMES),
                renderer,
                size=480,
                frames=range(NUM_FRAMES),
            )
            write_clip(path, (frame.rgb for frame in frames), (480, 480))
    for frame, behind in zip(_decoded(path), _moved("coffee.png", pan=(0.4, 0.1)), strict=True):
        behind[:, 280:1000] = cv2.resize(frame, (720, 720), interpolation=cv2.INTER_CUBIC)
        yield behind


def _demo() -> Iterator[Frame]:
    """The demo's synthetic performer, enlarged to the whole height, before grey."""
    for frame in _decoded(data_folder() / "performance.mp4"):
        whole = np.full((HEIGHT, WIDTH, 3), 96, np.uint8)
        whole[:, 280:1000] = cv2.resize(frame, (720, 720), interpolation=cv2.INTER_CUBIC)
        yield whole


def _decoded(path: Path) -> Iterator[Frame]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def _photograph(name: str) -> Frame:
    path = Path(skimage.__file__).parent / "data" / name
    picture = np.asarray(Image.open(path).convert("RGB"))
    scale = max(1.15 * WIDTH / picture.shape[1], 1.15 * HEIGHT / picture.shape[0])
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)


def _moved(name: str, pan: tuple[float, float] = (0, 0), zoom: float = 1.0, turn_deg: float = 0.0) -> Iterator[Frame]:
    """A photograph that is panned by so many pixels a frame, enlarged and turned in the course of the clip."""
    picture = _photograph(name)
    middle_x, middle_y = picture.shape[1] / 2, picture.shape[0] / 2
    for index in range(NUM_FRAMES):
        at = index / NUM_FRAMES
        matrix = cv2.getRotationMatrix2D((middle_x, middle_y), turn_deg * (at - 0.5), zoom**at)
        matrix[:, 2] += (WIDTH / 2 - middle_x + pan[0] * index, HEIGHT / 2 - middle_y + pan[1] * index)
        yield cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def _grained(frames: Iterator[Frame], strength: float) -> Iterator[Frame]:
    random = np.random.default_rng(1)
    for frame in frames:
        grain = random.normal(0, strength, (HEIGHT, WIDTH, 1)).astype(np.float32)
        yield _to_frame(frame + grain)


def _scaled(frame: Frame, factor: float) -> Frame:
    return _to_frame(frame * np.float32(factor))


def _to_frame(values: Float32[np.ndarray, "H W 3"]) -> Frame:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def _noise() -> Iterator[Frame]:
    """Coloured noise as fine as video carries it, another in each frame."""
    random = np.random.default_rng(2)
    for _ in range(NUM_FRAMES):
        values = random.normal(0, 1, (HEIGHT // 2, WIDTH // 2, 3)).astype(np.float32)
        yield _to_frame(cv2.resize(values, (WIDTH, HEIGHT)) * 40 + 128)


def _flat() -> Iterator[Frame]:
    """Four plain areas whose colours change slowly."""
    for index in range(NUM_FRAMES):
        frame = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        for part in range(4):
            colour = 128 + 90 * np.sin(index / 60 + np.array([0, 2, 4]) + part)
            frame[:, part * WIDTH // 4 : (part + 1) * WIDTH // 4] = colour.astype(np.uint8)
        yield frame


def _sky() -> Iterator[Frame]:
    """A smooth gradient with soft clouds that drift."""
    random = np.random.default_rng(3)
    clouds = cv2.GaussianBlur(random.normal(0, 1, (HEIGHT, WIDTH + 2 * NUM_FRAMES)).astype(np.float32), (0, 0), 60)
    clouds *= 18 / clouds.std()
    down = np.linspace(0, 1, HEIGHT, dtype=np.float32)[:, None, None]
    colour = (1 - down) * np.array([70, 120, 200], np.float32) + down * np.array([190, 205, 225], np.float32)
    for index in range(NUM_FRAMES):
        yield _to_frame(colour + clouds[:, 2 * index : 2 * index + WIDTH, None])


def _text() -> Iterator[Frame]:
    """White lines on near black that scroll up."""
    random = np.random.default_rng(4)
    page = np.full((HEIGHT + 3 * NUM_FRAMES, WIDTH, 3), 18, np.uint8)
    for row in range(40, page.shape[0], 44):
        words = " ".join(
            "".join(chr(97 + letter) for letter in random.integers(0, 26, size)) for size in (5, 8, 3, 9, 6)
        )
        cv2.putText(page, words, (120, row), cv2.FONT_HERSHEY_SIMPLEX, 1.1, (235, 235, 235), 2, cv2.LINE_AA)
    for index in range(NUM_FRAMES):
        yield np.ascontiguousarray(page[3 * index : 3 * index + HEIGHT])


def _cartoon() -> Iterator[Frame]:
    """Plain shapes with outlines that move over a plain ground."""
    random = np.random.default_rng(5)
    shapes = [
        (
            random.uniform(0, 1, 2),
            random.uniform(-0.004, 0.004, 2),
            int(random.integers(40, 140)),
            random.integers(60, 255, 3),
        )
        for _ in range(14)
    ]
    for index in range(NUM_FRAMES):
        frame = np.full((HEIGHT, WIDTH, 3), (150, 205, 240), np.uint8)
        cv2.rectangle(frame, (0, 520), (WIDTH, HEIGHT), (110, 180, 90), -1)
        for place, speed, size, colour in shapes:
            x, y = ((place + speed * index) % 1 * (WIDTH, HEIGHT)).astype(int).tolist()
            cv2.circle(frame, (x, y), size, colour.tolist(), -1, cv2.LINE_AA)
            cv2.circle(frame, (x, y), size, (20, 20, 20), 4, cv2.LINE_AA)
        yield frame


def _confetti() -> Iterator[Frame]:
    """Hundreds of small pieces that fall fast."""
    random = np.random.default_rng(6)
    place = random.uniform(0, 1, (700, 2)) * (WIDTH, HEIGHT)
    speed = random.normal(0, 1, (700, 2)) * 3 + (0, 9)
    colours = random.integers(30, 255, (700, 3))
    for _ in range(NUM_FRAMES):
        frame = np.full((HEIGHT, WIDTH, 3), (40, 36, 60), np.uint8)
        place = (place + speed) % (WIDTH, HEIGHT)
        for (x, y), colour in zip(place.astype(int).tolist(), colours.tolist(), strict=True):
            cv2.rectangle(frame, (x, y), (x + 9, y + 14), colour, -1)
        yield frame


def _cuts() -> Iterator[Frame]:
    """A cut every second."""
    names = ("coffee.png", "rocket.jpg", "chelsea.png", "ihc.png")
    for part, name in enumerate(names):
        for index, frame in enumerate(_moved(name, pan=(3.0 - 2 * part, 1.0))):
            if index // (NUM_FRAMES // len(names)) == part:
                yield frame


def _fade() -> Iterator[Frame]:
    """Out of black and into white."""
    times = np.array([0, 0.3, 0.7, 1.0])
    for index, frame in enumerate(_moved("retina.jpg", pan=(0.5, 0.5))):
        at = index / NUM_FRAMES
        ((first, second),) = [pair for pair in pairwise(times) if pair[0] <= at < pair[1]]
        part = (at - first) / (second - first)
        light = frame.astype(np.float32)
        yield _to_frame(light * part if first == 0 else light + (255 - light) * (part if second == 1 else 0))
