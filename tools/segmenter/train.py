"""Make `weights/segmenter.safetensors`, and measure it: the network that classifies each pixel of a face.

    .venv/bin/python -m tools.segmenter.train render --folder ~/.cache/countenance/segmenter
    .venv/bin/python -m tools.segmenter.train train --folder ~/.cache/countenance/segmenter
    .venv/bin/python -m tools.segmenter.train refine --folder ~/.cache/countenance/segmenter
    .venv/bin/python -m tools.segmenter.train measure --folder ~/.cache/countenance/segmenter --sheet sheet.png

All that it learns from is drawn by code: synthetic actors with exact labels, things pasted in front of them,
backgrounds, light, blur and noise. `render` resumes, and `train` may run beside it. All randomness comes from one
seed. `measure` uses actors and things that training never saw, and crops from the mesh that `prepare` would find,
and prints the tables of the card.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from safetensors.torch import save as serialised
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from countenance.vision.networks import weights_folder
from countenance.vision.parts import Part
from countenance.vision.segment import (
    WEIGHTS_NAME,
    SegmentNet,
    as_input,
    fused,
)
from tools.segmenter.dataset import HELD_OUT_SEEDS, SEED, TRAINING_SEEDS, Dataset, Example, render_footage
from tools.segmenter.measure import measure
from tools.segmenter.occluders import HELD_OUT_OCCLUDERS, TRAINING_OCCLUDERS, draw_curve

BATCH_SIZE, WARM_UP, EMA = 16, 200, 0.998
STEPS, LEARNING_RATE = 4500, 3e-3
REFINING_STEPS, REFINING_RATE = 2500, 8e-4


def train(folder: Path, weights: Path) -> None:
    """Train from scratch, with norms; rare parts are weighted a little higher."""
    torch.manual_seed(SEED)
    dataset = Dataset(folder, TRAINING_SEEDS, TRAINING_OCCLUDERS)
    class_weights = weights_of_classes([dataset.example(number) for number in range(300)])
    learn(SegmentNet(), dataset, 0, STEPS, LEARNING_RATE, class_weights, folder, weights)


def refine(folder: Path, weights: Path) -> None:
    """Continue from the file's weights, norms folded in; all parts are weighted alike, and thin occluders are added."""
    network = fused(SegmentNet())
    network.load_state_dict({name: number.float() for name, number in load_file(weights).items()})
    dataset = Dataset(folder, TRAINING_SEEDS, (*TRAINING_OCCLUDERS, draw_curve))
    alike = torch.ones(len(Part))
    learn(network, dataset, STEPS * BATCH_SIZE, REFINING_STEPS, REFINING_RATE, alike, folder, weights)


def learn(
    network: SegmentNet,
    dataset: Dataset,
    first: int,
    steps: int,
    rate: float,
    class_weights: Tensor,
    folder: Path,
    weights: Path,
) -> None:
    """Learn from the examples from the `first` on, and write the running mean of the weights."""
    torch.set_num_threads(1)
    held_out = Dataset(folder, HELD_OUT_SEEDS[:20], HELD_OUT_OCCLUDERS)
    watched = [held_out.example(number) for number in range(160)]
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    running_mean = get_ema_multi_avg_fn(EMA)  # type: ignore[no-untyped-call]
    mean = AveragedModel(network, multi_avg_fn=running_mean, use_buffers=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / WARM_UP, 0.5 + 0.5 * np.cos(np.pi * step / steps))
    )
    begun, running = time.time(), 0.0
    for step in range(steps):
        numbers = range(first + step * BATCH_SIZE, first + (step + 1) * BATCH_SIZE)
        rgb, labels, face = batch_of([dataset.example(number) for number in numbers])
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(as_input(rgb))
        loss = loss_of(logits.float(), labels, face, class_weights)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        mean.update_parameters(network)
        running += (loss.item() - running) / min(step + 1, 100)
        if (step + 1) % 250 == 0 or step + 1 == steps:
            seen = {"step": step + 1, "loss": round(running, 4), "s": round(time.time() - begun)}
            print(json.dumps({**seen, **watch(mean.module, watched)}), flush=True)
            save(cast(SegmentNet, mean.module), weights)


def save(network: SegmentNet, path: Path) -> None:
    """The weights in float16, norms folded into the convolutions."""
    numbers, part = fused(network).state_dict(), path.with_name(f".{path.name}")
    part.write_bytes(serialised({name: number.half().contiguous() for name, number in numbers.items()}))
    part.rename(path)


def batch_of(examples: Sequence[Example]) -> tuple[Tensor, Tensor, Tensor]:
    """Images [B S S 3], parts [B S S], and how much of each pixel is face [B S S]."""
    rgb = torch.from_numpy(np.stack([each.rgb for each in examples]))
    labels = torch.from_numpy(np.stack([each.labels for each in examples])).long()
    return rgb, labels, torch.from_numpy(np.stack([each.face for each in examples])).float() / 255


def weights_of_classes(examples: Sequence[Example]) -> Tensor:
    """Rare parts count a little more; much more would widen them at the cost of the skin around."""
    counts = np.bincount(np.concatenate([each.labels.ravel() for each in examples]), minlength=len(Part))
    weights = ((counts.max() / np.maximum(counts, 1)) ** 0.25).clip(1, 2.5)
    return torch.from_numpy(weights / (weights * counts / counts.sum()).sum()).float()


def loss_of(logits: Tensor, labels: Tensor, face: Tensor, class_weights: Tensor) -> Tensor:
    """Cross-entropy of parts and of the face, and of the face what its overlap lacks (soft Jaccard)."""
    parts = F.cross_entropy(logits[:, :-1], labels, weight=class_weights)
    whole = F.binary_cross_entropy_with_logits(logits[:, -1], face)
    probability = logits[:, -1].sigmoid()
    shared = (probability * face).sum(dim=(1, 2))
    union = (probability + face - probability * face).sum(dim=(1, 2))
    return parts + 2 * whole + (1 - (shared + 1) / (union + 1)).mean()


def watch(network: torch.nn.Module, examples: Sequence[Example]) -> dict[str, float]:
    """IoU over hard held-out examples: face, skin, occluders, glasses, hair."""
    network.eval()
    counts: dict[str, np.ndarray] = {}
    with torch.inference_mode():
        for start in range(0, len(examples), BATCH_SIZE):
            rgb, labels, face = batch_of(examples[start : start + BATCH_SIZE])
            logits = network(as_input(rgb))
            found = logits[:, :-1].argmax(dim=1)
            pairs = {"face": (logits[:, -1] > 0, face > 0.5)}
            for part in (Part.SKIN, Part.OCCLUDER, Part.GLASSES, Part.HAIR):
                pairs[part.name.lower()] = (found == part, labels == part)
            for name, (one, other) in pairs.items():
                counts[name] = counts.get(name, np.zeros(2)) + np.array(
                    [int((one & other).sum()), int((one | other).sum())]
                )
    return {name: round(float(shared / max(union, 1)), 4) for name, (shared, union) in counts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("render", "train", "refine", "measure"))
    parser.add_argument("--folder", type=Path, required=True, help="where rendered frames are kept")
    parser.add_argument("--weights", type=Path, default=weights_folder() / WEIGHTS_NAME)
    parser.add_argument("--sheet", type=Path, help="with measure: an image of held-out faces and their segments")
    options = parser.parse_args()
    if options.verb == "render":
        render_footage(options.folder)
    elif options.verb == "train":
        train(options.folder, options.weights)
    elif options.verb == "refine":
        refine(options.folder, options.weights)
    else:
        measure(options.folder, options.sheet)


if __name__ == "__main__":
    main()
