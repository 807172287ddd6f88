"""Rendered triples as tensors on one device: frames, what the mesh net finds in them, and what is known of them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from countenance.actors.triples_files import (
    Frames,
    person_path,
    read_plan,
    read_references,
    read_triple,
    rendered_takes,
)
from countenance.actors.triples_plan import FRAMES, Person, Plan
from countenance.model.guided.inputs import evened, evenness, features, sample
from countenance.model.guided.mesh import head_fit, pixel_grid, without_pose
from countenance.model.guided.shape import corrected, load_estimator, look_at
from countenance.vision.identity import PartsNet, Recogniser
from countenance.vision.landmarks import EYES, INPUT_SIZE, MARGIN
from tools.base.crops import crop_around, from_crop, into_crop, pixels_of

FindPoints = Callable[[Float[Tensor, "B 3 192 192"]], Float[Tensor, "B 468 3"]]
"""The mesh net on crops 0–1: points in the crop's pixels."""
FITS = 2
"""How often the mesh is fitted: the first square comes from known points, jittered as a detector's."""
JITTER = 0.06
READERS = 3


@dataclass(kw_only=True, slots=True, eq=False)
class Corpus:
    """All frames read so far, and the pairs among them."""

    rgb: UInt8[Tensor, "N 3 H W"]
    face: UInt8[Tensor, "N H W"]
    """0–255: how much of a pixel is face."""
    found: Float[Tensor, "N 468 3"]
    """By the mesh net, in the frame's pixels."""
    mesh: Float[Tensor, "N 468 3"]
    """The same, corrected for the person."""
    known: Float[Tensor, "N 468 2"]
    """As rendered."""
    feature: Float[Tensor, "N F"]
    """Pose and expression: near in it means alike in both."""
    seen: Float[Tensor, "N D"]
    """What the estimator of shapes keeps of each frame."""
    even: Float[Tensor, "N 4"]
    """Mean colour of the face and standard deviation of its brightness, 0–1."""
    person: Int[Tensor, " N"]
    """Whose face it shows."""
    take: Int[Tensor, " N"]
    """−1: a reference."""
    is_reference: Bool[Tensor, " N"]
    """Whether it shows a person as they are, with nothing in front."""
    given: Int[Tensor, " P"]
    """Frames in which a face is to be replaced."""
    truth: Int[Tensor, " P"]
    """The frame with the other face, all else alike."""
    held_out: Bool[Tensor, " P"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Known:
    """Of a person, from their references."""

    neutral: Float[Tensor, "468 3"]
    """Mean of the found meshes without their pose."""
    seen: Float[Tensor, " D"]
    """Mean of what the estimator of shapes keeps of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A folder of triples, and how its people and takes are numbered among those of all folders."""

    folder: Path
    plan: Plan
    first_person: int
    first_take: int

    def rendered_people(self) -> list[Person]:
        """Those whose references are there."""
        return [each for each in self.plan.people if person_path(self.folder, each.number).exists()]


def sources_of(folders: Sequence[Path]) -> tuple[Source, ...]:
    """Folders in that order, each with people of its own."""
    sources: list[Source] = []
    people = takes = 0
    for folder in folders:
        plan = read_plan(folder)
        sources.append(Source(folder=folder, plan=plan, first_person=people, first_take=takes))
        people, takes = people + len(plan.people), takes + len(plan.takes)
    sizes = {person.size for source in sources for person in source.plan.people}
    if len(sizes) > 1:
        raise SystemExit(f"expected frames of one size, got {sorted(sizes)}; render corpora with --share-512 0")
    seeds = [person.seed for source in sources for person in source.plan.people]
    if len(set(seeds)) < len(seeds):
        raise SystemExit("expected other people in each corpus, but some are in two; render one with another --seed")
    return tuple(sources)


class Reader:
    """Reads what has been rendered since it was last asked."""

    def __init__(self, sources: Sequence[Source], find_points: FindPoints, device: torch.device, seed: int) -> None:
        self._sources, self._find, self._device = sources, find_points, device
        self._takes_read: set[int] = set()
        self._known: dict[int, Known] = {}
        self._rng = torch.Generator(device=device).manual_seed(seed)
        self._estimator, self._parts = load_estimator().to(device), PartsNet(Recogniser()).to(device)
        self._pool = ThreadPoolExecutor(READERS)

    def close(self) -> None:
        """Let the reading threads end."""
        self._pool.shutdown()

    @property
    def num_takes(self) -> int:
        """How many were read so far."""
        return len(self._takes_read)

    def state(self) -> dict[str, Any]:
        """What has been read, to go on from."""
        known = {number: (each.neutral, each.seen) for number, each in self._known.items()}
        return {"takes": sorted(self._takes_read), "known": known}

    def go_on_from(self, state: dict[str, Any]) -> None:
        """As if what a state names had been read."""
        self._takes_read = set(state["takes"])
        self._known = {number: Known(neutral=neutral, seen=seen) for number, (neutral, seen) in state["known"].items()}

    def read_on(self, corpus: Corpus | None, *, at_most: int) -> tuple[Corpus | None, int]:
        """What there was and up to so many takes more, with all references that are there; and how many takes."""
        parts: list[dict[str, Tensor]] = []
        people = [
            (source, each)
            for source in self._sources
            for each in source.rendered_people()
            if source.first_person + each.number not in self._known
        ]
        read = self._pool.map(lambda each: (each[0], read_references(each[0].folder, each[1])), people)
        for source, references in read:
            parts.append(self._references(references.frames, source.first_person + references.person.number))
        takes = [
            (source, take)
            for source in self._sources
            for take in rendered_takes(source.folder, source.plan)
            if source.first_take + take.number not in self._takes_read
            and {source.first_person + take.likeness, source.first_person + take.performer} <= self._known.keys()
        ][:at_most]
        start = len(corpus.rgb) if corpus else 0
        start += sum(len(part["rgb"]) for part in parts)
        given, truth, held_out = [], [], []
        for source, triple in self._pool.map(lambda each: (each[0], read_triple(each[0].folder, each[1])), takes):
            take, number = triple.take, source.first_take + triple.take.number
            self._takes_read.add(number)
            bare = take.props_seed is None
            plate = self._seen(triple.plate, triple.plate.rgb)
            true = self._seen(triple.truth, triple.truth_toned_rgb)
            parts.append(self._of(plate, source.first_person + take.performer, number, is_reference=bare))
            parts.append(self._of(true, source.first_person + take.likeness, number, is_reference=False))
            plates = torch.arange(start, start + len(FRAMES))
            truths = plates + len(FRAMES)
            start += 2 * len(FRAMES)
            # The ground truth is a plate too: whose face it shows is known, and what lies beneath.
            given += [plates, truths]
            truth += [truths, plates]
            held_out += [source.plan.people[take.performer].held_out] * 2 * len(FRAMES)
        if not parts:
            return corpus, 0
        pairs = {
            "given": torch.cat([*given, torch.empty(0, dtype=torch.long)]).to(self._device),
            "truth": torch.cat([*truth, torch.empty(0, dtype=torch.long)]).to(self._device),
            "held_out": torch.tensor(held_out, dtype=torch.bool, device=self._device),
        }
        new = {**{name: torch.cat([part[name] for part in parts]) for name in parts[0]}, **pairs}
        if corpus is not None:
            new = {name: torch.cat([getattr(corpus, name), added]) for name, added in new.items()}
        return Corpus(**new), len(takes)

    @torch.no_grad()
    def _references(self, frames: Frames, person: int) -> dict[str, Tensor]:
        """Of a person, of whom by these more is known."""
        seen = self._seen(frames, frames.rgb)
        shapes = without_pose(seen["found"], head_fit(seen["found"]))
        self._known[person] = Known(neutral=shapes.mean(dim=0), seen=seen["seen"].mean(dim=0))
        return self._of(seen, person, -1, is_reference=True)

    @torch.no_grad()
    def _seen(self, frames: Frames, rgb: UInt8[np.ndarray, "N S S 3"]) -> dict[str, Tensor]:
        """What frames show, whoever it is."""
        pixels = torch.from_numpy(rgb).to(self._device).permute(0, 3, 1, 2).contiguous()
        known = torch.from_numpy(frames.landmarks_xy).to(self._device)
        face = torch.from_numpy(np.ascontiguousarray(frames.face_mask)).to(self._device)
        found = found_points(self._find, pixels, known, self._rng)
        image = pixels.float() / 255
        even = evenness(image, face.float() / 255)
        crop = crop_around(found)
        face_image = evened(sample(image, pixels_of(crop)), even)
        return {
            "rgb": pixels,
            "face": face,
            "found": found,
            "known": known,
            "seen": self._estimator.seen(*look_at(self._parts, face_image, into_crop(found, crop))),
            "even": even,
        }

    @torch.no_grad()
    def _of(self, seen: dict[str, Tensor], person: int, take: int, *, is_reference: bool) -> dict[str, Tensor]:
        """The same, of a known person."""
        found, known = seen["found"], self._known[person]
        crop = crop_around(found)
        number = torch.full((len(found),), person, device=self._device)
        return {
            **seen,
            "mesh": from_crop(corrected(self._estimator, into_crop(found, crop), seen["seen"], known.seen), crop),
            "feature": features(found, known.neutral),
            "person": number,
            "take": torch.full_like(number, take),
            "is_reference": torch.full_like(number, int(is_reference)).bool(),
        }


@torch.no_grad()
def found_points(
    find: FindPoints, rgb: UInt8[Tensor, "N 3 H W"], known: Float[Tensor, "N 468 2"], rng: torch.Generator
) -> Float[Tensor, "N 468 3"]:
    """The mesh as the net finds it in some frames, in their pixels, begun beside where the points are known to be."""
    points = torch.cat([known, torch.zeros_like(known[..., :1])], dim=2)
    for number in range(FITS):
        low, high = points[..., :2].amin(dim=1), points[..., :2].amax(dim=1)
        side = MARGIN * (high - low).amax(dim=1)
        middle = (low + high) / 2
        if number == 0:
            drawn = torch.rand((len(points), 3), generator=rng, device=rgb.device) * 2 - 1
            middle = middle + JITTER * side[:, None] * drawn[:, :2]
            side = side * (1 + JITTER * drawn[:, 2])
        line = points[:, EYES[1], :2] - points[:, EYES[0], :2]
        across = line / line.norm(dim=1, keepdim=True)
        # Columns: the crop's x and y axes in the frame.
        axes = torch.stack([across, torch.stack([-across[:, 1], across[:, 0]], dim=1)], dim=2)
        scale = side / INPUT_SIZE
        steps = pixel_grid(INPUT_SIZE, rgb.device) - (INPUT_SIZE - 1) / 2
        grid = steps @ (axes * scale[:, None, None]).transpose(1, 2)[:, None]
        where = grid + middle[:, None, None]
        crops = sample(rgb.float() / 255, where)
        in_crop = find(crops)
        flat = (in_crop[..., :2] - (INPUT_SIZE - 1) / 2) @ (axes * scale[:, None, None]).transpose(1, 2)
        points = torch.cat([flat + middle[:, None], in_crop[..., 2:] * scale[:, None, None]], dim=2)
    return points
