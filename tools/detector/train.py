"""Train the detector on untouched and altered clips of rendered people.

    python -m tools.detector.train --minutes 30 --output FOLDER

Each batch holds pairs: a face as it was filmed and the same face altered, at the same moment and after the same
journey, so that nothing else can tell them apart. Whoever is for testing isn't looked at.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from countenance.bench.judge.unseen import weights_folder
from countenance.forensics.network import SIZE, DetectorNet, as_input, read_trunk
from countenance.vision.weights import read_weights
from tools.detector.crops import WAYS, Crops, Way, crops_path, read_crops
from tools.detector.faces import evidence_of, next_places
from tools.detector.footage import Person, default_folder
from tools.detector.groups import is_held_out
from tools.detector.measure import area_under_curve

PAIRS = 16
LEARNING_RATE, WEIGHT_DECAY = 6e-4, 1e-2
WARM_UP, MOST_GRADIENT = 50, 1.0
NUM_KEPT_BLOCKS, SLOWER = 3, 0.5
"""Of a training that goes on: the first blocks stay, which saves a third of the time, and steps are smaller."""
ORDER_WEIGHT = 0.5
"""Of the loss by which an altered face must show more evidence than its untouched twin."""
TOLD_EVERY_S = 120.0
EMA = 0.998
SHARE_WITHOUT_NEXT = 0.25
SMALLEST = 64
"""Side in pixels down to which a crop is shrunk and enlarged again, as small faces are."""
SAME = 0.6
"""Mean difference in grey levels below which a frame wasn't altered."""
EVERY_PIXEL = 4
"""Across and down, of which that mean is taken."""
WEIGHTS = {"self": 0.25, "self again": 0.25, "warped": 0.3, "base": 0.3, "classical": 0.2, "cloned": 0.2}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pair:
    """One clip after one journey, untouched and altered."""

    person: int
    way: Way
    method: str
    real: Crops
    altered: Crops
    differs: np.ndarray
    """Whether each face was altered."""


def read_pairs(
    folder: Path, people: Sequence[Person], methods: Sequence[str], *, with_stills: bool = False
) -> list[Pair]:
    """All pairs of some people whose crops are there."""
    pairs = []
    stills: tuple[Way, ...] = ("still",) if with_stills else ()
    for person in people:
        for way in (*WAYS, *stills):
            if not crops_path(folder, person.number, "real", way).exists():
                continue
            real = read_crops(folder, person.number, "real", way)
            for method in methods:
                if not len(real.frame) or not crops_path(folder, person.number, method, way).exists():
                    continue
                altered = read_crops(folder, person.number, method, way)
                some = (slice(None), slice(None, None, EVERY_PIXEL), slice(None, None, EVERY_PIXEL))
                apart = np.abs(real.rgb[some].astype(np.int16) - altered.rgb[some]).mean(axis=(1, 2, 3))
                if (apart > SAME).any():
                    pairs.append(
                        Pair(
                            person=person.number,
                            way=way,
                            method=method,
                            real=real,
                            altered=altered,
                            differs=apart > SAME,
                        )
                    )
    return pairs


def draw_batch(
    by_method: dict[str, list[Pair]], rng: np.random.Generator
) -> tuple[tuple[Float[Tensor, "B 3 S S"], Float[Tensor, "B 3 S S"]], Float[Tensor, " B"]]:
    """Untouched faces, then their altered twins, augmented alike."""
    names = sorted(by_method)
    weights = np.array([WEIGHTS[name] for name in names])
    rows: list[list[np.ndarray]] = [[], [], [], []]
    has_next = []
    for _ in range(PAIRS):
        pairs = by_method[names[rng.choice(len(names), p=weights / weights.sum())]]
        pair = pairs[rng.integers(len(pairs))]
        place = rng.choice(np.flatnonzero(pair.differs))
        following = int(next_places(pair.real.frame)[place])
        side = int(rng.integers(SMALLEST, SIZE)) if rng.random() < 0.3 else 0
        flip = rng.random() < 0.5
        for row, crops, at in zip(
            rows, (pair.real, pair.real, pair.altered, pair.altered), (place, following) * 2, strict=True
        ):
            row.append(_shrunk(crops.rgb[at][:, ::-1] if flip else crops.rgb[at], side))
        has_next.append(float(following != place and rng.random() > SHARE_WITHOUT_NEXT))
    real, real_next, altered, altered_next = (torch.from_numpy(np.stack(row)) for row in rows)
    nexts = torch.tensor(has_next)
    rgb, motion = as_input(torch.cat([real, altered]), torch.cat([real_next, altered_next]), torch.cat([nexts, nexts]))
    gain = torch.from_numpy(np.exp(rng.normal(0, 0.15, (PAIRS, 3, 1, 1)))).float().repeat(2, 1, 1, 1)
    shift = torch.from_numpy(rng.normal(0, 0.08, (PAIRS, 1, 1, 1))).float().repeat(2, 1, 1, 1)
    return (rgb * gain + shift, motion * gain), torch.cat([torch.zeros(PAIRS), torch.ones(PAIRS)])


def _shrunk(rgb: np.ndarray, side: int) -> np.ndarray:
    if not side:
        return np.ascontiguousarray(rgb)
    small = cv2.resize(np.ascontiguousarray(rgb), (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR), np.uint8)


def with_trunk() -> DetectorNet:
    """The network with a trunk that knows photographs, and nothing else."""
    network = DetectorNet()
    read_trunk(network, read_weights(weights_folder() / "features.safetensors"))
    return network


def keep_first_blocks(network: DetectorNet) -> None:
    """Leave what the network sees first as it is."""
    for part in (network.stem, network.motion_stem, *network.blocks[:NUM_KEPT_BLOCKS]):
        part.requires_grad_(False)


def validate(network: DetectorNet, pairs: Sequence[Pair]) -> dict[str, float]:
    """Area under the curve of clips, by method."""
    real: dict[tuple[int, str], float] = {}
    altered: dict[str, list[float]] = {}
    for pair in pairs:
        key = (pair.person, pair.way)
        if key not in real:
            real[key] = float(evidence_of(network, pair.real, 4)[0].mean())
        altered.setdefault(pair.method, []).append(float(evidence_of(network, pair.altered, 4)[0].mean()))
    return {name: area_under_curve(list(real.values()), scores) for name, scores in sorted(altered.items())}


def learn(
    network: DetectorNet,
    by_method: dict[str, list[Pair]],
    held: Sequence[Pair],
    budget_s: float,
    rng: np.random.Generator,
    learning_rate: float = LEARNING_RATE,
) -> tuple[DetectorNet, int]:
    """The mean over the last steps of a network that learned for some processor time, and the number of its steps."""
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    mean = DetectorNet().eval()
    mean.load_state_dict(network.state_dict())
    learnt = [each for each in network.parameters() if each.requires_grad]
    optimiser = torch.optim.AdamW(learnt, learning_rate, weight_decay=WEIGHT_DECAY)
    begun, step, losses, told = time.process_time(), 0, list[float](), 0.0
    while (spent_s := time.process_time() - begun) < budget_s:
        for group in optimiser.param_groups:
            decay = 0.5 * (1 + np.cos(np.pi * spent_s / budget_s)) + 0.01
            group["lr"] = learning_rate * min(1, (step + 1) / WARM_UP) * decay
        given, wanted = draw_batch(by_method, rng)
        maps, _ = network(*(part.contiguous(memory_format=torch.channels_last) for part in given))
        evidence = maps.mean(dim=(1, 2))
        loss = F.binary_cross_entropy_with_logits(evidence, wanted)
        loss = loss + ORDER_WEIGHT * F.softplus(evidence[:PAIRS] - evidence[PAIRS:]).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learnt, MOST_GRADIENT)
        optimiser.step()
        step += 1
        _follow(mean, network, min(EMA, step / (step + 10)))
        losses.append(float(loss.detach()))
        if spent_s - told > TOLD_EVERY_S:
            told = spent_s
            areas = {name: round(area, 3) for name, area in validate(mean, held).items()}
            print(f"{spent_s / 60:.1f} min, step {step}, loss {np.mean(losses[-100:]):.3f}, {areas}", flush=True)
    return mean, step


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crops", type=Path, default=default_folder().with_name("crops"))
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--methods", default="self,self again,base,classical")
    parser.add_argument("--minutes", type=float, default=24, help="processor time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--with-stills", action="store_true", help="learn from what tools.detector.stills made, too")
    parser.add_argument("--start", type=Path, help="folder of an earlier training of the same people to go on from")
    asked = parser.parse_args()
    asked.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(asked.seed)
    there = "*_real_*.npz" if asked.with_stills else "*_real_light.npz"
    numbers = sorted({int(path.name[:5]) for path in asked.crops.glob(there)})
    people = [person for person in (Person(number=number) for number in numbers) if not person.is_for_tests]
    methods = asked.methods.split(",")
    learned = read_pairs(
        asked.crops, [each for each in people if not is_held_out(each)], methods, with_stills=asked.with_stills
    )
    held = read_pairs(asked.crops, [each for each in people if is_held_out(each)], methods)
    by_method: dict[str, list[Pair]] = {}
    for pair in learned:
        by_method.setdefault(pair.method, []).append(pair)
    print(f"{len(people)} people, {len(learned)} pairs of clips, {len(held)} held out", flush=True)
    network = with_trunk()
    learning_rate = LEARNING_RATE
    if asked.start is not None:
        network.load_state_dict(load_file(asked.start / "detector.safetensors"))
        keep_first_blocks(network)
        learning_rate *= SLOWER
    rng = np.random.default_rng(asked.seed)
    network, steps = learn(network, by_method, held, 60 * asked.minutes, rng, learning_rate)
    save_file(network.state_dict(), asked.output / "detector.safetensors")
    facts = {
        "seed": asked.seed,
        "went on from": None if asked.start is None else json.loads((asked.start / "training.json").read_text()),
        "methods": methods,
        "people": len(people),
        "pairs of clips": len(learned),
        "steps": steps,
        "cpu_minutes": asked.minutes,
        "validation": validate(network, held),
    }
    (asked.output / "training.json").write_text(json.dumps(facts, indent=1))
    print(json.dumps(facts), flush=True)


@torch.no_grad()
def _follow(mean: DetectorNet, network: DetectorNet, keep: float) -> None:
    for ours, theirs in zip(mean.state_dict().values(), network.state_dict().values(), strict=True):
        if ours.is_floating_point():
            ours.lerp_(theirs, 1 - keep)
        else:
            ours.copy_(theirs)


if __name__ == "__main__":
    _main()
