"""What a release limits is asked where the files are known, before any work, and each answer is in the log."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from countenance import ledger
from countenance.consent.permit import grant
from countenance.demo import data_folder
from countenance.errors import ConsentError
from countenance.faces.store import kept_clips, scanned_clips
from countenance.ledger import LogEntry
from countenance.media.probe import probe, take_fingerprint
from countenance.progress import Silent
from countenance.project import create
from countenance.steps.collect import collect
from countenance.steps.guards import Guard
from tests.support.production import (
    LABELLED,
    LIKENESS,
    PERFORMER,
    TITLE,
    UNLABELLED,
    USE,
    Production,
    copied,
    open_production,
)
from tests.support.recorder import Recorder
from tests.support.videos import frames_of

DRAFT = replace(LABELLED, model="base", preset="draft")
WITH_SOUND = data_folder() / "performance.mp4"


@pytest.fixture(scope="session")
def limited_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The likeness's release names two plates and a picture to learn from, wants the label shown, allows one file, and
    no words.
    """
    folder = tmp_path_factory.mktemp("limited") / "production"
    folder.mkdir()
    shutil.copyfile(data_folder() / f"{LIKENESS}.png", folder / "portrait.png")
    Image.fromarray(frames_of("performance.mp4", 1)[0]).save(folder / "plate.png")
    Image.fromarray(frames_of("performance.mp4", 1, first=3)[0]).save(folder / "other.png")
    create(folder / "project", use=USE, title=TITLE)
    with open_production(folder) as production:
        named = [take_fingerprint(path).sha256 for path in (folder / "plate.png", WITH_SOUND)]
        limits: dict[str, Any] = {"explicit": (), "plates": named, "num_outputs": 1, "label": "always shown"}
        footage = [take_fingerprint(folder / "portrait.png").sha256]
        production.add(production.sign(LIKENESS, footage=footage, **limits))
        production.add(production.sign(PERFORMER))
        collect(production.project, LIKENESS, [folder / "portrait.png"], progress=Silent())
        production.prepare(LIKENESS)
    return folder


@pytest.fixture
def limited(limited_folder: Path, tmp_path: Path) -> Iterator[Production]:
    with copied(limited_folder, tmp_path / "production") as production:
        yield production


def refused(production: Production, plate: Path, output: Path) -> ConsentError:
    with pytest.raises(ConsentError) as caught:
        production.generate(plate, output, DRAFT)
    assert not output.exists()
    assert not list((production.project.folder / "renders").glob("*"))
    entry = last_of(production)
    assert (entry.event, entry.facts["code"], entry.facts["plate"]) == (
        "permit.refused",
        caught.value.code,
        take_fingerprint(plate).sha256,
    )
    return caught.value


def last_of(production: Production) -> LogEntry:
    return list(ledger.entries(production.project))[-1]


def test_a_plate_that_is_not_named_is_refused(limited: Production, tmp_path: Path) -> None:
    assert refused(limited, limited.folder / "other.png", tmp_path / "shot.png").code == "consent.plate"


def test_a_plate_with_sound_is_refused_where_no_words_are_allowed(limited: Production, tmp_path: Path) -> None:
    error = refused(limited, WITH_SOUND, tmp_path / "shot.mp4")
    assert (error.code, error.facts["line"]) == ("consent.line", "words")


def test_a_picture_from_a_plate_with_sound_says_nothing(limited: Production) -> None:
    permit = grant(limited.project, "generate", likeness=LIKENESS, performer=PERFORMER)
    guard = Guard(limited.project, permit, "generate", people=(LIKENESS, PERFORMER))
    guard.allow_output(probe(WITH_SOUND), Path("frame.png"), is_labelled=True, is_preview=False)
    assert not guard.permit.particulars.has_sound


def test_a_label_that_is_always_shown_is_not_left_out(limited: Production, tmp_path: Path) -> None:
    with pytest.raises(ConsentError) as caught:
        limited.generate(
            limited.folder / "plate.png", tmp_path / "shot.png", replace(UNLABELLED, model="base", preset="draft")
        )
    assert caught.value.code == "consent.label"
    assert not (tmp_path / "shot.png").exists()


def test_no_more_files_are_published_than_are_allowed(limited: Production, tmp_path: Path) -> None:
    plate = limited.folder / "plate.png"
    limited.generate(plate, tmp_path / "look.png", DRAFT, preview=True)
    limited.generate(plate, tmp_path / "first.png", DRAFT)
    before, granted, begun, published = list(ledger.entries(limited.project))[-4:]
    events = [each.event for each in (before, granted, begun, published)]
    assert events == ["published", "permit.granted", "render.begun", "published"]
    assert (granted.facts["plate"], granted.facts["counted"]) == (published.facts["plate_sha256"], True)
    assert published.facts["releases"] == granted.facts["releases"]
    error = refused(limited, plate, tmp_path / "second.png")
    assert (error.code, error.facts["published"]) == ("consent.outputs", 1)


def test_a_second_release_that_allows_the_plate_is_the_one_that_is_used(limited: Production) -> None:
    other = probe(limited.folder / "other.png")
    footage = [take_fingerprint(limited.folder / "portrait.png").sha256]
    limited.add(limited.sign(LIKENESS, footage=footage, plates=[other.sha256]))
    permit = grant(limited.project, "generate", likeness=LIKENESS, performer=PERFORMER)
    guard = Guard(limited.project, permit, "generate", people=(LIKENESS, PERFORMER))
    face_set = guard.face_set(LIKENESS)
    guard.allow_output(other, Path("shot.png"), is_labelled=True, is_preview=False)
    assert guard.permit.release_digests != permit.release_digests
    # The face set was made under the first, which still has to hold.
    assert set(face_set.release_digests) - set(guard.permit.release_digests)
    limited.revoke(limited.release_of(LIKENESS))
    with pytest.raises(ConsentError, match=f"the release of {LIKENESS} was revoked"):
        guard.check()


def test_footage_that_is_not_named_is_not_collected(limited: Production) -> None:
    clip, other = limited.folder / "portrait.png", limited.folder / "other.png"
    with pytest.raises(ConsentError) as caught:
        collect(limited.project, LIKENESS, [other], progress=Silent())
    assert caught.value.code == "consent.footage"
    entry, sha256 = last_of(limited), take_fingerprint(other).sha256
    assert (entry.event, entry.facts["action"], entry.facts["footage"]) == ("permit.refused", "collect", [sha256])
    result = collect(limited.project, LIKENESS, [other, clip], progress=Silent())
    assert [path for path, _ in result.left_out] == [other]
    assert result.known == (clip,)
    collect(limited.project, PERFORMER, [other], progress=Silent())


def test_footage_that_a_newer_release_does_not_name_is_left_out(trained: Production) -> None:
    """What was found in it goes, and where nothing is left, no face set is made."""
    clip, portrait = trained.folder / f"{LIKENESS}.mp4", data_folder() / f"{LIKENESS}.png"
    (before,) = kept_clips(trained.project, LIKENESS)
    collect(trained.project, LIKENESS, [portrait], progress=Silent())
    trained.revoke(trained.release_of(LIKENESS))
    only = trained.add(trained.sign(LIKENESS, footage=["ab" * 32]))
    with pytest.raises(ConsentError) as caught:
        trained.prepare(LIKENESS)
    assert caught.value.code == "consent.footage"
    trained.revoke(only)
    trained.add(trained.sign(LIKENESS, footage=[take_fingerprint(portrait).sha256]))
    progress = Recorder()
    assert trained.prepare(LIKENESS, progress=progress).num_clips == 1
    assert f"left out: the footage that the release of {LIKENESS} names is without {clip.name}" in progress.notes
    assert before not in {*kept_clips(trained.project, LIKENESS), *scanned_clips(trained.project, LIKENESS)}
