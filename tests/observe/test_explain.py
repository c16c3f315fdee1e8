"""Explanations: each staged fault is named, with a command and what came before."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.observe.made import KEY, NO_ANSWER, NOW, PMTU, SUITE, UDP, World
from tests.observe.schemas import validator
from tincd_compat import options
from tincd_compat.mesh import graph
from tincd_compat.modes import Mode
from tincd_compat.observe import tables
from tincd_compat.observe.answers import Explanation
from tincd_compat.observe.explain import explain
from tincd_compat.observe.records import Address
from tincd_compat.observe.remedies import Subject, command
from tincd_compat.observe.tables import LONGEST_WAY
from tincd_compat.observe.times import Time
from tincd_compat.observe.views import RefusedSubnet, TunnelView
from tincd_compat.observe.words import (
    Cause,
    CheckName,
    CheckResult,
    DialResult,
    EventKind,
    LinkEnd,
    PathKind,
    PathOption,
    ProbePhase,
    Unreachable,
)


def chain() -> World:
    """Return alpha, whose ConnectTo is bravo, and charlie behind that; all sound."""
    world = World("alpha-bravo", "bravo-charlie")
    world.all_by_udp()
    world.want("bravo")
    world.own_subnets("bravo", "10.0.2.0/24")
    world.own_subnets("charlie", "10.0.3.0/24")
    world.look()
    return world


def ask(world: World, to: str) -> Explanation:
    work = explain(world.views(), to)
    while True:
        try:
            next(work)
        except StopIteration as over:
            found: Explanation = over.value
            value = json.loads(json.dumps(found.to_json()))
            validator("explanation").validate(value)
            assert Explanation.from_json(value).to_json() == value
            return found


def verdicts(explanation: Explanation) -> dict[CheckName, CheckResult]:
    return {check.check: check.result for check in explanation.checks}


def cause(world: World, to: str) -> Cause | None:
    found = ask(world, to).cause
    return None if found is None else found.cause


def test_nothing_is_wrong_with_a_sound_mesh() -> None:
    world = chain()
    found = ask(world, "10.0.3.17")
    assert found.cause is None
    assert found.command is None
    assert set(verdicts(found).values()) == {CheckResult.OK}
    assert [*verdicts(found)] == [*CheckName][2:]
    assert (found.node, found.subnet) == ("charlie", "10.0.3.0/24#10")
    assert (found.path, found.way, found.weight) == (
        *(PathKind.UDP, ("alpha", "bravo", "charlie")),
        20,
    )
    assert found.rtt == 0.0118
    assert len(found.events) == 3
    assert found.fallback is not None
    assert found.fallback.nexthop is None


# Eleven staged faults, and who is asked about.  The command finds the twelfth, a route
# of the kernel that is missing.


def test_a_way_longer_than_any_mesh_has_is_not_told_in_one_piece() -> None:
    names = ["alpha", *(f"n{number:03}" for number in range(LONGEST_WAY + 1))]
    world = World(*(f"{one}-{other}" for one, other in pairwise(names)))
    found = ask(world, names[-2])
    assert (len(found.way), found.weight) == (LONGEST_WAY + 1, LONGEST_WAY * 10)
    found = ask(world, names[-1])
    assert (found.way, found.weight) == ((), None)
    [route] = (check for check in found.checks if check.check is CheckName.ROUTE)
    assert route.text == f"over more than {LONGEST_WAY} links"
    last = [*tables.nodes(world.views(), names[-1])]
    assert [(n.distance, n.weight, n.reachable) for n in last] == [(None, None, True)]


def udp_lost_one_way(world: World) -> str:
    world.tunnels["bravo"] = replace(NO_ANSWER, last_packet=Time(NOW - 2))
    return "10.0.2.9"


def udp_lost_both_ways(world: World) -> str:
    world.tunnels["bravo"] = NO_ANSWER
    return "10.0.2.9"


def black_hole(world: World) -> str:
    world.tunnels["bravo"] = replace(UDP, min_mtu=1000, max_mtu=1000)
    world.look(60)
    return "bravo"


def lose(world: World, **goal: object) -> None:
    world.part("alpha", "bravo")
    world.search()
    world.connect_to.clear()
    world.want("bravo", **goal)


def wrong_key(world: World) -> str:
    lose(world, last=DialResult.WRONG_KEY)
    return "bravo"


def port_closed(world: World) -> str:
    address = Address(host="203.0.113.4", port=655)
    lose(world, last=DialResult.REFUSED, address=address)
    return "10.0.2.9"


def no_name(world: World) -> str:
    address = Address(host="bravo.example.org", port=655)
    lose(world, last=DialResult.NAME, address=address)
    return "bravo"


def strict(world: World) -> str:
    world.own = replace(world.own, strict_subnets=True)
    subnet, by = "10.9.0.0/16#10", "StrictSubnets"
    world.refused.append(
        RefusedSubnet(owner="charlie", subnet=subnet, by=by, since=NOW)
    )
    return "10.9.1.1"


def duplicate(world: World) -> str:
    world.own_subnets("charlie", "10.0.2.0/24")
    return "10.0.2.9"


def tcponly_there(world: World) -> str:
    world.part("alpha", "bravo")
    world.join("alpha", "bravo", bits=PMTU | options.TCPONLY)
    world.links["bravo"] = world.link("bravo", own_options=(PathOption.PMTU_DISCOVERY,))
    world.search()
    return "bravo"


def hub_killed(world: World) -> str:
    address = Address(host="203.0.113.4", port=655)
    lose(world, last=DialResult.REFUSED, address=address)
    return "10.0.3.17"


def plaintext(world: World) -> str:
    world.tunnels["bravo"] = replace(UDP, key=replace(KEY, cipher="none"))
    return "bravo"


FAULTS: list[tuple[Callable[[World], str], Cause, CheckName, str]] = [
    (
        *(udp_lost_one_way, Cause.UDP_LOST_OUTWARD, CheckName.PROBES),
        "tcpdump -ni any 'udp port 655 and host 198.51.100.38'",
    ),
    (
        *(udp_lost_both_ways, Cause.UDP_LOST, CheckName.PROBES),
        "tcpdump -ni any 'udp port 655 and host 198.51.100.38'",
    ),
    (
        *(black_hole, Cause.MTU_BLACK_HOLE, CheckName.MTU),
        "ping -c 3 -M do -s 1472 198.51.100.38",
    ),
    (
        *(wrong_key, Cause.WRONG_KEY, CheckName.REACHABLE),
        "sed -n '/-----BEGIN/,/-----END/p' /etc/tinc/hosts/bravo",
    ),
    (
        *(port_closed, Cause.PORT_CLOSED, CheckName.REACHABLE),
        "nc -vz 203.0.113.4 655",
    ),
    (
        *(no_name, Cause.NAME_UNRESOLVED, CheckName.REACHABLE),
        "getent hosts bravo.example.org",
    ),
    (
        *(strict, Cause.SUBNET_REFUSED, CheckName.POLICY),
        "grep -ni '^ *subnet' /etc/tinc/hosts/charlie",
    ),
    (
        *(duplicate, Cause.DUPLICATE_SUBNET, CheckName.OWNER),
        r"grep -rniE '^ *(Subnet)\b' /etc/tinc",
    ),
    (
        *(tcponly_there, Cause.TCPONLY_THERE, CheckName.OPTIONS),
        r"grep -rniE '^ *(TCPOnly|IndirectData)\b' /etc/tinc",
    ),
    (
        *(hub_killed, Cause.HUB_LOST, CheckName.REACHABLE),
        "tincd-compat -n vpn explain bravo",
    ),
    (
        *(plaintext, Cause.PLAINTEXT, CheckName.KEY),
        r"grep -rniE '^ *(Cipher|Digest|MACLength)\b' /etc/tinc",
    ),
]


@pytest.mark.parametrize(
    ("stage", "named", "check", "remedy"),
    FAULTS,
    ids=[stage.__name__ for stage, *_ in FAULTS],
)
def test_the_staged_fault_is_named(
    stage: Callable[[World], str], named: Cause, check: CheckName, remedy: str
) -> None:
    world = chain()
    found = ask(world, stage(world))
    assert found.cause is not None
    assert (found.cause.cause, found.cause.check) == (named, check)
    assert found.command == remedy
    assert found.events
    first = next(c for c in found.checks if c.result is CheckResult.HERE)
    assert first.text == found.cause.text


def test_every_cause_that_a_daemon_can_find_has_a_command() -> None:
    subject = Subject(net="vpn", folder="/etc/tinc/vpn", node="bravo", other="hub")
    for found in set(Cause) - {Cause.KERNEL_ROUTE, Cause.DEVICE_DOWN}:
        assert command(found, subject)


# Other questions.


def test_a_text_that_is_neither_is_refused() -> None:
    with pytest.raises(ValueError, match="neither a node nor an address"):
        ask(chain(), "a b")


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (DialResult.REFUSED, Cause.PORT_CLOSED),
        (DialResult.NAME, Cause.NAME_UNRESOLVED),
        (DialResult.WRONG_KEY, Cause.WRONG_KEY),
        (None, Cause.NOT_CONNECTED),
    ],
)
def test_a_connect_to_that_never_came_up_is_no_unknown_node(
    result: DialResult | None, expected: Cause
) -> None:
    world = chain()
    address = Address(host="203.0.113.4", port=655)
    world.want("never", last=result, address=address)
    found = ask(world, "never")
    assert found.cause is not None
    assert found.cause.cause is expected
    assert found.cause.check is CheckName.REACHABLE
    assert "never" in found.cause.text
    assert found.command is not None
    assert "?" not in found.command


def test_a_node_that_was_forgotten_was_behind_another() -> None:
    world = chain()
    world.events.add(
        Time(NOW), EventKind.UNREACHABLE, "gone", Unreachable.CUT_OFF, by="hub"
    )
    found = ask(world, "gone")
    assert found.cause is not None
    assert found.cause.cause is Cause.HUB_LOST
    assert found.command == "tincd-compat -n vpn explain hub"
    # Who has come back is not to blame.
    world.events.add(
        Time(NOW), EventKind.UNREACHABLE, "gone", Unreachable.CUT_OFF, by="bravo"
    )
    assert cause(world, "gone") is Cause.NO_SUCH_NODE


def test_an_unknown_node_and_an_address_of_nobody() -> None:
    world = chain()
    assert cause(world, "nobody") is Cause.NO_SUCH_NODE
    assert cause(world, "192.0.2.77") is Cause.NO_SUBNET
    assert ask(world, "192.0.2.77").node is None


def test_this_node_is_explained() -> None:
    world = chain()
    found = ask(world, "alpha")
    assert (found.path, found.cause, found.fallback) == (PathKind.SELF, None, None)


def test_in_switch_mode_an_ip_address_says_nothing() -> None:
    world = chain()
    world.own = replace(world.own, mode=Mode.SWITCH)
    world.own_subnets("charlie", "0:1a:2b:3c:4d:5e")
    found = ask(world, "10.0.3.17")
    assert (found.node, found.cause) == (None, None)
    assert ask(world, "0:1a:2b:3c:4d:5e").node == "charlie"


def test_a_node_that_loses_its_subnet_is_told_to_whom() -> None:
    world = chain()
    duplicate(world)
    assert cause(world, "charlie") is Cause.DUPLICATE_SUBNET
    assert "bravo gets all packets" in ask(world, "charlie").cause.text  # type: ignore[union-attr]
    assert cause(world, "bravo") is None


def test_who_asks_for_a_node_hears_of_the_path_before_its_subnets() -> None:
    world = chain()
    duplicate(world)
    world.tunnels["charlie"] = replace(NO_ANSWER, probes_sent=30)
    assert cause(world, "charlie") is Cause.UDP_LOST
    found = verdicts(ask(world, "charlie"))
    assert found[CheckName.OWNER] is CheckResult.HERE
    assert [*found].index(CheckName.PROBES) < [*found].index(CheckName.OWNER)


def test_another_weight_is_a_reserve_and_no_duplicate() -> None:
    world = chain()
    world.own_subnets("charlie", "10.0.2.0/24#20")
    assert cause(world, "10.0.2.9") is None
    assert cause(world, "charlie") is None


def test_a_shorter_prefix_counts_less_than_what_is_kept_out() -> None:
    world = chain()
    strict(world)
    world.own_subnets("bravo", "0.0.0.0/0")
    found = ask(world, "10.9.1.1")
    assert (found.node, cause(world, "10.9.1.1")) == ("charlie", Cause.SUBNET_REFUSED)
    assert ask(world, "10.10.1.1").node == "bravo"


def test_a_ring_has_a_way_around() -> None:
    world = World("alpha-bravo", "bravo-charlie", "alpha-charlie")
    world.all_by_udp()
    found = ask(world, "charlie").fallback
    assert found is not None
    assert (found.without, found.nexthop) == (("alpha", "charlie"), "bravo")
    assert (found.weight, found.distance) == (20, 2)


def test_tcponly_here() -> None:
    world = chain()
    world.own = replace(world.own, options=PMTU | options.TCPONLY)
    assert cause(world, "bravo") is Cause.TCPONLY_HERE


def test_a_node_that_is_indirect() -> None:
    world = World("alpha-bravo")
    world.join("bravo", "charlie", bits=PMTU | options.INDIRECT)
    world.search()
    world.all_by_udp()
    found = ask(world, "charlie")
    assert found.cause is not None
    assert found.cause.cause is Cause.INDIRECT_THERE
    assert (found.path, found.via) == (PathKind.RELAY_UDP, "bravo")


def test_keys() -> None:
    world = chain()
    world.tunnels["bravo"] = TunnelView(valid_key=False, requested=Time(NOW - 40))
    found = ask(world, "bravo")
    assert found.cause is not None
    assert found.cause.cause is Cause.NO_KEY
    assert found.cause.text == "bravo has given us no key, we have asked 40 s ago"
    unusable = replace(UDP, valid_key=False, unusable="aes-256-ctr cannot")
    world.tunnels["bravo"] = unusable
    assert cause(world, "bravo") is Cause.UNUSABLE_KEY
    world.tunnels["bravo"] = replace(unusable, key=replace(KEY, mac_length=0))
    found = ask(world, "bravo")
    assert found.cause is not None
    assert (found.cause.cause, found.path) == (Cause.PLAINTEXT, PathKind.TCP)


def test_nothing_is_wrong_with_an_idle_node() -> None:
    world = chain()
    del world.tunnels["charlie"]
    found = ask(world, "charlie")
    assert (found.cause, found.path) == (None, None)
    assert verdicts(found)[CheckName.KEY] is CheckResult.SKIPPED


def test_a_search_that_has_just_begun_is_no_fault() -> None:
    world = chain()
    begun = replace(NO_ANSWER, phase=ProbePhase.SEARCH, probes_sent=3)
    world.tunnels["bravo"] = replace(begun, last_packet=NOW)
    assert cause(world, "bravo") is None


def test_an_address_that_is_not_known() -> None:
    world = chain()
    world.mesh.set_address(world.node("bravo"), None)
    assert cause(world, "bravo") is Cause.NO_ADDRESS


def test_a_link_that_is_stuck() -> None:
    world = chain()
    world.links["bravo"] = world.link("bravo", queued=70_000)
    assert cause(world, "bravo") is Cause.QUEUE_FULL


def test_a_caller_with_another_key() -> None:
    world = chain()
    world.part("alpha", "bravo")
    world.search()
    world.connect_to.clear()
    about = NOW, EventKind.LINK_DOWN, "bravo", LinkEnd.WRONG_KEY
    world.events.add(*about, active=False)
    assert cause(world, "bravo") is Cause.WRONG_KEY


def test_an_edge_that_only_one_end_knows() -> None:
    world = chain()
    world.part("bravo", "charlie")
    world.search()
    world.edge("charlie", "bravo")
    found = ask(world, "charlie")
    assert found.cause is not None
    assert found.cause.cause is Cause.ONE_WAY_EDGE
    assert found.command == "tincd-compat -n vpn explain bravo"


def test_a_node_behind_a_hub_that_we_do_not_connect_to() -> None:
    world = World("alpha-bravo", "bravo-hub", "hub-charlie")
    world.part("bravo", "hub")
    changes = graph.run(world.mesh)
    world.paths.flipped(NOW, changes.flips, Unreachable.EDGE_GONE, "hub")
    world.part("hub", "charlie")
    found = ask(world, "charlie")
    assert found.cause is not None
    assert found.cause.cause is Cause.HUB_LOST
    assert found.cause.text == (
        "charlie is unreachable: it was behind hub, which is lost"
    )
    assert cause(world, "hub") is Cause.NOT_CONNECTED


def test_what_others_have_chosen_is_quoted_for_the_shell() -> None:
    world = chain()
    address = Address(host="a;reboot", port=655)
    lose(world, last=DialResult.NAME, address=address)
    assert ask(world, "bravo").command == "getent hosts 'a;reboot'"


def test_an_explanation_of_a_large_mesh_comes_in_steps() -> None:
    world = World(*(f"alpha-n{number:03}" for number in range(300)))
    world.own_subnets("n000", "10.0.0.0/8")
    world.own = replace(world.own, suite=SUITE)
    steps = len([*explain(world.views(), "10.0.0.1")])
    assert steps > 300
