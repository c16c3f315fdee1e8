"""Numbers that promises name are those of the program."""

from __future__ import annotations

import re

import pytest

from tests.promises.document import DOCUMENT, promises
from tincd_compat.control.context import Limits
from tincd_compat.control.deferred import MAX_HELD
from tincd_compat.control.seen import MAX_SEEN
from tincd_compat.daemon.links import MAX_STRANGERS
from tincd_compat.daemon.privateops import LEAST_CALLERS, QUEUE_PATIENCE
from tincd_compat.daemon.statusline import NODES_PER_SECOND
from tincd_compat.observe.paths import FULL_LOOK_RATE
from tincd_compat.observe.problems import LISTED
from tincd_compat.service.backlog import MOST_BYTES
from tincd_compat.service.scripts import QUEUE_LIMIT
from tincd_compat.transport import operators
from tincd_compat.transport.httpsession import (
    MAX_REQUEST,
    MAX_UNSENT,
    REQUEST_PATIENCE,
    UNREAD_PATIENCE,
)
from tincd_compat.transport.operators import MAX_CLIENTS
from tincd_compat.transport.tcp import ACCEPT_BURST, ACCEPT_RESERVE, TARPIT_SLOTS
from tincd_compat.transport.turns import TURN

TEXTS = dict(promises(DOCUMENT.read_text()))
WORDS = {4: "four", 10: "ten"}
LIMITS = Limits()


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("rate", [ACCEPT_BURST, ACCEPT_RESERVE]),
        ("tarpit", [TARPIT_SLOTS]),
        ("callers", [MAX_STRANGERS]),
        ("key-turns", [QUEUE_PATIENCE, LEAST_CALLERS]),
        ("nodes", [LIMITS.nodes]),
        ("edges", [LIMITS.edges, LIMITS.of_one]),
        ("subnets", [LIMITS.subnets, LIMITS.of_one]),
        ("room", [LIMITS.own, LIMITS.own]),
        ("seen", [MAX_SEEN]),
        ("deferred", [MAX_HELD]),
        ("turns", [TURN * 1000]),
        ("scripts", [QUEUE_LIMIT]),
        ("log", [MOST_BYTES / (1 << 20)]),
        ("looks", [FULL_LOOK_RATE, FULL_LOOK_RATE, NODES_PER_SECOND]),
        ("ring", [LISTED]),
        ("clients", [MAX_CLIENTS]),
        ("request", [MAX_REQUEST / 1024, REQUEST_PATIENCE]),
        ("unsent", [MAX_UNSENT / 1024, UNREAD_PATIENCE]),
        ("glance", [operators.OPERATORS_TURN * 1000]),
    ],
)
def test_numbers_are_those_of_the_program(name: str, numbers: list[float]) -> None:
    text = TEXTS[name].lower()
    for number, word in WORDS.items():
        text = re.sub(rf"\b{word}\b", str(number), text)
    assert [float(each) for each in re.findall(r"\d+(?:\.\d+)?", text)] == numbers
