"""Packages of the extra `bench`; without it, an error that names it."""

from importlib.util import find_spec

from countenance.errors import UsageError

PACKAGES = ("matplotlib", "skimage")


def require_extra() -> None:
    """Check that the benchmark's own packages are installed.

    Raises:
        UsageError: the extra isn't installed.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UsageError("the benchmark needs more packages; install them with `pip install 'countenance[bench]'`")
