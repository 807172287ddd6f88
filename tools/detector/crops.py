"""What the detector sees of its footage: faces of clips that were scaled, filtered and encoded on their way.

    python -m tools.detector.crops

Each clip is handed on in three ways, a light, a middling and a heavy one, drawn from the person's seed; so an untouched
clip and its altered copies went the same way. It goes on where it was, with what there is meanwhile.
"""

import argparse
import io
import os
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
from jaxtyping import Float32, Int, UInt8

from countenance.forensics.network import SIZE
from countenance.vision.align import HeadPose, cut, head_pose
from tools.detector.footage import SPAN, Frames, Person, default_folder
from tools.detector.swaps import swap_path, write_frames

Way = Literal["light", "middling", "heavy", "still"]
WAYS: tuple[Way, ...] = ("light", "middling", "heavy")
"""Of clips. Stills, which each go one of these ways, are kept as a fourth."""
CRF = {"light": (14, 20), "middling": (21, 28), "heavy": (29, 37)}
SCALE = {"light": (0.9, 1.0), "middling": (0.7, 1.0), "heavy": (0.5, 0.85)}
PRESETS = ("veryfast", "medium")
SHARE_FILTERED, SHARE_NOISY, SHARE_JPEG = 0.2, 0.2, 0.15
LOCAL_HEADER = 30
"""Bytes before the name of a member of a zip archive; lengths of the name and of what follows are the last four."""
JITTER, JITTER_SCALE = 0.015, 0.03
"""Of where a crop lies, in its sides: meshes of degraded frames tremble."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Journey:
    """What happens to a clip between its maker and whoever looks at it."""

    scale: float
    crf: int
    preset: str
    smoothing: float
    """Of a beauty filter, 0–1."""
    noise: float
    jpeg: int
    """Quality of a JPEG on the way; 0 for none."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Crops:
    """Faces of one clip."""

    rgb: UInt8[np.ndarray, "N S S 3"]
    frame: Int[np.ndarray, " N"]
    """In the clip; those of one span follow each other."""


def draw_journey(person: Person, way: Way) -> Journey:
    """How this person's clips get about, alike for untouched and altered ones."""
    return journey_by(np.random.default_rng([person.seed, 93, WAYS.index(way)]), way)


def journey_by(rng: np.random.Generator, way: Way) -> Journey:
    """One journey of a kind."""
    return Journey(
        scale=float(rng.uniform(*SCALE[way])),
        crf=int(rng.integers(CRF[way][0], CRF[way][1] + 1)),
        preset=str(rng.choice(PRESETS)),
        smoothing=float(rng.uniform(0.3, 1)) if rng.random() < SHARE_FILTERED else 0.0,
        noise=float(rng.uniform(1, 5)) if rng.random() < SHARE_NOISY else 0.0,
        jpeg=int(rng.integers(50, 95)) if rng.random() < SHARE_JPEG else 0,
    )


def travelled(frames: Frames, journey: Journey, seed: int) -> Frames:
    """The frames at the end of a journey, in their new size; each span is a clip of its own."""
    rng = np.random.default_rng([seed, 94])
    size = round(frames.shape[1] * journey.scale / 2) * 2
    ready = []
    for rgb in frames:
        picture = cv2.resize(rgb, (size, size), interpolation=cv2.INTER_AREA) if size != frames.shape[1] else rgb
        if journey.smoothing:
            smooth = cv2.bilateralFilter(np.ascontiguousarray(picture), 7, 30, 5)
            picture = cv2.addWeighted(smooth, journey.smoothing, picture, 1 - journey.smoothing, 0)
        if journey.noise:
            noisy = picture + journey.noise * rng.standard_normal(picture.shape)
            picture = np.clip(np.round(noisy), 0, 255).astype(np.uint8)
        if journey.jpeg:
            _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, journey.jpeg])
            picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
        ready.append(picture)
    spans = [ready[first : first + SPAN] for first in range(0, len(ready), SPAN)]
    return np.stack([rgb for span in spans for rgb in encoded(span, journey.crf, journey.preset)])


def encoded(frames: Iterable[UInt8[np.ndarray, "S S 3"]], crf: int, preset: str) -> list[UInt8[np.ndarray, "S S 3"]]:
    """Frames through H.264."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = None
        for rgb in frames:
            if stream is None:
                stream = output.add_stream(
                    "libx264", rate=24, options={"crf": str(crf), "preset": preset, "threads": "1"}
                )
                stream.height, stream.width, stream.pix_fmt = rgb.shape[0], rgb.shape[1], "yuv420p"
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), "rgb24")))
        assert stream is not None
        output.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as made:
        return [frame.to_ndarray(format="rgb24") for frame in made.decode(video=0)]


def crops_of(frames: Frames, meshes: Float32[np.ndarray, "N 468 3"], scale: float, seed: int) -> Crops:
    """The face of each frame that has a mesh, which was found before frames were scaled."""
    rng = np.random.default_rng([seed, 95])
    drift = rng.normal(0, JITTER, 2), float(np.exp(rng.normal(0, JITTER_SCALE)))
    rgb, indexes = [], []
    for index, (frame, mesh) in enumerate(zip(frames, meshes, strict=True)):
        if np.isnan(mesh).any():
            continue
        rgb.append(cut(frame, _moved(head_pose(mesh * np.float32(scale)), *drift), SIZE))
        indexes.append(index)
    return Crops(
        rgb=np.stack(rgb) if rgb else np.zeros((0, SIZE, SIZE, 3), np.uint8), frame=np.array(indexes, np.int64)
    )


def _moved(pose: HeadPose, shift: np.ndarray, scale: float) -> HeadPose:
    centre = pose.centre_xy + np.asarray(shift * pose.crop_side_px, np.float32)
    return replace(pose, centre_xy=centre, unit_px=pose.unit_px * scale)


def crops_path(folder: Path, number: int, what: str, way: Way) -> Path:
    """Of one clip after one journey."""
    return folder / f"{number:05}_{what}_{way}.npz"


def read_crops(folder: Path, number: int, what: str, way: Way) -> Crops:
    """The faces of one clip after one journey; pixels are read from the disk when they are looked at."""
    path = crops_path(folder, number, what, way)
    with np.load(path) as data:
        return Crops(rgb=_mapped(path, "rgb"), frame=data["frame"])


def _mapped(path: Path, name: str) -> np.ndarray:
    """An array of an archive that isn't compressed, where it lies: all people's are larger than memory."""
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        file.seek(archive.getinfo(f"{name}.npy").header_offset)
        header = file.read(LOCAL_HEADER)
        file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), os.SEEK_CUR)
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        if 0 in shape:
            return np.zeros(shape, dtype)
        return np.memmap(path, dtype, "r", offset=file.tell(), shape=shape)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swaps", type=Path, default=default_folder().with_name("swaps"))
    parser.add_argument("--output", type=Path, default=default_folder().with_name("crops"))
    asked = parser.parse_args()
    asked.output.mkdir(parents=True, exist_ok=True)
    for path in sorted(asked.swaps.glob("[0-9]*.npz")):
        number, what = path.stem.split("_", 1)
        person = Person(number=int(number))
        for way in WAYS:
            output = crops_path(asked.output, person.number, what, way)
            if output.exists():
                continue
            with np.load(path) as data, np.load(swap_path(asked.swaps, person.number, "real")) as real:
                frames, meshes = data["frames"], real["meshes"]
            journey = draw_journey(person, way)
            seed = person.seed + WAYS.index(way)
            done = travelled(frames, journey, seed)
            crops = crops_of(done, meshes, done.shape[1] / frames.shape[1], seed)
            write_frames(output, rgb=crops.rgb, frame=crops.frame)
    print("done", flush=True)


if __name__ == "__main__":
    _main()
