"""Arrays as PostgreSQL writes them. For a list psycopg looks at every item in Python, which takes ten times as long."""

from collections.abc import Iterable, Sequence


def of_numbers(values: Iterable[int]) -> str:
    """An array of integers."""
    return f"{{{','.join(map(str, values))}}}"


def of_texts(values: Sequence[str | None]) -> str:
    """An array of strings, none of which holds a NUL: PostgreSQL has no place for it."""
    if not values:
        return "{}"
    if None in values:
        return f"{{{','.join('NULL' if one is None else of_texts((one,))[1:-1] for one in values)}}}"
    joined = "\0".join(values)  # type: ignore[arg-type]
    escaped = joined.replace("\\", r"\\").replace('"', r"\"").replace("\0", '","')
    return f'{{"{escaped}"}}'


def of_bytes(values: Iterable[bytes | None]) -> str:
    """An array of bytes."""
    listed = ("NULL" if one is None else rf'"\\x{one.hex()}"' for one in values)
    return f"{{{','.join(listed)}}}"
