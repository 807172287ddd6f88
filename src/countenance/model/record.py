"""What training records while it runs: metrics as JSON lines, and a preview image."""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import UInt8

from countenance.errors import ModelError
from countenance.model.guided.drawing import draw, stacked
from countenance.model.guided.inputs import parts_of, uneven
from countenance.model.guided.pairs import Material, in_even_light
from countenance.model.guided.sources import nearest
from countenance.model.state import TrainingState
from countenance.project import PRIVATE, private_file, write_whole

METRICS_NAME = "metrics.jsonl"
PREVIEW_NAME = "preview.png"
"""The last one."""
EARLIER_NAME = re.compile(r"preview-(\d{9})\.png")
"""Those of before, by the images seen until then."""
FIRST_KEPT = 250
"""Images after which a preview is kept, and then each time that they have doubled."""
PREVIEW_ROWS = 6


def append_metrics(folder: Path, images_seen: int, metrics: Mapping[str, float]) -> None:
    """Append one JSON line."""
    with open(folder / METRICS_NAME, "a", opener=private_file) as file:
        file.write(json.dumps({"images": images_seen, **metrics}) + "\n")


def drop_after(folder: Path, images_seen: int) -> None:
    """Drop what a killed run recorded after its checkpoint; it will be measured and drawn again."""
    if (folder / METRICS_NAME).exists():
        kept = [line for line in read_metrics(folder) if line["images"] <= images_seen]
        lines = "".join(f"{json.dumps(line)}\n" for line in kept)
        write_whole(folder / METRICS_NAME, lines.encode(), mode=PRIVATE)
    for path in folder.iterdir():
        if (match := EARLIER_NAME.fullmatch(path.name)) and int(match[1]) > images_seen:
            path.unlink()


def is_kept(images_seen: int, batch_size: int) -> bool:
    """Whether the preview of a step is kept: before the first one, and each time that the images have doubled."""
    if images_seen < FIRST_KEPT:
        return images_seen == 0
    before = images_seen - batch_size
    return before < FIRST_KEPT or int(math.log2(before / FIRST_KEPT)) < int(math.log2(images_seen / FIRST_KEPT))


def write_preview(folder: Path, state: TrainingState, material: Material, *, keep: bool) -> None:
    """What is given, what is drawn of it, and the ground truth, for pairs spread over all; without using the rng."""
    sources, pairs = material.sources, material.pairs
    rows = torch.linspace(0, len(pairs.given) - 1, PREVIEW_ROWS).long()
    with torch.no_grad():
        rgb, even = in_even_light(pairs.given[rows], pairs.mask[rows])
        given, view = sources.given(rgb, pairs.found[rows], pairs.mesh[rows], nearest(pairs.apart[rows]))
        result = draw(state.mean, stacked(parts_of(given, view)), bf16=False).result
    drawn = uneven(result, even).clamp(0, 1).mul(255).round().byte()
    grid = torch.cat([pairs.given[rows], drawn, pairs.truth[rows]], dim=3).permute(0, 2, 3, 1).flatten(0, 1).cpu()
    written, png = cv2.imencode(".png", cv2.cvtColor(grid.numpy(), cv2.COLOR_RGB2BGR))
    assert written
    write_whole(folder / PREVIEW_NAME, png.tobytes(), mode=PRIVATE)
    if keep:
        write_whole(folder / _kept_name(state.images_seen), png.tobytes(), mode=PRIVATE)


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """The losses so far; none where nothing was measured yet."""
    path = folder / METRICS_NAME
    if not path.exists():
        return []
    # A killed run may leave half a line.
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]


def read_previews(folder: Path) -> list[tuple[int, UInt8[np.ndarray, "H W 3"]]]:
    """The previews that were kept, by the images seen until then."""
    return [(images, preview_after(folder, images)) for images in preview_images(folder)]


def preview_images(folder: Path) -> list[int]:
    """After how many images a preview was kept, ascending; none where nothing was trained yet."""
    return sorted(int(match[1]) for path in folder.glob("*") if (match := EARLIER_NAME.fullmatch(path.name)))


def latest_preview(folder: Path) -> int | None:
    """When the last preview was drawn, in nanoseconds; None where there is none."""
    path = folder / PREVIEW_NAME
    return path.stat().st_mtime_ns if path.exists() else None


def preview_after(folder: Path, images: int | None) -> UInt8[np.ndarray, "H W 3"]:
    """The preview that was kept after so many images, or the last one.

    Raises:
        ModelError: there is none, or it can't be read.
    """
    path = folder / (PREVIEW_NAME if images is None else _kept_name(images))
    content = path.read_bytes() if path.exists() else b""
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if picture is None:
        raise ModelError(f"there is no preview at {path} that can be read; train on, and a new one is drawn")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _kept_name(images: int) -> str:
    return f"preview-{images:09}.png"
