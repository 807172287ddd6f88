"""Train MediaPipe's attention mesh further on rendered actors, and measure it.

    .venv/bin/python -m tools.mesh.train render --folder ~/.cache/countenance/mesh
    .venv/bin/python -m tools.mesh.train train --folder ~/.cache/countenance/mesh --model attention.tflite
    .venv/bin/python -m tools.mesh.train measure --folder ~/.cache/countenance/mesh --model attention.tflite --share 1

The model is `face_landmark_with_attention.tflite` of the Python package mediapipe 0.10.14 (Apache-2.0). Its first
layers stay as they are. All that it learns from is drawn by code, with exact points. `render` and `train` resume, and
may run side by side; all randomness comes from one seed. The result is a mean of the old and the new weights
(Wortsman et al., Robust fine-tuning of zero-shot models, 2022): what was learned from photographs stays in it.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from countenance.vision.landmarks import EYES, INPUT_SIZE
from countenance.vision.networks import TfliteNet
from tools.mesh.attention import EARLY, FACE, IMAGE, IN_CROP, LATER, MESH, REGIONS, AttentionMesh, FileNet
from tools.mesh.dataset import Crop, Dataset, mirrored
from tools.mesh.footage import PARTS, render
from tools.mesh.measure import Net, finder, judge, mirrored_numbers, on_portrait, table
from tools.mesh.network import GraphNet, cut_model

BATCH_SIZE, WARM_UP, EMA = 8, 50, 0.995
STEPS, LEARNING_RATE = 2000, 2e-4
REGION_WEIGHT, DEPTH_WEIGHT, FACE_WEIGHT, MIRROR_WEIGHT = 0.3, 0.3, 0.01, 0.3
SOFTNESS_PX = 0.3
TRUST = 0.07
"""Fraction of the eyes' outer distance up to which the model as it came is believed against the ground truth."""
SAVE_EVERY = 50


class Teacher:
    """The model as it came."""

    def __init__(self, model: Path, folder: Path, partner: np.ndarray) -> None:
        path = folder / "teacher.tflite"
        cut_model(model, [IMAGE], [EARLY, LATER, FACE], path)
        self._first_layers, self._whole, self._partner = FileNet(path), AttentionMesh(model, folder), partner

    def features(self, crops: list[Crop]) -> tuple[Tensor, Tensor, Tensor]:
        """What its first layers make of crops [B C H W] twice, and its score [B 1]."""
        found = [self._first_layers(as_input(crop.rgb)) for crop in crops]
        early, later, face = (torch.from_numpy(np.concatenate(each)) for each in zip(*found, strict=True))
        return early.permute(0, 3, 1, 2), later.permute(0, 3, 1, 2), face.reshape(-1, 1)

    def points(self, crop: Crop) -> Float32[np.ndarray, "468 3"]:
        """Those that it finds when nothing hides them: mean of the clean crop and its mirror image."""
        straight, flipped = (
            self._whole(as_input(each.clean))[0].copy() for each in (crop, mirrored(crop, self._partner))
        )
        flipped = flipped[self._partner]
        flipped[:, 0] = INPUT_SIZE - 1 - flipped[:, 0]
        return np.asarray((straight + flipped) / 2, np.float32)


def as_input(rgb: UInt8[np.ndarray, "S S 3"]) -> Float32[np.ndarray, "1 S S 3"]:
    """As the nets take it."""
    return rgb[None].astype(np.float32) / 255


def student(model: Path) -> GraphNet:
    """What is trained."""
    return GraphNet(model, [EARLY, LATER], [MESH, FACE, *IN_CROP])


def aim(crop: Crop, taught: Float32[np.ndarray, "468 3"], trust: float) -> Float32[np.ndarray, "468 3"]:
    """The points to be found: the ground truth, or what the model as it came finds where that is nearer than `trust`.

    The zero of depth is a convention; it stays where it was.
    """
    truth = crop.points_xyz + np.array([0, 0, taught[:, 2].mean()], np.float32)
    if trust == 0:
        return truth
    wide = np.linalg.norm(truth[EYES[0]] - truth[EYES[1]])
    apart = np.linalg.norm((truth - taught)[:, :2], axis=1, keepdims=True) / wide
    share = apart**4 / (apart**4 + trust**4)
    return np.asarray(taught + share * (truth - taught), np.float32)


def loss_of(
    net: GraphNet, teacher: Teacher, crops: list[Crop], partner: np.ndarray, trust: float
) -> tuple[Tensor, float]:
    """Of crops and their mirror images; and the mean distance of the mesh's points, % of the eyes' distance."""
    crops = [replace(crop, points_xyz=aim(crop, teacher.points(crop), trust)) for crop in crops]
    both = crops + [mirrored(crop, partner) for crop in crops]
    early, later, taught_face = teacher.features(both)
    truth = torch.from_numpy(np.stack([crop.points_xyz for crop in both]))
    found, face, *parts = net(early, later)
    mesh: Tensor = found.reshape(-1, 468, 3)
    wide: Tensor = (truth[:, EYES[0]] - truth[:, EYES[1]]).norm(dim=-1)[:, None]

    def apart(one: Tensor, other: Tensor) -> Tensor:
        distances: Tensor = ((one[..., :2] - other[..., :2]).square().sum(-1) + SOFTNESS_PX**2).sqrt()
        return distances / wide[: len(one)]

    loss: Tensor = apart(mesh, truth).mean()
    for region, points in zip(REGIONS, parts, strict=True):
        in_crop = points.reshape(len(points), -1, 2)
        loss = loss + REGION_WEIGHT * apart(in_crop, truth[:, list(region.numbers)]).mean()
    loss = loss + DEPTH_WEIGHT * ((mesh[..., 2] - truth[..., 2]).abs() / wide).mean()
    loss = loss + FACE_WEIGHT * (face.clamp(-15, 15) - taught_face.clamp(-15, 15)).abs().mean()
    flipped = mesh[len(crops) :, partner] * torch.tensor([-1.0, 1.0, 1.0]) + torch.tensor([INPUT_SIZE - 1.0, 0.0, 0.0])
    loss = loss + MIRROR_WEIGHT * apart(mesh[: len(crops)], flipped).mean()
    return loss, float((mesh - truth)[..., :2].norm(dim=-1).div(wide).mean().detach() * 100)


def train(model: Path, folder: Path, steps: int, trust: float) -> None:
    """From the model's weights, or from where an earlier run stopped."""
    torch.set_num_threads(1)
    partner = mirrored_numbers()
    dataset, teacher, net = Dataset(folder), Teacher(model, folder, partner), student(model)
    mean = {name: weight.detach().clone() for name, weight in net.weights.items()}
    optimizer = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    checkpoint, first = folder / "training.pt", 0
    if checkpoint.exists():
        stored = torch.load(checkpoint)
        net.load_state_dict(stored["net"])
        optimizer.load_state_dict(stored["optimizer"])
        mean, first = stored["mean"], stored["step"]
    running = [0.0, 0.0]
    begun = time.process_time()
    for step in range(first, steps):
        crops = [dataset.crop(step * BATCH_SIZE + place) for place in range(BATCH_SIZE)]
        loss, error_pct = loss_of(net, teacher, crops, partner, trust)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min((step + 1) / WARM_UP, 0.5 + 0.5 * math.cos(math.pi * step / steps))
        optimizer.step()
        keep = min(EMA, (step + 1) / (step + 10))
        for name, weight in net.weights.items():
            mean[name].lerp_(weight.detach(), 1 - keep)
        share = min(step - first + 1, SAVE_EVERY)
        running = [old + (new - old) / share for old, new in zip(running, (loss.item(), error_pct), strict=True)]
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            seen = {"step": step + 1, "loss": round(running[0], 4), "error_pct": round(running[1], 2)}
            print(json.dumps({**seen, "cpu_s": round(time.process_time() - begun)}), flush=True)
            state = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "mean": mean, "step": step + 1}
            unfinished = checkpoint.with_name(".training.pt")
            torch.save(state, unfinished)
            unfinished.rename(checkpoint)


def write(model: Path, folder: Path, share: float, output: Path) -> None:
    """The model with weights between the old ones (share 0) and the trained ones (share 1)."""
    net = student(model)
    trained = torch.load(folder / "training.pt")["mean"]
    with torch.no_grad():
        for name, weight in net.weights.items():
            weight.lerp_(trained[name], share)
    net.save(output)


def measure(model: Path, folder: Path, shares: Sequence[float]) -> None:
    """Print the table: the product's mesh, the model as it came, and the model with some shares of the training."""
    nets: dict[str, Net] = {"product": TfliteNet("face_landmark"), "as it came": AttentionMesh(model, folder)}
    for share in shares:
        path = folder / f"{share:.2f}.tflite"
        write(model, folder, share, path)
        nets[f"share {share:g}"] = AttentionMesh(path, folder)
    columns = {}
    for name, net in nets.items():
        mesh = finder(net)
        columns[name] = {**on_portrait(mesh), **table(judge(mesh, folder))}
        print(name, file=sys.stderr, flush=True)
    print("| % of the eyes' outer distance | " + " | ".join(columns) + " |\n| --- " + "| --- " * len(columns) + "|")
    for row in columns["product"]:
        print(f"| {row} | " + " | ".join(f"{column[row]:.2f}" for column in columns.values()) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("render", "train", "measure", "write"))
    parser.add_argument("--folder", type=Path, required=True, help="where rendered frames and checkpoints are kept")
    parser.add_argument("--model", type=Path, help="face_landmark_with_attention.tflite")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument(
        "--trust", type=float, default=TRUST, help="with train: of the model as it came; 0 is the ground truth alone"
    )
    parser.add_argument(
        "--share",
        type=float,
        nargs="*",
        default=(),
        help="of the trained weights in the mean: 0 is the model as it came",
    )
    parser.add_argument("--output", type=Path, help="with write: the model to be made")
    options = parser.parse_args()
    if options.verb == "render":
        for part in reversed(PARTS):
            render(options.folder, part)
        return
    if options.model is None:
        parser.error("--model is needed: face_landmark_with_attention.tflite from the package mediapipe 0.10.14")
    if options.verb == "train":
        train(options.model, options.folder, options.steps, options.trust)
    elif options.verb == "measure":
        measure(options.model, options.folder, options.share)
    elif options.output is None or len(options.share) != 1:
        parser.error("write needs --output and one --share")
    else:
        write(options.model, options.folder, options.share[0], options.output)


if __name__ == "__main__":
    main()
