"""A release ends while work goes on under it: whatever had begun stops, and leaves nothing with a name.

The revocation comes from a process of its own, as its owner's document would: `countenance release add`, which needs no
lock on the project. Here that lock is held, as the command line holds it.
"""

import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from PIL import Image

from countenance import ledger
from countenance.consent.document import read_release, write_document
from countenance.consent.drafting import new_revocation
from countenance.consent.permit import grant, grant_prepare
from countenance.consent.register import add_revocation
from countenance.coverage.aspects import CoverageConfig
from countenance.errors import ConsentError
from countenance.faces import faceset as faceset_module
from countenance.faces import scan as scan_module
from countenance.media import writer
from countenance.model import checkpoint as checkpoint_module
from countenance.model.checkpoint import model_folder, read_checkpoint
from countenance.model.config import TrainConfig
from countenance.progress import Silent
from countenance.project import Project, opened, write_whole
from countenance.provenance import publish as publish_module
from countenance.review import sheet as sheet_module
from countenance.review.query import FaceQuery
from countenance.steps import generate as generate_module
from countenance.steps import review as review_module
from countenance.steps.collect import collect
from countenance.steps.cover import Plate, cover
from countenance.steps.guards import Guard
from countenance.steps.review import export_faces, show_faces
from countenance.steps.train import train
from tests.support.production import LIKENESS, PERFORMER, TRAINING, UNLABELLED, USE, Production
from tests.support.videos import clip_of, frames_of, write_video

Item = TypeVar("Item")
RevokeBy = Callable[[Production, str], Callable[[], None]]


@dataclass
class Interrupted(Silent):
    """A progress at which, after so many things of one kind, something happens once."""

    what: str
    after: int
    happens: Callable[[], None]
    num_seen: int = 0

    def track(
        self,
        items: Iterable[Item],
        *,
        what: str,
        unit: str,  # noqa: ARG002
        total: int,  # noqa: ARG002
        done: int = 0,  # noqa: ARG002
        each: int = 1,  # noqa: ARG002
    ) -> Iterator[Item]:
        for number, item in enumerate(items, start=1):
            if what.startswith(self.what):
                self.num_seen = number
                if number == self.after:
                    self.happens()
            yield item


def revocation_of(production: Production, path: Path) -> Path:
    """The document by which the owner of a release ends it."""
    release = read_release(path)
    written = path.with_suffix(".revocation.toml")
    write_document(written, new_revocation(release, production.key(release.subject.person)), overwrite=False)
    return written


def by_another_process(production: Production, person: str) -> Callable[[], None]:
    """Revokes the release of a person with the command that its owner's document is for."""
    written = revocation_of(production, production.release_of(person))

    def revoke() -> None:
        command = (sys.executable, "-m", "countenance", "release", "add", str(written))
        ended = subprocess.run(command, cwd=production.project.folder, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        assert ended.stderr.startswith("Revoked: ")

    return revoke


def by_another_connection(production: Production, person: str) -> Callable[[], None]:
    """The same two seconds sooner."""
    written = revocation_of(production, production.release_of(person))

    def revoke() -> None:
        with opened(production.project.folder) as project:
            add_revocation(project, written)

    return revoke


@contextmanager
def stopped(production: Production, person: str) -> Iterator[None]:
    """Within, work stops because the release of a person was revoked; nothing is logged after that."""
    with (
        production.project.writing(),
        pytest.raises(ConsentError, match=rf"^the release of {person} was revoked on [^;]*; nothing more may be made"),
    ):
        yield
    assert events(production)[-1] == "release.revoked"
    ledger.check(production.project)
    (outcome,) = production.project.database.execute("SELECT outcome FROM runs ORDER BY rowid DESC LIMIT 1").fetchone()
    assert outcome is None or outcome.startswith(("ConsentError: the release of", "done"))


def events(production: Production) -> list[str]:
    return [entry.event for entry in ledger.entries(production.project)]


# Between two stretches.


def collect_another_clip(production: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 24 frames, which are three stretches here."""
    monkeypatch.setattr(scan_module, "STRETCH_FRAMES", 8)
    clip = write_video(production.folder / "more.mp4", clip_of(PERFORMER, 48)[24:])
    collect(production.project, PERFORMER, [clip], progress=Silent())


def num_stretches(production: Production) -> int:
    (number,) = production.project.database.execute("SELECT count(*) FROM stretches").fetchone()
    return int(number)


def face_sets(production: Production) -> list[tuple[str, str]]:
    return production.project.database.execute("SELECT person, digest FROM face_sets ORDER BY person").fetchall()


def test_prepare(trained: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    collect_another_clip(trained, monkeypatch)
    sets, num_before = face_sets(trained), num_stretches(trained)
    progress = Interrupted("looking for faces in more.mp4", 3, by_another_process(trained, PERFORMER))
    with stopped(trained, PERFORMER):
        trained.prepare(PERFORMER, progress=progress)
    # One stretch was stored before, and none after.
    assert num_stretches(trained) == num_before + 1
    assert face_sets(trained) == sets
    with pytest.raises(ConsentError, match="revoked"):
        trained.prepare(PERFORMER)


def test_prepare_between_the_last_stretch_and_the_face_set(
    trained: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect_another_clip(trained, monkeypatch)
    sets, revoke, real = face_sets(trained), by_another_connection(trained, PERFORMER), faceset_module._digest_kept

    def digest_kept(project: Project, person: str, permit_digest: str, crop_size: int) -> tuple[str, int]:
        revoke()
        return real(project, person, permit_digest, crop_size)

    monkeypatch.setattr(faceset_module, "_digest_kept", digest_kept)
    with stopped(trained, PERFORMER):
        trained.prepare(PERFORMER)
    assert face_sets(trained) == sets


# Between two saves.

ENDLESS = replace(TRAINING, images=100_000, save_every_s=0.0, preview_every_s=0.0)


def go_on_training(production: Production, config: TrainConfig, after_step: Callable[[int], None]) -> None:
    # Before, while both people's faces are looked at, it is asked at each face.
    steps = -2 * config.faces

    def should_stop() -> bool:
        nonlocal steps
        steps += 1
        if steps > 0:
            after_step(steps)
        return False

    permit = grant(production.project, "train", likeness=LIKENESS, performer=PERFORMER)
    train(production.project, LIKENESS, PERFORMER, permit, config, progress=Silent(), should_stop=should_stop)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize("revoke_by", [by_another_process, by_another_connection])
@pytest.mark.parametrize("person", [LIKENESS, PERFORMER])
def test_train(trained: Production, person: str, revoke_by: RevokeBy) -> None:
    revoke, folder = revoke_by(trained, person), model_folder(trained.project, LIKENESS, PERFORMER)
    before: dict[str, str] = {}

    def after_step(step: int) -> None:
        if step == 3:
            before.update(digests(folder))
            revoke()
        assert step <= 3

    with stopped(trained, person):
        go_on_training(trained, ENDLESS, after_step)
    assert digests(folder) == before
    checkpoint = read_checkpoint(folder)
    assert checkpoint is not None
    assert checkpoint.images_seen == TRAINING.images + 3 * TRAINING.batch_size
    with pytest.raises(ConsentError, match="revoked"):
        trained.generate(trained.folder / "kofi.mp4", trained.folder / "shot.mp4")


def test_train_while_the_pairs_are_made(trained: Production) -> None:
    folder = model_folder(trained.project, LIKENESS, PERFORMER)
    before = digests(folder)
    what = f"drawing {PERFORMER} onto {LIKENESS}, to learn the way back"
    progress = Interrupted(what, 2, by_another_connection(trained, LIKENESS))
    permit = grant(trained.project, "train", likeness=LIKENESS, performer=PERFORMER)
    more = replace(TRAINING, images=TRAINING.images + 2)
    with stopped(trained, LIKENESS):
        train(trained.project, LIKENESS, PERFORMER, permit, more, progress=progress, should_stop=lambda: False)
    assert progress.num_seen == 2 < TRAINING.faces
    assert digests(folder) == before


def test_a_long_save_interval_does_not_keep_a_training_going(trained: Production) -> None:
    revoke, folder = by_another_connection(trained, LIKENESS), model_folder(trained.project, LIKENESS, PERFORMER)
    weights = {path: path.read_bytes() for path in folder.glob("*.safetensors")}

    def after_step(step: int) -> None:
        if step == 3:
            revoke()
        assert step <= 3 + rare.metrics_every_steps

    rare = replace(ENDLESS, save_every_s=1e9, preview_every_s=1e9, metrics_every_steps=5)
    with stopped(trained, LIKENESS):
        go_on_training(trained, rare, after_step)
    assert {path: path.read_bytes() for path in folder.glob("*.safetensors")} == weights


def test_train_between_the_last_save_and_the_log(trained: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    revoke, folder = by_another_connection(trained, PERFORMER), model_folder(trained.project, LIKENESS, PERFORMER)
    before = read_checkpoint(folder)

    def write_and_revoke(path: Path, content: bytes, *, mode: int) -> None:
        write_whole(path, content, mode=mode)
        if path.suffix == ".safetensors":
            revoke()

    monkeypatch.setattr(checkpoint_module, "write_whole", write_and_revoke)
    with stopped(trained, PERFORMER):
        go_on_training(trained, replace(TRAINING, images=TRAINING.images + 8), lambda _: None)
    assert events(trained).count("trained") == 1
    assert read_checkpoint(folder) == before


def test_train_under_an_earlier_release(trained: Production) -> None:
    """The model owes to a release that no permit names any more."""
    first = trained.release_of(LIKENESS)
    trained.project.settings["use"] = "film"
    for person in (LIKENESS, PERFORMER):
        trained.add(trained.sign(person, uses=("film",)))
        trained.prepare(person)
    revocation = revocation_of(trained, first)

    def after_step(step: int) -> None:
        if step == 2:
            with opened(trained.project.folder) as project:
                add_revocation(project, revocation)
        assert step <= 2

    with stopped(trained, LIKENESS):
        go_on_training(trained, ENDLESS, after_step)


# Between two fragments, and up to the name.


@pytest.fixture
def plate(trained: Production, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of twelve frames: three stretches, three fragments."""
    monkeypatch.setattr(scan_module, "STRETCH_FRAMES", 4)
    monkeypatch.setattr(writer, "FRAGMENT_FRAMES", 4)
    (trained.folder / "out").mkdir()
    return write_video(trained.folder / "plate.mp4", frames_of("performance.mp4", 12))


def assert_nothing_left(production: Production) -> None:
    assert not list((production.folder / "out").iterdir())
    renders = production.project.folder / "renders"
    assert not renders.exists() or not list(renders.iterdir())
    assert "published" not in events(production)
    assert production.project.database.execute("SELECT count(*) FROM published").fetchone() == (0,)


def test_generate_between_two_stretches(trained: Production, plate: Path) -> None:
    num_before = num_stretches(trained)
    progress = Interrupted("looking for faces", 2, by_another_connection(trained, PERFORMER))
    with stopped(trained, PERFORMER):
        trained.generate(plate, trained.folder / "out" / "shot.mp4", progress=progress)
    assert num_stretches(trained) == num_before + 1
    assert_nothing_left(trained)


@pytest.mark.parametrize("revoke_by", [by_another_process, by_another_connection])
@pytest.mark.parametrize("person", [LIKENESS, PERFORMER])
def test_generate(trained: Production, plate: Path, person: str, revoke_by: RevokeBy) -> None:
    revoke = revoke_by(trained, person)
    finished: list[Path] = []

    def happens() -> None:
        finished.extend(trained.project.folder.glob("renders/*/*/*.nut"))
        revoke()

    progress = Interrupted("rendering", 6, happens)
    with stopped(trained, person):
        trained.generate(plate, trained.folder / "out" / "shot.mp4", progress=progress)
    assert [path.name for path in finished] == ["00000.nut"]
    # The fragment that was being encoded is the last.
    assert progress.num_seen == 8
    assert_nothing_left(trained)


@pytest.mark.parametrize("kind", ["mp4", "png"])
@pytest.mark.parametrize("revoke_by", [by_another_process, by_another_connection])
def test_publish_before_the_name(
    trained: Production, plate: Path, monkeypatch: pytest.MonkeyPatch, kind: str, revoke_by: RevokeBy
) -> None:
    revoke, real = revoke_by(trained, PERFORMER), publish_module._check_signed
    if kind == "png":
        plate = trained.folder / "plate.png"
        Image.fromarray(frames_of("performance.mp4", 1)[0]).save(plate)

    def check_signed(*args: Any) -> None:
        real(*args)
        revoke()

    monkeypatch.setattr(publish_module, "_check_signed", check_signed)
    with stopped(trained, PERFORMER):
        trained.generate(plate, trained.folder / "out" / f"shot.{kind}")
    assert_nothing_left(trained)


def test_a_revocation_waits_for_the_transaction_that_publishes(
    trained: Production, plate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came first in the log was allowed: between the check and the entry no revocation finds a place."""
    revoking, real = threading.Thread(target=by_another_connection(trained, PERFORMER)), ledger.append

    def append(project: Project, event: str, facts: dict[str, Any]) -> ledger.LogEntry:
        if event == "published":
            revoking.start()
            time.sleep(0.3)
        return real(project, event, facts)

    monkeypatch.setattr(ledger, "append", append)
    trained.generate(plate, trained.folder / "out" / "shot.mp4")
    revoking.join()
    assert events(trained)[-2:] == ["published", "release.revoked"]
    ledger.check(trained.project)


def prepared_under_another_release(trained: Production) -> Callable[[], None]:
    """The likeness's face set is made again under a release of another use; what is returned revokes that."""
    trained.project.settings["use"] = "film"
    revocation = revocation_of(trained, trained.add(trained.sign(LIKENESS, uses=("film",))))
    trained.prepare(LIKENESS)
    trained.project.settings["use"] = USE

    def revoke() -> None:
        with opened(trained.project.folder) as project:
            add_revocation(project, revocation)

    return revoke


def test_the_own_skin_opens_face_sets_that_count_too(trained: Production, plate: Path) -> None:
    """The likeness's was made under a release that neither the permit nor the model names."""
    config = replace(UNLABELLED, skin="likeness")
    progress = Interrupted("rendering", 6, prepared_under_another_release(trained))
    with stopped(trained, LIKENESS):
        trained.generate(plate, trained.folder / "out" / "shot.mp4", config, progress=progress)
    assert_nothing_left(trained)


def test_faces_that_the_base_draws_from_count_too(trained: Production, plate: Path) -> None:
    """The likeness's were found under a release that the permit doesn't name."""
    config = replace(UNLABELLED, model="base", preset="draft")
    progress = Interrupted("rendering", 6, prepared_under_another_release(trained))
    with stopped(trained, LIKENESS):
        trained.generate(plate, trained.folder / "out" / "shot.mp4", config, progress=progress)
    assert_nothing_left(trained)


def test_the_term_ends_during_a_render(trained: Production, plate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [datetime(2026, 12, 1, tzinfo=UTC)]
    monkeypatch.setattr(generate_module, "Guard", partial(Guard, clock=lambda: now[-1]))
    progress = Interrupted("rendering", 6, lambda: now.append(datetime(2100, 1, 1, tzinfo=UTC)))
    with pytest.raises(ConsentError, match=f"the release of ({LIKENESS}|{PERFORMER}) expired on 31 December 2099"):
        trained.generate(plate, trained.folder / "out" / "shot.mp4", progress=progress)
    assert_nothing_left(trained)


# Faces that leave as pictures.


def test_export(trained: Production) -> None:
    permit, folder = grant_prepare(trained.project, PERFORMER), trained.folder / "faces"
    progress = Interrupted("exporting faces", 3, by_another_connection(trained, PERFORMER))
    with stopped(trained, PERFORMER):
        export_faces(trained.project, PERFORMER, permit, FaceQuery(), folder, progress=progress)
    assert not folder.exists()


def test_contact_sheets(trained: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_module, "FACES_PER_PAGE", 10)
    monkeypatch.setattr(sheet_module, "FACES_PER_PAGE", 10)
    permit, folder = grant_prepare(trained.project, PERFORMER), trained.folder / "sheets"
    folder.mkdir()
    progress = Interrupted("drawing contact sheets", 2, by_another_connection(trained, PERFORMER))
    with stopped(trained, PERFORMER):
        show_faces(
            trained.project, PERFORMER, permit, FaceQuery(), folder / "a.png", overwrite=False, progress=progress
        )
    assert not list(folder.iterdir())


def test_coverage_of_a_plate(trained: Production, plate: Path) -> None:
    permit = grant_prepare(trained.project, LIKENESS)
    wanted = Plate(path=plate, performer=PERFORMER, permit=grant_prepare(trained.project, PERFORMER))
    progress = Interrupted("looking for faces", 2, by_another_connection(trained, PERFORMER))
    with stopped(trained, PERFORMER):
        cover(trained.project, LIKENESS, permit, plate=wanted, config=CoverageConfig(), progress=progress)
