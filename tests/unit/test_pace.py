"""What an import sets for the whole process is put back."""

import gc
import sys

import pytest

from feedkit.writing.bulk.pace import no_collector, short_turns


def test_turns_are_as_before_once_the_last_import_has_ended() -> None:
    # given two imports that overlap
    before = sys.getswitchinterval()
    first, second = short_turns(), short_turns()
    first.__enter__()
    second.__enter__()

    # when the one that began first ends
    first.__exit__(None, None, None)
    one_goes_on = sys.getswitchinterval()
    second.__exit__(None, None, None)

    # then threads take short turns until the other one has ended as well
    assert one_goes_on < before
    assert sys.getswitchinterval() == before


def test_turns_that_are_short_already_are_not_made_longer() -> None:
    # given a host whose threads take very short turns
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.00005)
    try:
        shorter = sys.getswitchinterval()

        # when it imports, then they stay as they are
        with short_turns():
            assert sys.getswitchinterval() == shorter
        assert sys.getswitchinterval() == shorter
    finally:
        sys.setswitchinterval(before)


def test_an_error_leaves_both_as_they_were() -> None:
    # given
    before = sys.getswitchinterval()

    # when
    with pytest.raises(ZeroDivisionError), short_turns(), no_collector():
        raise ZeroDivisionError

    # then
    assert gc.isenabled()
    assert sys.getswitchinterval() == before
