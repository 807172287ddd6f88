"""A project of two synthetic people who consented."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from countenance.consent.drafting import new_release
from countenance.consent.permit import grant, grant_prepare
from countenance.consent.register import add_release
from countenance.demo import data_folder
from countenance.faces.config import PrepareConfig
from countenance.faces.faceset import Prepared
from countenance.faces.portrait import template_of
from countenance.media.excerpt import Wanted
from countenance.model.config import TrainConfig
from countenance.progress import Silent
from countenance.project import Project, opened
from countenance.steps.generate import EVERYTHING, GenerateConfig, Generated, Pair, generate
from countenance.steps.prepare import prepare
from countenance.steps.review import choose_again
from tests.support.recorder import Recorder
from tests.support.signing import key_of, revoke, write_signed

LIKENESS, PERFORMER, STRANGER = "zuri", "kofi", "mira"
ROLES = {LIKENESS: "likeness", PERFORMER: "performer", STRANGER: "performer"}
TITLE, USE = "Countenance demo", "research"
TRAINING = TrainConfig(images=4, faces=4, batch_size=1, threads=1, device="cpu", seed=3)
LABELLED = GenerateConfig()
UNLABELLED = replace(LABELLED, quality=4, label=False, unlabelled_reason="compared pixel by pixel in a test")
EVERY_FACE = PrepareConfig(min_difference=0.0)
"""Near duplicates too, so that faces can be counted."""


@dataclass(frozen=True, kw_only=True)
class Production:
    """An open project, and the folders beside it: documents with their keys, footage, the user's config."""

    project: Project

    @property
    def folder(self) -> Path:
        return self.project.folder.parent

    def key(self, person: str) -> Ed25519PrivateKey:
        return key_of(self.folder / "documents", person)

    def sign(
        self,
        person: str,
        *,
        role: str | None = None,
        uses: Sequence[str] = (USE,),
        title: str = TITLE,
        valid_from: date = date(2026, 1, 1),
        expires: date = date(2099, 12, 31),
        picture_of: str | None = None,
        **more: Any,
    ) -> Path:
        """A real release, as its owner hands it over, which allows plates with sound; `picture_of` puts another
        person's picture into it.
        """
        documents = self.folder / "documents"
        documents.mkdir(exist_ok=True)
        number = len(list(documents.iterdir()))
        picture = documents / f"{person}-{number:03}.png"
        shutil.copyfile(data_folder() / f"{picture_of or person}.png", picture)
        draft = new_release(
            person,
            role=role or ROLES[person],
            references=[picture],
            uses=uses,
            project=title,
            valid_from=valid_from,
            expires=expires,
            synthetic=True,
            folder=documents,
            **{"explicit": ("words",), **more},
        )
        return write_signed(documents / f"{person}-{number:03}.release.toml", draft)

    def add(self, path: Path, *, at: datetime | None = None) -> Path:
        add_release(self.project, path, template_of, at=at)
        return path

    def revoke(self, path: Path) -> None:
        revoke(self.project, path)

    def release_of(self, person: str) -> Path:
        """The document that was added first."""
        return min((self.folder / "documents").glob(f"{person}-*.release.toml"))

    def prepare(
        self, person: str, config: PrepareConfig | None = None, progress: Recorder | Silent | None = None
    ) -> Prepared:
        permit = grant_prepare(self.project, person)
        return prepare(self.project, person, permit, config or EVERY_FACE, progress=progress or Silent())

    def choose_again(self, person: str, config: PrepareConfig | None = None) -> Prepared:
        permit = grant_prepare(self.project, person)
        return choose_again(self.project, person, permit, config or EVERY_FACE, progress=Silent())

    def generate(
        self,
        plate: Path,
        output: Path,
        config: GenerateConfig = UNLABELLED,
        *,
        wanted: Wanted = EVERYTHING,
        preview: bool = False,
        shot_changes: Sequence[str] = (),
        overwrite: bool = False,
        is_disguise: bool = False,
        progress: Recorder | Silent | None = None,
    ) -> Generated:
        permit = grant(self.project, "generate", likeness=LIKENESS, performer=PERFORMER)
        return generate(
            self.project,
            plate,
            [Pair(likeness=LIKENESS, performer=PERFORMER, permit=permit, is_disguise=is_disguise)],
            output,
            config,
            wanted=wanted,
            preview=preview,
            shot_changes=shot_changes,
            overwrite=overwrite,
            progress=progress or Silent(),
        )


@contextmanager
def copied(folder: Path, to: Path) -> Iterator[Production]:
    """Work on a copy, with a copy of the config folder that remembers where its log ends."""
    shutil.copytree(folder, to)
    with open_production(to) as production:
        yield production


@contextmanager
def open_production(folder: Path) -> Iterator[Production]:
    """Open the project in `folder`, with the config folder beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTENANCE_CONFIG", str(folder / "config"))
        with opened(folder / "project") as project:
            yield Production(project=project)
