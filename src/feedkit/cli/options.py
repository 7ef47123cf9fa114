"""The options that commands share, and the feed that they lead to."""

import importlib
import inspect
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import attrs
import typer

import feedkit
from feedkit import Feed
from feedkit.errors import ConfigurationError, InvalidArgument, SchemaMissing
from feedkit.errors import shown as outside
from feedkit.storage.sql.truth import SqlTruth

DEFAULT_DB = "sqlite:///feedkit.db"
DB_VARIABLE = "FEEDKIT_DB"
_KEY_TYPES: dict[str, Any] = {"str": str, "int": int, "uuid": UUID}

Db = Annotated[
    str | None,
    typer.Option(
        "--db", metavar="URL", help="The database.", show_default=f"${DB_VARIABLE}, else {DEFAULT_DB}"
    ),
]
FeedPath = Annotated[
    str | None,
    typer.Option("--feed", metavar="MODULE:ATTR", help="Your own Feed object, or a function that makes it."),
]
Namespace = Annotated[
    str | None,
    typer.Option("--namespace", metavar="NAME", help="Prefix of the tables.", show_default="feedkit"),
]
KeyType = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="str|int|uuid",
        help="The type of user keys, with --db.",
        show_default="as the database has it, else str",
    ),
]
Redis = Annotated[
    str | None,
    typer.Option("--redis", metavar="URL", help="Where inboxes are shared, with --db.", show_default="none"),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of stdout.")]


@attrs.frozen
class Target:
    """Which feed a command is about; what is None was not said."""

    db: str | None = None
    feed: str | None = None
    namespace: str | None = None
    key: str | None = None

    def over(self, wider: "Target") -> "Target":
        """This, filled up with what was said before the command's name."""
        if self.db or self.feed:
            wider = attrs.evolve(wider, db=None, feed=None)
        return Target(*(mine or other for mine, other in zip(_values(self), _values(wider), strict=True)))

    @property
    def url(self) -> str:
        """The database that was named, or the one that stands for none."""
        return self.db or os.environ.get(DB_VARIABLE) or DEFAULT_DB


def target(
    context: typer.Context, db: str | None, feed: str | None, namespace: str | None, key: str | None
) -> Target:
    """What the options of a command and those before its name come to."""
    wider = context.obj if isinstance(context.obj, Target) else Target()
    chosen = Target(db, feed, namespace, key).over(wider)
    if chosen.feed and (chosen.db or chosen.namespace or chosen.key):
        raise ConfigurationError(
            "--feed is a feed that is wired already: give it without --db, --namespace and --key"
        )
    return chosen


@contextmanager
def opened(chosen: Target, *, create: bool = False, redis: str | None = None) -> Iterator[Feed[Any]]:
    """The feed, for as long as the command needs it. Unless `create`, a SQLite file must be there."""
    if chosen.feed:
        if redis:
            raise ConfigurationError("--feed is a feed that is wired already: give it without --redis")
        with _imported(chosen.feed) as feed:
            yield feed
        return
    if not create:
        _refuse_absent(chosen.url)
    namespace = chosen.namespace or "feedkit"
    with feedkit.connect(chosen.url, key=_key_type(chosen), namespace=namespace, redis=redis) as feed:
        yield feed


@contextmanager
def _imported(path: str) -> Iterator[Feed[Any]]:
    """A host's own feed stays open; one that a function made here is closed."""
    found = _attribute(path)
    if isinstance(found, Feed):
        yield found
        return
    made = found() if _takes_nothing(found) else found
    if not isinstance(made, Feed):
        raise ConfigurationError(
            f"--feed {path} is neither a Feed nor a function that makes one of no arguments"
        )
    with made:
        yield made


def _takes_nothing(found: Any) -> bool:
    try:
        inspect.signature(found).bind()
    except (TypeError, ValueError):
        return False
    return True


def _attribute(path: str) -> Any:
    module, _, attribute = path.partition(":")
    if not (module and attribute):
        raise ConfigurationError("--feed must look like myapp.feeds:feed")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as exc:
        raise ConfigurationError(f"--feed {path} cannot be found: {exc}") from exc
    return found


def sqlite_path(url: str) -> Path | None:
    """The file behind a SQLite URL; None for any other database."""
    scheme, _, path = url.partition(":///")
    if scheme.partition("+")[0] != "sqlite" or not path or path.startswith((":memory:", "file:")):
        return None
    return Path(path.partition("?")[0])


def shown(url: str) -> str:
    """A database URL without its password."""
    head, at, tail = url.rpartition("@")
    scheme, colon, user = head.partition("://")
    return f"{scheme}{colon}{user.partition(':')[0]}@{tail}" if at else url


def _refuse_absent(url: str) -> None:
    path = sqlite_path(url)
    if path is not None and not path.exists():
        raise ConfigurationError(
            f"there is no database {path}; make it with `feedkit migrate`, or name one with --db"
        )


def _key_type(chosen: Target) -> Any:
    if chosen.key is None:
        return _key_type_of_database(chosen)
    if chosen.key not in _KEY_TYPES:
        raise ConfigurationError("--key must be str, int or uuid")
    return _KEY_TYPES[chosen.key]


def _key_type_of_database(chosen: Target) -> Any:
    """What its users are named by, or str where there are no tables yet."""
    wiring = feedkit.connect(chosen.url, namespace=chosen.namespace or "feedkit").wiring
    truth = SqlTruth(wiring.target, wiring.namespace, wiring.settings)
    try:
        return _KEY_TYPES[truth.read(truth.install.facts)["key_type"].lower()]
    except SchemaMissing:
        return str
    finally:
        truth.close()


def _values(chosen: Target) -> tuple[str | None, ...]:
    return attrs.astuple(chosen)


def key_of(feed: Feed[Any], text: str) -> Any:
    """The user key that somebody typed, as the feed's own type."""
    key_type = feed.wiring.key
    try:
        return key_type(text)
    except ValueError as exc:
        message = f"KEY must be {key_type.__name__}, the key type of this feed; got {outside(text)}"
        raise InvalidArgument(message) from exc
