"""A tiny data set with everything that a reader of such files stumbles over."""

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

Row = Sequence[str]
WriteData = Callable[[Sequence[Row], Sequence[Row]], Path]

PEOPLE = ("|trey|", "Matt`", '"quoted"', "{brace}%s", "ночь", "o'Brien--", "\U0001f9c1cake", "a\u202eb")


@pytest.fixture
def write_data(tmp_path: Path) -> WriteData:
    """Writes the two files of a data set and gives their directory."""

    def write(posts: Sequence[Row], follows: Sequence[Row]) -> Path:
        directory = tmp_path / "odd data"
        directory.mkdir(exist_ok=True)
        _write(directory / "posts.tsv.gz", ("post", "time", "author", "reply_to", "text"), posts)
        _write(directory / "follows.tsv.gz", ("follower", "followee", "time"), follows)
        return directory

    return write


@pytest.fixture
def data(write_data: WriteData) -> Path:
    """96 posts by eight people with odd names, who all follow each other before the second round."""
    posts = [
        (str(number), moment(number), PEOPLE[number % 8], answered(number), text(number))
        for number in range(96)
    ]
    pairs = [(one, other) for one in PEOPLE for other in PEOPLE if one != other]
    follows = [(*pair, moment(number // 8)) for number, pair in enumerate(pairs)]
    return write_data(posts, follows)


def moment(number: int) -> str:
    """Twenty minutes between one and the next."""
    return f"2016-06-{1 + number // 72:02}T{number // 3 % 24:02}:{number % 3 * 20:02}:00.{number % 1000:03}Z"


def answered(number: int) -> str:
    """Every fourth post answers an earlier one."""
    return str(number - 3) if number % 4 == 3 else ""


def text(number: int) -> str:
    """Quotes that never close, control characters, joined emoji, right-to-left marks."""
    odd = (
        '"never closed',
        "it''s",
        "bell\x07 and \x1b[31mred",
        "\U0001f469\u200d\U0001f680",
        "\u202eexe",
        "a\rb",
    )
    return f"{number} {odd[number % len(odd)]}"


def _write(path: Path, columns: Row, rows: Sequence[Row]) -> None:
    with gzip.open(path, "wt", encoding="utf-8", newline="\n") as file:
        for row in (columns, *rows):
            file.write("\t".join(row) + "\n")
