"""What one running studio knows: the project, the folders that its user chose, and its secrets."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from countenance.errors import UsageError

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
    session: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """What the cookie holds."""
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """What each form sends back, to show that a page of this studio made it."""

    @property
    def address(self) -> str:
        """The address to open first."""
        return f"http://{ADDRESS}:{self.port}/?token={self.token}"

    def allowed(self, path: str | Path) -> Path:
        """A path, resolved, if it lies in a folder that the user chose.

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
