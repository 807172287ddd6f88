"""Serve a studio on this machine until it is stopped."""

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import closing

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from countenance.errors import UsageError
from countenance.studio.app import make_app
from countenance.studio.session import ADDRESS, Studio

KEEP_ALIVE_S, SHUTDOWN_S = 5, 1
HEADERS_S = 10.0
"""In which the head of a request has to come: a connection that stays silent takes another's place."""
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
    make_server(studio, when_ready=when_ready).run()


def make_server(studio: Studio, *, when_ready: Callable[[], None]) -> uvicorn.Server:
    """The same, ready to run."""
    config = uvicorn.Config(
        make_app(studio),
        http=_Patient,
        host=ADDRESS,
        port=studio.port,
        log_config=None,
        access_log=False,
        server_header=False,
        # Nothing stands before this server that could say for whom it asks.
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S,
        limit_concurrency=MAX_CONNECTIONS,
    )
    # The open stream of events ends with the server; that isn't worth a line.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    return _Server(config, when_ready)


class _Patient(H11Protocol):
    """Ends connections whose next request doesn't come in time, however slowly it trickles."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        if not self._is_answering():
            self._wait()
        super().data_received(data)
        if self._is_answering():
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _wait(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(HEADERS_S, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, when_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_ready = when_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._when_ready()
