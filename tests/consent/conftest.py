"""A production and people who sign: real keys, real documents, and a fake only for the net that looks at pictures."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jaxtyping import Float32
from PIL import Image

from countenance.consent.document import read_release, write_document
from countenance.consent.keys import load_key, make_key
from countenance.consent.register import add_release, add_revocation
from countenance.consent.release import Release, new_release, new_revocation, sign
from countenance.project import Project, create, opened

NOON = datetime(2027, 6, 1, 12, tzinfo=UTC)


def template_of(pictures: Sequence[Path]) -> Float32[np.ndarray, "128"]:
    """Like the real one, changes with the pictures."""
    return np.full(128, np.mean([np.asarray(Image.open(path)).mean() for path in pictures]), np.float32)


@dataclass(frozen=True, kw_only=True)
class Production:
    """An open project for film, and a folder in which people sign."""

    project: Project
    folder: Path

    def key(self, person: str) -> Ed25519PrivateKey:
        path = self.folder / f"{person}.key"
        if not path.exists():
            make_key(path)
        return load_key(path)

    def picture(self, name: str, shade: int = 100) -> Path:
        path = self.folder / name
        Image.new("RGB", (8, 8), (shade, shade, shade)).save(path)
        return path

    def draft(
        self,
        person: str = "dana",
        *,
        role: str = "likeness",
        uses: Sequence[str] = ("film",),
        title: str = "Winter",
        valid_from: date = date(2027, 1, 1),
        expires: date = date(2027, 12, 31),
        shade: int = 100,
    ) -> Release:
        return new_release(
            person,
            role=role,
            references=[self.picture(f"{person}{shade}.png", shade)],
            uses=uses,
            project=title,
            valid_from=valid_from,
            expires=expires,
            folder=self.folder,
        )

    def write(self, release: Release) -> Path:
        path = self.folder / f"{release.subject.person}-{release.role}.release.toml"
        write_document(path, release, overwrite=True)
        return path

    def signed(self, release: Release) -> Path:
        return self.write(sign(release, self.key(release.subject.person)))

    def add(self, release: Release, *, at: datetime = NOON) -> Path:
        """Sign a draft and bring it in."""
        path = self.signed(release)
        add_release(self.project, path, template_of, at=at)
        return path

    def revoke(self, path: Path) -> None:
        release = read_release(path)
        revocation = new_revocation(release, self.key(release.subject.person))
        written = path.with_suffix(".revocation.toml")
        write_document(written, revocation, overwrite=True)
        add_revocation(self.project, written)


@pytest.fixture
def make_production(tmp_path: Path) -> Iterator[Callable[..., Production]]:
    """Makes the production of this test."""
    folder = tmp_path / "documents"
    folder.mkdir()
    open_projects = []

    def make(*, use: str = "film", title: str | None = None) -> Production:
        create(tmp_path / "film", use=use, title=title)
        open_projects.append(opened(tmp_path / "film"))
        return Production(project=open_projects[-1].__enter__(), folder=folder)

    yield make
    for project in open_projects:
        project.__exit__(None, None, None)


@pytest.fixture
def production(make_production: Callable[..., Production]) -> Production:
    return make_production()
