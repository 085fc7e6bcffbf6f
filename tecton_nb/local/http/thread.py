"""An event loop in a thread of its own that listens until it is told to stop."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

from aiohttp import web

from .connection import Connections, Limits
from .front import Front
from .repeats import RepeatingConnection

_STOP_SECONDS = 5.0


class ServerThread:
    """Serves a front until it is stopped.

    Parameters
    ----------
    front, limits
        Who answers, and when to close a connection.
    host, port
        Address to listen on; port 0 takes a free one.
    """

    def __init__(self, front: Front, limits: Limits, host: str, port: int) -> None:
        self._front = front
        self._limits = limits
        # A free port must be the same one behind each address of a name.
        self._address = ("127.0.0.1" if host == "localhost" else host, port)
        self._connections = Connections(limits.connections)
        self._bound: Future[int] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="tecton-nb feature server", daemon=True)

    def start(self) -> int:
        """Listen and return the port.

        Raises
        ------
        OSError
            If the address cannot be bound.
        """
        self._thread.start()
        return self._bound.result()

    def stop(self) -> None:
        """Stop listening, close every connection and wait for the thread to end."""
        if self._thread.ident is None:
            return
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._bound.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        manager = web.Server(self._front.handle)
        listener = await self._loop.create_server(
            lambda: RepeatingConnection(manager, self._limits, self._connections, self._front.repeated),
            *self._address,
        )
        port = listener.sockets[0].getsockname()[1]
        self._front.listen_on(port)
        self._bound.set_result(port)
        try:
            await self._stopping.wait()
        finally:
            listener.close()
            # Idle connections end at once; a request in work has a second.
            self._connections.abandon_paused()
            manager.pre_shutdown()
            await manager.shutdown(timeout=1.0)
            await listener.wait_closed()
