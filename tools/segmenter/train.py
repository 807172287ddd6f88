"""Make `weights/segmenter.safetensors`, and measure it: the network that classifies each pixel of a face.

    .venv/bin/python -m tools.segmenter.train render --folder ~/.cache/countenance/segmenter
    .venv/bin/python -m tools.segmenter.train train --folder ~/.cache/countenance/segmenter
    .venv/bin/python -m tools.segmenter.train refine --folder ~/.cache/countenance/segmenter
    .venv/bin/python -m tools.segmenter.train measure --folder ~/.cache/countenance/segmenter --sheet sheet.png

All that it learns from is drawn by code: synthetic actors with exact labels, half of them with props, things pasted
in front of them,
backgrounds, light, blur and noise. `render` resumes, and `train` may run beside it. All randomness comes from one
seed. `refine` with `--start` and few `--steps` adapts finished weights to other actors; `--limit-s` works in slices.
`measure` uses actors and things that training never saw, and crops from the mesh that `prepare` would find,
and prints the tables of the card.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
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

BATCH_SIZE, WARM_UP = 16, 200
MEAN_STEPS = 500
"""The weights that are kept are a running mean over about so many steps, in a short run a fifth of all."""
STEPS, LEARNING_RATE = 4500, 3e-3
REFINING_STEPS, REFINING_RATE = 2500, 8e-4
STATE_NAME, STEPS_A_STATE = "learning.pt", 25
"""Where an unfinished run is kept, and how often."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """Where a run reads and writes, and how far it goes."""

    folder: Path
    weights: Path
    steps: int
    limit_s: float | None
    """It stops after so long, and goes on with the next call."""


def train(run: Run) -> None:
    """Train from scratch, with norms; rare parts are weighted a little higher."""
    torch.manual_seed(SEED)
    dataset = Dataset(run.folder, TRAINING_SEEDS, TRAINING_OCCLUDERS)
    class_weights = weights_of_classes([dataset.example(number) for number in range(300)])
    learn(SegmentNet(), dataset, 0, LEARNING_RATE, class_weights, run)


def refine(run: Run, start: Path) -> None:
    """Continue from a file's weights, norms folded in; all parts are weighted alike, and thin occluders are added."""
    network = fused(SegmentNet())
    network.load_state_dict({name: number.float() for name, number in load_file(start).items()})
    there = [seed for seed in TRAINING_SEEDS if (run.folder / f"{seed}.npz").exists()]
    dataset = Dataset(run.folder, there, (*TRAINING_OCCLUDERS, draw_curve))
    alike = torch.ones(len(Part))
    learn(network, dataset, STEPS * BATCH_SIZE, REFINING_RATE, alike, run)


def learn(
    network: SegmentNet,
    dataset: Dataset,
    first: int,
    rate: float,
    class_weights: Tensor,
    run: Run,
) -> None:
    """Learn from the examples from the `first` on, and write the running mean of the weights."""
    torch.set_num_threads(1)
    begun, steps, kept = time.monotonic(), run.steps, run.weights.with_suffix(f".{STATE_NAME}")
    there = [seed for seed in HELD_OUT_SEEDS[:20] if (run.folder / f"{seed}.npz").exists()]
    held_out = Dataset(run.folder, there, HELD_OUT_OCCLUDERS)
    watched = [held_out.example(number) for number in range(160)]
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    running_mean = get_ema_multi_avg_fn(1 - 1 / (1 + min(MEAN_STEPS, run.steps / 5)))  # type: ignore[no-untyped-call]
    mean = AveragedModel(network, multi_avg_fn=running_mean, use_buffers=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda step: float(min((step + 1) / min(WARM_UP, steps / 5), 0.5 + 0.5 * np.cos(np.pi * step / steps))),
    )
    done, running, spent = 0, 0.0, 0.0
    if kept.exists():
        state = torch.load(kept, weights_only=True)
        if state["steps"] != steps:
            raise SystemExit(f"{kept} belongs to a run of {state['steps']} steps; delete it to start over")
        network.load_state_dict(state["network"])
        mean.load_state_dict(state["mean"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        done, running, spent = state["done"], state["running"], state["spent"]
    for step in range(done, steps):
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
        now = spent + time.monotonic() - begun
        if (step + 1) % 250 == 0 or step + 1 == steps:
            seen = {"step": step + 1, "loss": round(running, 4), "s": round(now)}
            print(json.dumps({**seen, **watch(mean.module, watched)}), flush=True)
            save(cast(SegmentNet, mean.module), run.weights)
        over = run.limit_s is not None and time.monotonic() - begun > run.limit_s
        if over or (step + 1) % STEPS_A_STATE == 0:
            state = {"steps": steps, "done": step + 1, "running": running, "spent": now}
            stored = {
                "network": network.state_dict(),
                "mean": mean.state_dict(),
                "optimiser": optimiser.state_dict(),
                "schedule": schedule.state_dict(),
            }
            part = kept.with_name(f"{kept.name}.part")
            torch.save({**state, **stored}, part)
            part.rename(kept)
        if over and step + 1 < steps:
            print(f"stopped after step {step + 1} of {steps}; the same command goes on", flush=True)
            return
    kept.unlink(missing_ok=True)


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
    parser.add_argument(
        "--start", type=Path, help="with refine: weights to begin with; those of --weights if not given"
    )
    parser.add_argument("--steps", type=int, help="with train and refine: how many, if not all")
    parser.add_argument(
        "--limit-s", type=float, help="with train and refine: stop after so long; the next call goes on"
    )
    parser.add_argument("--actors", type=int, help="with render and measure: the first ones only")
    options = parser.parse_args()
    if options.verb == "render":
        render_footage(options.folder, num_actors=options.actors)
    elif options.verb == "measure":
        measure(options.folder, options.sheet, num_actors=options.actors, weights=options.weights)
    else:
        usual = STEPS if options.verb == "train" else REFINING_STEPS
        run = Run(
            folder=options.folder,
            weights=options.weights,
            steps=options.steps or usual,
            limit_s=options.limit_s,
        )
        if options.verb == "train":
            train(run)
        else:
            refine(run, options.start or options.weights)


if __name__ == "__main__":
    main()
