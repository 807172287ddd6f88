"""Make `weights/segmenter.safetensors`, and measure it: the network that classifies each pixel of a face.

    .venv/bin/python -m tools.segmenter.train render --folder ~/.cache/countenance/segmenter --processes 4
    .venv/bin/python -m tools.segmenter.train train --folder ~/.cache/countenance/segmenter
    .venv/bin/python -m tools.segmenter.train refine --folder ~/.cache/countenance/segmenter
    .venv/bin/python -m tools.segmenter.train mix --start before.safetensors --refined refined.safetensors
    .venv/bin/python -m tools.segmenter.train measure --folder ~/.cache/countenance/segmenter --sheet sheet.png

All that it learns from is drawn by code: synthetic actors with exact labels, half of them with props, things pasted
in front of them, backgrounds, light, blur and noise. `render` resumes; `train` and `refine` take the training actors
that are rendered. All randomness comes from one seed, and the number of processes changes nothing.
`refine` with `--start` adapts finished weights to other actors. `--limit-s` works in slices; `--finish-in-s` instead
runs the learning rate down in that time, so that the weights are finished then, however many steps it took.
On a GPU, `--uses` shows each example so many times (every other time mirrored), because making one takes longer than
learning from it. `--without-codecs` leaves video codecs out of the examples; the file of weights says so.
`mix` goes part of the way from the weights before refining to those after it: taken whole, what was learned from few
actors makes the mask of a real face worse.
`measure` uses actors and things that training never saw, and crops from the mesh that `prepare` would find,
and prints the tables of the card.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from safetensors.torch import save as serialised
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from countenance.project import write_whole
from countenance.vision.networks import weights_folder
from countenance.vision.parts import Part
from countenance.vision.segment import (
    WEIGHTS_NAME,
    SegmentNet,
    as_input,
    fused,
)
from tools.segmenter.dataset import HELD_OUT_SEEDS, SEED, SEEDS, TRAINING_SEEDS, Dataset, Example, render_footage
from tools.segmenter.measure import measure
from tools.segmenter.occluders import HELD_OUT_OCCLUDERS, TRAINING_OCCLUDERS, draw_curve

BATCH_SIZE, WARM_UP = 16, 200
MEAN_STEPS = 500
"""The weights that are kept are a running mean over about so many steps, in a short run a fifth of all."""
STEPS, LEARNING_RATE = 4500, 3e-3
REFINING_STEPS, REFINING_RATE = 2500, 8e-4
EXAMPLES_BEFORE = STEPS * BATCH_SIZE
"""Refining goes on with the examples after those that training has seen."""
STATE_NAME, STEPS_A_STATE = "learning.pt", 25
"""Where an unfinished run is kept, and how often."""
STEPS_A_REPORT, SAVE_EVERY_S = 250, 50.0
WITHOUT_END = 1 << 30
ROUND = 64
"""Batches that are mixed when their examples are used more than once."""
KEPT_SHARE, KEPT_SHARES = 0.3, {"down.2.": 0.75}
"""Of the weights before refining, in a mixture; other shares by the beginnings of names."""
Batch = tuple[Tensor, Tensor, Tensor]
"""Images [B S S 3], parts [B L L], and how much of each pixel is face, 0-255 [B L L]; bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """Where a run reads and writes, and how far it goes."""

    folder: Path
    weights: Path
    steps: int
    rate: float
    """The highest learning rate."""
    limit_s: float | None = None
    """It stops after so long, and goes on with the next call."""
    finish_in_s: float | None = None
    """The learning rate falls to zero within so long, or within the steps if they end first."""
    batch: int = BATCH_SIZE
    uses: int = 1
    """How many times each example is seen."""
    device: str = "cpu"
    num_processes: int = 0
    """That make examples, beside the one that learns; 0: that one makes them."""
    has_codecs: bool = True
    """Whether cameras of the examples encode their video."""
    begun: float = field(default_factory=time.monotonic)
    """What times are counted from."""

    def progress(self, step: int, elapsed_s: float) -> float:
        """0-1: how far the schedule of the learning rate is."""
        by_time = elapsed_s / self.finish_in_s if self.finish_in_s else 0.0
        return min(max(step / self.steps, by_time), 1.0)

    def rate_share(self, step: int, elapsed_s: float) -> float:
        """Of the learning rate: up in the first steps, then down along a cosine."""
        down = 0.5 + 0.5 * math.cos(math.pi * self.progress(step, elapsed_s))
        return min((step + 1) / min(WARM_UP, self.steps / 5), down)


def train(run: Run) -> None:
    """Train from scratch, with norms; rare parts are weighted a little higher."""
    torch.manual_seed(SEED)
    dataset = Dataset(run.folder, TRAINING_SEEDS, TRAINING_OCCLUDERS, has_codecs=run.has_codecs)
    require_actors(dataset, run.folder)
    class_weights = weights_of_classes([dataset.example(number) for number in range(300)])
    learn(SegmentNet(), dataset, 0, class_weights, run)


def refine(run: Run, start: Path) -> None:
    """Continue from a file's weights, norms folded in; all parts are weighted alike, and thin occluders are added."""
    network = fused(SegmentNet())
    network.load_state_dict({name: number.float() for name, number in load_file(start).items()})
    occluders = (*TRAINING_OCCLUDERS, draw_curve)
    dataset = Dataset(run.folder, TRAINING_SEEDS, occluders, has_codecs=run.has_codecs)
    require_actors(dataset, run.folder)
    learn(network, dataset, EXAMPLES_BEFORE, torch.ones(len(Part)), run)


def mix(start: Path, refined: Path, weights: Path) -> None:
    """Write a mixture of two files of weights; see `KEPT_SHARE`."""
    before, after = load_file(start), load_file(refined)
    mixed = {}
    for name, number in before.items():
        share = next((share for beginning, share in KEPT_SHARES.items() if name.startswith(beginning)), KEPT_SHARE)
        mixed[name] = (share * number.float() + (1 - share) * after[name].float()).half()
    write_whole(weights, serialised(mixed, {}))


def require_actors(dataset: Dataset, folder: Path) -> None:
    if not len(dataset):
        raise SystemExit(f"{folder} holds no training actors; run `render` first")


def learn(
    network: SegmentNet,
    dataset: Dataset,
    first: int,
    class_weights: Tensor,
    run: Run,
) -> None:
    """Learn from the examples from the `first` on, and write the running mean of the weights."""
    torch.set_num_threads(1)
    device, kept = torch.device(run.device), run.weights.with_suffix(f".{STATE_NAME}")
    torch.backends.cudnn.benchmark = device.type == "cuda"
    held_out = Dataset(run.folder, HELD_OUT_SEEDS[:20], HELD_OUT_OCCLUDERS, has_codecs=run.has_codecs)
    watched = [held_out.example(number) for number in range(160)] if len(held_out) else []
    network.train().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    class_weights = class_weights.to(device)
    running_mean = get_ema_multi_avg_fn(1 - 1 / (1 + min(MEAN_STEPS, run.steps / 5)))  # type: ignore[no-untyped-call]
    mean = AveragedModel(network, multi_avg_fn=running_mean, use_buffers=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=run.rate, weight_decay=1e-3)
    done, running, spent = 0, torch.zeros((), device=device), 0.0
    if kept.exists():
        state = read_state(kept, run)
        network.load_state_dict(state["network"])
        mean.load_state_dict(state["mean"])
        optimiser.load_state_dict(state["optimiser"])
        done, running, spent = state["done"], state["running"], state["spent"]
    able = torch.cpu.get_capabilities()
    in_halves = device.type == "cuda" or bool(able.get("amx_bf16") or able.get("avx512_bf16"))
    saved = time.monotonic()
    for step, batch in zip(range(done, run.steps), batches(dataset, first, done, run), strict=True):
        for group in optimiser.param_groups:
            group["lr"] = run.rate * run.rate_share(step, spent + time.monotonic() - run.begun)
        rgb, labels, face = batch
        with torch.autocast(device.type, torch.bfloat16, enabled=in_halves):
            logits = network(as_input(rgb))
        loss = loss_of(logits.float(), labels.long(), face.float() / 255, class_weights)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        mean.update_parameters(network)
        running += (loss.detach() - running) / min(step + 1, 100)
        elapsed = time.monotonic() - run.begun
        ended = run.progress(step + 1, spent + elapsed) == 1
        if ended or (step + 1) % STEPS_A_REPORT == 0:
            seen = {"step": step + 1, "loss": round(running.item(), 4), "s": round(spent + elapsed, 1)}
            print(json.dumps({**seen, **watch(mean.module, watched, device)}), flush=True)
        if ended or time.monotonic() - saved > SAVE_EVERY_S:
            save(cast(SegmentNet, mean.module), run, step + 1)
            saved = time.monotonic()
        if ended:
            break
        over = run.limit_s is not None and elapsed > run.limit_s
        if over or (run.limit_s is not None and (step + 1) % STEPS_A_STATE == 0):
            stored = {"network": network.state_dict(), "mean": mean.state_dict(), "optimiser": optimiser.state_dict()}
            passed = {"steps": run.steps, "done": step + 1, "running": running, "spent": spent + elapsed}
            keep({**passed, **stored}, kept)
        if over:
            print(f"stopped after step {step + 1} of {run.steps}; the same command goes on", flush=True)
            return
    kept.unlink(missing_ok=True)


def read_state(path: Path, run: Run) -> dict[str, Any]:
    """An unfinished run."""
    state: dict[str, Any] = torch.load(path, weights_only=True, map_location=run.device)
    if state["steps"] != run.steps:
        raise SystemExit(f"{path} belongs to a run of {state['steps']} steps; delete it to start over")
    return state


def keep(state: dict[str, object], path: Path) -> None:
    """Write an unfinished run, whole."""
    part = path.with_name(f"{path.name}.part")
    torch.save(state, part)
    part.rename(path)


def batches(dataset: Dataset, first: int, done: int, run: Run) -> Iterator[Batch]:
    """What each step from `done` on learns from; the same for any number of processes."""
    in_round = 1 if run.uses == 1 else ROUND
    steps = in_round * run.uses
    # While one round is being used, the next one is made.
    begin = first + done // steps * in_round * run.batch
    processes = run.num_processes
    made = iter(
        DataLoader(
            cast("torch.utils.data.Dataset[Batch]", Numbered(dataset, begin, run.batch)),
            batch_size=None,
            collate_fn=unchanged,
            num_workers=processes,
            multiprocessing_context="spawn" if processes else None,
            prefetch_factor=max(2, -(-16 // processes)) if processes else None,
            worker_init_fn=with_one_thread if processes else None,
        )
    )

    def next_batch() -> Batch:
        rgb, labels, face = (torch.from_numpy(each).to(run.device, non_blocking=True) for each in next(made))
        return rgb, labels, face

    coming = [next_batch() for _ in range(in_round)]
    for step in range(done // steps * steps, run.steps):
        use, place = divmod(step % steps, in_round)
        if use == place == 0:
            rgb, labels, face = (torch.cat(each) for each in zip(*coming, strict=True))
            coming.clear()
        if place == 0:
            order = np.random.default_rng([SEED, 4, first, step]).permutation(len(rgb))
            chosen = torch.from_numpy(order).to(run.device)
        if step >= done:
            some = chosen[place * run.batch : (place + 1) * run.batch]
            yield mirrored((rgb[some], labels[some], face[some])) if use % 2 else (rgb[some], labels[some], face[some])
        if step % run.uses == 0:
            coming.append(next_batch())


class Numbered:
    """Batches by number, as `DataLoader` takes them."""

    def __init__(self, dataset: Dataset, first: int, batch: int) -> None:
        self._dataset, self._first, self._batch = dataset, first, batch

    def __len__(self) -> int:
        """Without end."""
        return 1 << 40

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        first = self._first + number * self._batch
        return batch_of([self._dataset.example(number) for number in range(first, first + self._batch)])


def unchanged(batch: object) -> object:
    """Else `DataLoader` makes tensors, which need shared memory."""
    return batch


def with_one_thread(_: int) -> None:
    """For a process beside others."""
    cv2.setNumThreads(1)


def mirrored(batch: Batch) -> Batch:
    """Left and right exchanged."""
    rgb, labels, face = batch
    return rgb.flip(2), labels.flip(2), face.flip(2)


def save(network: SegmentNet, run: Run, step: int) -> None:
    """The weights in float16, norms folded into the convolutions, with what they were made from."""
    numbers = fused(network).cpu().state_dict()
    facts = {"steps": str(step), "batch": str(run.batch), "uses": str(run.uses), "codecs": str(run.has_codecs).lower()}
    halves = {name: number.half().contiguous() for name, number in numbers.items()}
    write_whole(run.weights, serialised(halves, facts))


def batch_of(examples: Sequence[Example]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `Batch`, arrays: they need no shared memory to get from one process to another."""
    rgb, labels = np.stack([each.rgb for each in examples]), np.stack([each.labels for each in examples])
    return rgb, labels, np.stack([each.face for each in examples])


def weights_of_classes(examples: Sequence[Example]) -> Tensor:
    """Rare parts count a little more; much more would widen them at the cost of the skin around."""
    counts = np.bincount(np.concatenate([each.labels.ravel() for each in examples]), minlength=len(Part))
    weights = ((counts.max() / np.maximum(counts, 1)) ** 0.25).clip(1, 2.5)
    return torch.from_numpy(weights / (weights * counts / counts.sum()).sum()).float()


def loss_of(logits: Tensor, labels: Tensor, face: Tensor, class_weights: Tensor) -> Tensor:
    """Cross-entropy of parts and face, and what the overlap lacks (soft Jaccard) of each part and of each face."""
    logits = at_size(logits, labels.shape[-1])
    log_parts, whole = logits[:, :-1].log_softmax(dim=1), logits[:, -1]
    probability = whole.sigmoid()
    shared = (probability * face).sum(dim=(1, 2))
    union = (probability + face - probability * face).sum(dim=(1, 2))
    return (
        F.nll_loss(log_parts, labels, weight=class_weights)
        + 2 * F.binary_cross_entropy_with_logits(whole, face)
        + (1 - (shared + 1) / (union + 1)).mean()
        + lacking_overlap(log_parts.exp(), labels)
    )


def lacking_overlap(parts: Tensor, labels: Tensor) -> Tensor:
    """One minus the soft Jaccard index over a batch, the mean of the parts that occur: thin parts count as much."""
    lacks, occurs = [], []
    for part in range(parts.shape[1]):
        there, found = labels == part, parts[:, part]
        shared, num_there = (found * there).sum(), there.sum()
        occurs.append(num_there > 0)
        lacks.append((1 - (shared + 1) / (found.sum() + num_there - shared + 1)) * occurs[-1])
    return torch.stack(lacks).sum() / torch.stack(occurs).sum()


def at_size(logits: Tensor, size: int) -> Tensor:
    """As labels of another size are found from them."""
    return logits if logits.shape[-1] == size else F.interpolate(logits, (size, size), mode="bilinear")


def watch(network: torch.nn.Module, examples: Sequence[Example], device: torch.device) -> dict[str, float]:
    """IoU over hard held-out examples: face, skin, occluders, glasses, hair."""
    network.eval()
    counts: dict[str, np.ndarray] = {}
    with torch.inference_mode():
        for start in range(0, len(examples), BATCH_SIZE):
            rgb, labels, face = (
                torch.from_numpy(each).to(device) for each in batch_of(examples[start : start + BATCH_SIZE])
            )
            logits = at_size(network(as_input(rgb)), labels.shape[-1])
            found = logits[:, :-1].max(dim=1).indices
            pairs = {"face": (logits[:, -1] > 0, face > 127)}
            for part in (Part.SKIN, Part.OCCLUDER, Part.GLASSES, Part.HAIR):
                pairs[part.name.lower()] = (found == part, labels == part)
            for name, (one, other) in pairs.items():
                counts[name] = counts.get(name, np.zeros(2)) + np.array(
                    [int((one & other).sum()), int((one | other).sum())]
                )
    return {name: round(float(shared / max(union, 1)), 4) for name, (shared, union) in counts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("render", "train", "refine", "mix", "measure"))
    parser.add_argument("--folder", type=Path, help="where rendered frames are kept; not with mix")
    parser.add_argument("--weights", type=Path, default=weights_folder() / WEIGHTS_NAME)
    parser.add_argument("--sheet", type=Path, help="with measure: an image of held-out faces and their segments")
    parser.add_argument(
        "--start", type=Path, help="with refine and mix: weights to begin with; those of --weights if not given"
    )
    parser.add_argument("--refined", type=Path, help="with mix: what refining made of them")
    parser.add_argument("--steps", type=int, help="with train and refine: how many, if not all")
    parser.add_argument(
        "--limit-s", type=float, help="with render, train and refine: stop after so long; the next call goes on"
    )
    parser.add_argument(
        "--finish-in-s", type=float, help="with train and refine: finish within so long, however many steps it takes"
    )
    parser.add_argument("--batch", type=int, default=BATCH_SIZE, help="with train and refine: examples a step")
    parser.add_argument("--uses", type=int, default=1, help="with train and refine: how often an example is seen")
    parser.add_argument("--rate", type=float, help="with train and refine: the highest learning rate")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="with train and refine")
    parser.add_argument("--processes", type=int, default=0, help="that render actors or make examples")
    parser.add_argument(
        "--without-codecs", action="store_true", help="with train and refine: no video codecs in the examples"
    )
    parser.add_argument("--only", choices=tuple(SEEDS), help="with render: one set")
    parser.add_argument("--actors", type=int, help="with render and measure: the first ones only")
    options = parser.parse_args()
    if options.verb == "mix":
        if options.refined is None:
            parser.error("mix needs --refined, a file of weights; `refine` writes it")
        mix(options.start or options.weights, options.refined, options.weights)
        return
    if options.folder is None:
        parser.error(f"{options.verb} needs --folder, where rendered frames are kept")
    if options.verb == "render":
        render_footage(
            options.folder,
            (options.only,) if options.only else tuple(SEEDS),
            num_actors=options.actors,
            num_processes=max(options.processes, 1),
            limit_s=options.limit_s,
        )
    elif options.verb == "measure":
        measure(options.folder, options.sheet, num_actors=options.actors, weights=options.weights)
    else:
        usual = STEPS if options.verb == "train" else REFINING_STEPS
        if options.finish_in_s:
            usual = WITHOUT_END
        run = Run(
            folder=options.folder,
            weights=options.weights,
            steps=options.steps or usual,
            limit_s=options.limit_s,
            finish_in_s=options.finish_in_s,
            batch=options.batch,
            uses=options.uses,
            rate=options.rate or (LEARNING_RATE if options.verb == "train" else REFINING_RATE),
            device=options.device,
            num_processes=options.processes,
            has_codecs=not options.without_codecs,
        )
        if options.verb == "train":
            train(run)
        else:
            refine(run, options.start or options.weights)


if __name__ == "__main__":
    main()
