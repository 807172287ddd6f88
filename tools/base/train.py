"""Train the base on rendered triples: the generator that draws anybody's face from given pixels.

    python -m tools.base.train --corpus FOLDER --output FOLDER --finish-in-s 600 --device cuda --batch 64

A corpus (`countenance actors triples --share-512 0`) may still be rendered meanwhile: what is new is read now and then.
The learning rate ends with the time. Each minute, or less often where checks are slow, weights are written, and
`learning.pt`, from which the same command goes on. With `--keep FILE` what was read of the corpora is kept there for
the next training, and `--start` begins with another training's weights: so a base can be trained over days.
"""

import argparse
import hashlib
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load as parsed
from safetensors.torch import save as serialised
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from countenance.actors.triples_files import MANIFEST_NAME
from countenance.model.device import compile_on, on_device, uses_bf16
from countenance.model.guided.drawer import WEIGHTS_NAME
from countenance.model.guided.drawing import Mixed, draw, split
from countenance.model.guided.losses import WEIGHTS, Batch, Judged, judged, laplacian, loss_terms, weighted
from countenance.model.guided.network import WIDTHS, Generator
from countenance.model.guided.shape import WEIGHTS_NAME as SHAPE_WEIGHTS_NAME
from countenance.model.guided.shape import load_estimator
from countenance.project import write_whole
from countenance.vision.identity import Recogniser
from countenance.vision.networks import weights_folder
from tools.base.corpus import Corpus, FindPoints, Reader, sources_of
from tools.base.discriminator import Discriminator
from tools.base.inputs import MOST_FACES, Augmentation, Prepared, flipped, in_parts, make_batch, prepare
from tools.mesh.network import GraphNet

SEED = 1
LEARNING_RATE, LEAST_RATE, WARM_UP_STEPS = 1.2e-3, 0.02, 200
DISCRIMINATOR_RATE = 4e-4
LATE, RISE = 0.5, 0.1
"""From this part of the time on the discriminator takes part, with a weight that rises over a tenth of it."""
MEAN_SHARE = 0.999
STATE_NAME = "learning.pt"
MESH_NAME, RECOGNISER_NAME = "face_landmark.tflite", "face_recognition_model.bin"
KEPT_VERSION = 1
"""Increment when the same corpora and nets are read as something else."""
GAN_WEIGHT, MATCH_WEIGHT = 0.04, 0.4
TAKES_AT_ONCE = 24
TOLD_EVERY_S, WRITTEN_EVERY_S = 15.0, 60.0
CHECKS_SHARE = 12
"""So many times as long as a check takes, training goes on before the next."""
FEWEST_TAKES = 6
HELD_OUT_SHOWN, HELD_OUT_JUDGED = 12, 192


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """Where a run reads and writes, and how long it takes."""

    corpora: tuple[Path, ...]
    keep: Path | None
    """What was read of the corpora, to go on from."""
    read_every_s: float
    output: Path
    finish_in_s: float
    device: torch.device
    batch: int
    most_takes: int
    gan_weight: float
    without: frozenset[str]
    """Terms that the loss leaves out."""
    widths: tuple[int, ...]
    """Of the generator, as `network.WIDTHS`."""
    start: Path | None
    """Weights to begin with in place of random ones; of a generator that is as wide or narrower."""
    seed: int
    rate: float
    """Learning rate at its highest."""
    mean_share: float
    """Of the running mean of the weights, how much stays at each step."""

    @property
    def bf16(self) -> bool:
        return uses_bf16(self.device)


def find_points(device: torch.device) -> FindPoints:
    """The product's mesh net, run by PyTorch."""
    net = GraphNet(weights_folder() / MESH_NAME).to(device).eval()

    def find(crops: Tensor) -> Tensor:
        points: Tensor = net(crops)[0].reshape(-1, 468, 3)
        return points

    return find


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Learning:
    """What changes while it learns."""

    generator: Generator
    mean: AveragedModel
    """Running mean of the generator's weights: what is kept."""
    discriminator: Discriminator
    generator_optimizer: torch.optim.Optimizer
    discriminator_optimizer: torch.optim.Optimizer

    @property
    def parts(self) -> dict[str, Any]:
        names = ("generator", "mean", "discriminator", "generator_optimizer", "discriminator_optimizer")
        return {name: getattr(self, name) for name in names}


def begin(run: Run) -> tuple[Learning, float, int]:
    """At the start or where the run was left: also the seconds spent so far, and the steps made."""
    generator = Generator(run.widths)
    if run.start is not None:
        generator.load_state_dict(widened(parsed(run.start.read_bytes()), generator.state_dict()))
    on_device(generator, run.device)
    discriminator = on_device(Discriminator(), run.device)
    mean_of = get_ema_multi_avg_fn(run.mean_share)  # type: ignore[no-untyped-call]
    learning = Learning(
        generator=generator,
        mean=AveragedModel(generator, multi_avg_fn=mean_of),
        discriminator=discriminator,
        generator_optimizer=torch.optim.AdamW(generator.parameters(), run.rate, betas=(0.9, 0.99), weight_decay=1e-3),
        discriminator_optimizer=torch.optim.Adam(discriminator.parameters(), DISCRIMINATOR_RATE, betas=(0.5, 0.99)),
    )
    # After the mean was copied from it, which is asked too seldom for it.
    compile_on(run.device, generator)
    path = run.output / STATE_NAME
    if not path.exists():
        return learning, 0.0, 0
    state = torch.load(path, map_location=run.device, weights_only=True)
    for name, part in learning.parts.items():
        part.load_state_dict(state[name])
    return learning, state["spent_s"], state["step"]


def widened(narrow: Mapping[str, Tensor], wide: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a wider net that does what a narrow one does: what is new looks at all, but isn't looked at yet."""
    fits = narrow.keys() == wide.keys() and all(
        len(value.shape) == len(narrow[name].shape)
        and all(one >= other for one, other in zip(value.shape, narrow[name].shape, strict=True))
        for name, value in wide.items()
    )
    if not fits:
        raise SystemExit("expected weights of a generator as wide or narrower, got others; give --widths as large")
    weights = {}
    for name, value in wide.items():
        known = narrow[name].to(value)
        within = tuple(slice(length) for length in known.shape)
        weights[name] = value.clone()
        weights[name][within[0]] = 0
        weights[name][within] = known
    return weights


class Material:
    """What is learned from, as far as it has been rendered and read."""

    def __init__(self, run: Run, rng: torch.Generator) -> None:
        self._run, self._rng = run, rng
        self._reader = Reader(sources_of(run.corpora), find_points(run.device), run.device, SEED)
        self._estimator = load_estimator().to(run.device)
        self._corpus, self._prepared = kept(run, self._reader)
        self._num_kept, self._read_at = self.num_takes, -math.inf

    @property
    def num_takes(self) -> int:
        return self._reader.num_takes

    @property
    def enough(self) -> tuple[Corpus, Prepared] | None:
        """None while too little has been read."""
        if self._corpus is None or self._prepared is None or self.num_takes < FEWEST_TAKES:
            return None
        return (self._corpus, self._prepared) if bool((~self._corpus.held_out).any()) else None

    def read_on(self) -> None:
        """Read some of what is new, where it is time to."""
        wanted = self._run.most_takes - self.num_takes
        if wanted <= 0 or time.monotonic() - self._read_at < self._run.read_every_s:
            return
        self._corpus, added = self._reader.read_on(self._corpus, at_most=min(TAKES_AT_ONCE, wanted))
        if self._corpus is not None and added:
            self._prepared = prepare(self._corpus, self._estimator, self._prepared, self._rng)
        if added < TAKES_AT_ONCE or added == wanted:
            self._read_at = time.monotonic()
            if not self._num_kept:
                self._keep()

    def close(self) -> None:
        """Keep what was read, if asked to."""
        self._reader.close()
        if self.num_takes > self._num_kept:
            self._keep()

    def _keep(self) -> None:
        if self._corpus is None or self._prepared is None:
            return
        keep(self._run, self._reader, self._corpus, self._prepared)
        self._num_kept = self.num_takes


def train(run: Run) -> None:
    """Train until the time is over."""
    begun = time.monotonic()
    torch.manual_seed(SEED)
    run.output.mkdir(parents=True, exist_ok=True)
    judge = Recogniser().to(run.device)
    learning, spent_before, step = begin(run)
    _wait_for_corpus(run, begun)
    # So that what goes on draws other batches.
    rng = torch.Generator(device=run.device).manual_seed(run.seed + step)
    material = Material(run, rng)
    told_at, written_at, written_every_s = -math.inf, spent_before, WRITTEN_EVERY_S
    while (elapsed := spent_before + time.monotonic() - begun) < run.finish_in_s:
        material.read_on()
        if material.enough is None:
            time.sleep(0.5)
            continue
        done = elapsed / run.finish_in_s
        _set_rate(run, learning, step, done)
        terms = learn(run, learning, judge, draw_batch(*material.enough, run.batch, rng), done)
        step += 1
        if elapsed - told_at > TOLD_EVERY_S:
            _tell(run, elapsed, step, material.num_takes, terms)
            told_at = elapsed
        if elapsed - written_at > written_every_s:
            if step > 1:
                _write(run, learning, step, elapsed)
                checked = time.monotonic()
                _log(run, {"s": round(elapsed), **check(run, learning, judge, *material.enough)})
                written_every_s = max(WRITTEN_EVERY_S, CHECKS_SHARE * (time.monotonic() - checked))
            written_at = spent_before + time.monotonic() - begun
    material.close()
    if material.enough is None or not step:
        takes = material.num_takes
        raise SystemExit(f"{takes} takes came in time, {FEWEST_TAKES} are needed; render first, or allow more time")
    elapsed = spent_before + time.monotonic() - begun
    _write(run, learning, step, elapsed)
    _log(run, {"s": round(elapsed), "step": step, **check(run, learning, judge, *material.enough)})


def _tell(run: Run, elapsed: float, step: int, takes: int, terms: dict[str, Tensor]) -> None:
    told = {name: round(float(value.detach()), 4) for name, value in terms.items()}
    _log(run, {"s": round(elapsed), "step": step, "takes": takes, **told})


def _set_rate(run: Run, learning: Learning, step: int, done: float) -> None:
    falling = LEAST_RATE + (1 - LEAST_RATE) * (0.5 + 0.5 * math.cos(math.pi * done))
    for group in learning.generator_optimizer.param_groups:
        group["lr"] = run.rate * min((step + 1) / WARM_UP_STEPS, 1) * falling


def _wait_for_corpus(run: Run, begun: float) -> None:
    for folder in run.corpora:
        while not (folder / MANIFEST_NAME).exists():
            if time.monotonic() - begun > run.finish_in_s:
                raise SystemExit(f"no corpus in {folder}; make one with `countenance actors triples --share-512 0`")
            time.sleep(1)


def kept(run: Run, reader: Reader) -> tuple[Corpus | None, Prepared | None]:
    """What an earlier training has read of the same corpora with the same nets, if it was kept."""
    if run.keep is None or not run.keep.exists():
        return None, None
    state = torch.load(run.keep, map_location=run.device, weights_only=True)
    if state["read from"] != _read_from(run):
        raise SystemExit(f"{run.keep} was read from other corpora, or by another version or other nets; remove it")
    reader.go_on_from(state["reader"])
    return Corpus(**state["corpus"]), Prepared(**state["prepared"])


def keep(run: Run, reader: Reader, corpus: Corpus, prepared: Prepared) -> None:
    """Write what was read, if asked to."""
    if run.keep is None:
        return
    rows = {
        name: {each.name: getattr(one, each.name) for each in fields(one)}
        for name, one in (("corpus", corpus), ("prepared", prepared))
    }
    _save_whole(run.keep, {**rows, "reader": reader.state(), "read from": _read_from(run)})


def _read_from(run: Run) -> list[str]:
    """All that decides what is read, but for how much of it there was."""
    nets = [weights_folder() / name for name in (SHAPE_WEIGHTS_NAME, MESH_NAME, RECOGNISER_NAME)]
    files = [*(folder / MANIFEST_NAME for folder in run.corpora), *nets]
    return [f"version {KEPT_VERSION}", *(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)]


def draw_batch(corpus: Corpus, prepared: Prepared, size: int, rng: torch.Generator) -> Batch:
    """Random pairs of people that aren't held out, augmented, half of them mirrored."""
    device = corpus.rgb.device
    usable = torch.nonzero(~corpus.held_out)[:, 0]
    rows = usable[torch.randint(len(usable), (size,), generator=rng, device=device)]
    variant = torch.randint(len(MOST_FACES), (size,), generator=rng, device=device)
    batch = make_batch(corpus, prepared, rows, variant, Augmentation(rng=rng, on=True))
    return flipped(batch, torch.rand(size, generator=rng, device=device) < 0.5)


def learn(run: Run, learning: Learning, judge: Recogniser, batch: Batch, done: float) -> dict[str, Tensor]:
    """One step of the generator and, from `LATE` on, of the discriminator; `done`: share of the time that is over."""
    discriminator, opposed = learning.discriminator, done > LATE and run.gan_weight > 0
    drawn = draw(learning.generator, batch.maps, bf16=run.bf16)
    terms = loss_terms(judged(judge, drawn.result, batch, bf16=run.bf16), drawn, batch)
    loss = weighted(terms, run.without)
    seen = (batch.region > 0.02).float()
    place = (2 * split(batch.maps)["place"] - 1) * seen
    real, made = (torch.cat([2 * (image - 0.5) * seen, place], 1) for image in (batch.truth, drawn.result))
    if opposed:
        ramp = min(1.0, (done - LATE) / RISE)
        with torch.autocast(run.device.type, torch.bfloat16, enabled=run.bf16):
            discriminator.requires_grad_(False)
            opinion, features = discriminator(made)
            with torch.no_grad():
                _, true_features = discriminator(real)
            discriminator.requires_grad_(True)
        apart = [(a.float() - b.float()).abs().mean() for a, b in zip(features, true_features, strict=True)]
        terms["match"], terms["gan"] = torch.stack(apart).sum(), -opinion.float().mean()
        loss = loss + ramp * (run.gan_weight * terms["gan"] + MATCH_WEIGHT * terms["match"])
    learning.generator_optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(learning.generator.parameters(), 1.0)
    learning.generator_optimizer.step()
    learning.mean.update_parameters(learning.generator)
    if opposed:
        with torch.autocast(run.device.type, torch.bfloat16, enabled=run.bf16):
            of_real, _ = discriminator(real)
            of_made, _ = discriminator(made.detach())
        terms["discriminator"] = F.relu(1 - of_real.float()).mean() + F.relu(1 + of_made.float()).mean()
        learning.discriminator_optimizer.zero_grad()
        terms["discriminator"].backward()  # type: ignore[no-untyped-call]
        learning.discriminator_optimizer.step()
    return terms


def check(run: Run, learning: Learning, judge: Recogniser, corpus: Corpus, prepared: Prepared) -> dict[str, object]:
    """Gains over the plate on people that are held out, and an image of some."""
    rows = torch.nonzero(corpus.held_out)[:, 0]
    any_held_out = bool(len(rows))
    if not any_held_out:
        rows = torch.arange(len(corpus.given), device=run.device)
    rows = rows[torch.linspace(0, len(rows) - 1, min(HELD_OUT_JUDGED, len(rows)), device=run.device).long()]
    rng = torch.Generator(device=run.device).manual_seed(SEED)
    said: dict[str, object] = {"held out" if any_held_out else "seen in training": len(rows)}
    generator = cast(Generator, learning.mean.module)
    for variant, name in enumerate(("all references", "few references")):
        sums: dict[str, list[Tensor]] = {}
        strips: list[Tensor] = []
        for part in in_parts(rows, 32):
            batch = make_batch(corpus, prepared, part, torch.full_like(part, variant), Augmentation(rng=rng, on=False))
            with torch.no_grad():
                drawn = draw(generator, batch.maps, bf16=run.bf16)
                plate = batch.maps[:, :3]
                ours, untouched = (judged(judge, image, batch, bf16=run.bf16) for image in (drawn.result, plate))
            for key, value in terms_of(ours, untouched).items():
                sums.setdefault(key, []).append(value)
            sums.setdefault("sharpness", []).append(sharpness(drawn.result, batch))
            strips.append(strip(batch, drawn))
        means = {key: float(torch.cat(value).mean()) for key, value in sums.items()}
        said[name] = {key: round(value, 3) for key, value in gains(means).items()}
        if variant == 0:
            shown = torch.cat(strips)
            shown = shown[torch.linspace(0, len(shown) - 1, min(HELD_OUT_SHOWN, len(shown))).long()]
            image = torch.cat(list(shown), dim=1).clamp(0, 1).mul(255).byte().permute(1, 2, 0).cpu().numpy()
            cv2.imwrite(str(run.output / "held_out.png"), np.ascontiguousarray(image[:, :, ::-1]))
    return said


def terms_of(ours: Judged, untouched: Judged) -> dict[str, Tensor]:
    """Errors of results, and those of the untouched plates."""
    return {
        f"{whose} {name}": error
        for whose, judged_as in (("our", ours), ("plate", untouched))
        for name, error in (
            ("perceptual", judged_as.perceptual),
            ("identity", judged_as.identity),
            ("colour", judged_as.colour),
            ("ssim", 1 - judged_as.ssim),
        )
    }


def gains(means: dict[str, float]) -> dict[str, float]:
    """0: as the plate, 1: as the ground truth; of mean errors, as some plates are nearly right. The rest stays."""
    names = [name.removeprefix("our ") for name in means if name.startswith("our ")]
    over = {name: 1 - means[f"our {name}"] / means[f"plate {name}"] for name in names}
    return {**over, **{name: value for name, value in means.items() if not name.startswith(("our ", "plate "))}}


def sharpness(result: Tensor, batch: Batch) -> Tensor:
    """Variance of the Laplacian inside the region, over the ground truth's."""
    inside = (F.avg_pool2d(batch.region, 5, 1, 2) > 0.95).float()
    made, true = (
        (laplacian(F.pad(image.mean(dim=1, keepdim=True), (1, 1, 1, 1))).square() * inside).sum(dim=(1, 2, 3))
        for image in (result, batch.truth)
    )
    return made / true.clamp_min(1e-6)


def strip(batch: Batch, drawn: Mixed) -> Tensor:
    """Plate, moved, ratio, atlas, first reference, result, ground truth, mask side by side."""
    parts = split(batch.maps)
    given = [parts[name] for name in ("plate", "moved", "ratio", "atlas", "reference 1")]
    return torch.cat([*given, drawn.result, batch.truth, drawn.mask.expand(-1, 3, -1, -1)], dim=3).float().cpu()


def _write(run: Run, learning: Learning, step: int, spent_s: float) -> None:
    weights = learning.mean.module.state_dict()
    if not all(bool(value.isfinite().all()) for value in weights.values()):
        raise SystemExit(f"the weights are no numbers any more; the last good ones are in {run.output}")
    half = {name: value.detach().half().cpu().contiguous() for name, value in weights.items()}
    write_whole(run.output / WEIGHTS_NAME, serialised(half))
    state = {name: part.state_dict() for name, part in learning.parts.items()}
    _save_whole(run.output / STATE_NAME, {**state, "step": step, "spent_s": spent_s})


def _save_whole(path: Path, state: dict[str, Any]) -> None:
    part = path.with_name(f".{path.name}")
    torch.save(state, part)
    part.rename(path)


def _log(run: Run, line: dict[str, object]) -> None:
    text = json.dumps(line)
    print(text, flush=True)
    with (run.output / "log.jsonl").open("a") as file:
        file.write(text + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, nargs="+", required=True)
    parser.add_argument("--keep", type=Path, help="where what was read of the corpora is kept for the next training")
    parser.add_argument("--read-every-s", type=float, default=12.0)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--finish-in-s", type=float, required=True)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--most-takes", type=int, default=3000, help="what fits into the device's memory")
    parser.add_argument("--gan-weight", type=float, default=GAN_WEIGHT)
    parser.add_argument("--without", nargs="*", choices=WEIGHTS, default=(), help="terms that the loss leaves out")
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS, help="of the generator")
    parser.add_argument("--start", type=Path, help="weights to begin with, of a generator as wide or narrower")
    parser.add_argument("--mean-share", type=float, default=MEAN_SHARE, help="how slowly the kept weights follow")
    parser.add_argument("--seed", type=int, default=SEED, help="of the batches; another for each training")
    parser.add_argument("--rate", type=float, default=LEARNING_RATE, help="learning rate at its highest")
    options = parser.parse_args()
    train(
        Run(
            corpora=tuple(options.corpus),
            keep=options.keep,
            read_every_s=options.read_every_s,
            output=options.output,
            finish_in_s=options.finish_in_s,
            device=options.device,
            batch=options.batch,
            most_takes=options.most_takes,
            gan_weight=options.gan_weight,
            without=frozenset(options.without),
            widths=tuple(options.widths),
            start=options.start,
            seed=options.seed,
            rate=options.rate,
            mean_share=options.mean_share,
        )
    )


if __name__ == "__main__":
    main()
