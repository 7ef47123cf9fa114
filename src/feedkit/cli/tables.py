"""Files of rows: CSV with a header, or JSON lines."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from feedkit.errors import ConfigurationError, InvalidArgument, shown

Row = Mapping[str, Any]
_JSON_LINES = (".jsonl", ".ndjson")
_YES, _NO = ("true", "yes", "1"), ("false", "no", "0")


def count_rows(path: Path) -> int:
    """About how many rows a file holds: its lines."""
    with path.open("rb") as file:
        lines = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
    return max(0, lines - (path.suffix not in _JSON_LINES))


def read_rows(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    """The rows of a file; what is empty in CSV is left out. `columns` are those that it must have."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix in _JSON_LINES:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _from_json(path, number, line)
            return
        reader = csv.DictReader(file)
        if missing := [name for name in columns if name not in (reader.fieldnames or ())]:
            raise ConfigurationError(
                f"{path} must have a header with {', '.join(columns)}; it lacks {', '.join(missing)}. "
                "A file of JSON lines is told by its name, .jsonl"
            )
        for row in reader:
            yield {name: value for name, value in row.items() if name and value}


def user_of(row: Row, key: Callable[[str], Any]) -> Row:
    """A row as `imports.users` takes it."""
    user = {**row, "key": key(str(row.get("key", "")))}
    if isinstance(private := row.get("private"), str):
        user["private"] = _yes_or_no(private)
    return _with_moments(user, "created_at")


def follow_of(row: Row, key: Callable[[str], Any]) -> tuple[Any, Any, datetime | None]:
    """A row as `imports.follows` takes it."""
    follower, followee = (key(str(row.get(name, ""))) for name in ("follower", "followee"))
    return follower, followee, _with_moments(row, "at").get("at")


def post_of(row: Row, key: Callable[[str], Any]) -> Row:
    """A row as `imports.posts` takes it; `media` and `extra` of a CSV file are JSON."""
    post = {**row, "author": key(str(row.get("author", "")))}
    for name in ("media", "extra"):
        if isinstance(row.get(name), str):
            post[name] = _json(name, row[name])
    if isinstance(version := row.get("schema_version"), str) and version.isdecimal():
        post["schema_version"] = int(version)
    return _with_moments(post, "at")


def _from_json(path: Path, number: int, line: str) -> Row:
    row = _json(f"{path}, line {number}", line)
    if not isinstance(row, dict):
        raise InvalidArgument(f"{path}, line {number} must be a JSON object")
    return row


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidArgument(f"{name} must be JSON: {error}") from error


def _with_moments(row: Row, name: str) -> dict[str, Any]:
    """The row with this text as a moment."""
    changed = dict(row)
    if isinstance(text := changed.get(name), str):
        changed[name] = moment(name, text)
    return changed


def moment(name: str, text: str) -> datetime:
    """An instant in ISO 8601, with its zone."""
    with suppress(ValueError):
        when = datetime.fromisoformat(text)
        if when.tzinfo is not None:
            return when
    message = f"{name} must be a time with its zone, such as 2020-02-03T12:00:00Z; got {shown(text)}"
    raise InvalidArgument(message, argument=name)


def _yes_or_no(text: str) -> bool:
    if text.lower() not in _YES + _NO:
        raise InvalidArgument("private must be true or false", argument="private")
    return text.lower() in _YES
