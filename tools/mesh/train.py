"""Train mesh nets further on rendered actors; `tools.mesh.measure` measures them.

    .venv/bin/python -m tools.mesh.train render --folder footage --part training --processes 15 --limit-s 40
    .venv/bin/python -m tools.mesh.train train --attention attention.tflite --triples corpus --footage footage \\
        --output trained --device cuda --processes 5 --limit-s 300
    .venv/bin/python -m tools.mesh.train write --attention attention.tflite --trained trained/trained.pt \\
        --run plain:0.03 --share 0.5 --output face_landmark.tflite

Two nets can be trained: the product's, and the attention mesh, `face_landmark_with_attention.tflite` of the Python
package mediapipe 0.10.14 (Apache-2.0). All that they learn from is drawn by code, with exact points. Several runs share
the crops and differ in how far the attention mesh as it came is believed. The result is a mean of the old and the new
weights (Wortsman et al., Robust fine-tuning of zero-shot models, 2022): what was learned from photographs stays in it.
A run ends with its time, so two never give the same weights.
"""

import argparse
import json
import math
import multiprocessing
import queue
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from countenance.vision.landmarks import EYES, INPUT_SIZE
from countenance.vision.networks import weights_folder
from tools.mesh.attention import FACE, IMAGE, IN_CROP, MESH, REGIONS
from tools.mesh.dataset import Files, draw_crops
from tools.mesh.degrade import degrade
from tools.mesh.footage import PARTS, render
from tools.mesh.network import GraphNet
from tools.mirror import mirrored_numbers

RATE, WARM_UP, EMA = 3e-4, 100, 0.998
RATE_GROUPS = (0.25, 0.5, 0.75, 1.0)
"""Shares of the rate, from the first quarter of the layers to the last."""
REGION_WEIGHT, DEPTH_WEIGHT, ZERO_WEIGHT, FACE_WEIGHT, MIRROR_WEIGHT = 0.3, 0.3, 0.03, 0.01, 0.3
SOFTNESS_PX = 0.3
RUNS = ("attention:0.03", "attention:0", "plain:0.03", "plain:0")
POOL, FIRST_CROPS, CHUNK = 12_288, 512, 16
"""Crops that batches are drawn from; how many have to be there at first; how many come at once."""
SAVE_EVERY_S, TELL_EVERY_S, TO_WRITE_S = 60.0, 15.0, 12.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Chunk:
    """Crops as processes pass them on."""

    rgb: UInt8[np.ndarray, "N S S 3"]
    clean: UInt8[np.ndarray, "N S S 3"]
    points_xyz: Float32[np.ndarray, "N 468 3"]


class Feeder(Protocol):
    """Makes crops."""

    def take(self, *, wait: bool) -> list[Chunk]:
        """What is ready; if `wait` and nothing is, what comes soon."""
        ...


class Processes:
    """Makes crops in processes of their own."""

    def __init__(self, triples: Path | None, footage: Path | None, *, number: int, seed: int = 0) -> None:
        context = multiprocessing.get_context("spawn")
        self._chunks: Any = context.Queue(8 * number)
        self._workers = [
            context.Process(target=_feed, args=(self._chunks, triples, footage, each, number, seed), daemon=True)
            for each in range(number)
        ]
        for worker in self._workers:
            worker.start()

    def take(self, *, wait: bool) -> list[Chunk]:
        """What is ready; if `wait` and nothing is, what comes within a second.

        Raises:
            RuntimeError: all processes ended.
        """
        taken: list[Chunk] = []
        try:
            while True:
                taken.append(self._chunks.get(timeout=1.0) if wait and not taken else self._chunks.get_nowait())
        except queue.Empty:
            if not taken and not any(worker.is_alive() for worker in self._workers):
                raise RuntimeError("all processes that make crops ended; their messages are above") from None
        return taken

    def stop(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            worker.join()


def _feed(chunks: Any, triples: Path | None, footage: Path | None, number: int, of: int, seed: int) -> None:
    cv2.setNumThreads(1)
    crops = draw_crops(Files(triples, footage, number=number, of=of), np.random.default_rng([seed, number]))
    while True:
        some = list(islice(crops, CHUNK))
        chunks.put(
            Chunk(
                rgb=np.stack([crop.rgb for crop in some]),
                clean=np.stack([crop.clean for crop in some]),
                points_xyz=np.stack([crop.points_xyz for crop in some]),
            )
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Found:
    """What a mesh net makes of a batch."""

    mesh: Tensor
    """[B 468 3], pixels of the crop."""
    face: Tensor
    """[B 1], a face's log-odds."""
    parts: tuple[Tensor, ...]
    """Of `REGIONS`, each [B N 2], found again by the attention mesh; empty for the plain one."""

    def points(self) -> Tensor:
        """[B 468 3], the parts in their places."""
        points = self.mesh.clone()
        for region, part in zip(REGIONS, self.parts, strict=False):
            points[:, list(region.numbers), :2] = part
        return points


class MeshNet(torch.nn.Module):
    """A mesh net of either kind, from images [B 3 S S], 0–1."""

    def __init__(self, model: Path) -> None:
        super().__init__()
        self.graph = GraphNet(model)
        if len(self.graph.outputs) > 2:
            self.graph = GraphNet(model, [IMAGE], [MESH, FACE, *IN_CROP])

    def forward(self, rgb: Tensor) -> Found:
        mesh, face, *parts = self.graph(rgb)
        return Found(
            mesh=mesh.reshape(-1, 468, 3), face=face, parts=tuple(part.reshape(len(part), -1, 2) for part in parts)
        )


class Mirror:
    """Mirror images of points in crops."""

    def __init__(self, device: torch.device) -> None:
        self._partner = torch.from_numpy(mirrored_numbers()).to(device)
        self._sign = torch.tensor([-1.0, 1.0, 1.0], device=device)
        self._shift = torch.tensor([INPUT_SIZE - 1.0, 0.0, 0.0], device=device)

    def __call__(self, points: Tensor) -> Tensor:
        """[B 468 3]."""
        return points[:, self._partner] * self._sign + self._shift


class Pool:
    """Crops on the device, each with what the attention mesh as it came finds when nothing hides the face."""

    def __init__(self, attention: Path, mirror: Mirror, device: torch.device, capacity: int) -> None:
        self._teacher, self._mirror = MeshNet(attention).to(device).eval(), mirror
        self._rgb = torch.empty(capacity, 3, INPUT_SIZE, INPUT_SIZE, dtype=torch.uint8, device=device)
        self._truth, self._taught = (torch.empty(capacity, 468, 3, device=device) for _ in range(2))
        self.added, self._capacity, self._device = 0, capacity, device

    @torch.no_grad()
    def add(self, chunk: Chunk) -> None:
        """In place of the oldest."""
        places = (self.added + torch.arange(len(chunk.rgb), device=self._device)) % self._capacity
        clean = self._images(chunk.clean).float() / 255
        straight, flipped = self._teacher(clean).points(), self._teacher(clean.flip(-1)).points()
        self._rgb[places] = self._images(chunk.rgb)
        self._truth[places] = torch.from_numpy(chunk.points_xyz).to(self._device)
        self._taught[places] = (straight + self._mirror(flipped)) / 2
        self.added += len(chunk.rgb)

    def draw(self, batch: int) -> tuple[Tensor, Tensor, Tensor]:
        """Images, ground truth, and what was taught."""
        places = torch.randint(min(self.added, self._capacity), (batch,), device=self._device)
        return self._rgb[places].float() / 255, self._truth[places], self._taught[places]

    def _images(self, rgb: UInt8[np.ndarray, "N S S 3"]) -> Tensor:
        return torch.from_numpy(rgb).to(self._device).permute(0, 3, 1, 2)


def aim(truth: Tensor, taught: Tensor, trust: float) -> Tensor:
    """The points to be found: the ground truth, or what was taught where that is nearer than `trust`; z about zero.

    `trust` is a fraction of the distance between the eyes' outer corners.
    """
    centred = taught - taught.mean(1, keepdim=True) * taught.new_tensor([0.0, 0.0, 1.0])
    if trust == 0:
        return truth
    wide = (truth[:, EYES[0]] - truth[:, EYES[1]]).norm(dim=-1)[:, None]
    apart: Tensor = (truth - centred)[..., :2].norm(dim=-1) / wide
    share = apart**4 / (apart**4 + trust**4)
    aimed: Tensor = torch.lerp(centred, truth, share[..., None])
    return aimed


def loss_of(found: Found, original: Found, target: Tensor, mirror: Mirror) -> Tensor:
    """Of images in the first half of a batch and their mirror images in the second."""
    wide: Tensor = (target[:, EYES[0]] - target[:, EYES[1]]).norm(dim=-1)[:, None]

    def apart(one: Tensor, other: Tensor) -> Tensor:
        distances: Tensor = ((one[..., :2] - other[..., :2]).square().sum(-1) + SOFTNESS_PX**2).sqrt()
        shares: Tensor = distances / wide[: len(one)]
        return shares

    loss: Tensor = apart(found.mesh, target).mean()
    for region, part in zip(REGIONS, found.parts, strict=False):
        loss = loss + REGION_WEIGHT * apart(part, target[:, list(region.numbers)]).mean()
    # The zero of depth is a convention of each net; it stays where it was.
    depth, zero, old_zero = found.mesh[..., 2], found.mesh[..., 2].mean(1), original.mesh[..., 2].mean(1)
    loss = loss + DEPTH_WEIGHT * ((depth - zero[:, None] - target[..., 2]).abs() / wide).mean()
    loss = loss + ZERO_WEIGHT * ((zero - old_zero).abs() / wide[:, 0]).mean()
    loss = loss + FACE_WEIGHT * (found.face.clamp(-15, 15) - original.face.clamp(-15, 15)).abs().mean()
    half = len(target) // 2
    points = found.points()
    return loss + MIRROR_WEIGHT * apart(points[:half], mirror(points[half:])).mean()


class Run:
    """A net that is trained, in one way."""

    def __init__(self, name: str, models: Mapping[str, Path], device: torch.device, rate: float) -> None:
        self.kind, _, trust = name.partition(":")
        self.trust = float(trust)
        self.net = MeshNet(models[self.kind]).to(device)
        weights = list(self.net.parameters())
        of = len(RATE_GROUPS)
        groups: list[dict[str, Any]] = [
            {"params": weights[number * len(weights) // of : (number + 1) * len(weights) // of], "share": share}
            for number, share in enumerate(RATE_GROUPS)
        ]
        self._optimizer = torch.optim.AdamW(
            groups, lr=rate, betas=(0.9, 0.99), weight_decay=0.0, fused=device.type == "cuda"
        )
        self.mean = {name: weight.detach().clone() for name, weight in self.net.graph.weights.items()}
        self.rate, self.steps = rate, 0

    def step(
        self, images: Tensor, original: Found, truth: Tensor, taught: Tensor, mirror: Mirror, done: float
    ) -> Tensor:
        """Learn from a batch, when a share of the time is over; the mean error, % of the eyes' outer distance."""
        found = self.net(images)
        loss = loss_of(found, original, aim(truth, taught, self.trust), mirror)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        for group in self._optimizer.param_groups:
            falling = 0.5 + 0.5 * math.cos(math.pi * min(done, 1.0))
            group["lr"] = self.rate * group["share"] * min((self.steps + 1) / WARM_UP, falling)
        self._optimizer.step()
        self.steps += 1
        keep = min(EMA, (self.steps + 1) / (self.steps + 10))
        for name, weight in self.net.graph.weights.items():
            self.mean[name].lerp_(weight.detach(), 1 - keep)
        wide = (truth[:, EYES[0]] - truth[:, EYES[1]]).norm(dim=-1)[:, None]
        error_pct: Tensor = (found.points() - truth)[..., :2].norm(dim=-1).div(wide).mean().detach() * 100
        return error_pct


def learn(
    names: Sequence[str],
    models: Mapping[str, Path],
    feeder: Feeder,
    output: Path,
    *,
    device: torch.device,
    batch: int,
    finish_at: float,
    rate: float = RATE,
    capacity: int = POOL,
    first_crops: int = FIRST_CROPS,
) -> None:
    """Train until `finish_at` of `time.monotonic`, and write the weights, every minute and at the end.

    Raises:
        RuntimeError: there weren't enough crops by then.
    """
    mirror = Mirror(device)
    pool = Pool(models["attention"], mirror, device, capacity)
    runs = {name: Run(name, models, device, rate) for name in names}
    originals = {kind: MeshNet(models[kind]).to(device).eval() for kind in {run.kind for run in runs.values()}}
    while pool.added < first_crops:
        if time.monotonic() > finish_at:
            raise RuntimeError(f"{pool.added} crops of {first_crops} came in time; render first, or allow more time")
        for chunk in feeder.take(wait=True):
            pool.add(chunk)
    begun = told = saved = time.monotonic()
    errors: dict[str, Tensor] = {}
    while (now := time.monotonic()) < finish_at:
        for chunk in feeder.take(wait=False):
            pool.add(chunk)
        images, truth, taught = pool.draw(batch)
        images = degrade(torch.cat([images, images.flip(-1)]))
        truth, taught = (torch.cat([each, mirror(each)]) for each in (truth, taught))
        with torch.no_grad():
            found = {kind: net(images) for kind, net in originals.items()}
        done = (now - begun) / (finish_at - begun)
        for name, run in runs.items():
            error = run.step(images, found[run.kind], truth, taught, mirror, done)
            errors[name] = torch.lerp(errors.get(name, error), error, 0.02)
        if now - told > TELL_EVERY_S:
            told = now
            steps = max(run.steps for run in runs.values())
            seen = {name: round(float(error), 2) for name, error in errors.items()}
            print(json.dumps({"s": round(now - begun), "step": steps, "crops": pool.added, **seen}), flush=True)
        if now - saved > SAVE_EVERY_S:
            saved = now
            save(runs, output)
    save(runs, output)
    print(json.dumps({"steps": max(run.steps for run in runs.values()), "crops": pool.added}), flush=True)


def save(runs: Mapping[str, Run], output: Path) -> None:
    """The mean weights of all runs, as precise as a model's file keeps them."""
    output.mkdir(parents=True, exist_ok=True)
    unfinished = output / ".trained.pt"
    stored = {name: {tensor: weight.half().cpu() for tensor, weight in run.mean.items()} for name, run in runs.items()}
    torch.save(stored, unfinished)
    unfinished.rename(output / "trained.pt")


def write(models: Mapping[str, Path], trained: Path, name: str, share: float, output: Path) -> None:
    """The model with weights between the old ones (share 0) and a run's (share 1)."""
    net = MeshNet(models[name.partition(":")[0]])
    weights = torch.load(trained)[name]
    with torch.no_grad():
        for tensor, weight in net.graph.weights.items():
            weight.lerp_(weights[tensor].float(), share)
    net.graph.save(output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    rendering = verbs.add_parser("render", help="footage of actors with exact points; resumes")
    rendering.add_argument("--folder", type=Path, required=True)
    rendering.add_argument("--part", choices=tuple(PARTS), required=True)
    rendering.add_argument("--processes", type=int, default=1)
    rendering.add_argument("--limit-s", type=float, default=math.inf, help="no actor is begun later")
    training, writing = (verbs.add_parser(name) for name in ("train", "write"))
    for each in (training, writing):
        each.add_argument("--attention", type=Path, required=True, help="face_landmark_with_attention.tflite")
        each.add_argument("--plain", type=Path, default=weights_folder() / "face_landmark.tflite")
    training.add_argument("--triples", type=Path, help="folder of a corpus; it may be growing")
    training.add_argument("--footage", type=Path, help="folder of footage; it may be growing")
    training.add_argument("--output", type=Path, required=True, help="folder for trained.pt and a model of each run")
    training.add_argument("--runs", nargs="+", default=RUNS, help="net and trust, such as attention:0.03")
    training.add_argument("--device", default="cpu")
    training.add_argument("--processes", type=int, default=1, help="that make crops")
    training.add_argument("--batch", type=int, default=64, help="crops a step; their mirror images come on top")
    training.add_argument("--rate", type=float, default=RATE)
    training.add_argument("--limit-s", type=float, required=True, help="of this command, from its start to its end")
    writing.add_argument("--trained", type=Path, required=True)
    writing.add_argument("--run", required=True, help="such as attention:0.03")
    writing.add_argument("--share", type=float, required=True, help="of the trained weights: 0 is the model as it came")
    writing.add_argument("--output", type=Path, required=True, help="the model to be made")
    begun, options = time.monotonic(), parser.parse_args()
    if options.verb == "render":
        render(options.folder, options.part, processes=options.processes, limit_s=options.limit_s)
        return
    models = {"attention": options.attention, "plain": options.plain}
    if options.verb == "train":
        if options.triples is None and options.footage is None:
            parser.error("nothing to learn from; give --triples, --footage or both")
        torch.set_num_threads(1)
        torch.backends.cudnn.benchmark = True
        feeder = Processes(options.triples, options.footage, number=options.processes)
        try:
            learn(
                options.runs,
                models,
                feeder,
                options.output,
                device=torch.device(options.device),
                batch=options.batch,
                finish_at=begun + options.limit_s - TO_WRITE_S,
                rate=options.rate,
            )
        finally:
            feeder.stop()
        for name in options.runs:
            path = options.output / f"{name.replace(':', '-')}.tflite"
            write(models, options.output / "trained.pt", name, 1.0, path)
    else:
        write(models, options.trained, options.run, options.share, options.output)


if __name__ == "__main__":
    main()
