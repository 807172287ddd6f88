"""The key with which a person signs: Ed25519, in a file of its own that nobody else can read."""

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from countenance.ed25519 import fingerprint_of, new_private_pem, public_key_of
from countenance.errors import ConsentError, UsageError

__all__ = ["fingerprint_of", "load_key", "make_key", "public_key_of"]


def make_key(path: Path) -> None:
    """Make a private key that only this user can read; an existing file is never overwritten.

    Raises:
        UsageError: the path exists already.
    """
    content = new_private_pem()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{path} is there already, and a key is never written over; choose another name") from None
    except OSError as error:
        raise UsageError(f"can't write {path}: {error.strerror}; choose another place") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink()
        raise


def load_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key that `make_key` made.

    Raises:
        UsageError: the file does not exist.
        ConsentError: others can read it, or it is not an Ed25519 private key.
    """
    try:
        # Windows has no file modes; there the user's own folder is closed to others.
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise ConsentError(f"the key in {path} can be read by others; run `chmod 600 {path}`, then try again")
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"can't read the key {path}: {error.strerror}; `countenance release key {path.name}` makes one"
        ) from error
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConsentError(
            f"expected an Ed25519 private key without a passphrase in {path}; use the one that `release key` made"
        )
    return key
