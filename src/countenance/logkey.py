"""The key with which this computer signs a project's log: Ed25519, made when it writes there first.

The private part stays in the user's config folder, outside of the project; the public part is in each entry.
"""

import os
import uuid
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from filelock import FileLock, Timeout

from countenance.ed25519 import new_private_pem
from countenance.errors import ProvenanceError, UsageError
from countenance.project import PRIVATE, Project, config_folder, make_config_folder, write_whole

LOCK_TIMEOUT_S = 10.0
"""How long to wait for another process that is writing such a file, which takes milliseconds."""


def load_log_key(project: Project) -> Ed25519PrivateKey | None:
    """The key of this computer for this project; None where it never wrote to the log.

    Raises:
        ProvenanceError: others can read it, or it is no key.
    """
    path = outside_path(project, "log-keys", ".pem")
    try:
        # Windows has no file modes; there the user's own folder is closed to others.
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise ProvenanceError(f"the key in {path} can be read by others; run `chmod 600 {path}`, then try again")
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ProvenanceError(f"no key can be read from {path} ({error}); restore it from a copy") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ProvenanceError(f"expected an Ed25519 private key in {path}; restore it from a copy")
    return key


def load_or_make_log_key(project: Project) -> Ed25519PrivateKey:
    """The same, made if need be.

    Raises:
        ProvenanceError: others can read it, it is no key, or it can't be written.
    """
    key = load_log_key(project)
    if key is not None:
        return key
    path = outside_path(project, "log-keys", ".pem")
    try:
        make_config_folder()
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=LOCK_TIMEOUT_S, mode=PRIVATE):
            # Another process may have made it meanwhile.
            if not path.exists():
                write_whole(path, new_private_pem(), mode=PRIVATE)
    except (OSError, Timeout) as error:
        raise ProvenanceError(
            f"the key that signs the log can't be written to {path} ({getattr(error, 'strerror', None) or error}); "
            "check free disk space and permissions, then run this again"
        ) from error
    key = load_log_key(project)
    assert key is not None
    return key


def outside_path(project: Project, folder: str, suffix: str) -> Path:
    """Where the user's config folder keeps something about a project.

    Raises:
        UsageError: the project's id is none.
    """
    try:
        # The id comes from a file that anybody can write, and must not lead to another folder.
        name = uuid.UUID(project.id)
    except ValueError:
        raise UsageError(
            f"the project's id should be a UUID, got {project.id!r}; restore countenance.toml from a copy"
        ) from None
    return config_folder() / folder / f"{name}{suffix}"
