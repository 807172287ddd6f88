"""The published result beside the plate and the ground truth: an image, and the recogniser's distances."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from countenance.errors import MediaError
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.progress import Progress
from countenance.steps.guards import Guard
from countenance.vision.identity import Embedding, Recogniser, cut_chip, embed
from countenance.vision.landmarks import FaceFinder

NUM_COLUMNS = 6
FACES_FOR_MEAN = 48
CAPTION_HEIGHT = 22
Rgb = UInt8[np.ndarray, "H W 3"]


def compare(
    guard: Guard, likeness: str, plate: Path, result: Path, truth: Path, *, progress: Progress
) -> dict[str, float]:
    """Mean recogniser distance of plate, result and truth to the likeness's own training faces.

    Frames in which the recogniser's detector misses a face in one of the three are left out and counted.
    """
    find_faces, recogniser = FaceFinder(), Recogniser()
    target = _mean_embedding(guard, likeness, find_faces, recogniser)
    distances = []
    num_frames = probe(plate).num_frames
    triples = zip(pictures(plate), pictures(result), pictures(truth), strict=True)
    for triple in progress.track(triples, what="comparing with the truth", unit="frames", total=num_frames):
        found = [find_faces(rgb) for rgb in triple]
        if all(found):
            chips = [cut_chip(rgb, faces[0].landmarks_xyz[:, :2]) for rgb, faces in zip(triple, found, strict=True)]
            distances.append(np.linalg.norm(embed(recogniser, chips) - target, axis=1))
    if not distances:
        raise MediaError(f"no frame in which a face is found in {plate}, {result} and {truth} alike")
    table = np.array(distances)
    return {
        "plate_distance": round(float(table[:, 0].mean()), 4),
        "result_distance": round(float(table[:, 1].mean()), 4),
        "truth_distance": round(float(table[:, 2].mean()), 4),
        "nearer_fraction": round(float((table[:, 1] < table[:, 0]).mean()), 4),
        "frames_compared": len(table),
        "frames": num_frames,
    }


def write_comparison(path: Path, sources: Mapping[str, Path]) -> None:
    """Six frames spread over the plate: a row for each of what is shown, by its caption, the plate first."""
    chosen = np.linspace(0, probe(next(iter(sources.values()))).num_frames - 1, NUM_COLUMNS).round().astype(int)
    rows = []
    for caption, source in sources.items():
        wanted = set(chosen.tolist())
        shown = [rgb for index, rgb in enumerate(pictures(source)) if index in wanted]
        rows += [_caption(caption, sum(rgb.shape[1] for rgb in shown)), np.hstack(shown)]
    Image.fromarray(np.vstack(rows)).save(path)


def _mean_embedding(guard: Guard, person: str, find_faces: FaceFinder, recogniser: Recogniser) -> Embedding:
    face_set = guard.face_set(person)
    step = max(1, face_set.num_faces // FACES_FOR_MEAN)
    chips = []
    for face in islice(guard.faces(face_set), 0, None, step):
        found = find_faces(face.rgb)
        chips += [cut_chip(face.rgb, found[0].landmarks_xyz[:, :2])] if found else []
    return np.asarray(embed(recogniser, chips).mean(axis=0), np.float32)


def pictures(source: Path) -> Iterator[Rgb]:
    """Frames of a video, or the pictures of a folder in the order of their names."""
    if not source.is_dir():
        for frame in read_frames(probe(source)):
            yield frame.rgb
        return
    for path in sorted(source.glob("*.png")):
        picture = cv2.imread(str(path))
        if picture is None:
            raise MediaError(f"{path} can't be read; install the package again")
        yield np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _caption(text: str, width: int) -> Rgb:
    strip = Image.new("RGB", (width, CAPTION_HEIGHT), (24, 24, 24))
    font = ImageFont.load_default(size=14)
    ImageDraw.Draw(strip).text((8, CAPTION_HEIGHT // 2), text, fill=(235, 235, 235), font=font, anchor="lm")
    return np.asarray(strip, np.uint8)
