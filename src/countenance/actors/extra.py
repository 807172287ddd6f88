"""What the extra `actors` brings, and what is said without it."""

from functools import cache
from types import ModuleType
from typing import Any

from countenance.errors import ActorError

HINT = "synthetic actors need more packages; install them with `pip install 'countenance[actors]'`"


def sparse() -> ModuleType:
    """`scipy.sparse`.

    Raises:
        ActorError: the extra isn't installed.
    """
    try:
        import scipy.sparse  # noqa: PLC0415
    except ImportError as error:
        raise ActorError(HINT) from error
    return scipy.sparse  # type: ignore[no-any-return]


def spatial() -> ModuleType:
    """`scipy.spatial`.

    Raises:
        ActorError: the extra isn't installed.
    """
    try:
        import scipy.spatial  # noqa: PLC0415
    except ImportError as error:
        raise ActorError(HINT) from error
    return scipy.spatial  # type: ignore[no-any-return]


@cache
def embree() -> tuple[type, type, Any]:
    """Embree's scene and triangle mesh, and the device that scenes share: making one takes longer than most scenes.

    Raises:
        ActorError: the extra isn't installed.
    """
    try:
        from embreex.mesh_construction import TriangleMesh  # noqa: PLC0415
        from embreex.rtcore import EmbreeDevice  # noqa: PLC0415
        from embreex.rtcore_scene import EmbreeScene  # noqa: PLC0415
    except ImportError as error:
        raise ActorError(HINT) from error
    return EmbreeScene, TriangleMesh, EmbreeDevice()
