"""A synthetic actor becomes a likeness of a project: released by it, prepared there, once."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from countenance import casting
from countenance.actors.actor import Actor
from countenance.casting import cast_actor, is_cast, seed_of
from countenance.consent.drafting import new_release
from countenance.consent.permit import grant
from countenance.consent.register import add_release, known_releases
from countenance.demo import data_folder
from countenance.errors import ConsentError, UsageError
from countenance.faces.portrait import template_of
from countenance.progress import Progress, Silent
from countenance.project import Project, create, opened
from countenance.steps.guards import Guard
from tests.support.signing import revoke, write_signed
from tests.support.videos import clip_of, write_video

TITLE = "Countenance demo"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Kofi, a performer, has released their face."""
    create(tmp_path / "film", use="research", title=None)
    with opened(tmp_path / "film") as project:
        add_release(project, data_folder() / "kofi.release.toml", template_of)
        yield project


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Seeds for which the renderer was asked; in its place an actor of the demo is taken."""
    seeds = list[int]()

    def render_screen_test(actor: Actor, portrait: Path, clip: Path, progress: Progress) -> None:  # noqa: ARG001
        seeds.append(actor.seed)
        shutil.copyfile(data_folder() / "zuri.png", portrait)
        write_video(clip, clip_of("zuri", 8))

    monkeypatch.setattr(casting, "render_screen_test", render_screen_test)
    return seeds


def test_the_project_releases_the_actor_says_that_they_are_synthetic_and_does_so_once(
    project: Project, rendered: list[int]
) -> None:
    assert cast_actor(project, 7, Silent()) == "actor-7"
    (release,) = [each.release for each in known_releases(project) if each.release.subject.person == "actor-7"]
    assert release.subject.synthetic
    assert (release.role, release.scope.uses, release.scope.project) == ("likeness", ("research",), TITLE)
    permit = grant(project, "generate", likeness="actor-7", performer="kofi")
    assert Guard(project, permit, "generate", people=("actor-7", "kofi")).face_set("actor-7").num_faces > 0
    folder = project.folder / "actors" / "actor-7"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "actor-7.key").stat().st_mode & 0o777 == 0o600

    assert is_cast(project, "actor-7")
    assert not is_cast(project, "actor-8")
    assert not is_cast(project, "kofi")  # Synthetic, but not cast.
    assert cast_actor(project, 7, Silent()) == "actor-7"
    assert rendered == [7]
    assert len(known_releases(project)) == 2
    assert project.database.execute("SELECT count(*) FROM runs WHERE verb = 'prepare'").fetchone() == (1,)

    # What decides whether a witness is covered doesn't go with files that were cleaned up.
    shutil.rmtree(project.folder / "actors")
    assert is_cast(project, "actor-7")


def test_casting_that_was_cut_short_is_gone_on_with(
    project: Project, rendered: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(casting, "add_release", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            cast_actor(project, 7, Silent())
    assert cast_actor(project, 7, Silent()) == "actor-7"
    assert rendered == [7]


def test_a_revoked_actor_is_not_released_anew(project: Project, rendered: list[int]) -> None:
    cast_actor(project, 7, Silent())
    revoke(project, project.folder / "actors" / "actor-7" / "actor-7.release.toml")
    cast_actor(project, 7, Silent())
    with pytest.raises(ConsentError, match="the release of actor-7 was revoked"):
        grant(project, "generate", likeness="actor-7", performer="kofi")
    assert rendered == [7]


def test_without_a_release_it_is_not_known_for_which_production(tmp_path: Path, rendered: list[int]) -> None:
    create(tmp_path / "empty", use="research", title=None)
    with opened(tmp_path / "empty") as empty, pytest.raises(ConsentError, match="add the performer's"):
        cast_actor(empty, 7, Silent())
    assert rendered == []


def test_a_person_with_an_actor_s_name_is_no_actor(project: Project, rendered: list[int], tmp_path: Path) -> None:
    picture = tmp_path / "zuri.png"
    shutil.copyfile(data_folder() / "zuri.png", picture)
    draft = new_release(
        "actor-7",
        role="likeness",
        references=[picture],
        uses=["research"],
        project=TITLE,
        expires=known_releases(project)[0].release.term.expires,
        folder=tmp_path,
    )
    add_release(project, write_signed(tmp_path / "actor-7.release.toml", draft), template_of)
    with pytest.raises(ConsentError, match="actor-7 is a person of this project who isn't synthetic"):
        cast_actor(project, 7, Silent())
    assert rendered == []
    (project.folder / "actors" / "actor-7").mkdir(parents=True)
    assert not is_cast(project, "actor-7")


def test_only_what_begins_with_actor_is_a_seed() -> None:
    assert seed_of("dana") is None
    assert seed_of("actor-7") is None
    assert seed_of("actor:0012") == 12
    for wrong in ("actor:", "actor:x", "actor:-1", "actor:1.5", "actor:99999999999", "actor:²"):
        with pytest.raises(UsageError, match="expected a whole number up to"):
            seed_of(wrong)
