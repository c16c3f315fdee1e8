"""What router mode says in the log."""

from __future__ import annotations

import logging

import pytest

from tests.routing.frames import echo, ipv4, ipv6
from tests.routing.routed import A6, B6, A, B, C, arp, path, route, syn


@pytest.mark.parametrize(
    ("frame", "source", "severity", "text"),
    [
        (
            bytearray(9),
            "b",
            "WARNING",
            "Got too short packet from b (10.99.1.2 port 655)",
        ),
        (
            ipv6(A6, B6, b"\x87", protocol=58),
            "a",
            "WARNING",
            "Got too short packet from a (MYSELF)",
        ),
        (
            bytearray(12) + b"\x88\xb5",
            "a",
            "WARNING",
            "Cannot route packet from a (MYSELF): unknown type 88b5",
        ),
        (
            ipv4(A, "192.168.9.9", b""),
            "d",
            "WARNING",
            "Cannot route packet from d ((null)):"
            " unknown IPv4 destination address 192.168.9.9",
        ),
        (
            ipv6(A6, "fd00:9::9", b""),
            "a",
            "WARNING",
            "Cannot route packet from a (MYSELF):"
            " unknown IPv6 destination address fd00:9:0:0:0:0:0:9",
        ),
        (ipv4(A, A, b""), "a", "WARNING", "Packet looping back to a (MYSELF)!"),
        (
            ipv4(B, C, b""),
            "b",
            "ERROR",
            "Routing loop for packet from b (10.99.1.2 port 655)!",
        ),
        (
            arp(B),
            "b",
            "WARNING",
            "Got ARP request from b (10.99.1.2 port 655) while in router mode!",
        ),
        (
            arp("192.168.9.7"),
            "a",
            "WARNING",
            "Cannot route packet: ARP request for unknown address 192.168.9.7",
        ),
        (
            ipv6(A6, B6, b"\x87" + bytes(23), protocol=58),
            "b",
            "WARNING",
            "Got neighbor solicitation request from b (10.99.1.2 port 655)"
            " while in router mode!",
        ),
        (
            ipv4(A, B, echo(1438)),
            "a",
            "INFO",
            "Packet for b (10.99.1.2 port 655) length 1472 larger than MTU 1451",
        ),
        (syn(A, B), "a", "INFO", "Clamping MSS of packet from a to b to 1397"),
    ],
)
def test_log(
    frame: bytearray,
    source: str,
    severity: str,
    text: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        route(bytearray(frame), source, change=path(1451))
    assert [(r.name, r.levelname, r.getMessage()) for r in caplog.records] == [
        ("tincd.traffic", severity, text)
    ]


def test_log_of_fragments(caplog: pytest.LogCaptureFixture) -> None:
    frame = ipv4(A, B, echo(1480), field=0)
    with caplog.at_level(logging.INFO):
        route(frame, change=path(1451))
        route(frame[:-1], change=path(1451))
    assert caplog.messages[1] == (
        "Fragmenting packet of 1514 bytes to b (10.99.1.2 port 655)"
    )
    assert caplog.messages[3] == (
        "Length of packet (1513) doesn't match length in IPv4 header (1514)"
    )
