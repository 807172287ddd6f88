"""Several corpora as one, and what was read of them kept."""

import json
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from countenance.actors.triples_files import MANIFEST_NAME
from countenance.actors.triples_plan import TriplesSpec, plan_triples
from tests.tools.test_base import a_run
from tools.base.corpus import Corpus, Reader, sources_of
from tools.base.inputs import Prepared
from tools.base.train import find_points, keep, kept

CPU = torch.device("cpu")


def a_corpus(folder: Path, seed: int, size: int = 96) -> Path:
    """A plan of which nothing is rendered."""
    folder.mkdir()
    plan = plan_triples(TriplesSpec(seed=seed, people=4, performances=4, size=size, share_large=0))
    (folder / MANIFEST_NAME).write_text(json.dumps(plan.facts))
    return folder


def test_people_and_takes_of_several_corpora_have_numbers_of_their_own(tmp_path: Path) -> None:
    one, other = sources_of([a_corpus(tmp_path / "one", 1), a_corpus(tmp_path / "other", 2)])
    assert (one.first_person, one.first_take) == (0, 0)
    assert (other.first_person, other.first_take) == (len(one.plan.people), len(one.plan.takes))
    assert other.rendered_people() == []


def test_the_same_people_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="some are in two"):
        sources_of([a_corpus(tmp_path / "one", 1), a_corpus(tmp_path / "other", 1)])


def test_frames_of_several_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"got \[96, 128\]"):
        sources_of([a_corpus(tmp_path / "one", 1), a_corpus(tmp_path / "other", 2, size=128)])


def test_what_was_read_is_kept_for_the_same_corpora_only(tmp_path: Path) -> None:
    folder = a_corpus(tmp_path / "corpus", 1)
    run = a_run(folder)
    corpus = Corpus(**{each.name: torch.rand(3, 2) for each in fields(Corpus)})
    of_pairs = {each.name: torch.rand(3, 2) for each in fields(Prepared) if each.name != "num_frames"}
    prepared = Prepared(**of_pairs, num_frames=3)
    reader, later = (Reader(sources_of([folder]), find_points(CPU), CPU, 1) for _ in range(2))
    reader.go_on_from({"takes": [0, 3], "known": {2: (torch.rand(468, 3), torch.rand(5))}})
    assert kept(run, later) == (None, None)
    keep(run, reader, corpus, prepared)
    again, prepared_again = kept(run, later)
    assert again is not None
    assert prepared_again is not None
    assert torch.equal(again.rgb, corpus.rgb)
    assert torch.equal(prepared_again.near, prepared.near)
    assert later.num_takes == 2
    assert later.state()["known"].keys() == {2}
    (folder / MANIFEST_NAME).write_text((folder / MANIFEST_NAME).read_text() + " ")
    with pytest.raises(SystemExit, match="remove it"):
        kept(run, later)
