"""Path MTU discovery: every state and input, one by one."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.probing import (
    CHECK,
    IDLE,
    OFF,
    PEER,
    PING_INTERVAL,
    SEARCH,
    State,
    discovery,
    fixed,
    key,
    lengths,
)
from tincd_compat import logs
from tincd_compat.tunnel import pmtu
from tincd_compat.tunnel.pmtu import MTU, Phase, PmtuDiscovery, Probe, ProbeStep

#: State, whether data left since the last step, state afterwards (phase, rounds,
#: minmtu, maxmtu, mtu), delay, lengths.
STEPS: Final = [
    # A key: the first batch, or at once the end if the bounds are known.
    (State(OFF), False, (SEARCH, 1, 0, 1518, 1400), 1, [1518, 759, 1139]),
    (
        State(OFF, 0, 700, 1400),
        True,
        (SEARCH, 1, 700, 1400, 1400),
        1,
        [1400, 1050, 1225],
    ),
    (State(OFF, 0, 1300, 1300), False, (IDLE, 1, 1300, 1300, 1300), 5, []),
    # No answer so far: half as long each time, and again.
    (State(SEARCH, 1), False, (SEARCH, 2, 0, 1518, 1400), 1, [759, 379, 569]),
    (State(SEARCH, 2), False, (SEARCH, 3, 0, 1518, 1400), 1, [379, 189, 284]),
    (State(SEARCH, 3), False, (SEARCH, 4, 0, 1518, 1400), 1, [189, 94, 141]),
    (State(SEARCH, 4), False, (SEARCH, 5, 0, 1518, 1400), 1, [94, 64, 79]),
    (State(SEARCH, 5), False, (SEARCH, 6, 0, 1518, 1400), 1, [1518, 759, 1139]),
    (State(SEARCH, 8), True, (SEARCH, 9, 0, 1518, 1400), 1, [189, 94, 141]),
    (State(SEARCH, 9), False, (IDLE, 10, 0, 1518, 1400), 60, []),
    # In between: the doubted length again, and upwards below it.
    (
        State(SEARCH, 3, 1000),
        False,
        (SEARCH, 4, 1000, 1518, 1400),
        1,
        [1518, 1259, 1389],
    ),
    (
        *(State(SEARCH, 12, 1000, asked=(1300, 1400)), False),
        *((SEARCH, 13, 1000, 1518, 1400), 1, [1300, 1150, 1225]),
    ),
    (
        *(State(SEARCH, 12, 1000, asked=(900, 1003)), False),
        *((SEARCH, 13, 1000, 1518, 1400), 1, [1003, 1001, 1002]),
    ),
    # The end: the bounds meet, the next length is in doubt four times, or time is up.
    (State(SEARCH, 6, 1451, 1451), False, (IDLE, 7, 1451, 1451, 1451), 5, []),
    (State(SEARCH, 6, 1451, 1400), False, (IDLE, 7, 1451, 1451, 1451), 5, []),
    (State(SEARCH, 6, 1300, asked=(1301,)), False, (IDLE, 7, 1300, 1300, 1300), 5, []),
    (
        State(SEARCH, 28, 1300),
        False,
        (SEARCH, 29, 1300, 1518, 1400),
        1,
        [1518, 1409, 1464],
    ),
    (State(SEARCH, 29, 1300), False, (IDLE, 30, 1300, 1300, 1300), 5, []),
    # EMSGSIZE in the meantime: start over, though the bounds seem to meet.
    (
        *(State(SEARCH, 0, 1399, 1399, refuted=True), False),
        *((SEARCH, 1, 0, 1399, 1400), 1, [1399, 700, 1050]),
    ),
    (
        *(State(SEARCH, 20, 1399, 1399, refuted=True), False),
        *((SEARCH, 1, 0, 1399, 1400), 1, [1399, 700, 1050]),
    ),
    # Idle: a look at the traffic every PingTimeout, if UDP works at all.
    (fixed(IDLE), False, (IDLE, 0, 1400, 1400, 1400), 5, []),
    (fixed(IDLE), True, (CHECK, 1, 1400, 1400, 1400), 1, [1400]),
    (fixed(IDLE, confirmed=True), True, (IDLE, 0, 1400, 1400, 1400), 5, []),
    (State(IDLE), True, (IDLE, 0, 0, 1518, 1400), 60, []),
    # The regular check looks for a wider path too.
    (
        fixed(IDLE, due=True),
        False,
        (CHECK, 1, 1400, 1400, 1400),
        1,
        [1408, 1400, 1400, 1050],
    ),
    (
        fixed(IDLE, due=True),
        True,
        (CHECK, 1, 1400, 1400, 1400),
        1,
        [1408, 1400, 1400, 1050],
    ),
    (
        *(fixed(IDLE, due=True, confirmed=True), True),
        *((CHECK, 1, 1400, 1400, 1400), 1, [1408, 1400, 1400, 1050]),
    ),
    (
        *(fixed(IDLE, mtu=1513, due=True), False),
        *((CHECK, 1, 1513, 1513, 1513), 1, [1518, 1513, 1513, 1134]),
    ),
    (
        *(fixed(IDLE, mtu=1518, due=True), False),
        *((CHECK, 1, 1518, 1518, 1518), 1, [1518, 1518, 1138]),
    ),
    (State(IDLE, due=True), False, (CHECK, 1, 0, 1518, 1400), 1, [64, 759, 1518]),
    # A check not answered at full length.
    (fixed(CHECK, 1), False, (CHECK, 2, 1400, 1400, 1400), 1, [1400, 1400, 64]),
    (fixed(CHECK, 2), True, (CHECK, 3, 1400, 1400, 1400), 1, [1400, 1400, 700]),
    (fixed(CHECK, 3), False, (CHECK, 4, 1400, 1400, 1400), 1, [1400, 1400, 1050]),
    (fixed(CHECK, 4), False, (CHECK, 5, 1400, 1400, 1400), 1, [1400, 1400, 64]),
    (fixed(CHECK, 5), False, (SEARCH, 1, 0, 1518, 1400), 1, [1518, 759, 1139]),
    (
        fixed(CHECK, 1, due=True),
        False,
        (CHECK, 2, 1400, 1400, 1400),
        1,
        [1400, 1400, 64],
    ),
    (State(CHECK, 1), False, (IDLE, 1, 0, 1518, 1400), 60, []),
    # ... but by something shorter.
    (
        *(replace(fixed(CHECK, 3), shorter=1050), False),
        *((CHECK, 4, 1400, 1400, 1400), 1, [1400, 1400, 1050]),
    ),
    (
        *(replace(fixed(CHECK, 4), shorter=1050), False),
        *((SEARCH, 1, 1050, 1400, 1400), 1, [1400, 1225, 1313]),
    ),
    (
        *(replace(fixed(CHECK, 6), shorter=64), True),
        *((SEARCH, 1, 64, 1400, 1400), 1, [1400, 732, 1066]),
    ),
]


@pytest.mark.parametrize(
    ("state", "data", "after", "delay", "sent"),
    STEPS,
    ids=[f"{i}-{row[0].phase.value}{row[0].rounds}" for i, row in enumerate(STEPS)],
)
def test_steps(
    state: State, data: bool, after: object, delay: float, sent: list[int]
) -> None:
    probing = state.build()
    step = probing.step(usable=True, numbers=1 if data else 0)
    assert lengths(step) == sent
    assert key(probing) == after
    assert step.delay == delay
    assert probing.started


def some_states() -> Iterator[State]:
    """Yield every phase with all kinds of counts and bounds."""
    bounds = [
        *((0, 1518), (0, 1400), (0, 63), (0, 0), (64, 1518), (1353, 1451)),
        *((1451, 1451), (1400, 1400), (1509, 1509), (1510, 1510), (1518, 1518)),
    ]
    for phase, rounds, (low, high) in itertools.product(Phase, range(34), bounds):
        for due, refuted in ((False, False), (True, False), (False, True)):
            yield State(
                *(phase, rounds, low, high),
                due=due,
                refuted=refuted,
                shorter=64 if rounds % 2 else 0,
            )


def test_without_a_key_every_step_is_the_last() -> None:
    for state in some_states():
        probing = state.build()
        assert probing.step(usable=False, numbers=9) == ProbeStep(None, ())
        assert (probing.phase, probing.rounds) == (OFF, 0), state
        bounds = probing.minmtu, probing.maxmtu, probing.mtu
        assert bounds == (state.minmtu, state.maxmtu, 1400), state
        assert not probing.started


def test_what_holds_after_every_step() -> None:
    for state, data in itertools.product(some_states(), (0, 1)):
        probing = state.build()
        step = probing.step(usable=True, numbers=data)
        sent = lengths(step)
        assert probing.phase is not OFF
        assert step.delay is not None
        assert 1 <= step.delay <= PING_INTERVAL
        assert len(sent) <= 4, state
        assert all(pmtu.MIN_PROBE <= length <= MTU for length in sent), state
        assert bool(sent) is (probing.phase in (SEARCH, CHECK)), state
        settled = probing.minmtu == probing.maxmtu == probing.mtu
        assert settled or probing.mtu == state.mtu, state


def expected_reply(state: State, length: int) -> tuple[object, ...]:
    """The rules for an answer to a probe that was sent."""
    low, high = state.minmtu, state.maxmtu
    same = state.phase, state.rounds
    if state.phase in (OFF, SEARCH):
        return *same, max(low, length) if length <= high else low, high, 1400
    if low == 0:
        return SEARCH, 0, min(length, high), high, 1400
    if length > high:
        return SEARCH, pmtu.GIVE_UP, length, MTU, 1400
    if length == high:
        return IDLE, state.rounds, low, high, 1400
    return *same, low, high, 1400


@pytest.mark.parametrize("length", [64, 1000, 1353, 1400, 1408, 1451, 1459, 1518])
def test_every_reply(length: int) -> None:
    for state in some_states():
        probing = state.build()
        assert not probing.reply(length)
        assert key(probing) == key(state.build())
        probing._sent.add(length)
        assert probing.reply(length)
        assert key(probing) == expected_reply(state, length), state
        if probing.phase is CHECK:
            assert probing._shorter >= length


@pytest.mark.parametrize("length", [0, 1, 64, 1400, 1401, 1451, 1518, 2000])
def test_every_refusal_by_the_kernel(length: int) -> None:
    for state in some_states():
        probing = state.build()
        probing._sent.add(length)
        probing.too_big(length)
        assert not probing.reply(length)
        below = max(length - 1, 0)
        lower = length <= state.maxmtu
        assert probing.maxmtu == (below if lower else state.maxmtu)
        assert probing.minmtu == (min(state.minmtu, below) if lower else state.minmtu)
        # The MTU that routing enforces stays until another is found; if nobody looks
        # for it, this is all that will be known.
        assert probing.mtu == (min(1400, below) if state.phase is OFF else 1400)
        if state.phase in (IDLE, CHECK) and lower and state.minmtu > below:
            assert (probing.phase, probing.rounds) == (SEARCH, 0), state
            step = probing.step(usable=True)
            assert probing.minmtu == 0
            assert below < pmtu.MIN_PROBE or min(below, MTU) in lengths(step)
        else:
            assert (probing.phase, probing.rounds) == (state.phase, state.rounds)


def test_unasked_replies_are_not_believed() -> None:
    probing = discovery()
    assert not probing.reply(1518)
    assert lengths(probing.step(usable=True)) == [1518, 759, 1139]
    for length in (0, 63, 64, 1138, 1140, 1517):
        assert not probing.reply(length)
    assert probing.minmtu == 0
    assert probing.reply(759)
    assert probing.minmtu == 759


def test_a_probe_that_never_left_is_not_answered() -> None:
    probing = discovery()
    probes = iter(probing.step(usable=True).probes)
    assert next(probes) == Probe(1518)
    probing.too_big(1518)
    assert not probing.reply(1518)


def test_bounds_are_read_again_for_each_probe() -> None:
    probing = discovery()
    probing.minmtu = 1000
    left = []
    for probe in probing.step(usable=True).probes:
        if probe.length > 1300:
            probing.too_big(probe.length)
        else:
            left.append(probe.length)
    # What the kernel refuses costs nothing and does not count.
    assert left == [1259, 1291, 1299]
    assert probing.maxmtu == 1306
    assert probing.mtu == MTU


def test_a_kernel_that_refuses_everything() -> None:
    probing = discovery()
    for _ in range(40):
        probes = list(_refused(probing))
        assert len(probes) <= 16
        assert probing.phase is not SEARCH or len(probes) == len(set(probes))
    assert (probing.minmtu, probing.mtu) == (0, MTU)
    assert probing.phase in (IDLE, CHECK)


def _refused(probing: PmtuDiscovery) -> Iterator[int]:
    for probe in probing.step(usable=True).probes:
        probing.too_big(probe.length)
        yield probe.length


def test_the_mtu_never_falls_below_zero() -> None:
    probing = discovery()
    for length in range(70, -1, -1):
        probing.too_big(length)
    assert (probing.maxmtu, probing.mtu) == (0, 0)
    probing.limit(-5)
    assert probing.mtu == 0


def test_the_pmtu_variable_is_an_initial_value() -> None:
    probing = discovery()
    probing.limit(1300)
    assert probing.mtu == 1300
    probing.limit(1400)
    assert probing.mtu == 1300
    probing.minmtu = probing.maxmtu = 1451
    probing.step(usable=True)
    assert probing.mtu == 1451


def test_reset_keeps_the_mtu() -> None:
    probing = fixed(IDLE, due=True).build()
    assert 1400 in lengths(probing.step(usable=True))
    probing.too_big(1390)
    probing.reset()
    assert key(probing) == (OFF, 0, 0, MTU, 1400)
    assert not probing.started
    assert not probing.reply(1400)


def test_local_discovery_adds_a_broadcast_probe() -> None:
    probing = discovery(local_discovery=True)
    for _ in range(pmtu.GIVE_UP):
        probes = list(probing.step(usable=True).probes)
        assert [probe.broadcast for probe in probes] == [True, False, False, False]
        assert probes[0].length == pmtu.MIN_PROBE
        probing.minmtu += 10
    probes = list(probing.step(usable=True).probes)
    assert probing.rounds == pmtu.GIVE_UP + 1
    assert [probe.broadcast for probe in probes] == [False] * 3


def test_only_data_makes_a_path_busy() -> None:
    probing = fixed(IDLE).build()
    # Three probes of ours and two answers used five numbers.
    for _ in range(3):
        probing._probe(1400)
    for _ in range(2):
        probing.not_data()
    probing.step(usable=True, numbers=5)
    assert probing.phase is IDLE
    # A new key: numbers begin again.
    probing.not_data()
    probing.step(usable=True, numbers=1)
    assert probing.phase is IDLE
    probing.step(usable=True, numbers=2)
    assert probing.phase is CHECK


@given(st.integers(5, 120), st.lists(st.booleans(), max_size=60))
def test_a_path_is_never_silent_for_longer_than_it_may(
    keepalive: int, traffic: list[bool]
) -> None:
    probing = discovery()
    probing.keepalive = keepalive
    probing.minmtu = probing.maxmtu = 1400
    now = left = 0.0
    numbers = 0
    for more in itertools.chain(traffic, [False] * 200):
        step = probing.step(usable=True, numbers=numbers)
        probes = lengths(step)
        if probes:
            # What the last packet was followed by, and that came just after a step.
            assert now - left <= keepalive + 0.01
            left, numbers = now, numbers + len(probes)
            for length in probes:
                probing.reply(length)
        assert step.delay is not None
        now += step.delay
        if more:
            left, numbers = now - step.delay, numbers + 1


def test_a_silent_path_costs_one_short_probe_now_and_then() -> None:
    probing = discovery()
    probing.keepalive = 15.0
    probing.minmtu = probing.maxmtu = 1400
    sent, now = list[tuple[float, int]](), 0.0
    while now < 59:
        step = probing.step(usable=True, numbers=len(sent))
        sent += [(now, length) for length in lengths(step)]
        assert probing.phase is IDLE
        assert step.delay is not None
        now += step.delay
    assert sent == [(15, 64), (30, 64), (45, 64)]


def test_who_needs_no_sign_of_life_gets_none() -> None:
    probing = discovery()
    probing.minmtu = probing.maxmtu = 1400
    for _ in range(12):
        assert lengths(probing.step(usable=True)) == []
    # Nor does a path that carries nothing.
    probing = discovery()
    probing.keepalive = 5.0
    probing.phase = IDLE
    assert lengths(probing.step(usable=True)) == []


def test_a_hurry_ends_the_idle_time() -> None:
    probing = fixed(IDLE).build()
    probing.hurry()
    assert lengths(probing.step(usable=True)) == [1408, 1400, 1400, 1050]


def test_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logs.traffic.name)

    def lines() -> list[str]:
        assert {record.levelno for record in caplog.records} <= {logging.INFO}
        assert {record.name for record in caplog.records} <= {logs.traffic.name}
        found = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return found

    def line(state: State, usable: bool = True) -> str:
        list(state.build().step(usable=usable).probes)
        return lines()[0]

    assert line(State(OFF)) == f"Sending MTU probe length 1518 to {PEER}"
    text = "Trying to send MTU probe to unreachable or rekeying node"
    assert line(State(OFF), usable=False) == f"{text} {PEER}"
    assert line(State(SEARCH, 9)) == f"No response to MTU probes from {PEER}"
    text = f"Fixing MTU of {PEER} to 1451 after 7 probes"
    assert line(State(SEARCH, 6, 1451, 1451)) == text
    text = f"{PEER} did not respond to UDP ping, restarting PMTU discovery"
    assert line(fixed(CHECK, 5)) == text
    text = f"Decrease in PMTU to {PEER} detected, restarting PMTU discovery"
    assert line(replace(fixed(CHECK, 4), shorter=64)) == text
    probing = fixed(IDLE).build()
    probing.too_big(1300)
    probing.too_big(1290)
    assert lines() == [text]
    probing = fixed(IDLE, due=True).build()
    list(probing.step(usable=True).probes)
    lines()
    probing.reply(1408)
    text = f"Increase in PMTU to {PEER} detected, restarting PMTU discovery"
    assert lines() == [text]


def test_probe_frames() -> None:
    frame = pmtu.request(64, lambda size: b"\xaa" * size)
    assert frame == bytes(14) + b"\xaa" * 50
    assert pmtu.is_probe(frame)
    assert pmtu.is_request(frame)
    answer = pmtu.answer(frame)
    assert answer == b"\1" + frame[1:]
    assert pmtu.is_probe(answer)
    assert not pmtu.is_request(answer)
    assert pmtu.answer(bytearray(frame)) == answer


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (bytes(14), True),
        (b"\xff" * 12 + b"\0\0", True),
        (bytes(13), False),
        (b"", False),
        (bytes(12) + b"\x08\0", False),
        (bytes(13) + b"\x06", False),
    ],
)
def test_the_ethertype_makes_a_probe(frame: bytes, expected: bool) -> None:
    assert pmtu.is_probe(frame) is expected
