"""How often the traces of an earlier encoding are found, and how often where there was none.

    python -m tools.measure_traces [videos | jpegs | previews …]

Everything is made here: photographs of things that scikit-image brings, seen by a hand that isn't still, with grain and
something that moves before them; rendered actors with grain; lines of text that scroll. What they carry of earlier
encodings is lost by making them smaller. Prints the tables of docs/verify.md. No person is in them, and no phone's or
camera's own encoder: x264 without B-frames and at even groups stands for one.
"""

import argparse
import itertools
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import cv2
import numpy as np
import skimage
from av.video.stream import VideoStream
from jaxtyping import UInt8
from PIL import Image, ImageFilter

from countenance.demo import data_folder
from countenance.forensics.jpeg import earlier_jpeg
from countenance.forensics.recoded import earlier_encoding, read_footprint
from countenance.forensics.thumbnail import seen_in_thumbnail

Rgb = UInt8[np.ndarray, "H W 3"]
WIDTH, HEIGHT, NUM_FRAMES, FPS = 480, 272, 130, 25
PHOTOGRAPHS = {
    "coffee.png": 0.57,
    "chelsea.png": 0.57,
    "rocket.jpg": 0.57,
    "motorcycle_left.png": 0.57,
    "retina.jpg": 0.37,
    "hubble_deep_field.jpg": 0.57,
    "ihc.png": 0.57,
}
"""What scikit-image brings, and how much smaller each becomes so that nothing of its own coding is left."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoding:
    """How a clip is encoded once."""

    name: str
    options: Mapping[str, str]
    gop_size: int = 250
    num_b: int = 3
    codec: str = "libx264"


FIRST = tuple(
    Encoding(
        name=f"a keyframe every {gop} frames, CRF {crf}",
        options={"crf": str(crf), "preset": "veryfast", "sc_threshold": "0"},
        gop_size=gop,
        num_b=0,
    )
    for gop, crf in ((12, 20), (30, 20), (30, 26))
)
"""As a camera or phone might."""
SECOND = tuple(
    Encoding(name=f"x264, CRF {crf}", options={"crf": str(crf), "preset": "veryfast"}) for crf in (18, 23, 28)
)
"""As programs and web sites do."""
ONCE = (
    *FIRST,
    *SECOND,
    Encoding(
        name="open groups of 30, two B-frames",
        options={"crf": "22", "preset": "fast", "x264-params": "open-gop=1"},
        gop_size=30,
        num_b=2,
    ),
    Encoding(name="MPEG-4, groups of 15", options={"qscale": "4"}, gop_size=15, num_b=0, codec="mpeg4"),
)


def clips() -> Iterator[tuple[str, list[Rgb]]]:
    """Names and frames of all clips."""
    for number, name in enumerate(PHOTOGRAPHS):
        speed, grain = (0.4, 1.2, 2.0)[number % 3], (1.0, 2.5, 4.0)[number % 3]
        yield name, list(_handheld(name, 100 + number, speed, grain))
    yield "still, no grain", list(_handheld("coffee.png", 120, 0.0, 0.0))
    for actor in ("kofi", "mira"):
        yield actor, list(_grained(_decoded(data_folder() / f"{actor}_training.mp4"), 2.0))
    yield "text", list(_text())


def _photograph(name: str) -> Image.Image:
    picture = Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB")
    scale = PHOTOGRAPHS[name]
    return picture.resize((int(picture.width * scale), int(picture.height * scale)), Image.Resampling.LANCZOS)


def _handheld(name: str, seed: int, speed: float, grain: float) -> Iterator[Rgb]:
    random = np.random.default_rng(seed)
    small = np.asarray(_photograph(name))
    scale = 1.25 * max(WIDTH / small.shape[1], HEIGHT / small.shape[0])
    picture = cv2.resize(small, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    thing = cv2.resize(np.asarray(_photograph("rocket.jpg" if name != "rocket.jpg" else "coffee.png")), (120, 90))
    path = cv2.GaussianBlur(np.cumsum(random.normal(0, speed, (NUM_FRAMES, 2)), axis=0), (1, 9), 2)
    path = np.clip(path - path.mean(axis=0), (-0.1 * WIDTH, -0.1 * HEIGHT), (0.1 * WIDTH, 0.1 * HEIGHT))
    middle = (WIDTH / 2 - picture.shape[1] / 2, HEIGHT / 2 - picture.shape[0] / 2)
    for index in range(NUM_FRAMES):
        matrix = np.array([[1, 0, middle[0] + path[index, 0]], [0, 1, middle[1] + path[index, 1]]])
        frame = cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT).astype(np.float32)
        x, y = int(180 + 150 * np.sin(index / 25 + seed)), int(90 + 80 * np.sin(index / 17))
        frame[y : y + 90, x : x + 120] = thing
        yield _noisy(frame, grain, random)


def _decoded(path: Path) -> Iterator[Rgb]:
    with av.open(str(path)) as container:
        for frame in itertools.islice(container.decode(video=0), NUM_FRAMES):
            yield cv2.resize(frame.to_ndarray(format="rgb24"), None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)


def _grained(frames: Iterable[Rgb], grain: float) -> Iterator[Rgb]:
    random = np.random.default_rng(7)
    for frame in frames:
        yield _noisy(frame.astype(np.float32), grain, random)


def _noisy(values: np.ndarray, grain: float, random: np.random.Generator) -> Rgb:
    noise = random.normal(0, grain, (*values.shape[:2], 1)) if grain else 0.0
    return np.asarray(np.clip(np.rint(values + noise), 0, 255), np.uint8)


def _text() -> Iterator[Rgb]:
    page = np.full((HEIGHT + 2 * NUM_FRAMES, WIDTH, 3), 24, np.uint8)
    for row in range(30, len(page), 28):
        cv2.putText(page, f"line {row * 7919 % 99991}", (40, row), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (230,) * 3, 2)
    for index in range(NUM_FRAMES):
        yield np.ascontiguousarray(page[2 * index : 2 * index + HEIGHT])


def encode(path: Path, frames: Iterable[Rgb], encoding: Encoding) -> Path:
    """Encode frames once."""
    with av.open(str(path), "w") as container:
        stream: VideoStream | None = None
        for index, rgb in enumerate(frames):
            if stream is None:
                added = container.add_stream(encoding.codec, rate=FPS, width=rgb.shape[1], height=rgb.shape[0])
                assert isinstance(added, VideoStream)
                stream = added
                stream.pix_fmt = "yuv420p"
                context = stream.codec_context
                context.options, context.gop_size = dict(encoding.options), encoding.gop_size
                context.max_b_frames = encoding.num_b
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        assert stream is not None
        container.mux(stream.encode(None))
    return path


def again(path: Path, scale: float = 1.0) -> Iterator[Rgb]:
    """The frames of an encoded clip, perhaps made smaller."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            rgb = frame.to_ndarray(format="rgb24")
            wh = (int(rgb.shape[1] * scale) // 2 * 2, int(rgb.shape[0] * scale) // 2 * 2)
            yield rgb if scale == 1 else cv2.resize(rgb, wh, interpolation=cv2.INTER_AREA)


def is_found(path: Path) -> bool:
    """Whether a clip shows an earlier encoding."""
    footprint = read_footprint(path)
    assert footprint is not None
    return earlier_encoding(footprint) is not None


def measure_videos() -> None:
    """Clips that were encoded once and twice."""
    found, begun = defaultdict[tuple[str, str], list[bool]](list), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for name, frames in clips():
            for number, encoding in enumerate(ONCE):
                path = encode(Path(folder) / f"{number}.mp4", frames, encoding)
                found["once", encoding.name].append(is_found(path))
                if found["once", encoding.name][-1]:
                    print(f"wrongly: {name}, {encoding.name}", flush=True)
                for second in SECOND if encoding in FIRST else ():
                    twice = encode(Path(folder) / "twice.mp4", again(path), second)
                    found[encoding.name, second.name].append(is_found(twice))
            smaller = encode(Path(folder) / "twice.mp4", again(Path(folder) / "1.mp4", 0.75), SECOND[0])
            found[FIRST[1].name, "made smaller, then x264, CRF 18"].append(is_found(smaller))
            counts = ", ".join(f"{sum(each)}/{len(each)}" for each in found.values())
            print(f"{name}, {time.monotonic() - begun:.0f} s: {counts}", file=sys.stderr, flush=True)
    _table(found, ("first", "then"))


def pictures() -> Iterator[Image.Image]:
    """Pictures that never were a JPEG at their size."""
    random = np.random.default_rng(3)
    for name in PHOTOGRAPHS:
        whole = np.asarray(_photograph(name))
        for y, x in ((0, 0), (whole.shape[0] - 168, whole.shape[1] - 200)):
            part = whole[y : y + 168, x : x + 200].astype(np.float32)
            yield Image.fromarray(_noisy(part, 0.8, random))
    for actor in ("kofi", "mira", "zuri"):
        yield Image.open(data_folder() / f"{actor}.png").convert("RGB")


def as_jpeg(picture: Image.Image, quality: int, **options: object) -> Image.Image:
    """A picture as a JPEG that was opened."""
    data = BytesIO()
    picture.save(data, "JPEG", quality=quality, **options)
    return Image.open(data)


def was_jpeg(picture: Image.Image) -> bool:
    """Whether an opened picture shows that it was a JPEG before."""
    table = None
    if picture.format == "JPEG":
        table = np.array(picture.quantization[0], np.int64).reshape(8, 8)  # type: ignore[attr-defined]
        picture.draft("L", picture.size)
    return earlier_jpeg(np.asarray(picture.convert("L")), table) is not None


QUALITIES = (55, 65, 75, 85, 90, 95)


def measure_jpegs() -> None:
    """Pictures that were a JPEG once, twice, or never."""
    found = defaultdict[tuple[str, str], list[bool]](list)
    for original in pictures():
        large = original.resize((original.width * 3 // 2, original.height * 3 // 2), Image.Resampling.BICUBIC)
        for name, picture in {
            "as it is": original,
            "sharpened": original.filter(ImageFilter.UnsharpMask(2, 120, 2)),
            "enlarged": large,
            "grey": original.convert("L"),
        }.items():
            found["never", f"lossless, {name}"].append(was_jpeg(picture))
            for quality in (50, 60, 70, 75, 80, 85, 90, 95, 98):
                found["once", f"{name}"].append(was_jpeg(as_jpeg(picture, quality, progressive=quality % 2 == 1)))
        for quality in QUALITIES:
            once = as_jpeg(original, quality).convert("RGB")
            cropped = once.crop((3, 5, once.width, once.height))
            found[f"quality {quality}", "lossless"].append(was_jpeg(once))
            found[f"quality {quality}", "cropped, lossless"].append(was_jpeg(cropped))
            for then in QUALITIES:
                if then != quality:
                    found[f"quality {quality}", f"quality {then}"].append(was_jpeg(as_jpeg(once, then)))
                    found["cropped between", f"quality {then}"].append(was_jpeg(as_jpeg(cropped, then)))
    _table(found, ("first", "then"))


def measure_previews() -> None:
    """Previews of the same picture, of one that was changed as a whole, in a part, or cropped."""
    found = defaultdict[tuple[str, str], list[bool]](list)
    originals = list(pictures())
    for original, other in zip(originals, originals[1:] + originals[:1], strict=True):
        small = original.resize((160, round(160 * original.height / original.width)), Image.Resampling.BICUBIC)
        preview = as_jpeg(small, 70)
        width, height = original.size
        part = other.resize((width // 4, height // 4))
        pasted = original.copy()
        pasted.paste(part, (width // 3, height // 3))
        for name, changed in {
            "not": original,
            "brighter": original.point(lambda value: min(255, int(255 * (value / 255) ** 0.6))),
            "more contrast": original.point(lambda value: max(0, min(255, int((value - 128) * 1.5 + 128)))),
            "made half as large, quality 60": as_jpeg(original.resize((width // 2, height // 2)), 60),
            "another picture in a quarter of its width": pasted,
            "cropped to 80% of its width": original.crop((0, 0, width * 8 // 10, height)),
            "another picture": other.resize(original.size),
        }.items():
            found["preview", name].append(bool(seen_in_thumbnail(np.asarray(changed.convert("L")), preview)))
    _table(found, ("", "the picture was changed"))


def _table(found: Mapping[tuple[str, str], Sequence[bool]], heads: tuple[str, str]) -> None:
    print(f"\n| {heads[0]} | {heads[1]} | found |\n| --- | --- | --- |")
    for (first, then), each in found.items():
        print(f"| {first} | {then} | {sum(each)} of {len(each)} |", flush=True)


def main() -> None:
    """Print the tables that are asked for, or all."""
    measures = {"videos": measure_videos, "jpegs": measure_jpegs, "previews": measure_previews}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", choices=[*measures, []], default=[])
    for name in parser.parse_args().what or measures:
        measures[name]()


if __name__ == "__main__":
    main()
