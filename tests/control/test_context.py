"""Policy, rationed warnings, and the line about forwarding."""

from __future__ import annotations

import logging

import pytest

from tests.control.world import PEER, World
from tincd_compat import logs
from tincd_compat.control.context import (
    MAX_NOTICES,
    Envelope,
    GossipPolicy,
    WarningLimit,
    forward,
)
from tincd_compat.meta.messages import Request


@pytest.mark.parametrize(
    ("policy", "strict"),
    [
        (GossipPolicy(), False),
        (GossipPolicy(strict_subnets=True), True),
        (GossipPolicy(tunnel_server=True), True),
    ],
)
def test_tunnel_server_implies_strict_subnets(
    policy: GossipPolicy, strict: bool
) -> None:
    assert policy.strict is strict


def test_warnings_are_rationed(caplog: pytest.LogCaptureFixture) -> None:
    notices = WarningLimit()
    for number in range(MAX_NOTICES + 10):
        for _ in range(2):
            notices.warn(str(number), "number %d", number)
    assert caplog.messages == [
        *(f"number {number}" for number in range(MAX_NOTICES)),
        "Not logging further warnings about peers for now",
    ]
    caplog.clear()
    notices.renew()
    notices.warn("1", "number %d", 1)
    assert caplog.messages == ["number 1"]


@pytest.mark.parametrize(
    ("logger", "text"),
    [
        (logs.protocol, f"Forwarding ADD_EDGE from {PEER}"),
        (logs.meta, f"Forwarding ADD_EDGE from {PEER}: 12 a b c"),
    ],
)
def test_forwarding_is_logged_once(
    logger: logging.Logger, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    envelope = Envelope(b"12 a b c", World()["peer"], PEER, 0)
    caplog.set_level(logging.WARNING, logs.meta.name)
    caplog.set_level(logging.DEBUG, logs.protocol.name)
    caplog.set_level(logging.DEBUG, logger.name)
    forward(Request.ADD_EDGE, envelope)
    assert caplog.record_tuples == [(logger.name, logging.DEBUG, text)]
