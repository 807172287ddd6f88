"""Packages of the extra `actors`, imported late; without the extra, an error that names it."""

from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from countenance.errors import ActorError

HINT = "synthetic actors need more packages; install them with `pip install 'countenance[actors]'`"


def sparse() -> ModuleType:
    """`scipy.sparse`; raises ActorError where the extra isn't installed."""
    return _imported("scipy.sparse")


def spatial() -> ModuleType:
    """`scipy.spatial`; raises ActorError where the extra isn't installed."""
    return _imported("scipy.spatial")


def optimize() -> ModuleType:
    """`scipy.optimize`; raises ActorError where the extra isn't installed."""
    return _imported("scipy.optimize")


@cache
def embree() -> tuple[type, type, Any]:
    """Embree's scene and triangle mesh, and the device that scenes share: making one takes longer than most scenes.

    Raises:
        ActorError: the extra isn't installed.
    """
    device = _imported("embreex.rtcore").EmbreeDevice()
    return _imported("embreex.rtcore_scene").EmbreeScene, _imported("embreex.mesh_construction").TriangleMesh, device


def _imported(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise ActorError(HINT) from error
