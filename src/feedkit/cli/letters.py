"""`feedkit dead-letters`: events that could not be handled."""

from typing import Annotated

import typer
from rich.table import Table

from feedkit.cli.options import Db, FeedPath, Json, KeyType, Namespace, Redis, opened, target
from feedkit.cli.output import Output

_AT_ONCE = 100


def dead_letters(
    context: typer.Context,
    *,
    retry: Annotated[
        str | None,
        typer.Option(metavar="CONSUMER", help="Have the letters of a consumer of the log handled once more."),
    ] = None,
    discard: Annotated[
        str | None, typer.Option(metavar="CONSUMER:NUMBER", help="Forget one letter of a consumer.")
    ] = None,
    redis: Redis = None,
    db: Db = None,
    feed: FeedPath = None,
    namespace: Namespace = None,
    key: KeyType = None,
    as_json: Json = False,
) -> None:
    """List events that could not be handled, with the reason; or retry or discard them."""
    out = Output(as_json=as_json)
    with opened(target(context, db, feed, namespace, key), redis=redis) as found:
        done = {}
        if retry is not None:
            done["retried"] = found.dead_letters.retry(retry)
        if discard is not None:
            consumer, _, number = discard.rpartition(":")
            if not number.isdigit():
                raise typer.BadParameter("must look like counters:17", param_hint="--discard")
            done["discarded"] = found.dead_letters.discard(consumer, [int(number)])
        letters = [
            letter
            for name in found.dead_letters.consumers()
            for letter in found.dead_letters.page(
                name, limit=min(_AT_ONCE, found.wiring.settings.page_limit_max)
            )
        ]
    table = Table("consumer", "number", "event", "tries", "reason", title="Dead letters")
    for letter in letters:
        cells = (
            letter.consumer,
            str(letter.number),
            letter.event.kind.value,
            str(letter.tries),
            letter.reason,
        )
        table.add_row(*cells)
    out.console.print(table)
    out.result({**done, "letters": [letter.to_dict() for letter in letters]})
