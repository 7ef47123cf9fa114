"""A site's own table of follows, as reconciling reads it."""

import pytest

from feedkit.django import follow_table
from feedkit.django.follow_table import follows_of
from tests.hosts import django_databases

NAMES = ["_", "B", "a", "b b", "z", "ä", "日本"]  # by their UTF-8 bytes, and no language's order


def test_names_come_in_the_order_of_their_bytes_page_by_page(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_table, "_PAGE", 3)
    pairs = [(one, other) for one in NAMES for other in ("ä", "B")]
    with django_databases.connected(url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE follows (who varchar(20), whom varchar(20))")
        cursor.executemany("INSERT INTO follows VALUES (%s, %s)", sorted(pairs, reverse=True))

        assert list(follows_of(connection, "follows:who:whom", str)) == sorted(pairs)
