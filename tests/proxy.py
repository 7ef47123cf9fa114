"""A byte proxy between clients and a real server: a network that is slow, silent or cut as a test says."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

import sqlalchemy as sa

_AT_ONCE = 1 << 16
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER of no time: RST in place of FIN
_REQUESTS, _REPLIES = 0, 1

_Gates = tuple[asyncio.Event, asyncio.Event]
Address = tuple[str, int] | str
"""Host and port, or the path of a unix socket."""


class Proxy:
    """Each fault holds from its call on, for all connections there are and will be, in place of the one before.

    Nothing is lost on a connection that lives: what was held back arrives when the network is healed, however late,
    as with TCP.
    """

    def __init__(self, server: Address) -> None:
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._connections: set[asyncio.Task[None]] = set()
        self._gates: list[_Gates] = []
        self.port = 0
        self.accepted = 0
        """How many connections there have been."""

    def heal(self) -> None:
        """Everything passes, and what was held back arrives."""
        self._at_once(lambda: self._spoil(None))

    def delay(self, seconds: float) -> None:
        """Each direction takes so long."""
        self._at_once(lambda: self._spoil(None, delay_s=seconds))

    def silence(self, *, after: int = 0, requests: bool = True) -> None:
        """After so many bytes of replies nothing comes any more; connections are accepted, and that is all.

        `requests`: they do not arrive either.
        """
        self._at_once(lambda: self._spoil(after, holds_requests=requests))

    def strand(self) -> None:
        """Nothing passes on connections that are open, and everything on those to come, as after a change of routes."""
        self._at_once(self._strand)

    def reset(self, *, after: int = 0, once: bool = False) -> None:
        """After so many bytes of replies connections are reset: all of them from then on, or one alone."""
        self._at_once(lambda: self._spoil(after, resets=True, once=once))

    def wait_until_over(self, connections: int) -> None:
        """Until no more than so many connections are open: what was on its way has arrived."""
        deadline = time.monotonic() + 10
        while len(self._connections) > connections:
            assert time.monotonic() < deadline, "they do not end"
            time.sleep(0.01)

    def _spoil(
        self,
        left: int | None,
        *,
        delay_s: float = 0.0,
        holds_requests: bool = False,
        resets: bool = False,
        once: bool = False,
    ) -> None:
        self._left, self._delay_s, self._resets, self._once = left, delay_s, resets, once
        for gates in self._gates:
            _set(gates[_REQUESTS], is_open=not holds_requests)
            _set(gates[_REPLIES], is_open=left != 0 or resets)

    def _strand(self) -> None:
        self._spoil(None)
        for gate in self._gates[-1]:
            gate.clear()
        self._gates.append(_opened())

    def _at_once(self, change: Callable[[], None]) -> None:
        done = threading.Event()

        def run() -> None:
            change()
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(10)

    # in the thread of the loop

    def run(self, started: threading.Event) -> None:
        """Serve until `stop`."""
        self._loop.run_until_complete(self._serve(started))
        self._loop.close()

    def stop(self) -> None:
        """End all connections."""
        self._loop.call_soon_threadsafe(self._stopped.set)

    async def _serve(self, started: threading.Event) -> None:
        self._stopped = asyncio.Event()
        self._gates.append(_opened())
        self._spoil(None)
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self._stopped.wait()
        server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, asked: asyncio.StreamReader, answered: asyncio.StreamWriter) -> None:
        self.accepted += 1
        gates = self._gates[-1]
        ours = asyncio.current_task()
        assert ours is not None
        self._connections.add(ours)
        writers = [answered]
        try:
            if isinstance(self._server, str):
                replies, requests = await asyncio.open_unix_connection(self._server)
            else:
                replies, requests = await asyncio.open_connection(*self._server)
            writers.append(requests)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(asked, requests, gates, _REQUESTS))
                both.create_task(self._pump(replies, answered, gates, _REPLIES))
        except* (OSError, asyncio.CancelledError):
            pass  # one end is gone, and so is the other; or the test is over
        finally:
            for writer in writers:
                writer.transport.abort()
            self._connections.discard(ours)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gates: _Gates, way: int
    ) -> None:
        """Carry bytes one way: some are on the way while more come in."""
        coming: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def take() -> None:
            data = b"?"
            while data:
                data = await reader.read(_AT_ONCE)
                coming.put_nowait((self._loop.time(), data))

        async with asyncio.TaskGroup() as both:
            both.create_task(take())
            both.create_task(self._give(coming, writer, gates, way))

    async def _give(
        self,
        coming: asyncio.Queue[tuple[float, bytes]],
        writer: asyncio.StreamWriter,
        gates: _Gates,
        way: int,
    ) -> None:
        data = b"?"
        while data:
            since, data = await coming.get()
            await asyncio.sleep(since + self._delay_s - self._loop.time())
            if way == _REPLIES and data:
                data = await self._spoilt(data, writer, gates)
            await gates[way].wait()
            if data:
                writer.write(data)
                await writer.drain()
        with suppress(OSError):
            writer.write_eof()

    async def _spoilt(self, data: bytes, writer: asyncio.StreamWriter, gates: _Gates) -> bytes:
        """What of a reply is still to be sent; what comes before the fault is on its way."""
        if self._left is None or len(data) <= self._left:
            self._left = None if self._left is None else self._left - len(data)
            return data
        before, rest = data[: self._left], data[self._left :]
        self._left = 0
        writer.write(before)
        await writer.drain()
        if not self._resets:
            gates[_REPLIES].clear()
            return rest
        if self._once:
            self._spoil(None)
        raw: socket.socket = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        raise ConnectionResetError


def _opened() -> _Gates:
    gates = (asyncio.Event(), asyncio.Event())
    for gate in gates:
        gate.set()
    return gates


def _set(gate: asyncio.Event, *, is_open: bool) -> None:
    if is_open:
        gate.set()
    else:
        gate.clear()


@contextmanager
def run_proxy(server: Address) -> Iterator[Proxy]:
    """A proxy to a server that runs already."""
    proxy, started = Proxy(server), threading.Event()
    thread = threading.Thread(target=proxy.run, args=(started,), name="proxy")
    thread.start()
    assert started.wait(10)
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join()


@contextmanager
def around_redis(url: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy to a Redis, and the URL that leads through it."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    with run_proxy((parts.hostname, parts.port)) as proxy:
        yield proxy, urlunsplit(parts._replace(netloc=f"127.0.0.1:{proxy.port}"))


@contextmanager
def around_postgres(url: str) -> Iterator[tuple[Proxy, str]]:
    """The same for a PostgreSQL at a unix socket."""
    parsed = sa.make_url(url)
    folder = parsed.query["host"]
    with run_proxy(f"{folder}/.s.PGSQL.{parsed.port or 5432}") as proxy:
        through = parsed.difference_update_query(["host"]).set(host="127.0.0.1", port=proxy.port)
        through = through.update_query_dict({"sslmode": "disable", "gssencmode": "disable"})
        yield proxy, through.render_as_string(hide_password=False)
