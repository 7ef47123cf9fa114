"""What every store of users keeps."""

from __future__ import annotations

import pytest

from feedkit.ids import MAX_ID
from feedkit.storage.base import Truth, UserRow
from feedkit.testing.contracts._truth import NOW_MS, TruthSuite, read, write


class UserStoreContract(TruthSuite):
    """The laws of `UserStore`."""

    def test_users_are_found_by_key_and_by_id(self, truth: Truth) -> None:
        # given
        keys = {7: b"ada", 8: b"\x00\xff'; DROP TABLE", MAX_ID: "ünï".encode()}

        # when
        write(truth, truth.users.add, keys, NOW_MS)

        # then
        found = read(truth, truth.users.ids_of, [*keys.values(), b"nobody", b"ADA"])
        assert found == {key: user_id for user_id, key in keys.items()}
        users = read(truth, truth.users.get_many, [7, 9, MAX_ID])
        assert sorted(users, key=lambda user: user.id) == [
            UserRow(7, b"ada", None, None, None, "active"),
            UserRow(MAX_ID, "ünï".encode(), None, None, None, "active"),
        ]

    def test_a_user_whose_id_or_key_is_there_is_left_as_they_are(self, truth: Truth) -> None:
        # given
        write(truth, truth.users.add, {1: b"ada", 2: None}, NOW_MS)
        write(truth, truth.users.patch, 1, {"handle": "ada"})

        # when
        write(truth, truth.users.add, {1: b"bob", 3: b"ada", 2: None, 4: None, 5: b"new"}, NOW_MS)

        # then
        users = read(truth, truth.users.get_many, [1, 2, 3, 4, 5])
        assert sorted((user.id, user.key, user.handle) for user in users) == [
            (1, b"ada", "ada"),
            (2, None, None),
            (4, None, None),
            (5, b"new", None),
        ]

    def test_a_patch_changes_the_given_fields_of_one_user(self, truth: Truth) -> None:
        write(truth, truth.users.add, {1: b"a", 2: b"b"}, NOW_MS)
        write(truth, truth.users.patch, 1, {"handle": "h", "display_name": "n"})
        write(truth, truth.users.patch, 1, {"handle": None, "time_zone": "Europe/Vienna"})
        write(truth, truth.users.patch, 2, {})
        users = read(truth, truth.users.get_many, [1, 2])
        assert sorted(users, key=lambda user: user.id) == [
            UserRow(1, b"a", None, "n", "Europe/Vienna", "active"),
            UserRow(2, b"b", None, None, None, "active"),
        ]

    @pytest.mark.parametrize("step", [1, 3, 10, 100])
    def test_a_walk_over_everybody_in_steps(self, truth: Truth, step: int) -> None:
        everybody = [n * n for n in range(1, 11)]
        write(truth, truth.users.add, dict.fromkeys(everybody), NOW_MS)
        walked: list[int] = []
        while chunk := read(truth, truth.users.ids_after, walked[-1] if walked else 0, step):
            assert len(chunk) <= step
            walked += chunk
        assert walked == everybody

    def test_one_user_is_as_one_of_many(self, truth: Truth) -> None:
        write(truth, truth.users.add, {1: b"a"}, NOW_MS)
        write(truth, truth.users.patch, 1, {"handle": "ada", "private": 1, "suspended_until": NOW_MS})
        stored = UserRow(1, b"a", "ada", None, None, "active", 1, NOW_MS)
        assert read(truth, truth.users.get, 1) == stored
        assert read(truth, truth.users.get_many, [1]) == [stored]
        assert read(truth, truth.users.get, 2) is None

    def test_a_handle_names_one_user_or_nobody(self, truth: Truth) -> None:
        write(truth, truth.users.add, dict.fromkeys((1, 2, 3, 4)), NOW_MS)
        for user_id, handle in ((1, "ada"), (2, "bob"), (3, "bob")):
            write(truth, truth.users.patch, user_id, {"handle": handle})
        assert read(truth, truth.users.with_handles, ["ada", "bob", "cem"]) == {"ada": 1}
        write(truth, truth.users.patch, 3, {"handle": "bobby"})
        assert read(truth, truth.users.with_handles, ["bob", "bobby"]) == {"bob": 2, "bobby": 3}
