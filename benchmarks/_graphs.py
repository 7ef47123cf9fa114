"""Real follow graphs, read from where they lie: `../shared/data` seen from the root of the project, or `--data`.

They are no part of the project. What is missing is left out, and said so.
"""

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

Follow = tuple[str, str]
"""(follower, followee)"""


def graphs(data: Path) -> Iterator[tuple[str, list[Follow]]]:
    """(name, follows) of every graph that is there."""
    found = False
    for path in sorted(data.glob("twitter_careers/*.edges.tsv.gz")):
        found = True
        followed_follower = _rows(path)
        name = path.name.partition(".")[0].removesuffix("_careers").removesuffix("careers")
        yield name, [(follower, followed) for followed, follower in followed_follower if follower != followed]
    for path in data.glob("ubuntu_irc/follows.tsv.gz"):
        found = True
        _, *rows = _rows(path)
        yield "ubuntu_irc", [(row[0], row[1]) for row in rows if row[0] != row[1]]
    if not found:
        print(
            f"without real graphs: there are none in {data}; name their directory with --data DIR",
            file=sys.stderr,
        )


def _rows(path: Path) -> Iterator[list[str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        for line in lines:
            yield line.rstrip("\n").split("\t")
