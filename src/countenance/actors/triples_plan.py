"""The plan of a corpus of triples: who performs, with whose face, in which performance; all drawn from one seed.

A triple is a plate, other performances of the likeness, and the ground truth of the replacement.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int

import countenance
from countenance.actors.actor import Actor, draw_actor
from countenance.actors.extra import optimize
from countenance.actors.performance import Performance, draw_performance
from countenance.actors.render import RENDERING
from countenance.errors import UsageError

FRAMES = (0, 16, 32, 33, 34, 48, 64, 80)
"""Of a performance, 24 a second: moments two thirds of a second apart, by when head and mouth have moved on, and three
neighbours, the fewest that show both a motion and how it changes."""
PERFORMANCES_A_PAIR = 2
"""Each in light and camera of its own. A pair's figures cost as much as its frames, so one would be dear; more would be
fewer pairs."""
NUM_REFERENCES = 16
REFERENCE_SHOTS, REFERENCE_LENGTH = 4, 240
SEEDS_A_CORPUS = 10_000
"""Seeds of a corpus are its own seed times this and what follows: far from those of the benchmark's cases."""
HELD_OUT_SHARE, FEWEST_TO_HOLD_OUT = 0.1, 100
NOT_THE_LARGE = 5
REFERENCE_SEEDS = 10_000_000
ACROSS_SEXES = 0.5
SHARE_WITH_PROPS = 0.25
"""Of the pairs: figures are built with their props, so both takes of a pair have the same."""
NOT_AGAIN = 1e6


@dataclass(frozen=True, kw_only=True, slots=True)
class TriplesSpec:
    """Contents of a corpus of triples."""

    seed: int = 1
    people: int = 300
    performances: int = 3_000
    size: int = 256
    large_size: int = 512
    share_large: float = 0.1
    """Of the people."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """An actor of a corpus."""

    number: int
    seed: int
    size: int
    """Of all their images, in pixels."""
    held_out: bool
    """Never paired with anybody who isn't: for validation."""
    references_seed: int
    """Of the performance and the scene of their references."""
    reference_frames: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Take:
    """A performance, and whose face it gets; people by their numbers."""

    number: int
    likeness: int
    performer: int
    seed: int
    """Of what is performed, and of the scene."""
    capture_seed: int
    """Of the camera that may film it when it is read."""
    props_seed: int | None
    """Of what the performer wears or holds before their face, in plate and ground truth alike; None for nothing."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that a corpus of triples holds."""

    spec: TriplesSpec
    people: tuple[Person, ...]
    takes: tuple[Take, ...]

    @cached_property
    def facts(self) -> dict[str, Any]:
        """For the manifest: enough to make all of it again."""
        return {
            "spec": asdict(self.spec),
            "countenance": countenance.__version__,
            "rendering": RENDERING,
            "frames": list(FRAMES),
            "people": [_listed(person) for person in self.people],
            "takes": [_listed(take) for take in self.takes],
        }


def plan_triples(spec: TriplesSpec) -> Plan:
    """Who performs with whose face.

    Everybody performs equally often and lends their face equally often, at most once to the same performer. Tones lie
    evenly from near to far, and half of the pairs are across the sexes; ages are left to chance.

    Raises:
        UsageError: there are too few people for so many performances.
    """
    people = _plan_people(spec)
    num_pairs = -(-spec.performances // PERFORMANCES_A_PAIR)
    num_rounds = -(-num_pairs // spec.people)
    rng = np.random.default_rng([spec.seed, 4])
    rounds: list[list[tuple[int, int]]] = [[] for _ in range(num_rounds)]
    for group in _groups(people):
        if group and len(group) <= num_rounds:
            raise UsageError(
                f"{spec.performances} performances of {spec.people} people need {num_rounds} partners for each, and "
                f"{len(group)} of them have only one another; ask for more people or fewer performances"
            )
        for number, pairs in enumerate(_draw_rounds(group, num_rounds, rng)):
            rounds[number] += pairs
    chosen = [pair for pairs in rounds for pair in pairs][:num_pairs]
    first = SEEDS_A_CORPUS * spec.seed
    takes = []
    for number in range(spec.performances):
        pair = number // PERFORMANCES_A_PAIR
        likeness, performer = chosen[pair]
        seed = first + number
        takes.append(
            Take(
                number=number,
                likeness=likeness,
                performer=performer,
                seed=seed,
                capture_seed=seed,
                props_seed=first + pair if _falls_on(pair, SHARE_WITH_PROPS) else None,
            )
        )
    return Plan(spec=spec, people=people, takes=tuple(takes))


def reference_performance(person: Person) -> Performance:
    """The performance that a person's references are frames of."""
    return draw_performance(person.references_seed, REFERENCE_LENGTH)


def _plan_people(spec: TriplesSpec) -> tuple[Person, ...]:
    if not 2 <= spec.people <= SEEDS_A_CORPUS or not 1 <= spec.performances <= SEEDS_A_CORPUS:
        raise UsageError(f"a corpus has 2 to {SEEDS_A_CORPUS:,} people and 1 to {SEEDS_A_CORPUS:,} performances")
    share_held_out = HELD_OUT_SHARE if spec.people >= FEWEST_TO_HOLD_OUT else 0.0
    people = []
    for number in range(spec.people):
        seed = SEEDS_A_CORPUS * spec.seed + number
        large = _falls_on(number, spec.share_large)
        references_seed = REFERENCE_SEEDS + seed
        people.append(
            Person(
                number=number,
                seed=seed,
                size=spec.large_size if large else spec.size,
                held_out=not large and _falls_on(number + NOT_THE_LARGE, share_held_out),
                references_seed=references_seed,
                reference_frames=_spread_over_yaw(draw_performance(references_seed, REFERENCE_LENGTH)),
            )
        )
    return tuple(people)


def _groups(people: Sequence[Person]) -> list[list[Person]]:
    """Those who are paired with each other: of one size, and either held out or not."""
    cells: dict[tuple[int, bool], list[Person]] = {}
    for person in people:
        cells.setdefault((person.size, person.held_out), []).append(person)
    return list(cells.values())


def _draw_rounds(group: Sequence[Person], num_rounds: int, rng: np.random.Generator) -> list[list[tuple[int, int]]]:
    """Pairs of a likeness and a performer; in each round everybody is each once."""
    actors = [draw_actor(person.seed) for person in group]
    tones = np.array([actor.skin.tone for actor in actors])
    distance = np.abs(tones[:, None] - tones[None])
    across = _is_male(actors)[:, None] != _is_male(actors)[None]
    taken = np.eye(len(group), dtype=bool)
    rounds = []
    for _ in range(num_rounds):
        wanted_distance = rng.uniform(0, np.maximum(tones, 1 - tones))[:, None]
        wants_across = rng.random((len(group), 1)) < ACROSS_SEXES
        cost = np.abs(distance - wanted_distance) + 0.5 * (across != wants_across) + NOT_AGAIN * taken
        performers, likenesses = _assigned(cost)
        if taken[performers, likenesses].any():
            raise UsageError(f"{len(group)} people are too few for {num_rounds} partners each; ask for more people")
        taken[performers, likenesses] = True
        rounds.append(
            [(group[j].number, group[i].number) for i, j in zip(performers.tolist(), likenesses.tolist(), strict=True)]
        )
    return rounds


def _assigned(cost: Float[np.ndarray, "N N"]) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    """Rows and columns of the cheapest way to give each row a column of its own."""
    rows, columns = optimize().linear_sum_assignment(cost)
    return rows, columns


def _is_male(actors: Sequence[Actor]) -> np.ndarray:
    return np.array([actor.sex > 0.5 for actor in actors])


def _falls_on(number: int, share: float) -> bool:
    """Whether a number is in the evenly spread share of all."""
    return int((number + 1) * share + 1e-9) > int(number * share + 1e-9)


def _spread_over_yaw(performance: Performance) -> tuple[int, ...]:
    """Frames that lie evenly over the yaws of a performance."""
    by_yaw = np.argsort(performance.yaw_pitch_roll_deg[:, 0], kind="stable")
    places = np.linspace(0, len(by_yaw) - 1, NUM_REFERENCES).round().astype(int)
    return tuple(sorted(by_yaw[places].tolist()))


def _listed(item: Person | Take) -> dict[str, Any]:
    """As JSON gives it back."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(item).items()}
