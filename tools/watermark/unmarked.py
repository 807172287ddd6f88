"""Read clips that carry no mark, and count what is found.

    python -m tools.watermark.unmarked NUM_FRAMES

Goes on from where it was, until so many frames are done. Each clip has 64 frames of 640 × 360: a photograph, text,
noise or plain shapes, moved, scaled, turned, lit and compressed at random. The reader is the product's own. Besides
its answers, the certainty of each word that its decoder proposed is kept, and of words chosen at random, which should
have a mean square of 1 and no longer a tail than a normal distribution.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import skimage
from PIL import Image

from countenance.watermark.code import ID_BITS, decode
from countenance.watermark.read import candidates, certainty, read, soft_bits
from countenance.watermark.search import Place, fold
from countenance.watermark.whiten import luminance, whitened
from tools.watermark.attacks import Frame, gamma, jpeg
from tools.watermark.clips import FOLDER

WIDTH, HEIGHT, CLIP_FRAMES, NUM_WORDS = 640, 360, 64, 50
PHOTOGRAPHS = (
    *(
        "coffee.png",
        "chelsea.png",
        "rocket.jpg",
        "motorcycle_left.png",
        "hubble_deep_field.jpg",
        "gravel.png",
        "brick.png",
    ),
    *("grass.png", "page.png", "text.png", "retina.jpg", "ihc.png", "coins.png", "moon.png", "chessboard_GRAY.png"),
)


def unmarked_clip(seed: int) -> Iterator[Frame]:
    """Frames of one clip, drawn from a seed."""
    random = np.random.default_rng(seed)
    picture = _ground(random)
    scale, growth = random.uniform(0.5, 2.5), random.uniform(0.995, 1.005)
    turn, turning = random.uniform(-15, 15), random.uniform(-0.3, 0.3) * (random.random() < 0.5)
    place, speed = random.uniform(0, 400, 2), random.normal(0, 3, 2) * (random.random() < 0.7)
    grain, exponent = random.choice([0, 1, 3, 8]), random.uniform(0.6, 1.6)
    quality = int(random.integers(25, 96))
    for index in range(CLIP_FRAMES):
        matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), turn + turning * index, scale * growth**index)
        matrix[:, 2] = matrix[:, 2] - place - speed * index
        frame = cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        if grain:
            noise = random.normal(0, grain, (HEIGHT, WIDTH, 1)).astype(np.float32)
            frame = np.clip(frame + noise, 0, 255).astype(np.uint8)
        yield jpeg(gamma(frame, exponent), quality)


def _ground(random: np.random.Generator) -> Frame:
    kind = random.integers(0, len(PHOTOGRAPHS) + 4)
    if kind < len(PHOTOGRAPHS):
        path = Path(skimage.__file__).parent / "data" / PHOTOGRAPHS[kind]
        return np.asarray(Image.open(path).convert("RGB"))
    picture = np.full((600, 900, 3), random.integers(0, 256, 3), np.uint8)
    if kind % 2:
        noise = cv2.GaussianBlur(random.normal(0, 1, picture.shape).astype(np.float32), (0, 0), random.uniform(0.7, 8))
        return np.asarray(np.clip(128 + noise * (random.uniform(5, 60) / noise.std()), 0, 255), np.uint8)
    for _ in range(int(random.integers(3, 120))):
        place = (int(random.integers(0, 900)), int(random.integers(0, 600)))
        colour = random.integers(0, 256, 3).tolist()
        if random.random() < 0.5:
            cv2.circle(picture, place, int(random.integers(2, 90)), colour, -1, cv2.LINE_AA)
        else:
            text = "".join(chr(97 + letter) for letter in random.integers(0, 26, 12))
            cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, random.uniform(0.5, 3), colour, 2, cv2.LINE_AA)
    return picture


def measure(seed: int) -> dict[str, object]:
    """What one clip without a mark gives."""
    random = np.random.default_rng(seed)
    kept: list[Frame] = []

    def noted() -> Iterator[Frame]:
        for frame in unmarked_clip(seed):
            if not kept:
                kept.append(frame)
            yield frame

    reading = read(noted())
    total = whitened(luminance(kept[0]))
    proposed = [
        certainty(found, mark_id)
        for found in candidates(total, kept[0].shape)
        if (mark_id := decode(soft_bits(found.waves))) is not None
    ]
    plain = fold(total, Place(period=HEIGHT / 5, turn_deg=0))
    words = [certainty(plain, int(random.integers(1 << ID_BITS))) for _ in range(NUM_WORDS)]
    return {
        "seed": seed,
        "frames": CLIP_FRAMES,
        "read": None if reading is None else reading.sigma,
        "proposed": proposed,
        "words": [round(word, 3) for word in words],
    }


def main() -> None:
    cv2.setNumThreads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / "unmarked.jsonl"
    done = len(path.read_text().splitlines()) if path.exists() else 0
    with path.open("a") as file:
        while done * CLIP_FRAMES < int(sys.argv[1]):
            file.write(json.dumps(measure(done)) + "\n")
            file.flush()
            done += 1


if __name__ == "__main__":
    main()
