"""`feedkit home`, `profile`, `thread` and `explain`."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from feedkit.cli.options import Db, FeedPath, Json, KeyType, Namespace, key_of, opened, target
from feedkit.cli.output import Output, plain
from feedkit.cli.pages import home_page, profile_page, show, thread_page
from feedkit.model import Page

Limit = Annotated[int, typer.Option(min=1, help="Posts on the page.")]
CursorText = Annotated[
    str | None, typer.Option("--cursor", help="Where an earlier page said that it goes on.")
]

Newer = Annotated[bool, typer.Option("--newer", help="Also print the cursor for what comes later.")]
Ids = Annotated[bool, typer.Option("--ids", help="Also print the ids of posts, for thread and explain.")]


def home(
    context: typer.Context,
    reader: Annotated[str, typer.Argument(metavar="KEY", help="Whose home page.")],
    *,
    limit: Limit = 20,
    cursor: CursorText = None,
    newer: Newer = False,
    ids: Ids = False,
    db: Db = None,
    feed: FeedPath = None,
    namespace: Namespace = None,
    key: KeyType = None,
    as_json: Json = False,
) -> None:
    """Show someone's home page."""
    out = Output(as_json=as_json)
    with opened(target(context, db, feed, namespace, key)) as found:
        viewer = key_of(found, reader)
        page = found.home(viewer, limit=limit, cursor=cursor)
        show(out.console, home_page(found, viewer, page, datetime.now(UTC), ids=ids))
    _go_on(out, page, newer=newer)
    out.result(page.to_dict())


def profile(
    context: typer.Context,
    author: Annotated[str, typer.Argument(metavar="KEY", help="Whose profile.")],
    reader: Annotated[
        str | None, typer.Option("--viewer", metavar="KEY", help="As whom; else logged out.")
    ] = None,
    *,
    limit: Limit = 20,
    cursor: CursorText = None,
    newer: Newer = False,
    ids: Ids = False,
    db: Db = None,
    feed: FeedPath = None,
    namespace: Namespace = None,
    key: KeyType = None,
    as_json: Json = False,
) -> None:
    """Show what someone has published, as a viewer may see it."""
    out = Output(as_json=as_json)
    with opened(target(context, db, feed, namespace, key)) as found:
        viewer = None if reader is None else key_of(found, reader)
        page = found.profile(viewer, key_of(found, author), limit=limit, cursor=cursor)
        show(out.console, profile_page(found, viewer, page, datetime.now(UTC), ids=ids))
    _go_on(out, page, newer=newer)
    out.result(page.to_dict())


def thread(
    context: typer.Context,
    post_id: Annotated[str, typer.Argument(metavar="POST", help="The id of the post.")],
    reader: Annotated[
        str | None, typer.Option("--viewer", metavar="KEY", help="As whom; else logged out.")
    ] = None,
    *,
    limit: Limit = 20,
    cursor: CursorText = None,
    newer: Newer = False,
    ids: Ids = False,
    db: Db = None,
    feed: FeedPath = None,
    namespace: Namespace = None,
    key: KeyType = None,
    as_json: Json = False,
) -> None:
    """Show a post, what it answers, and the replies to it."""
    out = Output(as_json=as_json)
    with opened(target(context, db, feed, namespace, key)) as found:
        viewer = None if reader is None else key_of(found, reader)
        page = found.thread(viewer, post_id, limit=limit, cursor=cursor)
        show(out.console, thread_page(found, viewer, page, datetime.now(UTC), ids=ids))
    _go_on(out, page, newer=newer, further="Younger replies")
    out.result(page.to_dict())


def explain(
    context: typer.Context,
    reader: Annotated[str, typer.Argument(metavar="KEY", help="In whose home feed.")],
    post_id: Annotated[str, typer.Argument(metavar="POST", help="The id of the post.")],
    *,
    db: Db = None,
    feed: FeedPath = None,
    namespace: Namespace = None,
    key: KeyType = None,
    as_json: Json = False,
) -> None:
    """Say why a post is, or is not, in someone's home feed."""
    out = Output(as_json=as_json)
    with opened(target(context, db, feed, namespace, key)) as found:
        explanation = found.explain(key_of(found, reader), post_id)
    out.console.print(Text(plain(str(explanation))), soft_wrap=True)
    out.result(explanation.to_dict())


def _go_on(out: Output, page: Page[Any], *, newer: bool, further: str = "Older posts") -> None:
    """The cursors, each on a line of its own that can be copied."""
    if page.next_cursor:
        out.console.print(Text(f"{further}: --cursor {page.next_cursor}", style="dim"), soft_wrap=True)
    if newer:
        out.console.print(Text(f"Newer posts: --cursor {page.newer_cursor}", style="dim"), soft_wrap=True)
