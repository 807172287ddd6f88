"""People who sign: real keys and documents, and a fake only for the net that looks at pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jaxtyping import Float32
from PIL import Image

from countenance.consent.document import read_release, write_document
from countenance.consent.drafting import new_release, new_revocation, sign
from countenance.consent.keys import load_key, make_key
from countenance.consent.register import add_release, add_revocation
from countenance.consent.release import EXPLICIT, Release
from countenance.project import Project

NOON = datetime(2027, 6, 1, 12, tzinfo=UTC)


def key_of(folder: Path, person: str) -> Ed25519PrivateKey:
    """The person's key; made when it is asked for the first time."""
    path = folder / f"{person}.key"
    if not path.exists():
        make_key(path)
    return load_key(path)


def write_signed(path: Path, draft: Release) -> Path:
    """Sign a draft with its person's key, which lies beside the document."""
    write_document(path, sign(draft, key_of(path.parent, draft.subject.person)), overwrite=True)
    return path


def revoke(project: Project, path: Path) -> Path:
    """Revoke the release at `path`, bring the revocation in, and return its path."""
    release = read_release(path)
    written = path.with_suffix(".revocation.toml")
    write_document(written, new_revocation(release, key_of(path.parent, release.subject.person)), overwrite=True)
    add_revocation(project, written)
    return written


def template_of(pictures: Sequence[Path]) -> Float32[np.ndarray, "128"]:
    """Like the real one, changes with the pictures, and with who is in them: `PERSON100.png` shows that person."""
    person = sum(pictures[0].stem.rstrip("0123456789").encode()) - sum(b"dana")
    return np.full(128, person + np.mean([np.asarray(Image.open(path)).mean() for path in pictures]), np.float32)


@dataclass(frozen=True, kw_only=True)
class Production:
    """An open project for film, and a folder in which people sign."""

    project: Project
    folder: Path

    def key(self, person: str) -> Ed25519PrivateKey:
        return key_of(self.folder, person)

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
        **more: Any,
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
            **{"explicit": [use for use in uses if use in EXPLICIT], **more},
        )

    def write(self, release: Release) -> Path:
        write_document(self._path(release), release, overwrite=True)
        return self._path(release)

    def signed(self, release: Release) -> Path:
        return write_signed(self._path(release), release)

    def add(self, release: Release, *, at: datetime = NOON) -> Path:
        """Sign a draft and bring it in."""
        path = self.signed(release)
        add_release(self.project, path, template_of, at=at)
        return path

    def revoke(self, path: Path) -> None:
        revoke(self.project, path)

    def _path(self, release: Release) -> Path:
        return self.folder / f"{release.subject.person}-{release.role}.release.toml"
