"""What training records while it runs: metrics as JSON lines, and a preview image."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor

from countenance.errors import ModelError
from countenance.model.augment import without_background
from countenance.model.batches import to_network_range
from countenance.model.generators.base import Generator
from countenance.project import PRIVATE, private_file, write_whole

METRICS_NAME = "metrics.jsonl"
PREVIEW_NAME = "preview.png"
PREVIEW_ROWS = 6


def append_metrics(folder: Path, images_seen: int, metrics: Mapping[str, float]) -> None:
    """Append one JSON line; training that diverged is stopped here.

    Raises:
        ModelError: a loss is not finite.
    """
    diverged = [name for name, value in metrics.items() if not math.isfinite(value)]
    if diverged:
        raise ModelError(
            f"training diverged: loss {diverged[0]} became NaN or infinite after {images_seen:,} images; "
            "the last checkpoint is kept, continue from it with a lower --set train.learning_rate"
        )
    with open(folder / METRICS_NAME, "a", opener=private_file) as file:
        file.write(json.dumps({"images": images_seen, **metrics}) + "\n")


def drop_metrics_after(folder: Path, images_seen: int) -> None:
    """Drop metrics that a killed run logged after its checkpoint; they will be measured again."""
    path = folder / METRICS_NAME
    if path.exists():
        lines = [line for line in path.read_text().splitlines() if line.endswith("}")]
        kept = [line for line in lines if json.loads(line)["images"] <= images_seen]
        write_whole(path, "".join(f"{line}\n" for line in kept).encode(), mode=PRIVATE)


def write_preview(folder: Path, generator: Generator, faces: Sequence[Tensor], resolution: int) -> None:
    """Performer, reconstruction, swap, for faces spread over the performer's set; without using the rng."""
    device = next(generator.parameters()).device
    performer = faces[1][torch.linspace(0, len(faces[1]) - 1, PREVIEW_ROWS).long()]
    faces_b4hw = F.interpolate(to_network_range(performer), (resolution, resolution), mode="area").to(device)
    shown, mask = faces_b4hw[:, :3], faces_b4hw[:, 3:]
    drawn = []
    with torch.no_grad():
        for person in (1, 0):
            made = generator(without_background(shown, mask), torch.full((PREVIEW_ROWS,), person, device=device))
            inside = mask * made.mask.sigmoid()
            drawn.append(shown + inside * (made.rgb - shown))
    grid = torch.cat([shown, *drawn], dim=3).permute(0, 2, 3, 1).flatten(0, 1)
    rgb = ((grid + 1) * 127.5).round().clamp(0, 255).byte().cpu().numpy()
    written, png = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    assert written
    write_whole(folder / PREVIEW_NAME, png.tobytes(), mode=0o600)
