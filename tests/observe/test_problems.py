"""Problems: what each rule finds and does not, the hold-off, and who is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.observe.made import KEY, NO_ANSWER, NOW, PMTU, SUITE, UDP, World, counters
from tests.observe.schemas import validator
from tincd_compat import options
from tincd_compat.observe import tables
from tincd_compat.observe.hostrules import LEFT_OUT_LINES
from tincd_compat.observe.problems import AT_ONCE, LISTED, Judge
from tincd_compat.observe.records import Address, TrafficRecord
from tincd_compat.observe.times import Time
from tincd_compat.observe.views import RefusedSubnet, ScriptView
from tincd_compat.observe.words import (
    DialResult,
    Direction,
    DropReason,
    EventKind,
    LinkEnd,
    LinkProtocol,
    ProblemCode,
    PythonReason,
    ScriptResult,
    Severity,
)

Stage = Callable[[World], None]


def sound() -> World:
    """Return a mesh in which nothing is wrong."""
    world = World("alpha-bravo", "alpha-charlie", "bravo-charlie", "charlie-delta")
    world.all_by_udp()
    world.want("bravo")
    world.own_subnets("bravo", "10.0.2.0/24")
    world.own_subnets("charlie", "10.0.3.0/24", "10.0.2.0/24#20")
    return world


def judge(world: World, judging: Judge, seconds: float = 0) -> None:
    world.look(seconds)
    world.counters = replace(world.counters, at=world.now)
    for _ in judging.look(world.views()):
        pass


def alone(world: World) -> None:
    world.part("alpha", "bravo")
    world.part("alpha", "charlie")
    world.search()


def no_link(world: World) -> None:
    world.connect_to.clear()
    alone(world)
    world.want("bravo")


def isolated(world: World) -> None:
    world.connect_to.clear()
    alone(world)


def own(**values: object) -> Stage:
    def stage(world: World) -> None:
        world.own = replace(world.own, **values)  # type: ignore[arg-type]

    return stage


def connect_to_down(world: World) -> None:
    world.want(
        "echo",
        last=DialResult.REFUSED,
        address=Address(host="203.0.113.4", port=655),
        since=Time(NOW - 7200),
    )


def tunnel(name: str, **values: object) -> Stage:
    def stage(world: World) -> None:
        world.tunnels[name] = replace(UDP, **values)  # type: ignore[arg-type]

    return stage


def data_over_tcp(world: World) -> None:
    world.tunnels["charlie"] = NO_ANSWER


def shrunk(world: World) -> None:
    world.look()
    world.tunnels["charlie"] = replace(UDP, min_mtu=1300)


def no_data(world: World) -> None:
    world.look()
    world.tunnels["charlie"] = replace(UDP, sent=TrafficRecord(packets=200, bytes=1))


def flapping(world: World) -> None:
    for _ in range(4):
        world.part("charlie", "delta")
        world.search()
        world.join("charlie", "delta")
        world.search()


def duplicate(world: World) -> None:
    world.own_subnets("delta", "10.0.2.0/24")


def refused(world: World) -> None:
    world.refused.append(
        RefusedSubnet(
            owner="delta", subnet="10.9.0.0/16#10", by="StrictSubnets", since=NOW
        )
    )


def one_way(world: World) -> None:
    world.edge("delta", "bravo")


def only_way(world: World) -> None:
    world.join("delta", "echo")
    world.search()
    world.counters = replace(world.counters, graph_runs=1)
    world.tunnels["echo"] = UDP


def storm(world: World) -> None:
    received = {"ADD_EDGE": 3000}
    world.counters = replace(
        world.counters,
        meta_messages={Direction.RECEIVED: received, Direction.SENT: {}},
    )


def queue(world: World) -> None:
    world.links["bravo"] = world.link("bravo", queued=9000, blocked_since=NOW)


def bad_keys(world: World) -> None:
    world.counters = replace(world.counters, failed_handshakes={LinkEnd.WRONG_KEY: 5})


def bad_macs(world: World) -> None:
    dropped = {**world.counters.dropped, DropReason.UNAUTHENTICATED: 100}
    world.counters = replace(world.counters, dropped=dropped)


def script_failed(world: World) -> None:
    result = ScriptResult.FAILED
    world.scripts.append(
        ScriptView(name="host-up", result=result, ended=NOW, text="exit status 3")
    )


def script_slow(world: World) -> None:
    world.scripts.append(ScriptView(name="subnet-up", running_since=Time(NOW - 31)))


def short_key(world: World) -> None:
    world.links["bravo"] = world.link("bravo", rsa_bits=1024)


def log_suppressed(world: World) -> None:
    world.counters = replace(world.counters, log_suppressed=LEFT_OUT_LINES)


PLAIN = replace(KEY, cipher="none")
BLOWFISH = replace(KEY, cipher="bf-cbc", digest="sha1")

#: What is done to a sound mesh, and the problem that there is then: code, node, text.
STAGES: list[tuple[Stage, ProblemCode, str | None, str]] = [
    (
        *(no_link, ProblemCode.NO_LINK, None),
        "no link with anybody; 1 ConnectTo without success",
    ),
    (
        *(isolated, ProblemCode.ISOLATED, None),
        "no other node is reachable; 3 are known",
    ),
    (
        *(own(name_conflict=NOW), ProblemCode.NAME_CONFLICT, None),
        "another node calls itself alpha, too",
    ),
    (
        *(own(device_error="vpn is down"), ProblemCode.DEVICE, None),
        "vpn is down",
    ),
    (
        *(connect_to_down, ProblemCode.CONNECT_TO_DOWN, "echo"),
        "ConnectTo fails: connection refused",
    ),
    (
        *(data_over_tcp, ProblemCode.DATA_OVER_TCP, "charlie"),
        "data over TCP: no answer to UDP probes",
    ),
    (
        *(tunnel("charlie", valid_key=False, requested=NOW),),
        *(ProblemCode.DATA_OVER_TCP, "charlie"),
        "data over TCP: it has given us no key",
    ),
    (
        *(tunnel("charlie", valid_key=False, unusable="no MAC"),),
        *(ProblemCode.DATA_OVER_TCP, "charlie"),
        "data over TCP: its key cannot be used (no MAC)",
    ),
    (
        *(shrunk, ProblemCode.MTU_SHRUNK, "charlie"),
        "its path carries 1300 bytes, was 1451",
    ),
    (
        *(tunnel("charlie", min_mtu=1200), ProblemCode.MTU_SHRUNK, "charlie"),
        "its path carries 1200 bytes, was 1451",
    ),
    (
        *(no_data, ProblemCode.NO_DATA, "charlie"),
        "100 packets sent, none has come back",
    ),
    (
        *(flapping, ProblemCode.FLAPPING, "delta"),
        "came and went 9 times within ten minutes",
    ),
    (
        *(own(reload_ok=False, reload_error="tinc.conf, line 3: no such variable"),),
        *(ProblemCode.RELOAD_FAILED, None),
        "the configuration is broken, the old one counts:"
        " tinc.conf, line 3: no such variable",
    ),
    (
        *(own(suite=replace(SUITE, cipher="none")), ProblemCode.PLAINTEXT, None),
        "packets to us: not encrypted",
    ),
    (
        *(tunnel("charlie", key=PLAIN), ProblemCode.PLAINTEXT, "charlie"),
        "packets to it: not encrypted",
    ),
    (
        *(own(suite=replace(SUITE, mac_length=0)), ProblemCode.PLAINTEXT, None),
        "packets to us: not authenticated",
    ),
    (
        *(own(suite=replace(SUITE, cipher="bf-cbc")), ProblemCode.WEAK_CIPHER, None),
        "packets to us: bf-cbc",
    ),
    (
        *(tunnel("delta", key=replace(KEY, cipher="aes-128-ecb", mac_length=2)),),
        *(ProblemCode.WEAK_CIPHER, "delta"),
        "packets to it: aes-128-ecb, a MAC of 2 bytes",
    ),
    (
        *(tunnel("delta", key=BLOWFISH), ProblemCode.OLD_PEER, "delta"),
        "it asks for bf-cbc, as tincd before 1.0.30",
    ),
    (
        *(short_key, ProblemCode.OLD_PEER, "bravo"),
        "its RSA key has 1024 bits",
    ),
    (
        *(duplicate, ProblemCode.DUPLICATE_SUBNET, "delta"),
        "10.0.2.0/24 is announced by bravo, too, which gets it all",
    ),
    (
        *(refused, ProblemCode.SUBNET_REFUSED, "delta"),
        "1 subnet kept out by StrictSubnets (10.9.0.0/16#10)",
    ),
    (
        *(one_way, ProblemCode.ONE_WAY_EDGE, "delta"),
        "its edge is not known at the other end (bravo)",
    ),
    (
        *(only_way, ProblemCode.ONLY_WAY, "charlie"),
        "the only way to 2 nodes",
    ),
    (
        *(storm, ProblemCode.STORM, None),
        "50.0 messages a second say that the mesh has changed",
    ),
    (
        *(queue, ProblemCode.QUEUE, "bravo"),
        "9000 bytes wait for it over TCP",
    ),
    (
        *(bad_keys, ProblemCode.AUTH_FAILS, None),
        "5 callers with a wrong key, 0 datagrams without a valid MAC",
    ),
    (
        *(bad_macs, ProblemCode.AUTH_FAILS, None),
        "0 callers with a wrong key, 100 datagrams without a valid MAC",
    ),
    (
        *(script_failed, ProblemCode.SCRIPT_FAILED, None),
        "failed when they ran last: host-up (exit status 3)",
    ),
    (
        *(script_slow, ProblemCode.SCRIPT_SLOW, None),
        "running for long: subnet-up",
    ),
    (
        *(own(udp_buffer_wanted=2 << 20, udp_buffer_granted=212_992),),
        *(ProblemCode.UDP_BUFFER, None),
        "the kernel granted 212992 of 2097152 bytes to receive UDP",
    ),
    (
        *(own(udp_lost=500), ProblemCode.UDP_BUFFER, None),
        "500 datagrams found no room in the receive buffer",
    ),
    (
        *(own(python_why=PythonReason.NOT_BUILT), ProblemCode.PYTHON_PATH, None),
        "Python moves the packets: the compiled half is not there, or its OpenSSL 3 is"
        " not",
    ),
    (
        *(own(clock_step=-3600.0, clock_set=NOW), ProblemCode.CLOCK, None),
        "the clock was set by -3600 s: times before are off by that",
    ),
    (
        *(log_suppressed, ProblemCode.LOG_SUPPRESSED, None),
        "100 lines of the log left out, there were too many",
    ),
]


def test_every_code_is_staged() -> None:
    assert {code for _, code, *_ in STAGES} == set(ProblemCode)


def test_a_sound_mesh_has_no_problems() -> None:
    world = sound()
    judging = Judge(world.events)
    for _ in range(5):
        judge(world, judging, 60)
    assert judging.problems == []


def test_protocol_17_7_is_no_problem() -> None:
    """Its records have an authentication code that is no digest of OpenSSL's."""
    world = sound()
    name = "chacha20-poly1305"
    secret = {"cipher": name, "peer_cipher": name, "digest": None, "rsa_bits": None}
    for peer in world.links:
        world.links[peer] = world.link(peer, protocol=LinkProtocol.SPTPS, **secret)
    sealed = replace(KEY, cipher="chacha20", digest="poly1305", mac_length=16)
    for peer, view in world.tunnels.items():
        world.tunnels[peer] = replace(view, key=sealed)
    judging = Judge(world.events)
    for _ in range(5):
        judge(world, judging, 60)
    assert judging.problems == []


@pytest.mark.parametrize(
    ("stage", "code", "node", "text"),
    STAGES,
    ids=[f"{code}-{number}" for number, (_, code, *_) in enumerate(STAGES)],
)
def test_what_is_wrong_is_found_and_nothing_else(
    stage: Stage, code: ProblemCode, node: str | None, text: str
) -> None:
    world = sound()
    world.own = replace(world.own, udp_lost=0)
    world.counters = counters()
    judging = Judge(world.events)
    judge(world, judging)
    assert judging.problems == []
    stage(world)
    judge(world, judging, 60)
    judge(world, judging, 0 if code in AT_ONCE else 60)
    found = [(p.code, p.node, p.text) for p in told(world)]
    assert found == [(code, node, text)]
    for problem in judging.problems:
        value = world_status(judging, world)
        validator("status").validate(value)
        assert problem.severity is code.severity


class _Told:
    def __init__(self, code: str, node: str | None, text: str) -> None:
        self.code, self.node, self.text = code, node, text


def told(world: World) -> list[_Told]:
    """Return the problems that began, as events tell of them."""
    begun = []
    for event in world.events.since():
        if event.kind is EventKind.PROBLEM and not event.facts["over"]:
            assert event.reason is not None
            begun.append(_Told(event.reason, event.node, str(event.facts["words"])))
    return begun


def world_status(judging: Judge, world: World) -> object:
    work = tables.status(world.views(), judging.counts)
    while True:
        try:
            next(work)
        except StopIteration as over:
            status = replace(over.value, problems=(*judging.problems,))
            return json.loads(json.dumps(status.to_json()))


def test_a_problem_is_held_off_and_over_at_once() -> None:
    world = sound()
    judging = Judge(world.events)
    world.tunnels["charlie"] = NO_ANSWER
    judge(world, judging)
    judge(world, judging, 59)
    assert judging.problems == []
    judge(world, judging, 1)
    [problem] = judging.problems
    assert (problem.since, problem.severity) == (NOW, Severity.WARNING)
    assert judging.counts == {ProblemCode.DATA_OVER_TCP: 1}
    world.tunnels["charlie"] = UDP
    judge(world, judging, 10)
    assert judging.problems == []
    events = [e for e in world.events.since(node="charlie") if e.reason == problem.code]
    assert [event.text for event in events] == [
        "data-over-tcp of charlie: data over TCP: no answer to UDP probes",
        "over: data-over-tcp of charlie",
    ]


def test_what_was_never_told_is_not_over() -> None:
    world = sound()
    judging = Judge(world.events)
    world.tunnels["charlie"] = NO_ANSWER
    judge(world, judging)
    world.tunnels["charlie"] = UDP
    judge(world, judging, 10)
    assert not [e for e in world.events.since() if e.kind is EventKind.PROBLEM]


def test_the_worst_comes_first_and_then_the_oldest() -> None:
    world = sound()
    judging = Judge(world.events)
    connect_to_down(world)
    own(device_error="vpn is down", reload_ok=False)(world)
    judge(world, judging)
    assert [p.code for p in judging.problems] == [
        *(ProblemCode.DEVICE, ProblemCode.CONNECT_TO_DOWN, ProblemCode.RELOAD_FAILED)
    ]


def test_of_one_code_64_are_listed_and_all_are_counted() -> None:
    names = [f"n{number:03}" for number in range(100)]
    world = World(*(f"alpha-{name}" for name in names))
    world.tunnels = dict.fromkeys(names, NO_ANSWER)
    judging = Judge(world.events)
    judge(world, judging)
    judge(world, judging, 60)
    judge(world, judging, 60)
    of_tcp = [p for p in judging.problems if p.code is ProblemCode.DATA_OVER_TCP]
    assert len(of_tcp) == LISTED
    assert judging.counts[ProblemCode.DATA_OVER_TCP] == 100


def test_nodes_that_take_turns_at_being_wrong_do_not_make_the_list_longer() -> None:
    names = [f"n{number:03}" for number in range(4 * LISTED)]
    world = World(*(f"alpha-{name}" for name in names))
    judging = Judge(world.events)
    for turn in range(8):
        bad = names[::2] if turn % 2 else names[:: 3 + turn]
        world.tunnels = {name: NO_ANSWER if name in bad else UDP for name in names}
        judge(world, judging, 60)
        listed = [node for code, node in judging._states if code == "data-over-tcp"]
        assert len(listed) <= LISTED
        assert judging._counts[ProblemCode.DATA_OVER_TCP] == len(bad)
    assert len(listed) == LISTED


@pytest.mark.parametrize("bits", [PMTU | options.TCPONLY, options.TCPONLY])
def test_tcponly_is_no_problem(bits: int) -> None:
    world = World()
    world.join("alpha", "bravo", bits=bits)
    world.search()
    world.tunnels["bravo"] = NO_ANSWER
    judging = Judge(world.events)
    judge(world, judging)
    judge(world, judging, 60)
    assert judging.problems == []


def test_a_mesh_of_one_node_is_new_and_not_isolated() -> None:
    world = World()
    judging = Judge(world.events)
    judge(world, judging)
    judge(world, judging, 60)
    assert judging.problems == []


def test_drops_and_storms_are_events_once_a_minute() -> None:
    world = sound()
    judging = Judge(world.events)
    judge(world, judging)
    for number in range(1, 13):
        dropped = {**world.counters.dropped, DropReason.TOO_BIG: number}
        world.counters = replace(
            world.counters, dropped=dropped, graph_runs=number, graph_runs_deferred=1
        )
        judge(world, judging, 10)
    counts = {EventKind.DROP, EventKind.GRAPH}
    assert [e.text for e in world.events.since() if e.kind in counts] == [
        "6 packets dropped in 60 s: too-big",
        "a storm of changes: 6 runs in 60 s",
        "6 packets dropped in 60 s: too-big",
    ]


def test_a_look_comes_in_steps() -> None:
    names = [f"n{number:03}" for number in range(100)]
    world = World(*(f"alpha-{name}" for name in names))
    steps = len([*Judge(world.events).look(world.views())])
    assert steps > 400, "nodes, edges, links and rules"
