"""Triples: plates, their ground truths, and references, as files that can be trained on."""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from countenance.actors import triples
from countenance.actors.actor import draw_actor
from countenance.actors.triples import TriplesState, make_triples, triples_state
from countenance.actors.triples_files import (
    Frames,
    Motion,
    person_path,
    read_plan,
    read_references,
    read_triple,
    read_triples,
    rendered_takes,
    take_path,
)
from countenance.actors.triples_plan import FRAMES, NUM_REFERENCES, Plan, TriplesSpec, plan_triples
from countenance.capture.presets import draw_capture
from countenance.capture.settings import Lens
from countenance.errors import ActorError, UsageError
from countenance.progress import Silent
from countenance.vision.parts import Part

SIZE = 64
SPEC = TriplesSpec(people=2, performances=2, size=SIZE, share_large=0.0)


def make(folder: Path, spec: TriplesSpec = SPEC, **settings: object) -> TriplesState:
    settings.setdefault("should_stop", lambda: False)
    return make_triples(folder, spec, progress=Silent(), **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("triples") / "corpus"
    state = make(folder)
    assert (state.takes_done, state.takes) == (2, 2)
    assert state.cpu_s_a_take
    return folder


@pytest.fixture
def copy(corpus: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(corpus, tmp_path / "copy"))


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_triples(TriplesSpec(people=120, performances=720))


def test_everybody_performs_and_lends_their_face_equally_often(plan: Plan) -> None:
    pairs = {(take.likeness, take.performer) for take in plan.takes}
    assert len(pairs) == len(plan.takes) / 2
    assert all(likeness != performer for likeness, performer in pairs)
    for role in zip(*pairs, strict=True):
        assert set(Counter(role).values()) == {3}
    assert len({take.seed for take in plan.takes}) == len(plan.takes)


def test_pairs_lie_near_and_far_in_tone_and_half_are_across_the_sexes(plan: Plan) -> None:
    actors = {person.number: draw_actor(person.seed) for person in plan.people}
    both = [(actors[take.likeness], actors[take.performer]) for take in plan.takes]
    tones = np.array([abs(one.skin.tone - other.skin.tone) for one, other in both])
    # A performer in the middle has nobody farther than half of the way, so evenly to there and fewer beyond.
    shares = np.histogram(tones, [0, 0.125, 0.25, 0.375, 0.5, 1])[0] / len(tones)
    assert shares.min() > 0.12
    assert 0.4 < np.mean([(one.sex > 0.5) != (other.sex > 0.5) for one, other in both]) < 0.6
    assert np.mean([abs(one.age - other.age) for one, other in both]) > 0.25


def test_held_out_people_and_large_images_keep_to_themselves(plan: Plan) -> None:
    kinds = Counter((person.size, person.held_out) for person in plan.people)
    assert kinds == {(256, False): 96, (256, True): 12, (512, False): 12}
    for take in plan.takes:
        likeness, performer = plan.people[take.likeness], plan.people[take.performer]
        assert (likeness.size, likeness.held_out) == (performer.size, performer.held_out)


def test_a_quarter_of_the_pairs_have_props_and_each_pair_the_same(plan: Plan) -> None:
    props: dict[tuple[int, int], set[int | None]] = {}
    for take in plan.takes:
        props.setdefault((take.likeness, take.performer), set()).add(take.props_seed)
    assert {len(seeds) for seeds in props.values()} == {1}
    assert 0.2 < np.mean([seeds != {None} for seeds in props.values()]) < 0.3


def test_a_plan_needs_enough_people() -> None:
    with pytest.raises(UsageError, match="more people or fewer performances"):
        plan_triples(TriplesSpec(people=20, performances=100))


def test_a_triple_is_read_as_it_was_rendered(corpus: Path) -> None:
    plan = read_plan(corpus)
    assert plan == plan_triples(SPEC)
    assert rendered_takes(corpus, plan) == list(plan.takes)
    triple, other = read_triples(corpus, plan.takes)
    assert (other.take.likeness, other.take.performer) == (triple.take.likeness, triple.take.performer)
    assert triple.plate.rgb.shape == triple.truth.rgb.shape == (len(FRAMES), SIZE, SIZE, 3)
    outside = (triple.plate.face_mask == 0) & (triple.truth.face_mask == 0)
    inside = (triple.plate.face_mask == 255) & (triple.truth.face_mask == 255)
    for truth in (triple.truth.rgb, triple.truth_toned_rgb):
        difference = np.abs(truth.astype(int) - triple.plate.rgb)
        assert difference[inside].mean() > 3 * difference[outside].mean()
    assert (triple.truth.rgb != triple.truth_toned_rgb).any()
    assert (triple.plate.labels[triple.plate.face_mask == 255] != Part.BACKGROUND).all()
    # Neighbours are more alike than frames that are far from each other.
    frames = triple.plate.rgb.astype(int)
    assert np.abs(frames[3] - frames[2]).mean() < np.abs(frames[4] - frames[0]).mean()


def test_a_triple_can_be_filmed_as_it_is_read_with_the_same_noise_on_plate_and_truth(corpus: Path) -> None:
    take = read_plan(corpus).takes[0]
    clean, (filmed, _) = read_triple(corpus, take), read_triples(corpus, read_plan(corpus).takes, filmed=True)
    assert np.abs(filmed.plate.rgb.astype(int) - clean.plate.rgb).mean() > 1
    # The codec is told to keep nearly everything, so that what is left is the sensor's noise.
    capture = replace(draw_capture(take.capture_seed, "cinema"), lens=Lens())
    grainy = read_triple(corpus, take, capture=capture)
    outside = (clean.plate.face_mask == 0) & (clean.plate.rgb == clean.truth.rgb).all(axis=-1)
    noise = [
        (mine.rgb.astype(int) - base.rgb)[outside]
        for mine, base in ((grainy.plate, clean.plate), (grainy.truth, clean.truth))
    ]
    assert np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1] > 0.8
    frames = [grainy.plate.rgb[number].astype(int) - clean.plate.rgb[number] for number in (2, 3)]
    assert abs(np.corrcoef(frames[0][..., 1].ravel(), frames[1][..., 1].ravel())[0, 1]) < 0.8


def test_points_pose_and_lens_agree(corpus: Path) -> None:
    plan = read_plan(corpus)
    triple = read_triple(corpus, plan.takes[0])
    references = read_references(corpus, plan.people[triple.take.likeness])
    assert len(references.frames.rgb) == NUM_REFERENCES
    assert np.ptp(references.motion.yaw_pitch_roll_deg[:, 0]) > 50
    for frames, motion in (
        (triple.plate, triple.motion),
        (triple.truth, triple.motion),
        (references.frames, references.motion),
    ):
        assert np.abs(projected(frames, motion) - frames.landmarks_xy[:, STILL]).max() < 0.02 * SIZE
        # The nose's tip is nearer than the ears' roots.
        assert (frames.landmarks_depth_m[:, 1] < frames.landmarks_depth_m[:, [234, 454]].max(axis=1)).all()
    # The shape of the likeness, at rest.
    centred = [each - each.mean(axis=0) for each in (references.frames.neutral_xyz_m, triple.truth.neutral_xyz_m)]
    scale = np.linalg.norm(centred[0]) / np.linalg.norm(centred[1])
    own = np.linalg.norm(centred[0] - scale * centred[1], axis=1).mean()
    plate = triple.plate.neutral_xyz_m - triple.plate.neutral_xyz_m.mean(axis=0)
    assert own < 0.5 * np.linalg.norm(centred[0] - scale * plate, axis=1).mean()


STILL = [6, 168, 197]
"""Points on the bridge of the nose, which expressions hardly move."""


def projected(frames: Frames, motion: Motion) -> np.ndarray:
    points = frames.neutral_xyz_m[STILL]
    turned = np.einsum("nij,pj->npi", frames.head_to_camera[:, :3, :3], points) + frames.head_to_camera[:, None, :3, 3]
    return np.asarray((SIZE - 1) / 2 + motion.focal[:, None, None] * SIZE * turned[..., :2] / turned[..., 2:])


def test_what_is_missing_is_rendered_again_by_other_processes_and_comes_out_the_same(corpus: Path, copy: Path) -> None:
    kept = take_path(copy, 0).stat().st_mtime_ns
    person_path(copy, 1).unlink()
    take_path(copy, 1).unlink()
    assert triples_state(copy).takes_done == 1
    make(copy, processes=2)
    assert take_path(copy, 0).stat().st_mtime_ns == kept
    assert person_path(copy, 1).read_bytes() == person_path(corpus, 1).read_bytes()
    assert take_path(copy, 1).read_bytes() == take_path(corpus, 1).read_bytes()


def test_parts_are_all_of_it_and_none_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = TriplesSpec(people=8, performances=24, size=SIZE, share_large=0.0)

    def file(path: Path) -> None:
        assert not path.exists()
        path.touch()

    def references(folder: Path, _plan: Plan, number: int, _stop: Callable[[], bool]) -> Iterator[None]:
        file(person_path(folder, number))
        yield

    def takes(folder: Path, plan: Plan, number: int, _stop: Callable[[], bool]) -> Iterator[None]:
        for take in plan.takes:
            if take.performer == number:
                file(take_path(folder, take.number))
                yield

    monkeypatch.setattr(triples, "_render_references", references)
    monkeypatch.setattr(triples, "_render_takes", takes)
    states = [make(tmp_path, spec, part=(number, 3)) for number in (1, 2, 3)]
    assert sum(state.takes for state in states) == sum(state.takes_done for state in states) == 24
    assert triples_state(tmp_path).takes_done == 24
    assert len(list((tmp_path / "people").iterdir())) == 8
    with pytest.raises(UsageError, match="no part 4 of 3"):
        make(tmp_path, spec, part=(4, 3))


def test_it_stops_when_asked(tmp_path: Path) -> None:
    state = make(tmp_path, should_stop=lambda: True)
    assert (state.takes_done, state.takes, state.cpu_s_a_take) == (0, 2, None)


def test_two_corpora_are_never_mixed(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="another corpus"):
        make(copy, TriplesSpec(people=3, performances=2, size=SIZE, share_large=0.0))
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "rendering": manifest["rendering"] - 1}))
    with pytest.raises(UsageError, match="another corpus"):
        make(copy)
    (copy / "manifest.json").write_text("{")
    with pytest.raises(ActorError, match="no manifest that this version made"):
        read_plan(copy)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").touch()
    with pytest.raises(UsageError, match="no corpus"):
        make(tmp_path / "mine")


def test_what_cant_be_read_is_named(copy: Path, tmp_path: Path) -> None:
    plan = read_plan(copy)
    take_path(copy, 0).write_bytes(take_path(copy, 0).read_bytes()[:1000])
    with pytest.raises(ActorError, match=r"0000\.zip can't be read; delete it"):
        read_triple(copy, plan.takes[0])
    person_path(copy, 0).unlink()
    with pytest.raises(ActorError, match="person 0 isn't in"):
        read_references(copy, plan.people[0])
    with pytest.raises(ActorError, match="no corpus in"):
        read_plan(tmp_path)


def test_a_disk_that_is_too_small_is_noticed_before_anything_is_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1e9 + 1000))
    with pytest.raises(ActorError, match="2 takes need about"):
        make(tmp_path)
    assert not list((tmp_path / "takes").iterdir())
