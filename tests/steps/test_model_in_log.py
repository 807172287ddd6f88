"""A model is what the log says was trained: files beside the weights can't make another person's of it."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save

from countenance import ledger
from countenance.consent.permit import grant
from countenance.errors import ConsentError, ModelError, UsageError
from countenance.model.checkpoint import model_folder, read_checkpoint
from countenance.progress import Silent
from countenance.steps.guards import Guard
from countenance.steps.train import go_back, train
from tests.support.production import LIKENESS, PERFORMER, STRANGER, TRAINING, Production

UNKNOWN = r"the log knows no training that made the model in .*; restore that folder from a copy, or move it away"


def folder_of(production: Production, likeness: str = LIKENESS) -> Path:
    return model_folder(production.project, likeness, PERFORMER)


def edit(folder: Path, **changes: Any) -> None:
    edit_facts(folder / "checkpoint.json", **changes)


def edit_facts(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def open_model(production: Production, likeness: str = LIKENESS) -> None:
    """As `generate` does."""
    permit = grant(production.project, "generate", likeness=likeness, performer=PERFORMER)
    assert Guard(production.project, permit, "generate", people=(likeness, PERFORMER)).checkpoint() is not None


def go_on(production: Production, num_images: int = 2) -> None:
    permit = grant(production.project, "train", likeness=LIKENESS, performer=PERFORMER)
    config = replace(TRAINING, images=TRAINING.images + num_images)
    train(production.project, LIKENESS, PERFORMER, permit, config, progress=Silent(), should_stop=lambda: False)


def test_a_trained_model_is_opened_and_trained_on(trained: Production) -> None:
    open_model(trained)
    go_on(trained)
    open_model(trained)


def test_an_earlier_state_draws_once_it_was_gone_back_to(trained: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("countenance.model.record.FIRST_KEPT", TRAINING.images + 1)
    go_on(trained)
    folder, permit = folder_of(trained), grant(trained.project, "train", likeness=LIKENESS, performer=PERFORMER)
    present = read_checkpoint(folder)
    with pytest.raises(ModelError, match=r"expected a state that was kept, got 3 images; there are: 5$"):
        go_back(trained.project, LIKENESS, PERFORMER, permit, 3)
    earlier = go_back(trained.project, LIKENESS, PERFORMER, permit, 5)
    assert read_checkpoint(folder) == earlier
    assert earlier.images_seen == 5
    open_model(trained)
    assert go_back(trained.project, LIKENESS, PERFORMER, permit, 6) == present
    edit_facts(folder / "checkpoint-000000005.json", weights_sha256="0" * 64)
    with pytest.raises(ModelError, match=UNKNOWN):
        go_back(trained.project, LIKENESS, PERFORMER, permit, 5)
    assert read_checkpoint(folder) == present
    trained.revoke(trained.release_of(LIKENESS))
    with pytest.raises(ConsentError):
        go_back(trained.project, LIKENESS, PERFORMER, permit, 5)


def test_a_model_renamed_to_another_person_is_refused(trained: Production) -> None:
    trained.add(trained.sign(STRANGER, role="likeness"))
    folder_of(trained).rename(folder_of(trained, STRANGER))
    with pytest.raises(ModelError, match=r"expected a model of mira onto kofi in .*, but it is of zuri onto kofi"):
        open_model(trained, STRANGER)
    edit(folder_of(trained, STRANGER), people=[STRANGER, PERFORMER])
    with pytest.raises(ModelError, match=UNKNOWN):
        open_model(trained, STRANGER)


def test_a_release_taken_out_of_the_facts_is_missed(trained: Production) -> None:
    checkpoint = read_checkpoint(folder_of(trained))
    assert checkpoint is not None
    edit(folder_of(trained), release_digests=list(checkpoint.release_digests[:1]))
    with pytest.raises(ModelError, match=UNKNOWN):
        open_model(trained)
    with pytest.raises(ModelError, match=UNKNOWN):
        go_on(trained)


def test_other_weights_are_refused_even_with_their_digest_beside_them(trained: Production, tmp_path: Path) -> None:
    folder = folder_of(trained)
    (path,) = folder.glob("*.safetensors")
    other = {name: torch.zeros_like(tensor) for name, tensor in load_file(path).items()}
    content = save(other)
    path.write_bytes(content)
    edit(folder, weights_sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(ModelError, match=UNKNOWN):
        trained.generate(trained.folder / "kofi.mp4", tmp_path / "shot.mp4")
    assert not (tmp_path / "shot.mp4").exists()


def test_every_save_is_in_the_log_before_it_is_in_the_folder(trained: Production) -> None:
    permit = grant(trained.project, "train", likeness=LIKENESS, performer=PERFORMER)
    config = replace(TRAINING, images=TRAINING.images + 3, save_every_s=0)
    train(trained.project, LIKENESS, PERFORMER, permit, config, progress=Silent(), should_stop=lambda: False)
    facts = [entry.facts for entry in ledger.entries(trained.project) if entry.event == "trained"]
    assert [each["images_seen"] for each in facts] == [TRAINING.images + more for more in range(4)]
    checkpoint = read_checkpoint(folder_of(trained))
    assert checkpoint is not None
    assert facts[-1]["model"] == checkpoint.digest


# Logs of earlier versions.


def log_as_before(production: Production) -> None:
    """Write the log again as the version before did: its entries on trainings held no digest of the model."""
    project, path = production.project, production.folder / "config" / "heads" / f"{production.project.id}.json"
    old = list(ledger.entries(project))
    project.database.execute("DELETE FROM log")
    path.unlink()
    with project.transaction():
        for entry in old:
            ledger.append(
                project,
                entry.event,
                {name: fact for name, fact in entry.facts.items() if name not in {"model", "template"}},
            )


def test_a_model_of_an_earlier_version_is_known_by_its_weights_and_permit(trained: Production) -> None:
    log_as_before(trained)
    open_model(trained)
    go_on(trained)
    open_model(trained)


@pytest.mark.parametrize("change", [{"people": [STRANGER, PERFORMER]}, {"release_digests": ["0" * 64]}])
def test_a_model_of_an_earlier_version_is_bound_to_its_people_and_releases(
    trained: Production, change: dict[str, list[str]]
) -> None:
    log_as_before(trained)
    likeness = change.get("people", [LIKENESS])[0]
    if likeness == STRANGER:
        trained.add(trained.sign(STRANGER, role="likeness"))
        folder_of(trained).rename(folder_of(trained, STRANGER))
    edit(folder_of(trained, likeness), **change)
    with pytest.raises(ModelError, match=UNKNOWN):
        open_model(trained, likeness)


# Whose template.


def test_a_template_that_was_exchanged_is_refused(trained: Production) -> None:
    trained.add(trained.sign(STRANGER))
    (strange,) = trained.project.database.execute("SELECT template FROM people WHERE name = ?", (STRANGER,)).fetchone()
    trained.project.database.execute("UPDATE people SET template = ? WHERE name = ?", (strange, PERFORMER))
    with pytest.raises(ConsentError, match="stored of the face of kofi wasn't made from the reference picture"):
        trained.prepare(PERFORMER)


def test_a_newer_release_brings_its_own_template(trained: Production) -> None:
    trained.add(trained.sign(PERFORMER, picture_of=PERFORMER))
    assert trained.prepare(PERFORMER).face_set.num_faces == 24


def test_a_template_of_an_earlier_version_is_used_as_it_is(trained: Production) -> None:
    log_as_before(trained)
    assert trained.prepare(PERFORMER).face_set.num_faces == 24


# Links in place of the project's own folders.


def models(production: Production) -> Path:
    return production.project.folder / "models"


@pytest.mark.parametrize("own", [models, folder_of])
def test_a_link_in_place_of_a_folder_is_refused(trained: Production, own: Callable[[Production], Path]) -> None:
    path, elsewhere = own(trained), trained.folder / "elsewhere"
    shutil.move(path, elsewhere)
    (elsewhere / ".profile").write_text("theirs")
    before = {each: each.read_bytes() for each in elsewhere.rglob("*") if each.is_file()}
    path.symlink_to(elsewhere)
    for work in (open_model, go_on):
        with pytest.raises(UsageError, match=rf"expected a folder of the project at {path}, but it is a link to"):
            work(trained)
    assert {each: each.read_bytes() for each in elsewhere.rglob("*") if each.is_file()} == before
