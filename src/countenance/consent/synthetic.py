"""Releases of people who exist nowhere: whoever made them issues and signs them, and they say so."""

import shutil
from datetime import date
from pathlib import Path

from countenance.consent.document import write_document
from countenance.consent.drafting import new_release, sign
from countenance.consent.keys import load_key, make_key
from countenance.consent.release import EXPLICIT
from countenance.types import Role

EXPIRES = date(2099, 12, 31)
ROOM = "actors"
"""Folder of the project for the keys, releases, portraits and clips of its actors."""


def issue_release(person: str, role: Role, portrait: Path, documents: Path, *, use: str, title: str) -> Path:
    """Draft and sign the release of a synthetic person, and return its path.

    Portrait, key and release lie in the folder `documents`, which is made; one that was cut short is gone on with.
    """
    documents.mkdir(mode=0o700, exist_ok=True)
    picture, key, document = (documents / f"{person}{suffix}" for suffix in (".png", ".key", ".release.toml"))
    if picture != portrait:
        shutil.copyfile(portrait, picture)
    if not key.exists():
        make_key(key)
    draft = new_release(
        person,
        role=role,
        references=[picture],
        uses=[use],
        project=title,
        expires=EXPIRES,
        synthetic=True,
        explicit=["words", *([use] if use in EXPLICIT else [])],
        approval=False,
        folder=documents,
    )
    write_document(document, sign(draft, load_key(key)), overwrite=True)
    return document
