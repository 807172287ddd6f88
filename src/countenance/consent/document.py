"""Releases, revocations, requests and decisions as TOML on disk and in the database."""

import tomllib
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from countenance.consent.decision import Decision, Request
from countenance.consent.release import Release, Revocation, first_problem, written_fields
from countenance.consent.upgrade import RELEASE_STEPS, upgraded
from countenance.errors import ConsentError, UsageError
from countenance.media.files import open_regular
from countenance.project import write_whole

Document = Release | Revocation | Request | Decision
MODELS: dict[str, type[Document]] = {
    "release": Release,
    "revocation": Revocation,
    "request": Request,
    "decision": Decision,
}
"""By the kind that a document names."""


def read_document(path: Path) -> Document:
    """Read a document; its signature is not checked yet.

    Raises:
        UsageError: the file does not exist.
        ConsentError: it is none of the known kinds, or not a valid one.
    """
    try:
        with open_regular(path) as file:
            text = file.read().decode()
    except UnicodeDecodeError:
        raise ConsentError(f"{path} is not a release: expected text; choose a file such as dana.release.toml") from None
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}; check the name and its permissions") from error
    return parse_document(text, str(path))


def read_release(path: Path) -> Release:
    """Read a release; its signature is not checked yet.

    Raises:
        UsageError: the file does not exist.
        ConsentError: it is not a valid release.
    """
    document = read_document(path)
    if not isinstance(document, Release):
        raise ConsentError(f"{path} is a {document.kind}; expected a release")
    return document


def read_revocation(path: Path) -> Revocation:
    """Read a revocation, as `read_document` does.

    Raises:
        UsageError: the file can't be read.
        ConsentError: it isn't a revocation.
    """
    document = read_document(path)
    if not isinstance(document, Revocation):
        raise ConsentError(f"{path} is a release; expected a revocation")
    return document


def parse_document(text: str, name: str) -> Document:
    """Read a document from its TOML; `name` identifies it in error messages.

    Raises:
        ConsentError: it is none of the known kinds, or not a valid one.
    """
    try:
        fields = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConsentError(f"{name} is not valid TOML ({error}); ask its owner for an undamaged copy") from None
    kind = fields.get("kind")
    if not isinstance(kind, str) or kind not in MODELS:
        kinds = " or ".join(f'"{each}"' for each in MODELS)
        raise ConsentError(f"{name} is not a release: expected kind = {kinds}, got {kind!r:.80}")
    try:
        return _release(fields) if kind == "release" else MODELS[kind].model_validate(fields)
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise ConsentError(
            f"{name} is not a {kind} that this version knows: {_problem(error)}; "
            "ask its owner for one made with `countenance release`"
        ) from None


def _release(fields: dict[str, Any]) -> Release:
    if fields.get("version") in RELEASE_STEPS:
        return Release.upgraded(upgraded(fields), fields)
    return Release.model_validate(fields)


def _problem(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return first_problem(error)
    return f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)


def write_document(path: Path, document: Document, *, overwrite: bool) -> None:
    """Write a document as TOML.

    Raises:
        UsageError: the path exists already, and `overwrite` isn't set.
    """
    if (path.exists() or path.is_symlink()) and not overwrite:
        raise UsageError(
            f"{path} is there already; choose another name with --output, or add --overwrite",
            code="usage.exists",
            path=path,
        )
    write_whole(path, document_text(document).encode())


def document_text(document: Document) -> str:
    """The TOML of a document."""
    return tomli_w.dumps(written_fields(document))
