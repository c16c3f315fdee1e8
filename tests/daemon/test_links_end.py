"""How meta connections end: lost, given up, bounded, or by a reload."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections import Counter
from collections.abc import Callable

import pytest

from tests.daemon.fakes import ASKED, FakeFiles, Remote, World, link_of
from tests.transport.fakes import FakeLoop, oserror
from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.config.hosts import HostSettings
from tincd_compat.daemon import links
from tincd_compat.daemon.hostnames import HostNames
from tincd_compat.daemon.link import Link
from tincd_compat.errors import ConfigError, PeerError
from tincd_compat.mesh.node import Node
from tincd_compat.meta.connection import PeerIdentity, Status
from tincd_compat.meta.events import KeysExchanged
from tincd_compat.observe.words import LinkEnd
from tincd_compat.options import TCPONLY
from tincd_compat.transport.tcp import TARPIT_SLOTS

# The end.


def lose_by_eof(remote: Remote) -> None:
    remote.hang_up()


def lose_by_nonsense(remote: Remote) -> None:
    remote.sock.incoming.append(b"nonsense\n" * 300)
    remote.world.loop.readable(remote.sock.descriptor)


def lose_by_reset(remote: Remote) -> None:
    remote.sock.incoming.append(oserror(104))
    remote.world.loop.readable(remote.sock.descriptor)


def lose_by_silence(remote: Remote) -> None:
    remote.world.loop.advance(60 + 5)


WAYS_TO_GO = [lose_by_eof, lose_by_nonsense, lose_by_reset, lose_by_silence]
REASONS = [LinkEnd.CLOSED, LinkEnd.PROTOCOL, LinkEnd.RESET, LinkEnd.PING_TIMEOUT]


def ends(world: World) -> list[str]:
    """Return the names of peers and the reasons for which their links end from now."""
    found: list[str] = []

    def ended(link: Link) -> None:
        assert link.end is not None
        assert link.end.text
        found.append(f"{link.connection.name}: {link.end.reason}")

    world.links.ended = ended
    return found


@pytest.mark.parametrize(
    ("lose", "reason"), list(zip(WAYS_TO_GO, REASONS, strict=True))
)
def test_a_link_ends_for_a_reason(
    world: World, peer: Remote, lose: Callable[[Remote], None], reason: LinkEnd
) -> None:
    found = ends(world)
    lose(peer)
    assert found == [f"peer: {reason}"]
    assert not world.links.failed_callers


def test_a_link_begins_when_it_is_active(world: World) -> None:
    found: list[str] = []
    world.links.began = lambda link: found.append(str(link.active))
    world.connect("peer")
    assert found == ["True"]


def test_a_second_connection_replaces_the_first(world: World, peer: Remote) -> None:
    found = ends(world)
    world.connect("peer")
    assert found == ["peer: replaced"]


def test_callers_that_fail_are_counted_by_reason(world: World) -> None:
    found = ends(world)
    world.call_in("far").hang_up()
    stranger = world.call_in("far")
    stranger.sock.incoming.append(b"nonsense\n")
    world.loop.readable(stranger.sock.descriptor)
    stranger = world.call_in("far")
    stranger.sock.incoming.append(b"0 nobody 17\n")
    world.loop.readable(stranger.sock.descriptor)
    stranger = world.call_in("far")
    stranger.sock.incoming.append(b"0 peer 18\n")
    world.loop.readable(stranger.sock.descriptor)
    assert [line.split(": ")[1] for line in found] == [
        *("closed", "protocol", "identity", "incompatible")
    ]
    assert world.links.failed_callers == Counter(
        {LinkEnd(line.split(": ")[1]): 1 for line in found}
    )


def test_the_stop_ends_all(world: World, peer: Remote) -> None:
    found = ends(world)
    world.links.close()
    assert found == ["peer: stop"]


@pytest.mark.parametrize("lose", WAYS_TO_GO)
def test_active_links_are_closed_and_reported(
    world: World, peer: Remote, lose: Callable[[Remote], None]
) -> None:
    other = world.connect("other")
    link = link_of(world, "peer")
    lose(peer)
    assert (peer.sock.closed, len(world.tarpit)) == (True, 0)
    assert link.ended.is_set()
    assert world.links.link_to("peer") is None
    if lose is not lose_by_silence:
        assert other.take()[-2:] == ["13 us peer", "13 peer us"]


@pytest.mark.parametrize("lose", WAYS_TO_GO)
def test_strangers_are_left_in_silence(
    world: World, peer: Remote, lose: Callable[[Remote], None]
) -> None:
    stranger = world.call_in("other")
    lose(stranger)
    assert (stranger.sock.closed, len(world.tarpit)) == (False, 1)
    assert stranger.link.ended.is_set()
    assert stranger.link not in list(world.links)
    assert stranger.sock.descriptor not in world.loop.readers


def test_the_tarpit_is_bounded(world: World) -> None:
    strangers = [world.call_in("other") for _ in range(TARPIT_SLOTS + 1)]
    for stranger in strangers:
        stranger.hang_up()
    assert [stranger.sock.closed for stranger in strangers] == [
        True,
        *[False] * TARPIT_SLOTS,
    ]


def test_callers_in_the_handshake_are_bounded(
    world: World, peer: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "MAX_STRANGERS", 3)
    dialled, _ = world.dial("far")
    strangers = [world.call_in("other") for _ in range(4)]
    assert [stranger.link.ended.is_set() for stranger in strangers] == [
        *(True, False, False, False)
    ]
    assert not dialled.link.ended.is_set()
    assert not peer.link.ended.is_set()


def test_ending_twice_is_ending_once(world: World, peer: Remote) -> None:
    world.connect("other")
    link = link_of(world, "peer")
    world.links.terminate(link, ASKED, report=True)
    log = world.take_log()
    world.links.terminate(link, ASKED, report=True)
    assert (len(log), world.take_log()) == (2, [])


def test_the_last_link_that_goes_cleans_up(world: World, peer: Remote) -> None:
    peer.hang_up()
    assert set(world.mesh.nodes) == {"us"}


def test_closing_tells_nobody(world: World, peer: Remote, other: Remote) -> None:
    stranger = world.call_in("far")
    world.links.close()
    assert peer.sock.closed
    assert other.sock.closed
    assert stranger.sock.closed
    assert not peer.sock.sent
    assert [line for line in world.take_log() if "host-" in line] == [
        "host-down peer 10.0.0.2 port 655",
        "host-down other 10.0.0.3 port 655",
    ]
    assert list(world.links) == []


def test_closing_leaves_nothing_to_be_waited_for(
    loop: FakeLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[str] = []

    async def name_of(address: SocketAddress) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            left.append(address.host)
        return ""

    monkeypatch.setattr(links, "HostNames", lambda: HostNames(name_of))
    world = World(loop, hostnames=True)
    for name in ("peer", "other"):
        loop.call(world.call_in, name).shake_to_decryption()
    loop.call(world.links.close)
    assert sorted(left) == ["10.0.0.2", "10.0.0.3"]
    # The thread does what it has begun with, and nothing after it.
    assert len(loop.work) == 1
    loop.finish_work()
    assert loop.work == []


@pytest.mark.parametrize("runs", [0, 1, 2])
def test_closing_many_links_runs_the_graph_a_few_times(
    world: World,
    peer: Remote,
    other: Remote,
    runs: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(links, "STOP_RUNS", runs)
    before = world.control.runs.count
    world.take_log()
    world.links.close()
    assert world.control.runs.count == before + min(runs + 1, 2)
    downs = [line for line in world.take_log() if line.startswith("host-down")]
    assert [line.split()[1] for line in downs] == ["peer", "other"]


def test_nothing_is_left_of_a_link(world: World) -> None:
    # Captured log records would hold it.
    for logger in logs.THRESHOLDS:
        logger.setLevel(logging.CRITICAL)
    peer = world.connect("peer")
    world.connect("other")
    link = weakref.ref(peer.link)
    gc.disable()
    try:
        peer.hang_up()
        del peer
        assert link() is None
    finally:
        gc.enable()


def test_nothing_is_left_of_a_node(world: World) -> None:
    """Whether it goes before it has told all that it knows or after that."""
    for logger in logs.THRESHOLDS:
        logger.setLevel(logging.CRITICAL)
    early, late = world.call_in("peer"), world.connect("other")
    early.shake_hands()
    numbers = {id(world["peer"]), id(world["other"])}
    assert nodes_in_memory() >= numbers
    early.hang_up()
    late.hang_up()
    del early, late
    assert not nodes_in_memory() & numbers


def nodes_in_memory() -> set[int]:
    gc.collect()
    return {id(each) for each in gc.get_objects() if type(each) is Node}


# Reload.


def test_a_reload_keeps_what_is_unchanged(world: World, peer: Remote) -> None:
    dialled, outgoing = world.dial("other")
    dialled.shake_hands()
    list(world.links.recheck_hosts())
    assert len(world.links.active()) == 2
    assert dialled.link.outgoing is None
    assert outgoing.name == "other"


@pytest.mark.parametrize("change", ["changed", "removed"])
def test_a_reload_ends_what_changed(
    world: World, peer: Remote, other: Remote, change: str
) -> None:
    if change == "changed":
        world.files.hosts["peer"] = HostSettings(weight=11)
    else:
        del world.files.hosts["peer"]
    list(world.links.recheck_hosts())
    assert peer.sock.closed
    assert link_of(world, "other").active
    assert other.take() == ["13 us peer", "13 peer us"]


def test_a_reload_ends_who_has_not_said_a_name(world: World, peer: Remote) -> None:
    stranger = world.call_in("other")
    dialled, _ = world.dial("far")
    list(world.links.recheck_hosts())
    assert stranger.link.ended.is_set()
    assert dialled.link.ended.is_set()
    assert not peer.sock.closed


def test_without_security_no_file_is_read(loop: FakeLoop) -> None:
    world = World(loop, bypass_security=True)
    world.files.hosts.clear()
    peer = world.connect("peer")
    assert world.files.reads == []
    assert peer.link.connection.status_word() == Status.ACTIVE


def test_without_security_whom_we_call_needs_no_key(
    loop: FakeLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_key(*_: object) -> PeerIdentity:
        raise PeerError("No public key for {peer}")

    monkeypatch.setattr(FakeFiles, "identity", no_key)
    world = World(loop, bypass_security=True)
    world.files.hosts["peer"] = HostSettings(weight=30, tcp_only=True)
    peer, _ = world.dial("peer")
    peer.shake_hands()
    (edge,) = world.mesh.myself.edges.values()
    # What else the file says counts; the peer's weight is 0.
    assert (edge.weight, bool(edge.options & TCPONLY)) == (15, True)


@pytest.mark.parametrize("key", ["k" * 43, None])
@pytest.mark.parametrize("writable", [True, False])
def test_an_exchange_of_keys_ends_a_link_and_no_stranger_is_blamed(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    key: str | None,
    writable: bool,
) -> None:
    learned: list[tuple[str, str]] = []

    def learn(name: str, digits: str) -> None:
        learned.append((name, digits))
        if not writable:
            raise ConfigError("Could not add the Ed25519 key")

    monkeypatch.setattr(world.files, "learn", learn)
    found = ends(world)
    remote = world.call_in("far")
    [link] = world.links
    world.loop.call(lambda: world.links._handle(link, KeysExchanged(key)))
    name = link.connection.name
    assert learned == ([] if key is None else [(name, key)])
    assert found == [f"{name}: upgraded"]
    # Its socket is closed, and held in no tarpit.
    assert remote.sock.closed
    failed = [line for line in caplog.messages if "Could not add" in line]
    assert len(failed) == (key is not None and not writable)
