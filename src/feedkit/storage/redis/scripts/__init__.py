"""What runs inside Redis: each script in a file of its own, its keys and arguments in the header."""

import hashlib
from importlib.resources import files

import attrs


@attrs.frozen
class Script:
    """A script and the name by which a server knows it."""

    text: bytes
    sha: bytes


def _load(name: str) -> Script:
    text = (files(__package__) / f"{name}.lua").read_bytes()
    return Script(text, hashlib.sha1(text, usedforsecurity=False).hexdigest().encode())


BEGIN = _load("begin")
SWAP = _load("swap")
KEEP = _load("keep")
HEAD = _load("head")
ADVANCE = _load("advance")
TURN = _load("turn")
STEP = _load("step")
PART = _load("part")
REMOVE = _load("remove")
FINISH = _load("finish")
LEASE = _load("lease")
FILL = _load("fill")
BURY = _load("bury")
LIFT = _load("lift")
BUS_PUBLISH = _load("bus_publish")
BUS_STATE = _load("bus_state")
BUS_TAKE = _load("bus_take")
BUS_END = _load("bus_end")
BUS_TRIM = _load("bus_trim")
BUS_FORGET = _load("bus_forget")
OF_BUS = (BUS_PUBLISH, BUS_STATE, BUS_TAKE, BUS_END, BUS_TRIM, BUS_FORGET)
ALL = (BEGIN, SWAP, KEEP, HEAD, ADVANCE, TURN, STEP, PART, REMOVE, FINISH, LEASE, FILL, BURY, LIFT, *OF_BUS)
