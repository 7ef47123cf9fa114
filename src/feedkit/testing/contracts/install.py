"""What every store of what is decided once keeps."""

from __future__ import annotations

import pytest

from feedkit.errors import KeyTypeMismatch
from feedkit.storage.base import Truth
from feedkit.testing.contracts._truth import NOW_MS, TruthSuite, write


class InstallStoreContract(TruthSuite):
    """The laws of `InstallStore`."""

    def test_migrating_again_changes_nothing(self, truth: Truth) -> None:
        facts = truth.read(truth.install.facts)
        keys = truth.read(truth.install.cursor_keys)
        truth.migrate("str", NOW_MS + 1)
        assert truth.read(truth.install.facts) == facts
        assert truth.read(truth.install.cursor_keys) == keys
        assert facts["key_type"] == "str"
        assert int(facts["schema_version"]) > 0
        assert len(facts["install_id"]) == 32
        assert len(keys) == 1
        with pytest.raises(KeyTypeMismatch, match="pass key=str"):
            truth.migrate("int", NOW_MS)

    def test_a_further_fact_stays_until_it_is_written_anew(self, truth: Truth) -> None:
        for value in ("first", "second"):
            write(truth, truth.install.state, "colour", value)
            assert truth.read(truth.install.facts)["colour"] == "first"
        write(truth, truth.install.state, "colour", "third", anew=True)
        assert truth.read(truth.install.facts)["colour"] == "third"

    def test_the_newest_cursor_key_signs_whatever_the_clock_says(self, truth: Truth) -> None:
        # given
        signing = [truth.read(truth.install.cursor_keys)[-1]]

        # when
        for now_ms in (NOW_MS + 5, NOW_MS - 1000, NOW_MS - 1000, NOW_MS):
            write(truth, truth.install.add_cursor_key, now_ms, 3)
            keys = truth.read(truth.install.cursor_keys)
            signing.append(keys[-1])

            # then
            assert keys == signing[-3:], "the newest three stay valid, in order"
        assert len({key.id for key in signing}) == len({key.secret for key in signing}) == 5
