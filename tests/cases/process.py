"""One process of a host: reads calls as lines of JSON, makes them on its feed, writes what came of them."""

import json
import sys
from typing import Any

import feedkit


def plain(value: Any) -> Any:
    """What crosses the pipe: posts and pages as ids, the rest as it is."""
    if isinstance(value, feedkit.Page):
        return {
            "ids": [item.post.id for item in value],
            "next": value.next_cursor,
            "newer": value.newer_cursor,
        }
    if isinstance(value, feedkit.Post):
        return value.id
    if isinstance(value, feedkit.Item):
        return value.post.id
    return value.to_dict() if hasattr(value, "to_dict") else value


def main(url: str, options: str) -> None:
    with feedkit.connect(url, **json.loads(options)) as feed:
        feed.migrate()
        for line in sys.stdin:
            verb, args, kwargs = json.loads(line)
            try:
                answer = {"value": plain(getattr(feed, verb)(*args, **kwargs))}
            except feedkit.FeedkitError as exc:
                answer = {"error": f"{type(exc).__name__}: {exc}"}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
