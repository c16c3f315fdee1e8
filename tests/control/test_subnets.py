"""ADD_SUBNET and DEL_SUBNET, row by row of their tables; learned MAC addresses."""

from __future__ import annotations

import logging

import pytest

from tests.control.world import (
    NORMAL,
    PEER,
    STRICT,
    TUNNEL_SERVER,
    World,
    passed_on,
    subnet,
)
from tincd_compat import logs
from tincd_compat.control.context import GossipPolicy, Limits
from tincd_compat.control.effects import (
    Announce,
    Effect,
    Reply,
    SubnetDown,
    SubnetUp,
)
from tincd_compat.errors import PeerError
from tincd_compat.meta.messages import AddSubnet, DelSubnet

UP = "up"
DOWN = "down"
PASSED = "passed on"

# line, policy, effects in words or as they are, what the table gains or loses, log line
Change = tuple[str, str]
Row = tuple[
    str, GossipPolicy, list[str | Effect], Change | None, tuple[str, str] | None
]

ADD_SUBNET: dict[str, Row] = {
    "tunnel server: stranger": (
        "10 a other 10.9.0.0/24",
        TUNNEL_SERVER,
        [],
        None,
        ("protocol", "Ignoring indirect ADD_SUBNET from {peer} for 10.9.0.0/24"),
    ),
    "tunnel server: unknown": (
        "10 a nobody 10.9.0.0/24",
        TUNNEL_SERVER,
        [],
        None,
        ("protocol", "Ignoring indirect ADD_SUBNET from {peer} for 10.9.0.0/24"),
    ),
    "tunnel server: known": ("10 a peer 10.2.0.0/24", TUNNEL_SERVER, [], None, None),
    "known": ("10 a peer 10.2.0.0/24#10", NORMAL, [], None, None),
    "known, strict": ("10 a peer 10.2.0.0/24", STRICT, [], None, None),
    "known of ours": ("10 a alpha 10.1.0.0/24", NORMAL, [], None, None),
    "ours": (
        "10 a alpha 10.9.0.0/24",
        NORMAL,
        [Reply(DelSubnet(0x100, "alpha", subnet("10.9.0.0/24")))],
        None,
        ("protocol", "Got ADD_SUBNET from {peer} for ourself"),
    ),
    "ours, tunnel server": (
        "10 a alpha 10.9.0.0/24",
        TUNNEL_SERVER,
        [Reply(DelSubnet(0x100, "alpha", subnet("10.9.0.0/24")))],
        None,
        ("protocol", "Got ADD_SUBNET from {peer} for ourself"),
    ),
    "unauthorized, tunnel server": (
        "10 a peer 10.9.0.0/24",
        TUNNEL_SERVER,
        [],
        None,
        ("always", "Ignoring unauthorized ADD_SUBNET from {peer}: 10.9.0.0/24"),
    ),
    "unauthorized, strict": (
        "10 a peer 10.9.0.0/24",
        STRICT,
        [PASSED],
        None,
        ("always", "Ignoring unauthorized ADD_SUBNET from {peer}: 10.9.0.0/24"),
    ),
    "new": ("10 a far 10.9.0.0/24", NORMAL, [UP, PASSED], (UP, "10.9.0.0/24"), None),
    "new weight": (
        "10 a peer 10.2.0.0/24#9",
        NORMAL,
        [UP, PASSED],
        (UP, "10.2.0.0/24#9"),
        None,
    ),
    "host bits": (
        "10 a far 10.9.0.5/8",
        NORMAL,
        [UP, PASSED],
        (UP, "10.9.0.5/8"),
        None,
    ),
    "unreachable owner": (
        "10 a ghost 10.9.0.0/24",
        NORMAL,
        [PASSED],
        (UP, "10.9.0.0/24"),
        None,
    ),
    "unknown owner": (
        "10 a nobody fd00::/64",
        NORMAL,
        [PASSED],
        (UP, "fd00::/64"),
        None,
    ),
}

DEL_SUBNET: dict[str, Row] = {
    "tunnel server: stranger": (
        "11 a far 10.4.0.0/24",
        TUNNEL_SERVER,
        [],
        None,
        ("protocol", "Ignoring indirect DEL_SUBNET from {peer} for 10.4.0.0/24"),
    ),
    "tunnel server: unknown subnet of a stranger": (
        "11 a far 10.9.0.0/24",
        TUNNEL_SERVER,
        [],
        None,
        ("protocol", "Ignoring indirect DEL_SUBNET from {peer} for 10.9.0.0/24"),
    ),
    "unknown owner": (
        "11 a nobody 10.4.0.0/24",
        STRICT,
        [],
        None,
        (
            "protocol",
            "Got DEL_SUBNET from {peer} for nobody which is not in our node tree",
        ),
    ),
    "unknown subnet": (
        "11 a far 10.9.0.0/24",
        NORMAL,
        [],
        None,
        (
            "protocol",
            "Got DEL_SUBNET from {peer} for far"
            " which does not appear in his subnet tree",
        ),
    ),
    "unknown subnet, strict": (
        "11 a far 10.9.0.0/24",
        STRICT,
        [PASSED],
        None,
        (
            "protocol",
            "Got DEL_SUBNET from {peer} for far"
            " which does not appear in his subnet tree",
        ),
    ),
    "unknown subnet, tunnel server": (
        "11 a peer 10.9.0.0/24",
        TUNNEL_SERVER,
        [PASSED],
        None,
        (
            "protocol",
            "Got DEL_SUBNET from {peer} for peer"
            " which does not appear in his subnet tree",
        ),
    ),
    "unknown subnet of ours": (
        "11 a alpha 10.9.0.0/24",
        NORMAL,
        [],
        None,
        (
            "protocol",
            "Got DEL_SUBNET from {peer} for alpha"
            " which does not appear in his subnet tree",
        ),
    ),
    "ours": (
        "11 a alpha 10.1.0.0/24",
        NORMAL,
        [Reply(AddSubnet(0x100, "alpha", subnet("10.1.0.0/24")))],
        None,
        ("protocol", "Got DEL_SUBNET from {peer} for ourself"),
    ),
    "ours, tunnel server": (
        "11 a alpha 10.1.0.0/24",
        TUNNEL_SERVER,
        [Reply(AddSubnet(0x100, "alpha", subnet("10.1.0.0/24")))],
        None,
        ("protocol", "Got DEL_SUBNET from {peer} for ourself"),
    ),
    "known, tunnel server": ("11 a peer 10.2.0.0/24", TUNNEL_SERVER, [], None, None),
    "known, strict": ("11 a peer 10.2.0.0/24", STRICT, [PASSED], None, None),
    "known": (
        "11 a far 10.4.0.0/24",
        NORMAL,
        [PASSED, DOWN],
        (DOWN, "10.4.0.0/24"),
        None,
    ),
    "unreachable owner": (
        "11 a ghost 10.5.0.0/24 more",
        NORMAL,
        [PASSED],
        (DOWN, "10.5.0.0/24"),
        None,
    ),
}


def check(row: Row, caplog: pytest.LogCaptureFixture) -> None:
    line, policy, expected, change, log = row
    caplog.set_level(logging.WARNING)
    world = World(policy)
    before = world.subnets()
    effects = world.hear(line)
    owner, text = line.split()[2:4]
    words: dict[str, Effect] = {PASSED: passed_on(line.encode())}
    if owner in world.mesh.nodes:
        words[UP] = SubnetUp(world[owner], subnet(text))
        words[DOWN] = SubnetDown(world[owner], subnet(text))
    assert effects == [
        words[item] if isinstance(item, str) else item for item in expected
    ]
    changed = set() if change is None else {f"{owner} {subnet(change[1])}"}
    assert before ^ world.subnets() == changed
    assert change is None or (change[0] == UP) is (changed <= world.subnets())
    logged = [(record.name, record.getMessage()) for record in caplog.records]
    wanted = [] if log is None else [(getattr(logs, log[0]).name, log[1])]
    assert logged == [(name, text.replace("{peer}", PEER)) for name, text in wanted]
    assert world.hear(line, "other") == []


@pytest.mark.parametrize("row", ADD_SUBNET.values(), ids=ADD_SUBNET)
def test_add_subnet(row: Row, caplog: pytest.LogCaptureFixture) -> None:
    check(row, caplog)


@pytest.mark.parametrize("row", DEL_SUBNET.values(), ids=DEL_SUBNET)
def test_del_subnet(row: Row, caplog: pytest.LogCaptureFixture) -> None:
    check(row, caplog)


@pytest.mark.parametrize(
    "line",
    [
        "10 a no-name 10.0.0.0/8",
        "10 a peer 10.0.0.0/33",
        "10 a peer " + ":" * 1024,
        "10 a peer",
        "11 a ../x 10.0.0.0/8",
        "11 a peer 10.0.0/8",
    ],
)
def test_malformed_lines_end_the_connection(line: str) -> None:
    with pytest.raises(PeerError):
        World().hear(line)


def test_unknown_owner_is_remembered_even_if_unauthorized() -> None:
    world = World(STRICT)
    world.hear("10 a nobody 10.9.0.0/24")
    assert not world["nobody"].reachable


def test_limit_on_subnets(caplog: pytest.LogCaptureFixture) -> None:
    world = World(limits=Limits(subnets=5))
    assert world.hear("10 a far 10.9.0.0/24") != []
    for number in range(3):
        assert world.hear(f"10 {number} far 10.9.{number}.0/25") == []
    assert caplog.messages == [f"Ignoring new subnets from {PEER}, already knowing 5"]
    assert world.hear("11 b far 10.9.0.0/24") != []
    assert world.hear("10 c far 10.9.1.0/24") != []


def test_limit_on_owners() -> None:
    world = World(limits=Limits(nodes=5))
    assert world.hear("10 a nobody 10.9.0.0/24") == []
    assert "nobody" not in world.mesh.nodes


MAC = bytes([0, 0x1A, 0x2B, 0x3C, 0x4D, 0x5E])
LEARNED = subnet("0:1a:2b:3c:4d:5e")


def test_learned_mac_is_announced_and_expires(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World(GossipPolicy(mac_expire=600))
    alpha = world["alpha"]
    assert world.gossip.subnets.learn(MAC, 0) == [
        SubnetUp(alpha, LEARNED),
        Announce(AddSubnet(0x100, "alpha", LEARNED)),
    ]
    assert world.gossip.subnets.learn(MAC, 100) == []
    assert list(world.gossip.tick(699)) == []
    assert list(world.gossip.tick(700)) == [
        SubnetDown(alpha, LEARNED),
        Announce(DelSubnet(0x101, "alpha", LEARNED)),
    ]
    assert not world.mesh.subnets.has(alpha, LEARNED)
    assert caplog.messages == [
        "Learned new MAC address 0:1a:2b:3c:4d:5e",
        "Subnet 0:1a:2b:3c:4d:5e#10 expired",
    ]


def test_every_learned_mac_expires() -> None:
    """Also one that was heard of only once, and though others are learned later."""
    world = World(GossipPolicy(mac_expire=600))
    assert world.gossip.subnets.learn(MAC, 0) != []
    assert world.gossip.subnets.learn(bytes(6), 1) != []
    assert list(world.gossip.tick(599)) == []
    assert len(list(world.gossip.tick(600))) == 2
    assert len(list(world.gossip.tick(601))) == 2
    assert world.mesh.subnets.of(world["alpha"]) == [subnet("10.1.0.0/24")]


def test_learned_mac_that_moved_goes_at_the_next_tick() -> None:
    world = World()
    world.gossip.subnets.learn(MAC, 0)
    world.hear("10 a far 0:1a:2b:3c:4d:5e", now=3)
    assert world.mesh.subnets.has(world["alpha"], LEARNED)
    assert SubnetDown(world["alpha"], LEARNED) in list(world.gossip.tick(3))
    assert world.mesh.subnets.of(world["alpha"]) == [subnet("10.1.0.0/24")]


def test_configured_mac_is_not_learned() -> None:
    world = World()
    world.mesh.subnets.add(world["alpha"], subnet("0:1a:2b:3c:4d:5e#3"))
    assert world.gossip.subnets.learn(MAC, 0) == []
    assert list(world.gossip.tick(10_000)) == []


def test_learned_macs_are_limited(caplog: pytest.LogCaptureFixture) -> None:
    world = World(limits=Limits(subnets=5, own=2))
    assert world.gossip.subnets.learn(MAC, 0) != []
    assert world.gossip.subnets.learn(bytes(6), 0) == []
    assert world.gossip.subnets.learn(MAC, 1) == []
    assert caplog.messages == ["Too many subnets to learn MACs"]


def test_learned_macs_have_room_in_a_full_table() -> None:
    world = World(limits=Limits(subnets=4, own=3))
    assert world.gossip.subnets.learn(MAC, 0) != []
    assert world.gossip.subnets.learn(bytes(6), 0) != []
    assert world.gossip.subnets.learn(bytes(5) + b"\1", 0) == []


def test_no_owner_fills_the_table_alone(caplog: pytest.LogCaptureFixture) -> None:
    world = World(limits=Limits(of_one=3))
    assert world.hear("10 a far 10.9.0.0/24") != []
    assert world.hear("10 b far 10.9.1.0/24") != []
    assert world.hear("10 c far 10.9.2.0/24") == []
    assert world.hear("10 d peer 10.9.2.0/24") != []
    assert caplog.messages == [
        f"Ignoring new subnets of far from {PEER}, already knowing 3"
    ]


def test_long_names_fill_the_tables_sooner(caplog: pytest.LogCaptureFixture) -> None:
    world, long = World(limits=Limits(letters=120, own=3)), "x" * 40
    known = len("alphapeerfarghost") + sum(len(ends) - 1 for ends in world.edges())
    assert known + 40 < 120
    edge = f"12 a {long} far 10.0.0.1 655 c 1"
    for line in (f"10 b {long} 10.9.0.0/24", edge):
        assert world.hear(line) != []
    assert world.hear("10 c far 10.9.0.0/24") == []
    assert world.hear("12 d far ghost 10.0.0.1 655 c 1") == []
    assert caplog.messages == [
        f"Ignoring new subnets from {PEER}, already knowing 5",
        f"Ignoring new edges from {PEER}, already knowing 7",
    ]
    assert world.hear("10 e peer 10.9.0.0/24") != []
    assert world.hear(f"13 f {long} far") != []
    assert world.hear("10 a1 far 10.9.0.0/24") != []
    assert world.hear(f"12 a2 {long} far 10.0.0.1 655 c 1") != []
    assert world.hear("10 a3 far 10.9.1.0/24") == []


def test_a_neighbour_tells_of_itself_whatever_others_have_filled() -> None:
    world = World(limits=Limits(subnets=4, own=3))
    assert world.hear("10 a far 10.9.0.0/24") == []
    assert world.hear("10 b peer 10.9.0.0/24", "other") == []
    assert world.hear("10 c peer 10.9.1.0/24") != []
    assert world.hear("10 d peer 10.9.2.0/24") != []
    assert world.hear("10 e peer 10.9.3.0/24") == []


def test_reload_withdraws_and_announces() -> None:
    world = World(STRICT)
    configured = {
        "alpha": [subnet("10.1.0.0/24"), subnet("10.1.1.0/24")],
        "peer": [subnet("10.2.0.0/24#3")],
        "ghost": [subnet("10.5.0.0/24")],
        "new": [subnet("10.7.0.0/24")],
    }
    assert list(world.gossip.subnets.reload(configured)) == [
        Announce(DelSubnet(0x100, "peer", subnet("10.2.0.0/24"))),
        SubnetDown(world["peer"], subnet("10.2.0.0/24")),
        Announce(DelSubnet(0x101, "far", subnet("10.4.0.0/24"))),
        SubnetDown(world["far"], subnet("10.4.0.0/24")),
        Announce(AddSubnet(0x102, "alpha", subnet("10.1.1.0/24"))),
        SubnetUp(world["alpha"], subnet("10.1.1.0/24")),
        Announce(AddSubnet(0x103, "new", subnet("10.7.0.0/24"))),
        Announce(AddSubnet(0x104, "peer", subnet("10.2.0.0/24#3"))),
        SubnetUp(world["peer"], subnet("10.2.0.0/24#3")),
    ]


def test_reload_and_learned_macs() -> None:
    """A learned MAC survives a reload, and stays for good once it is configured."""
    world = World()
    world.gossip.subnets.learn(MAC, 0)
    configured = {name: world.mesh.subnets.of(world[name]) for name in world.mesh.nodes}
    configured["alpha"].remove(LEARNED)
    assert list(world.gossip.subnets.reload(configured)) == []
    configured["alpha"].append(LEARNED)
    assert list(world.gossip.subnets.reload(configured)) == []
    assert list(world.gossip.tick(10_000)) == []
    assert world.mesh.subnets.has(world["alpha"], LEARNED)


def test_reload_goes_by_owner_and_address() -> None:
    """A learned MAC stays for us alone, and whom no file names has nothing."""
    world = World()
    world.gossip.subnets.learn(MAC, 0)
    world.mesh.subnets.add(world["far"], LEARNED)
    withdrawn = [
        effect.message
        for effect in world.gossip.subnets.reload({})
        if isinstance(effect, Announce)
    ]
    assert world.subnets() == {f"alpha {LEARNED}"}
    assert all(isinstance(message, DelSubnet) for message in withdrawn)
    assert len(withdrawn) == 5


def test_reload_of_our_own_subnets() -> None:
    world = World()
    alpha = world["alpha"]
    world.gossip.subnets.learn(MAC, 0)
    others = {text for text in world.subnets() if not text.startswith("alpha")}
    wanted = [subnet("10.1.2.0/24"), subnet("10.1.1.0/24")]
    assert list(world.gossip.subnets.reload_own(wanted)) == [
        Announce(DelSubnet(0x101, "alpha", subnet("10.1.0.0/24"))),
        SubnetDown(alpha, subnet("10.1.0.0/24")),
        Announce(AddSubnet(0x102, "alpha", subnet("10.1.1.0/24"))),
        SubnetUp(alpha, subnet("10.1.1.0/24")),
        Announce(AddSubnet(0x103, "alpha", subnet("10.1.2.0/24"))),
        SubnetUp(alpha, subnet("10.1.2.0/24")),
    ]
    assert list(world.gossip.subnets.reload_own(wanted)) == []
    # What was learned becomes ours for good when it is configured.
    assert list(world.gossip.subnets.reload_own([*wanted, LEARNED])) == []
    assert list(world.gossip.tick(10_000)) == []
    assert world.subnets() == {
        *others,
        *(f"alpha {each}" for each in (*wanted, LEARNED)),
    }
