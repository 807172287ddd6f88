"""Without a valid release nothing opens: each step, for each kind of invalid, refuses and changes nothing."""

import ast
import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from PIL import Image

import countenance
from countenance.consent.document import document_text, read_release
from countenance.consent.permit import grant
from countenance.errors import ConsentError
from countenance.faces.config import PrepareConfig
from countenance.progress import Silent
from countenance.project import Project
from countenance.steps.generate import GenerateConfig, Pair, generate
from countenance.steps.prepare import prepare
from countenance.steps.train import train
from countenance.types import Action, Permit
from tests.support.production import LIKENESS, PERFORMER, STRANGER, TRAINING, UNLABELLED, USE, Production
from tests.support.videos import frames_of

LONG_AGO, FAR_OFF = datetime(2026, 2, 1, tzinfo=UTC), datetime(2098, 6, 1, tzinfo=UTC)
DOORS: tuple[Action, ...] = ("prepare", "train", "generate")
BASE = replace(UNLABELLED, model="base", preset="draft")
USE_LINE = f'    "{USE}",'


def go_through(
    production: Production, door: Action, permit: Permit, folder: Path, config: GenerateConfig = UNLABELLED
) -> None:
    """Run a step that has all it needs except, perhaps, consent."""
    project = production.project
    if door == "prepare":
        # Other limits, so that there is something to do.
        prepare(project, PERFORMER, permit, PrepareConfig(), progress=Silent())
    elif door == "train":
        more = replace(TRAINING, images=TRAINING.images + 8)
        train(project, LIKENESS, PERFORMER, permit, more, progress=Silent(), should_stop=lambda: False)
    else:
        plate, output = folder / "plate.png", folder / "shot.png"
        Image.fromarray(frames_of("performance.mp4", 1)[0]).save(plate)
        pair = Pair(likeness=LIKENESS, performer=PERFORMER, permit=permit, is_disguise=False)
        generate(project, plate, [pair], output, config, overwrite=False, progress=Silent())


def permit_for(project: Project, door: Action, at: datetime | None = None) -> Permit:
    likeness = None if door == "prepare" else LIKENESS
    return grant(project, door, likeness=likeness, performer=PERFORMER, at=at)


def state_of(production: Production) -> dict[str, str]:
    """Digests of all that the project holds: the rows of its database, and its files."""
    database, folder = production.project.database, production.project.folder
    digests = {}
    for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
        digest = hashlib.sha256()
        for row in database.execute(f"SELECT * FROM {table}"):
            for value in row:
                digest.update(value if isinstance(value, bytes) else repr(value).encode())
        digests[table] = digest.hexdigest()
    for path in folder.rglob("*"):
        if not path.name.startswith("countenance.db"):
            content = path.read_bytes() if path.is_file() else b""
            digests[str(path.relative_to(folder))] = hashlib.sha256(content).hexdigest()
    return digests


# What makes a release or a permit invalid: each changes the production and gives the permit that is then shown.

Spoil = Callable[[Production, Action], Permit]


def begin_anew(production: Production) -> None:
    """Forget all releases, and that the log knew of them."""
    database = production.project.database
    for table in ("releases", "log"):
        database.execute(f"DELETE FROM {table}")
    shutil.rmtree(production.folder / "config" / "heads")


def no_release(production: Production, door: Action) -> Permit:
    permit = permit_for(production.project, door)
    begin_anew(production)
    return permit


def unsigned(production: Production, door: Action) -> Permit:
    permit = permit_for(production.project, door)
    release = read_release(production.release_of(PERFORMER))
    _put_in_place_of(production, document_text(release.model_copy(update={"signature": None})))
    return permit


def altered(production: Production, door: Action) -> Permit:
    permit = permit_for(production.project, door)
    text = document_text(read_release(production.release_of(PERFORMER)))
    _put_in_place_of(production, text.replace(USE_LINE, f'{USE_LINE}\n    "advertising",'))
    return permit


def expired(production: Production, door: Action) -> Permit:
    begin_anew(production)
    production.add(production.sign(LIKENESS))
    production.add(production.sign(PERFORMER, expires=date(2026, 3, 1)), at=LONG_AGO)
    return permit_for(production.project, door, LONG_AGO)


def not_yet_valid(production: Production, door: Action) -> Permit:
    begin_anew(production)
    production.add(production.sign(LIKENESS))
    production.add(production.sign(PERFORMER, valid_from=date(2098, 1, 1)), at=FAR_OFF)
    return permit_for(production.project, door, FAR_OFF)


def revoked(production: Production, door: Action) -> Permit:
    permit = permit_for(production.project, door)
    production.revoke(production.release_of(PERFORMER))
    return permit


def for_another_role(production: Production, door: Action) -> Permit:
    permit = permit_for(production.project, door)
    begin_anew(production)
    production.add(production.sign(LIKENESS))
    production.add(production.sign(PERFORMER, role="likeness"))
    return permit


def for_another_use(production: Production, door: Action) -> Permit:
    permit = permit_for(production.project, door)
    begin_anew(production)
    production.add(production.sign(LIKENESS))
    production.add(production.sign(PERFORMER, uses=("teaching", "film")))
    return permit


def for_another_production(production: Production, door: Action) -> Permit:
    permit = permit_for(production.project, door)
    # As when somebody edits countenance.toml.
    production.project.settings["title"] = "Winter"
    return permit


def permit_for_other_people(production: Production, door: Action) -> Permit:
    production.add(production.sign(STRANGER))
    likeness = None if door == "prepare" else LIKENESS
    return grant(production.project, door, likeness=likeness, performer=STRANGER)


def permit_for_another_action(production: Production, door: Action) -> Permit:
    return permit_for(production.project, DOORS[DOORS.index(door) - 1])


def permit_made_by_hand(production: Production, door: Action) -> Permit:
    permit = permit_for(production.project, door)
    return replace(permit, digest=hashlib.sha256(b"let me in").hexdigest())


def permit_made_to_last_longer(production: Production, door: Action) -> Permit:
    permit = permit_for(production.project, door)
    return replace(permit, expires_at=permit.expires_at.replace(year=9999))


KINDS: dict[Spoil, str] = {
    no_release: "there is no release of (zuri|kofi) here",
    unsigned: "the release of kofi is unsigned",
    altered: "the release of kofi was altered since it was signed",
    expired: "the release of kofi expired on 1 March 2026",
    not_yet_valid: "the release of kofi is not valid before 1 January 2098",
    revoked: "the release of kofi was revoked",
    for_another_role: "the release of kofi is for role likeness, not performer",
    for_another_use: "the release of kofi is for uses teaching, film, not research",
    for_another_production: 'is for project "Countenance demo", not "Winter"',
    permit_for_other_people: "expected a permit for (zuri and )?kofi, got one for (zuri and )?mira",
    permit_for_another_action: "expected a permit to (prepare|train|generate), got one to (prepare|train|generate)",
    permit_made_by_hand: "this permit is not the one that the project's releases give now",
    permit_made_to_last_longer: "this permit is not the one that the project's releases give now",
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("spoil", KINDS, ids=lambda spoil: spoil.__name__)
def test_shut(trained: Production, tmp_path: Path, door: Action, spoil: Spoil) -> None:
    out = tmp_path / "out"
    out.mkdir()
    permit = spoil(trained, door)
    before = state_of(trained)
    with pytest.raises(ConsentError, match=KINDS[spoil]):
        go_through(trained, door, permit, out)
    assert state_of(trained) == before
    assert not [path for path in out.iterdir() if path.name != "plate.png"]


@pytest.mark.parametrize("door", DOORS)
def test_open(trained: Production, tmp_path: Path, door: Action) -> None:
    """The same with valid releases and the right permit: there it was consent that lacked, and nothing else."""
    before = state_of(trained)
    go_through(trained, door, permit_for(trained.project, door), tmp_path)
    assert state_of(trained) != before
    assert (tmp_path / "shot.png").exists() == (door == "generate")


@pytest.mark.parametrize("person", [LIKENESS, PERFORMER])
@pytest.mark.parametrize("door", ["train", "generate"])
def test_what_was_learned_under_a_revoked_release_stays_shut(
    trained: Production, tmp_path: Path, door: Action, person: str
) -> None:
    """Even where the same person signed a new release since, so that a permit is to be had."""
    trained.revoke(trained.release_of(person))
    trained.add(trained.sign(person))
    trained.prepare(person)
    permit = permit_for(trained.project, door)
    before = state_of(trained)
    with pytest.raises(ConsentError, match=f"the release of {person} was revoked"):
        go_through(trained, door, permit, tmp_path)
    assert state_of(trained) == before
    assert not (tmp_path / "shot.png").exists()


def test_faces_found_under_a_revoked_release_are_not_trained_on(trained: Production, tmp_path: Path) -> None:
    shutil.rmtree(trained.project.folder / "models")
    trained.revoke(trained.release_of(PERFORMER))
    trained.add(trained.sign(PERFORMER))
    with pytest.raises(ConsentError, match="the release of kofi was revoked"):
        go_through(trained, "train", permit_for(trained.project, "train"), tmp_path)
    trained.prepare(PERFORMER)
    go_through(trained, "train", permit_for(trained.project, "train"), tmp_path)


@pytest.mark.parametrize("person", [LIKENESS, PERFORMER])
def test_faces_found_under_a_revoked_release_are_not_drawn_from(
    trained: Production, tmp_path: Path, person: str
) -> None:
    """Found again under a new release they are; the model that was trained under the old one isn't asked."""
    trained.revoke(trained.release_of(person))
    trained.add(trained.sign(person))
    permit, before = permit_for(trained.project, "generate"), state_of(trained)
    with pytest.raises(ConsentError, match=f"the release of {person} was revoked"):
        go_through(trained, "generate", permit, tmp_path, BASE)
    assert state_of(trained) == before
    assert not (tmp_path / "shot.png").exists()
    trained.prepare(person)
    go_through(trained, "generate", permit, tmp_path, BASE)
    assert (tmp_path / "shot.png").exists()


def test_a_model_owes_to_every_release_that_it_was_ever_trained_under(trained: Production, tmp_path: Path) -> None:
    """Trained under one release, further under another, then the first is revoked."""
    trained.project.settings["use"] = "film"
    for person in (LIKENESS, PERFORMER):
        trained.add(trained.sign(person, uses=("film",)))
    go_through(trained, "train", permit_for(trained.project, "train"), tmp_path)
    trained.revoke(trained.release_of(PERFORMER))
    with pytest.raises(ConsentError, match="the release of kofi was revoked"):
        go_through(trained, "generate", permit_for(trained.project, "generate"), tmp_path)


def _put_in_place_of(production: Production, document: str) -> None:
    changed = production.project.database.execute(
        "UPDATE releases SET document = ? WHERE person = ? AND document != ?", (document, PERFORMER, document)
    )
    assert changed.rowcount == 1


# The guard is the only way.

OPENERS = {"open_face_set", "read_faces", "read_checkpoint", "require", "require_unrevoked", "grant_leave"}
"""What opens a face set or a model, or belongs to the guard: above `faces` and `model` only the guard calls it."""
FACES = {
    *(
        "require_performer",
        "stored_faces",
        "iterate_faces",
        "read_crop",
        "read_visible",
        "write_face",
        "count_undecided",
    ),
    *("find_performer", "require_performer", "scan_clip", "close_face_set", "write_folder", "read_folder"),
    *("read_previews", "load_attention"),
    *("choose_references", "varied_faces", "read_reference"),
    *("run_loop", "load_generator", "sources_of", "material_of", "GuidedDrawer", "references_in", "publish"),
}
"""What reads or makes a person's faces, or something of them."""


def functions_of(*packages: str) -> Iterator[tuple[str, ast.FunctionDef | ast.ClassDef]]:
    """Every function and class at the top of the modules of some packages or modules, with its module's name."""
    source = Path(countenance.__file__).parent
    for package in packages:
        for path in sorted((source / package).rglob("*.py")) if "." not in package else [source / package]:
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    yield path.relative_to(source).as_posix(), node


def names_called_in(node: ast.AST) -> set[str]:
    calls = (each.func for each in ast.walk(node) if isinstance(each, ast.Call))
    return {func.id if isinstance(func, ast.Name) else getattr(func, "attr", "") for func in calls}


def test_face_sets_and_models_are_opened_only_by_the_guard() -> None:
    callers = {
        (module, name)
        for module, node in functions_of("steps", "demo", "bench/production.py", "cli")
        for name in names_called_in(node) & OPENERS
    }
    assert callers == {
        ("steps/guards.py", name) for name in ("open_face_set", "read_faces", "read_checkpoint", "grant_leave")
    }


def test_whoever_is_shown_a_permit_has_it_checked_by_the_guard() -> None:
    unguarded = {
        f"{module}: {node.name}"
        for module, node in functions_of("steps")
        if isinstance(node, ast.FunctionDef)
        and "permit" in {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
        and "Guard" not in names_called_in(node)
    }
    assert unguarded == set()
    (several,) = [
        node for module, node in functions_of("steps") if (module, node.name) == ("steps/generate.py", "generate")
    ]
    assert "Guard" in names_called_in(several)


def test_faces_are_touched_only_behind_the_guard() -> None:
    """A function that can be called from elsewhere makes a guard or is given one; private ones are behind those."""
    unguarded = set()
    for module, node in functions_of("steps", "demo", "bench/production.py"):
        touched = names_called_in(node) & FACES
        if not touched or not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        if not names & {"Guard", "guard"}:
            unguarded.add(f"{module}: {node.name} calls {', '.join(sorted(touched))}")
    assert unguarded == set()
