"""What the extra `bench` brings, and what is said without it."""

from importlib.util import find_spec

from countenance.errors import UsageError

PACKAGES = ("matplotlib", "skimage")


def require_extra() -> None:
    """See that the benchmark's own packages are there.

    Raises:
        UsageError: the extra isn't installed.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UsageError("the benchmark needs more packages; install them with `pip install 'countenance[bench]'`")
