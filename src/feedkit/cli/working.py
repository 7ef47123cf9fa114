"""`feedkit worker`: a process that delivers."""

from typing import Annotated

import typer

from feedkit.cli.options import Db, FeedPath, Json, KeyType, Namespace, Redis, opened, target
from feedkit.cli.output import Output
from feedkit.working import until_told


def worker(
    context: typer.Context,
    *,
    concurrency: Annotated[
        int, typer.Option(min=1, max=256, help="Threads that deliver chunks of large deliveries.")
    ] = 1,
    max_seconds: Annotated[
        float | None, typer.Option(min=0, help="Stop after about so many seconds.", show_default="no bound")
    ] = None,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Have all other processes agree with this one from now on.")
    ] = False,
    redis: Redis = None,
    db: Db = None,
    feed: FeedPath = None,
    namespace: Namespace = None,
    key: KeyType = None,
    as_json: Json = False,
) -> None:
    """Apply the log and deliver it, until SIGTERM or Ctrl-C. Start as many as you like.

    What is under way when it is told to stop is delivered first; a second signal ends it at once.
    """
    out = Output(as_json=as_json)
    chosen = target(context, db, feed, namespace, key)
    with opened(chosen, redis=redis) as found, until_told() as stop:
        out.console.print("working")
        done = found.work(concurrency=concurrency, max_seconds=max_seconds, stop=stop, adopt=adopt)
    out.console.print(f"{done.events:,} events, {done.deliveries:,} deliveries in {done.seconds:.1f} s")
    out.result(done.to_dict())
