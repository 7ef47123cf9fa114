"""What comes between feedkit and Redis: redirections, refusals, other transports, lost connections."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
import redis
from redis.sentinel import Sentinel

from feedkit.errors import ConfigurationError, OutOfReach
from feedkit.idset import idset
from feedkit.storage.chunks import Large, LargeKind
from feedkit.storage.entries import of_rows, pack
from feedkit.storage.redis.cache import RedisCache
from feedkit.storage.redis.keys import slot_of
from feedkit.storage.redis.marks import RedisMarks
from feedkit.storage.redis.nodes import opened
from feedkit.storage.redis.opening import Place
from feedkit.storage.redis.timelines import RedisTimelines
from feedkit.storage.redis.wire import RedisWire
from feedkit.storage.shared import Lease, Slot, Tombstone, Value
from feedkit.storage.timelines import Timeline
from feedkit.storage.touching import Cached
from tests.redis_servers import command, run_redis, server_program

ANN, BEN, CAT = 11, 12, 13
NEEDED = (
    "+get +set +del +hget +hset +hdel +rpush +rpushx +lrange +lindex +llen +ltrim +lset +pttl +pexpire +persist "
    "+unlink +scan +time +evalsha +script|load +info +ping"
)


class Store:
    """Timelines over one target, and what a test may want to know of them."""

    def __init__(self, target: Any, prefix: str = "", capacity: int = 10) -> None:
        self.wire = RedisWire(opened(target, timeout_s=5))
        self.prefix = prefix or f"feedkit:{uuid4().hex[:12]}"
        place = Place(self.wire, self.prefix)
        self.keys, self.marks = place.keys("i"), RedisMarks(lambda: place)
        bounds: Any = {"capacity": capacity, "tail": 3, "ttl_ms": 3_600_000, "lease_ms": 30_000}
        self.timelines = RedisTimelines(lambda: place, "i", self.marks, **bounds)

    def build(self, owner: int, *positions: int) -> None:
        token = self.timelines.begin(owner)
        assert token is not None
        assert self.timelines.install(owner, token, of_rows([(one, 7) for one in positions]), 0)

    def deliver(self, *positions: int, owners: tuple[int, ...] = (ANN,)) -> int:
        return sum(self.timelines.deliver(idset(owners), of_rows([(one, 7)])) for one in positions)

    def read(self, owner: int = ANN) -> list[int] | None:
        timeline: Timeline | None = self.timelines.read(owner)
        return None if timeline is None else [int(one) for one in timeline.entries.positions]


@contextmanager
def store_of(target: Any, prefix: str = "", capacity: int = 10) -> Iterator[Store]:
    store = Store(target, prefix, capacity)
    yield store
    store.wire.close()


def works(target: Any) -> None:
    with store_of(target) as store:
        store.build(ANN, 1, 2)
        assert store.deliver(3, 4, 5, 6, 7) == 5
        assert store.read() == [7, 6, 5, 4, 3, 2, 1]
        assert store.marks.advance(0, 9, lambda: 9)
        large = Large(10, ANN, LargeKind.PUSH, pack(of_rows([(8, ANN)])), 0, chunks=1)
        assert store.marks.advance(9, 10, lambda: 10, [large], [large])
        assert store.read() == [8, 7, 6, 5, 4, 3, 2, 1]
        with store.marks.part(10, 0, 1000, int):
            store.deliver(8)
        assert store.marks.finish(large, [])
        assert store.timelines.owners() == [ANN]
        key = (Cached.USER, ANN)
        cache = RedisCache(store.timelines._place, store.marks, lease_ms=10_000, buried_ms=10_000)
        (lease,) = cache.lease([key], [0])
        assert isinstance(lease, Lease)
        assert cache.fill([(key, lease, Value(1, b"x"))], [10_000]) == [True]
        assert cache.look([key], [0]) == [Value(1, b"x")]
        for token in (b"tombone1", b"tombone2"):
            cache.bury([Tombstone(key, token)])
        cache.lift([Tombstone(key, b"tombone1")])
        assert cache.look([key], [0]) == [Slot.BURIED]


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


# ---------------------------------------------------------------- transports and users


def test_a_unix_socket(tmp_path: Path) -> None:
    with run_redis(directory=tmp_path):
        works(f"unix://{tmp_path / 'redis.sock'}")


@pytest.mark.usefixtures("redis_url")
def test_a_user_who_may_do_what_is_needed_and_no_more(redis_url: str) -> None:
    admin: Any = redis.Redis.from_url(redis_url)
    rights = [*NEEDED.split(" "), "+hello", "~feedkit:*"]
    admin.execute_command("ACL", "SETUSER", "feedkit", "reset", "on", ">secret", *rights)
    works(redis_url.replace("redis://", "redis://feedkit:secret@"))

    admin.execute_command("ACL", "SETUSER", "feedkit", "-rpushx")
    limited = redis_url.replace("redis://", "redis://feedkit:secret@")
    with store_of(limited) as store, pytest.raises(ConfigurationError, match="RPUSHX"):
        store.deliver(1)
    admin.execute_command("ACL", "DELUSER", "feedkit")
    admin.close()


def test_a_wrong_password_is_said_to_be_one(redis_url: str) -> None:
    with pytest.raises((ConfigurationError, redis.AuthenticationError)):
        works(redis_url.replace("redis://", "redis://nobody:wrong@"))


def test_tls(redis_url: str, tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with tls_in_front_of(port_of(redis_url), context) as port:
        works(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}&ssl_check_hostname=false")


def test_a_client_of_the_hosts_stays_open(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url, decode_responses=True)
    works(client)
    assert client.ping()
    client.close()


def test_another_database_of_the_server(redis_url: str) -> None:
    works(redis_url.replace("/0", "/3"))


def test_the_master_that_sentinel_names(tmp_path: Path) -> None:
    with run_redis() as first, run_redis() as second, sentinel_of(port_of(first), tmp_path) as sentinel:
        command(port_of(second), "REPLICAOF", "127.0.0.1", str(port_of(first)))
        found = cast(Any, Sentinel)([("127.0.0.1", sentinel)], socket_timeout=5)
        master: Any = found.master_for("feeds", socket_timeout=5)
        with store_of(master) as store:
            store.build(ANN, 1)
            assert redis.Redis.from_url(first).wait(1, 10_000) == 1

            command(port_of(second), "REPLICAOF", "NO", "ONE")  # promoted
            command(sentinel, "SENTINEL", "REMOVE", "feeds")
            command(sentinel, "SENTINEL", "MONITOR", "feeds", "127.0.0.1", str(port_of(second)), "1")
            command(port_of(first), "REPLICAOF", "127.0.0.1", str(port_of(second)))  # demoted

            assert store.deliver(2) == 1
            assert store.read() == [2, 1]
            assert second.endswith(f"{master.connection_pool.master_address[1]}/0")
        master.close()
        for client in found.sentinels:
            client.close()


# ---------------------------------------------------------------- a server with moods


def test_a_server_that_forgot_its_scripts(redis_url: str) -> None:
    with store_of(redis_url) as store:
        store.build(ANN, 1)
        command(port_of(redis_url), "SCRIPT", "FLUSH")
        assert store.deliver(2, 3, 4, 5, 6) == 5
        store.build(BEN, 1)
        assert store.read() == [6, 5, 4, 3, 2, 1]


def test_connections_that_were_cut_are_made_anew(redis_url: str) -> None:
    with store_of(redis_url) as store:
        store.build(ANN, 1)
        command(port_of(redis_url), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert store.deliver(2) == 1
        command(port_of(redis_url), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert store.read() == [2, 1]


def test_a_server_that_is_gone_is_out_of_reach_and_comes_back() -> None:
    with run_redis() as url, store_of(url) as store:
        store.build(ANN, 1)
        port = port_of(url)
        _kill(port)
        with pytest.raises(OutOfReach):
            store.read()
        with pytest.raises(OutOfReach, match="a moment ago"):
            store.read()  # nobody waits for it again at once
        with run_redis(port=port):
            store.wire.rest.until = 0
            assert store.read() is None, "it has forgotten everything"
            store.build(ANN, 5)
            assert store.read() == [5]


def test_a_full_server_refuses_deliveries_and_breaks_nothing() -> None:
    with run_redis() as url, store_of(url) as store:
        store.build(ANN, 1)
        store.deliver(2, 3)
        command(port_of(url), "CONFIG", "SET", "maxmemory", "1")

        with pytest.raises(OutOfReach, match="full"):
            store.deliver(4)
        with pytest.raises(OutOfReach, match="full"):
            store.build(BEN, 1)
        assert store.read() == [3, 2, 1]

        command(port_of(url), "CONFIG", "SET", "maxmemory", "0")
        assert store.deliver(4, 5, 6) == 3
        assert store.read() == [6, 5, 4, 3, 2, 1]


def test_sealing_makes_room_on_a_full_server() -> None:
    with run_redis() as url, store_of(url) as store:
        store.build(ANN, 1)
        key = store.keys.of(ANN)
        client: Any = redis.Redis.from_url(url)
        for position in range(2, 9):  # as if whoever delivered had died before sealing
            client.rpushx(key, position.to_bytes(8, "big") + (7).to_bytes(8, "big"))
        client.config_set("maxmemory", "1")
        store.timelines._pushing.seal(idset([ANN]))
        assert client.llen(key) == 1
        assert store.read() == list(range(8, 0, -1))
        client.close()


def test_a_replica_takes_no_deliveries_and_a_promoted_one_does() -> None:
    with run_redis() as url, run_redis() as other, store_of(url) as store:
        store.build(ANN, 1)
        command(port_of(url), "REPLICAOF", "127.0.0.1", str(port_of(other)))
        with pytest.raises(OutOfReach):
            store.deliver(2)
        command(port_of(url), "REPLICAOF", "NO", "ONE")
        store.wire.rest.until = 0
        assert store.deliver(2) in (0, 1)  # a full synchronisation may have emptied it meanwhile


@pytest.mark.parametrize("refusal", ["LOADING Redis is loading the dataset in memory", "MASTERDOWN Link"])
def test_a_server_that_is_not_ready_is_out_of_reach(refusal: str) -> None:
    said = b"-%b\r\n" % refusal.encode()
    answer = scripted(lambda words: said if words[0] == b"RPUSHX" else None)
    with answer as url, store_of(url) as store, pytest.raises(OutOfReach, match=refusal[:6]):
        store.deliver(1)


@pytest.mark.parametrize(
    "reply", [b"%d\r\n" % 3, b":\r\n", b"$99999999999\r\n", b"*-5\r\nx", b"\0\0\0\0\r\n", b":1"]
)
def test_what_is_no_reply_is_out_of_reach(reply: bytes) -> None:
    answer = scripted(lambda words: reply if words[0] == b"RPUSHX" else None, then_close=True)
    with answer as url, store_of(url) as store, pytest.raises(OutOfReach):
        store.deliver(1)


def test_a_server_that_does_not_answer_is_not_waited_for_for_ever() -> None:
    with scripted(lambda words: b"" if words[0] == b"LRANGE" else None) as url:
        store = Store(f"{url}&socket_timeout=0.2")
        with pytest.raises(OutOfReach):
            store.read()
        store.wire.close()


def test_news_between_replies_are_skipped() -> None:
    news = b">2\r\n+MOVING\r\n:7\r\n:3\r\n"
    with scripted(lambda words: news if words[0] == b"RPUSHX" else None) as url, store_of(url) as store:
        assert store.deliver(1, 2) == 2


# ---------------------------------------------------------------- what others have put there


@pytest.mark.parametrize(
    "spoil",
    [
        lambda client, key: client.set(key, b"x" * 50),
        lambda client, key: client.hset(key, "a", "b"),
        lambda client, key: client.rpush(key, b""),
        lambda client, key: client.rpush(key, b"x" * 40, b"y" * 16, b"z"),
        lambda client, key: client.rpush(key, b"FK\x02S" + b"\0" * 60, b"y" * 16),
        lambda client, key: client.rpush(key, b"FK\x01S" + b"\xff" * 28),
        lambda client, key: client.rpush(key, *[b"1"] * 300),
    ],
    ids=["string", "hash", "empty", "junk", "later version", "negative floor", "small elements"],
)
def test_hostile_bytes_are_a_missing_timeline(redis_url: str, spoil: Callable[[Any, bytes], Any]) -> None:
    client = redis.Redis.from_url(redis_url)
    with store_of(redis_url) as store:
        store.build(BEN, 1)
        spoil(client, store.keys.of(ANN))
        assert store.timelines.read_many([ANN, BEN])[0] is None
        is_list = client.type(store.keys.of(ANN)) == b"list"
        assert store.timelines.floors([ANN]) == [0 if is_list else None], "others may be able to read it"
        assert store.timelines.owners() == [BEN]
        store.deliver(5, owners=(ANN, BEN))
        store.timelines.remove(idset([ANN]), idset([5]))
        store.build(ANN, 8)
        assert store.read() == [8]
    client.close()


def test_odd_elements_behind_a_good_block_are_left_out(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    with store_of(redis_url) as store:
        store.build(ANN, 1)
        client.rpush(store.keys.of(ANN), b"short", b"\xff" * 16, b"x" * 17)
        store.deliver(2)
        assert store.read() in ([2, 1], None)
        store.deliver(3, 4, 5, 6)
        assert store.read() in ([6, 5, 4, 3, 2, 1], None)
    client.close()


# ---------------------------------------------------------------- a cluster that moves its slots


def test_a_slot_that_is_moving_and_has_moved(redis_cluster_url: str) -> None:
    admin: Any = redis.RedisCluster.from_url(redis_cluster_url)
    with store_of(redis_cluster_url) as store:
        key = store.keys.of(ANN)
        for owner in (ANN, BEN, CAT):
            store.build(owner, 1)
        slot = slot_of(key[key.index(b"{") + 1 : key.index(b"}")])
        source = admin.get_node_from_key(key.decode())
        target = next(node for node in admin.get_primaries() if node != source)
        source_id, target_id = (_id_of(node.port) for node in (source, target))

        command(target.port, "CLUSTER", "SETSLOT", str(slot), "IMPORTING", source_id)
        command(source.port, "CLUSTER", "SETSLOT", str(slot), "MIGRATING", target_id)
        command(source.port, "MIGRATE", "127.0.0.1", str(target.port), key.decode(), "0", "5000")
        assert store.deliver(2, 3, owners=(ANN, BEN, CAT)) == 6, "ASK: it is found where it went"

        for moved in command(source.port, "CLUSTER", "GETKEYSINSLOT", str(slot), "1000").split(b"\r\n")[2::2]:
            command(source.port, "MIGRATE", "127.0.0.1", str(target.port), moved.decode(), "0", "5000")
        for node in admin.get_primaries():
            command(node.port, "CLUSTER", "SETSLOT", str(slot), "NODE", target_id)
        assert store.deliver(4, 5, 6, owners=(ANN, BEN, CAT)) == 9, "MOVED: it is found where it is"
        assert store.read(ANN) == store.read(BEN) == store.read(CAT) == [6, 5, 4, 3, 2, 1]
        assert store.marks.advance(0, 5, lambda: 5) is False, "buckets without inboxes have no mark yet"
        assert store.marks.advance(5, 6, lambda: 6)
    admin.close()


def test_a_cluster_client_of_the_hosts(redis_cluster_url: str) -> None:
    client = redis.RedisCluster.from_url(redis_cluster_url)
    with store_of(client) as store:
        store.build(ANN, 1)
        assert store.deliver(2) == 1
        assert store.read() == [2, 1]
    assert client.ping(target_nodes=redis.RedisCluster.ALL_NODES)
    client.close()


# ---------------------------------------------------------------- helpers


def _id_of(port: int) -> str:
    return command(port, "CLUSTER", "MYID").split(b"\r\n")[1].decode()


def _kill(port: int) -> None:
    with pytest.raises((OSError, IndexError, AssertionError)):
        assert command(port, "SHUTDOWN", "NOSAVE")


def _certificate(folder: Path) -> tuple[Path, Path]:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl makes the certificate")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


@contextmanager
def tls_in_front_of(port: int, context: ssl.SSLContext) -> Iterator[int]:
    """The same server over TLS, at another port."""

    def serve(plain: socket.socket) -> None:
        with (
            context.wrap_socket(plain, server_side=True) as near,
            socket.create_connection(("127.0.0.1", port)) as far,
        ):
            near.settimeout(0.05)
            far.settimeout(0.05)
            while not stop.is_set():
                for come, go in ((near, far), (far, near)):
                    try:
                        data = come.recv(1 << 16)
                    except TimeoutError:
                        continue
                    if not data:
                        return
                    go.settimeout(5)
                    go.sendall(data)
                    go.settimeout(0.05)

    stop = threading.Event()
    with _listening(serve) as listening:
        yield listening
        stop.set()


@contextmanager
def scripted(answer: Callable[[list[bytes]], bytes | None], *, then_close: bool = False) -> Iterator[str]:
    """The URL of a server that says OK to everything but what `answer` answers."""

    def serve(connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            while header := lines.readline():
                words = [lines.read(int(lines.readline()[1:]) + 2)[:-2] for _ in range(int(header[1:]))]
                reply = answer(words)
                ok = b"$17\r\ncluster_enabled:0\r\n" if words[0] == b"INFO" else b"+OK\r\n"
                connection.sendall(ok if reply is None else reply)
                if reply is not None and then_close:
                    return

    with _listening(serve) as port:
        yield f"redis://127.0.0.1:{port}/0?protocol=2"


@contextmanager
def _listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=guarded, args=(connection,)))
            threads[-1].start()

    def guarded(connection: socket.socket) -> None:
        try:
            serve(connection)
        except OSError:  # the client has gone
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join()


@contextmanager
def sentinel_of(master: int, folder: Path) -> Iterator[int]:
    """A sentinel that watches over a master."""
    configuration = folder / "sentinel.conf"
    configuration.write_text(f"sentinel monitor feeds 127.0.0.1 {master} 1\n")
    with run_redis(directory=folder, program=[server_program(), str(configuration), "--sentinel"]) as url:
        yield port_of(url)
