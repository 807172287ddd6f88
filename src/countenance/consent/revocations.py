"""Revocations that hold in all projects of this user, by release: the user's own store, and lists that projects name.

A revocation is believed where the release's owner signed it, which can be checked once the release is there. Until then
it is kept as it came: one that anybody else made ends nothing.
"""

import hashlib
import tomllib
from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from countenance.consent.document import document_text, parse_document
from countenance.consent.release import Release, Revocation, check_revocation, digest_of, first_problem
from countenance.errors import ConsentError
from countenance.media.files import open_regular
from countenance.project import PRIVATE, Project, config_folder, make_config_folder, write_whole

STORE_NAME = "revocations"
LIST_SETTING = "revocations"
"""What `countenance.toml` calls the file with further revocations."""


def keep_revocation(revocation: Revocation) -> None:
    """Keep a revocation in the user's own store; once is enough.

    Raises:
        ConsentError: it can't be written.
    """
    text = document_text(revocation).encode()
    # Named by its own digest as well: a false one must not take the place of the true one.
    path = _store() / f"{revocation.release}.{hashlib.sha256(text).hexdigest()}.toml"
    try:
        make_config_folder()
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if not path.exists():
            write_whole(path, text, mode=PRIVATE)
    except OSError as error:
        raise ConsentError(
            f"the revocation can't be kept in {path.parent} ({error.strerror}), so other projects don't know it yet; "
            "check free disk space and permissions, then add it again"
        ) from error


def find_revocation(project: Project, release: Release) -> Revocation | None:
    """The revocation of a release in the user's store or the project's list, if its owner signed one.

    Raises:
        ConsentError: store or list can't be read, so that nobody knows what they hold.
    """
    digest = digest_of(release)
    for revocation in (*_stored(digest), *_listed(project)):
        if revocation.release != digest:
            continue
        try:
            check_revocation(revocation, release)
        except ConsentError:
            continue
        return revocation
    return None


def revocations_state(project: Project) -> object:
    """Changes whenever the store or the list does; quick to ask for."""
    try:
        store = frozenset(path.name for path in _store().iterdir())
    except FileNotFoundError:
        store = frozenset()
    path = _list_path(project)
    if path is None:
        return store
    try:
        state = path.stat()
    except OSError:
        return store, None
    return store, state.st_mtime_ns, state.st_size, state.st_ino


def _store() -> Path:
    return config_folder() / STORE_NAME


def _stored(digest: str) -> Iterator[Revocation]:
    for path in sorted(_store().glob(f"{digest}.*.toml")):
        try:
            document = parse_document(path.read_bytes().decode(), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise ConsentError(f"{path} should hold a revocation, but can't be read ({error}); restore it") from error
        if isinstance(document, Revocation):
            yield document


def _list_path(project: Project) -> Path | None:
    name = project.settings.get(LIST_SETTING)
    if name is None:
        return None
    if not isinstance(name, str):
        raise ConsentError(
            f"{LIST_SETTING} in {project.folder} should name a file, got {name!r:.80}; correct countenance.toml"
        )
    return project.folder / name


def _listed(project: Project) -> tuple[Revocation, ...]:
    """The revocations of the file that the settings name: a table `[[revocation]]` for each."""
    path = _list_path(project)
    if path is None:
        return ()
    try:
        with open_regular(path) as file:
            fields = tomllib.loads(file.read().decode())
        if fields.keys() - {"revocation"}:
            raise ConsentError(
                f"expected a table [[revocation]] for each revocation in {path}, got {', '.join(map(repr, fields))}; "
                "ask for an undamaged list: until then nothing is made here"
            )
        return TypeAdapter(tuple[Revocation, ...]).validate_python(tuple(fields.get("revocation", ())))
    except ValidationError as error:
        problem = first_problem(error)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError, TypeError) as error:
        problem = getattr(error, "strerror", None) or str(error)
    raise ConsentError(
        f"the list of revocations {path}, which this project's settings name, can't be read ({problem}); "
        "ask for an undamaged one: until then nothing is made here"
    )
