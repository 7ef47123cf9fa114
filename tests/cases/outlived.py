"""A child that goes on with a SQLite file after the parent that forked it has closed its feed and is gone."""

import os
import sys
from pathlib import Path

import feedkit


def main(url: str, flag: Path) -> None:
    feed = feedkit.connect(url)
    feed.follow("bob", "parent")
    feed.publish("parent", text="before the fork")
    feed.home("bob")
    if os.fork():
        feed.close()  # the last connection of this process: SQLite would clear the log that the child writes to
        return
    wait_for(flag)
    for number in range(3):
        feed.publish("child", text=str(number))
        with feedkit.connect(url) as other:  # opens and closes the file, as another process would
            other.home("bob")
    feed.close()
    flag.write_text("done")


def wait_for(flag: Path) -> None:
    while not flag.exists():
        os.sched_yield()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
