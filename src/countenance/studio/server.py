"""Serve a studio on this machine until it is stopped."""

import logging
import socket
from collections.abc import Callable
from contextlib import closing

import uvicorn

from countenance.errors import UsageError
from countenance.studio.app import make_app
from countenance.studio.session import ADDRESS, Studio

KEEP_ALIVE_S, SHUTDOWN_S = 5, 1
MAX_CONNECTIONS = 128


def free_port(port: int) -> int:
    """The port asked for, or one that is free where 0 is asked for.

    Raises:
        UsageError: another program listens there.
    """
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError:
            raise UsageError(f"port {port} is taken; choose another one with --port, or leave it out") from None
        return int(probe.getsockname()[1])


def serve(studio: Studio, *, when_ready: Callable[[], None]) -> None:
    """Serve until Ctrl-C; `when_ready` is called once the first page can be asked for."""
    config = uvicorn.Config(
        make_app(studio),
        host=ADDRESS,
        port=studio.port,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S,
        limit_concurrency=MAX_CONNECTIONS,
    )
    # The open stream of events ends with the server; that isn't worth a line.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    _Server(config, when_ready).run()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, when_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_ready = when_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._when_ready()
