"""REQ_KEY and ANS_KEY: every rule about who gets which line; renewal of keys."""

from __future__ import annotations

import logging

import pytest

from tests.control.world import PEER, PLACES, small_mesh
from tincd_compat.control.context import Envelope
from tincd_compat.control.effects import (
    Announce,
    Effect,
    KeyReceived,
    KeyRequested,
    Relay,
    SendKey,
)
from tincd_compat.control.keyexchange import MAX_JITTER, KeyExchange
from tincd_compat.mesh import graph
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.meta import messages
from tincd_compat.meta.messages import MAX_LINE, AnsKey, KeyChanged, ReqKey
from tincd_compat.options import PMTU_DISCOVERY

KEY = "ABAB 427 672 4 0"


class Desk:
    """A key exchange in the small mesh; UDP is confirmed to the nodes named."""

    def __init__(
        self, *confirmed: str, tunnel_server: bool = False, opens: bool = True
    ) -> None:
        self.mesh: Mesh = small_mesh()
        self.exchange = KeyExchange(
            self.mesh,
            tunnel_server=tunnel_server,
            udp_confirmed=lambda node: node.name in confirmed,
            nonce=lambda: 0x77,
            key_expire=3600,
            now=1000,
            opens=opens,
        )

    def __getitem__(self, name: str) -> Node:
        return self.mesh.nodes[name]

    def hear(self, line: str, source: str = "peer") -> list[Effect]:
        raw = line.encode()
        message = messages.parse(raw)
        envelope = Envelope(raw, self[source], PEER, 0)
        if isinstance(message, AnsKey):
            return self.exchange.answer(message, envelope)
        assert isinstance(message, ReqKey)
        return self.exchange.request(message, envelope)


@pytest.mark.parametrize(
    ("line", "tunnel_server", "severity", "text"),
    [
        (
            "15 nobody alpha",
            False,
            logging.ERROR,
            "REQ_KEY from {} origin nobody which does not exist in our connection list",
        ),
        (
            "15 peer nobody",
            False,
            logging.ERROR,
            "REQ_KEY from {} destination nobody"
            " which does not exist in our connection list",
        ),
        (
            "15 ghost alpha",
            False,
            logging.WARNING,
            "REQ_KEY from {} origin ghost which is not reachable",
        ),
        (
            "15 ghost other",
            False,
            logging.WARNING,
            "REQ_KEY from {} origin ghost which is not reachable",
        ),
        (
            "15 peer ghost",
            False,
            logging.WARNING,
            "REQ_KEY from {} destination ghost which is not reachable",
        ),
        ("15 peer other", True, None, ""),
        ("15 alpha alpha", False, logging.WARNING, "REQ_KEY from {} from and to alpha"),
        (
            f"16 nobody alpha {KEY}",
            False,
            logging.ERROR,
            "ANS_KEY from {} origin nobody which does not exist in our connection list",
        ),
        (
            f"16 peer nobody {KEY}",
            False,
            logging.ERROR,
            "ANS_KEY from {} destination nobody"
            " which does not exist in our connection list",
        ),
        (
            f"16 peer ghost {KEY}",
            False,
            logging.WARNING,
            "ANS_KEY from {} destination ghost which is not reachable",
        ),
        (f"16 peer other {KEY}", True, None, ""),
        (
            f"16 alpha alpha {KEY}",
            False,
            logging.WARNING,
            "ANS_KEY from {} from and to alpha",
        ),
    ],
)
def test_ignored(
    line: str,
    tunnel_server: bool,
    severity: int | None,
    text: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert Desk(tunnel_server=tunnel_server).hear(line) == []
    expected = (
        [] if severity is None else [("tincd", severity, "Got " + text.format(PEER))]
    )
    assert caplog.record_tuples == expected


@pytest.mark.parametrize("tunnel_server", [False, True])
def test_request_for_our_key_is_answered(tunnel_server: bool) -> None:
    desk = Desk(tunnel_server=tunnel_server)
    for tokens, methods in (("", ()), (" 15 data compress:zstd", ("zstd",))):
        form, payload = (15, "data") if methods else (0, "")
        request = ReqKey("far", "alpha", methods, form, payload)
        found = desk.hear(f"15 far alpha{tokens}")
        assert found == [KeyRequested(desk["far"], request)]


@pytest.mark.parametrize("tunnel_server", [False, True])
def test_key_for_us_goes_to_the_tunnel(tunnel_server: bool) -> None:
    desk = Desk(tunnel_server=tunnel_server)
    line = f"16 far alpha {KEY} 192.0.2.1 99"
    message = AnsKey.parse(line.encode())
    assert desk.hear(line) == [KeyReceived(desk["far"], message)]


@pytest.mark.parametrize(
    "line", ["15 far other", "15 peer other 1.1 tokens \r", "15 other far"]
)
def test_requests_are_relayed_as_received(line: str) -> None:
    desk = Desk("other", "far")
    assert desk.hear(line) == [Relay(desk[line.split()[2]], line.encode())]


def test_relay_may_lead_back_to_the_sender() -> None:
    desk = Desk()
    assert desk.hear("15 peer far") == [Relay(desk["far"], b"15 peer far")]
    assert desk["far"].nexthop is desk["peer"]


def test_relayed_key_gets_the_address_seen_here(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    desk = Desk("other")
    caplog.clear()
    line = f"16 peer other {KEY}"
    longer = f"{line} 10.99.0.2 7001".encode()
    assert desk.hear(f"{line} \r") == [Relay(desk["other"], longer)]
    assert caplog.record_tuples == [
        (
            "tincd.protocol",
            logging.DEBUG,
            "Appending reflexive UDP address to ANS_KEY from peer to other",
        )
    ]


@pytest.mark.parametrize(
    ("confirmed", "line"),
    [
        ("peer", f"16 peer other {KEY}"),
        ("other", f"16 peer other {KEY} 192.0.2.1 99"),
        ("other", f"16 peer other {KEY} 192.0.2.1"),
        ("other", f"16 ghost other {KEY}"),
        ("other", "16 peer other " + "A" * 2048 + " " + "9" * 90 + " 672 4 0"),
    ],
    ids=["not confirmed", "has one", "has junk", "not known", "too long"],
)
def test_relayed_key_is_left_alone(confirmed: str, line: str) -> None:
    desk = Desk(confirmed)
    assert len(line) < MAX_LINE
    assert desk.hear(line) == [Relay(desk["other"], line.encode())]


def test_keys_are_renewed_after_key_expire(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    desk = Desk()
    assert desk.exchange.tick(4599) == []
    assert desk.exchange.tick(4600) == [
        Announce(KeyChanged(0x77, "alpha")),
        SendKey(desk["other"]),
        SendKey(desk["peer"]),
    ]
    assert caplog.record_tuples == [
        ("tincd.status", logging.INFO, "Expiring symmetric keys")
    ]
    assert desk.exchange.tick(4605) == []
    assert desk.exchange.expires_at == 8200


def test_keys_are_renewed_on_demand() -> None:
    desk = Desk()
    desk.exchange.expire_now(1200)
    assert desk.exchange.tick(1199) == []
    assert len(desk.exchange.tick(1205)) == 3
    desk.exchange.expire_now(9000)
    assert desk.exchange.expires_at == 4805


def test_nodes_that_start_together_do_not_renew_their_keys_together() -> None:
    """Each lifetime is drawn anew; it is never longer than KeyExpire."""
    draws = iter((0.0, 1.0, 0.5))
    exchange = KeyExchange(
        small_mesh(),
        tunnel_server=False,
        udp_confirmed=lambda _: False,
        nonce=lambda: 0x77,
        key_expire=3600,
        now=1000,
        jitter=lambda: next(draws),
    )
    lifetimes = [exchange.expires_at - 1000]
    for now in (5000, 9000):
        exchange.renew(now)
        lifetimes.append(exchange.expires_at - now)
    shortest = 3600 * (1 - MAX_JITTER)
    assert lifetimes == [3600, shortest, (3600 + shortest) / 2]


def test_neighbours_that_are_not_reachable_get_no_key() -> None:
    desk = Desk()
    desk.mesh.remove_edge(desk["peer"].edges["alpha"])
    graph.run(desk.mesh)
    assert desk.exchange.renew(2000) == [
        Announce(KeyChanged(0x77, "alpha")),
        SendKey(desk["other"]),
    ]


@pytest.mark.parametrize(
    ("opens", "options", "given"),
    [
        (True, 0, ["peer", "other", "far"]),
        (False, PMTU_DISCOVERY, ["peer", "other", "far"]),
        # A farther node may come over the neighbour that uses UDP untried.
        (False, 0, ["other"]),
    ],
)
def test_what_cannot_be_opened_is_sealed_by_nobody_who_would_use_udp_untried(
    opens: bool, options: int, given: list[str]
) -> None:
    desk = Desk(opens=opens)
    ends = desk["peer"], desk["alpha"]
    desk.mesh.add_edge(*ends, PLACES["alpha"], options, 5)
    names = ["peer", "other", "far"]
    assert [name for name in names if desk.exchange.gives_key(desk[name])] == given


def test_an_edge_that_is_not_there_says_nothing() -> None:
    desk = Desk(opens=False)
    desk.mesh.remove_edge(desk["peer"].edges["alpha"])
    assert desk.exchange.gives_key(desk["far"])
