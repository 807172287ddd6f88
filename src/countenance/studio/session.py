"""What one running studio knows: the project, the folders that its user chose, and its secrets."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from countenance.consent.synthetic import ROOM as ACTORS
from countenance.database import DATABASE_NAME
from countenance.errors import UsageError
from countenance.footage import ROOM as DROPPED
from countenance.project import find
from countenance.steps.forget import ROOM as FORGOTTEN
from countenance.steps.forget import ROOMS

KEPT_ROOMS = tuple(sorted({*ROOMS} - {ACTORS, DROPPED, FORGOTTEN}))
"""Folders of a project in which files lie that nobody is handed: unmarked pixels, faces, reports on other files."""
ADDRESS = "127.0.0.1"
"""The studio listens here and nowhere else, so no other machine can reach it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Studio:
    """One running studio."""

    project: Path
    """Its folder; it may not be a project yet."""
    folders: tuple[Path, ...]
    """What the user chose: nothing outside of these is shown, opened or written. The project is one of them."""
    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """Stands in the address that is opened first, and becomes a cookie."""
    ticket: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """The same, once: for the address with which the browser is started, which other users of this computer may see
    among its processes, and which stays in the browser's history."""
    session: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """What the cookie holds."""
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """What each form sends back, to show that a page of this studio made it."""

    @property
    def address(self) -> str:
        """The address to open first."""
        return f"http://{ADDRESS}:{self.port}/?token={self.token}"

    @property
    def opening(self) -> str:
        """The address with which the browser is started; it lets one browser in, once."""
        return f"http://{ADDRESS}:{self.port}/?token={self.ticket}"

    def allowed(self, path: str | Path) -> Path:
        """A path, resolved, if it lies in a folder that the user chose.

        What projects keep for themselves is never one: faces, models, and pixels that aren't marked yet.

        Raises:
            UsageError: it lies elsewhere, or there is nothing.
        """
        try:
            resolved = (self.project / path).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):
            raise UsageError(f"there is nothing at {path}; choose a file or folder that exists") from None
        if not any(resolved.is_relative_to(folder) for folder in self.folders):
            raise UsageError(
                f"{path} lies outside of the folders that this studio may use; stop it, and start it with "
                f"`--folder {resolved if resolved.is_dir() else resolved.parent}`",
                code="usage.outside",
            )
        owner = find(resolved)
        if owner is not None and (
            owner / DATABASE_NAME in (resolved, resolved.with_suffix(".db"))
            or any(resolved.is_relative_to(owner / room) for room in KEPT_ROOMS)
        ):
            raise UsageError(
                f"{path} is a part of the project itself; choose footage, or a file that was published",
                code="usage.outside",
            )
        return resolved


def chosen_folders(project: Path, folders: Sequence[Path]) -> tuple[Path, ...]:
    """The project's folder and what else the user chose, resolved.

    Raises:
        UsageError: one of them is no folder.
    """
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"expected a folder that exists, got {folder}; correct --folder")
    return (project.resolve(), *(folder.resolve() for folder in folders))
