"""A preloading server: uses its feed, forks four children, and all five go on with it at the same time."""

import json
import os
import sys
import time
from pathlib import Path

import feedkit

CHILDREN = 4


def work(feed: "feedkit.Feed[str]", name: str, minted: list[int], results: Path) -> None:
    """Publish and read in turns: every answer has to be about what this process asked."""
    feed.follow("reader", name)
    feed.follow(f"reader of {name}", name)
    strange = []
    for n in range(40):
        post = feed.publish(name, text=f"{name} {n}")
        minted.append(post.id)
        own = feed.profile(name, name, limit=100)
        home = feed.home(f"reader of {name}", limit=100)
        strange += [page for page in (own, home) if {item.author.key for item in page} != {name}]
        if n % 10 == 9:
            assert feed.post(None, post.id).post.text == f"{name} {n}"
    wait_for(feed, f"reader of {name}", minted)
    report = {"minted": minted, "answers": "others'" if strange else "its own"}
    (results / name).write_text(json.dumps(report))


def wait_for(feed: "feedkit.Feed[str]", reader: str, posts: list[int]) -> None:
    """The log reaches this process."""
    deadline = time.monotonic() + 20
    while [item.post.id for item in feed.home(reader, limit=100)] != posts[::-1]:
        assert time.monotonic() < deadline, "the log is not applied"
        time.sleep(0.05)


def main(url: str, results: Path, deliver: str) -> None:
    feed = feedkit.connect(url, deliver=deliver)
    feed.migrate()
    feed.follow("reader", "parent")
    minted = [feed.publish("parent", text="before the fork").id for _ in range(5)]
    feed.home("reader")
    feed.home("reader of parent")
    children = []
    for number in range(CHILDREN):
        pid = os.fork()
        if not pid:
            code = 1
            try:
                work(feed, f"child{number}", [], results)
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
        children.append(pid)
    work(feed, "parent", minted, results)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    feed.close()
    assert codes == [0] * CHILDREN, codes


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
