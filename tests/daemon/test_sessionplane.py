"""Two daemons' parts for sessions, and what they do with what the rules ask for."""

from __future__ import annotations

import secrets
from typing import cast

import pytest

from tests.crypto.sptps.vectors import private
from tincd_compat.addresses import SocketAddress
from tincd_compat.config.current import CurrentSettings
from tincd_compat.config.settings import Settings
from tincd_compat.control import effects as fx
from tincd_compat.crypto.sptps import digits
from tincd_compat.crypto.sptps.edwards import VerifyingKey
from tincd_compat.crypto.sptps.keytext import public_text
from tincd_compat.crypto.sptps.records import SptpsRecord
from tincd_compat.crypto.suites import Suite
from tincd_compat.daemon.hosts import HostFiles
from tincd_compat.daemon.link import Link
from tincd_compat.daemon.policy import parameters_of
from tincd_compat.daemon.sessionplane import SessionPlane
from tincd_compat.errors import ConfigError
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.meta import messages
from tincd_compat.meta.messages import AnsKey, KeyForm, Message, ReqKey
from tincd_compat.options import PMTU_DISCOVERY, TCPONLY, with_minor
from tincd_compat.tunnel.tunnels import Tunnels

SUITE = Suite.configured("aes-256-cbc", "sha256", 4)
KEYS = {"alpha": private("a"), "bravo": private("b")}
PLACE = SocketAddress("192.0.2.7", 655)


class Files:
    """The host files of a node, as far as Ed25519 keys go."""

    def __init__(self, **keys: VerifyingKey) -> None:
        self.keys = keys
        self.reads = 0
        self.learned: list[tuple[str, str]] = []
        self.broken = False

    def ed25519(self, name: str) -> VerifyingKey | None:
        self.reads += 1
        if self.broken:
            raise ConfigError("the file is broken")
        return self.keys.get(name)

    def learn(self, name: str, text: str) -> None:
        self.learned.append((name, text))
        if self.broken:
            raise ConfigError("the file cannot be written")


class Line:
    """A link with the other node."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.limits: list[int] = []
        self.room = True

    def send(self, message: Message) -> None:
        self.lines.append(message.encode())

    def has_room(self, limit: int) -> bool:
        self.limits.append(limit)
        return self.room


class Half:
    """One of two daemons."""

    def __init__(self, name: str, peer: str, files: Files | None = None) -> None:
        self.now = 1000.0
        self.files = Files(**{peer: KEYS[peer].public}) if files is None else files
        settings = Settings(name=name)
        self.mesh = Mesh(name)
        self.mesh.myself.options = with_minor(PMTU_DISCOVERY, 4)
        self.node = self.mesh.get_or_add(peer)
        self.node.options = with_minor(PMTU_DISCOVERY, 4)
        self.node.reachable = self.node.has_sessions = True
        self.node.nexthop = self.node.via = self.node
        self.tunnels = Tunnels(parameters_of(settings, SUITE), secrets.token_bytes)
        self.searched: list[str] = []
        self.tunnels.attach(
            lambda _node: None, search=lambda node: self.searched.append(node.name)
        )
        self.plane = SessionPlane(
            self.mesh,
            KEYS[name],
            cast("HostFiles", self.files),
            self.tunnels,
            CurrentSettings(settings),
            lambda: self.now,
            lambda: 3600.0,
        )
        self.line = Line()
        self.routed: list[SptpsRecord] = []
        self.plane.route = lambda _node, record: self.routed.append(record)
        self.plane.link_towards = lambda _node: cast("Link", self.line)

    def hear(self, line: bytes) -> None:
        message, rules = messages.parse(line), self.plane.rules
        if isinstance(message, AnsKey):
            self.plane.perform(rules.answered(self.node, message, self.now))
        else:
            assert isinstance(message, ReqKey)
            self.plane.perform(rules.requested(self.node, message, self.now))


def two() -> tuple[Half, Half]:
    return Half("alpha", "bravo"), Half("bravo", "alpha")


def settle(one: Half, other: Half) -> None:
    while one.line.lines or other.line.lines:
        for source, target in ((one, other), (other, one)):
            if source.line.lines:
                target.hear(source.line.lines.pop(0))


def ready() -> tuple[Half, Half]:
    alpha, bravo = two()
    alpha.plane.want(alpha.node)
    settle(alpha, bravo)
    return alpha, bravo


def test_a_complete_session_is_what_tunnels_seal_with() -> None:
    alpha, bravo = ready()
    assert (alpha.searched, bravo.searched) == (["bravo"], ["alpha"])
    sealer = alpha.tunnels.of(alpha.node).outgoing
    opener = bravo.tunnels.of(bravo.node).session_opener
    assert sealer is not None
    assert opener is not None
    frame = bytes(12) + b"\x08\0E" + bytes(30)
    (datagram,) = sealer.seal_train([frame])
    assert [each.frame for each in opener.open_train([datagram[12:]])] == [frame]


def test_renewed_keys_are_those_of_the_same_ends() -> None:
    alpha, bravo = ready()
    sealer = alpha.tunnels.of(alpha.node).outgoing
    for half in (alpha, bravo):
        half.now += 3600
    assert list(alpha.plane.tick(alpha.now)) == [None]
    assert alpha.line.lines
    settle(alpha, bravo)
    assert alpha.tunnels.of(alpha.node).outgoing is sealer


def test_data_over_tcp_goes_both_ways() -> None:
    alpha, bravo = ready()
    session = alpha.plane.rules.of(alpha.node)
    assert session is not None
    datagram = session.seal(0, b"packet")
    assert alpha.plane.send_datagram(alpha.mesh.myself, alpha.node, datagram)
    text = digits.encode(datagram)
    said = ReqKey("alpha", "bravo", (), KeyForm.DATAGRAM, text).encode()
    assert alpha.line.lines == [said]
    settle(alpha, bravo)
    assert bravo.routed == [SptpsRecord(0, b"packet")]


def test_no_line_leaves_while_many_bytes_wait() -> None:
    alpha, _ = ready()
    alpha.line.room = False
    assert not alpha.plane.send_datagram(alpha.mesh.myself, alpha.node, b"packet")
    assert alpha.line.lines == []
    assert alpha.line.limits == [Settings(name="alpha").max_output_buffer_size]
    alpha.plane.link_towards = lambda _node: None
    assert not alpha.plane.send_datagram(alpha.mesh.myself, alpha.node, b"packet")
    alpha.plane.perform([fx.SendTowards(alpha.node, ReqKey("alpha", "bravo"))])
    assert alpha.line.lines == []


@pytest.mark.parametrize(("options", "begun"), [(0, True), (TCPONLY, False)])
def test_a_neighbour_with_tcponly_needs_no_session(options: int, begun: bool) -> None:
    alpha, _ = two()
    alpha.node.options |= options
    alpha.plane.want(alpha.node)
    assert bool(alpha.line.lines) is begun


def test_a_farther_node_needs_one_all_the_same() -> None:
    alpha, _ = two()
    alpha.node.options |= TCPONLY
    alpha.node.nexthop = Node("relay")
    alpha.plane.want(alpha.node)
    assert alpha.line.lines


def test_a_learned_key_is_kept() -> None:
    alpha, bravo = Half("alpha", "bravo", Files()), Half("bravo", "alpha")
    alpha.plane.want(alpha.node)
    settle(alpha, bravo)
    text = public_text(KEYS["bravo"].public)
    assert alpha.files.learned == [("bravo", text)]
    assert alpha.plane.rules.of(alpha.node) is not None


def test_a_key_that_cannot_be_kept_counts_until_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    alpha, _ = two()
    alpha.files.broken = True
    alpha.plane.perform([fx.KeyLearned(alpha.node, KEYS["bravo"].public)])
    assert caplog.messages == ["the file cannot be written"]
    alpha.plane.want(alpha.node)
    assert alpha.line.lines[0].startswith(b"15 alpha bravo 15 ")


def test_a_key_is_read_once_until_files_have_changed() -> None:
    alpha, _ = two()
    for _ in range(3):
        alpha.plane.want(alpha.node)
        alpha.now += 20
    assert alpha.files.reads == 1
    alpha.plane.hosts_changed()
    alpha.plane.want(alpha.node)
    assert alpha.files.reads == 2


def test_a_missing_or_broken_key_is_looked_for_again() -> None:
    """A link can bring one at any time, and an administrator mend the file."""
    alpha, _ = two()
    alpha.files.broken = True
    alpha.plane.want(alpha.node)
    assert alpha.line.lines == [b"15 alpha bravo 19"]
    alpha.files.broken = False
    alpha.plane.want(alpha.node)
    assert alpha.line.lines[1].startswith(b"15 alpha bravo 15 ")


@pytest.mark.parametrize("confirmed", [False, True])
def test_an_address_that_was_seen_counts_until_one_is_proved(confirmed: bool) -> None:
    alpha, _ = ready()
    alpha.tunnels.of(alpha.node).pmtu.minmtu = 500 if confirmed else 0
    alpha.plane.perform([fx.AddressSeen(alpha.node, PLACE.host, str(PLACE.port))])
    assert alpha.node.address == (None if confirmed else PLACE)
    alpha.plane.perform([fx.AddressSeen(alpha.node, "a.name", "655")])
    assert alpha.node.address == (None if confirmed else PLACE)


def test_what_does_not_open_begins_a_session_with_a_node_that_has_them() -> None:
    alpha, _ = two()
    alpha.node.has_sessions = False
    alpha.plane.unopened(alpha.node, 0, alpha.now)
    alpha.node.has_sessions, alpha.node.reachable = True, False
    alpha.plane.unopened(alpha.node, 0, alpha.now)
    assert alpha.line.lines == []
    alpha.node.reachable = True
    alpha.plane.unopened(alpha.node, 0, alpha.now)
    assert len(alpha.line.lines) == 1


def test_nodes_that_came_or_went_are_forgotten() -> None:
    alpha, _ = ready()
    alpha.plane.forget([alpha.node])
    assert alpha.plane.rules.of(alpha.node) is None
