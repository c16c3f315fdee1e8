"""Path MTU discovery: every state and input, and whole cycles over a simulated path."""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tincd_compat import logs
from tincd_compat.tunnel import pmtu
from tincd_compat.tunnel.pmtu import MTU, PmtuDiscovery, Probe, Step

PEER = "b (10.0.0.2 port 655)"
PING_INTERVAL, PING_TIMEOUT = 60.0, 5.0


def lowest(first: int, last: int) -> int:
    assert first <= last
    return first


def highest(first: int, last: int) -> int:
    assert first <= last
    return last


def halving(first: int, last: int) -> int:
    return (first + last) // 2


def discovery(
    randint: Callable[[int, int], int] = highest, *, local_discovery: bool = False
) -> PmtuDiscovery:
    return PmtuDiscovery(
        PEER,
        randint,
        ping_interval=PING_INTERVAL,
        ping_timeout=PING_TIMEOUT,
        local_discovery=local_discovery,
    )


def in_state(mtuprobes: int, minmtu: int, maxmtu: int) -> PmtuDiscovery:
    probing = discovery()
    probing.mtuprobes = mtuprobes
    probing.minmtu, probing.maxmtu, probing.mtu = minmtu, maxmtu, 1400
    return probing


def lengths(step: Step) -> list[int]:
    return [probe.length for probe in step.probes]


@dataclass
class Expected:
    """The state after an input, and the lengths sent, when the highest are drawn."""

    mtuprobes: int
    minmtu: int
    maxmtu: int
    mtu: int = 1400
    delay: float | None = None
    lengths: tuple[int, ...] = ()


def expected_step(count: int, minmtu: int, maxmtu: int, usable: bool) -> Expected:
    """The six rules of the sender's state machine, one after the other."""
    mtu = 1400
    count += 1
    if not usable:
        return Expected(0, minmtu, maxmtu)
    if count > 32:
        if minmtu == 0:
            return Expected(31, minmtu, maxmtu, delay=PING_INTERVAL)
        count, minmtu, maxmtu = 1, 0, 1518
    if 10 <= count < 32 and minmtu == 0:
        count = 31
    if count == 30 or (count < 30 and minmtu >= maxmtu):
        mtu = minmtu = maxmtu = min(minmtu, maxmtu)
        count = 31
    if count == 31:
        return Expected(31, minmtu, maxmtu, mtu, PING_INTERVAL)
    sent = [maxmtu + 8] if count >= 30 and maxmtu + 8 < 1518 else []
    sent += [maxmtu] * 3
    return Expected(
        count,
        *(minmtu, maxmtu, mtu),
        PING_TIMEOUT if count == 32 else 1.0,
        tuple(max(length, 64) for length in sent),
    )


def expected_reply(count: int, minmtu: int, maxmtu: int, length: int) -> Expected:
    if count > 30:
        if length == maxmtu + 8:
            return Expected(10, minmtu, 1518)
        count = 30 if minmtu > 0 else 1
    return Expected(count, max(minmtu, min(length, maxmtu)), maxmtu)


STATES = list(
    itertools.product(
        range(34),
        [
            *((0, 1518), (0, 1400), (0, 63), (0, 0), (64, 1518), (1353, 1451)),
            *((1451, 1451), (1451, 1450), (1451, 1400), (1509, 1509), (1510, 1510)),
            *((1518, 1518), (40, 40)),
        ],
    )
)


@pytest.mark.parametrize("usable", [True, False])
def test_every_step(usable: bool) -> None:
    for count, (minmtu, maxmtu) in STATES:
        probing = in_state(count, minmtu, maxmtu)
        step = probing.step(usable=usable)
        expected = expected_step(count, minmtu, maxmtu, usable)
        state = count, minmtu, maxmtu
        assert probing.mtuprobes == expected.mtuprobes, state
        assert (probing.minmtu, probing.maxmtu) == (expected.minmtu, expected.maxmtu)
        assert probing.mtu == expected.mtu, state
        assert step.delay == expected.delay, state
        assert probing.started is (step.delay is not None)
        assert tuple(lengths(step)) == expected.lengths, state


@pytest.mark.parametrize("length", [64, 1000, 1353, 1400, 1408, 1451, 1459, 1518])
def test_every_reply(length: int) -> None:
    for count, (minmtu, maxmtu) in STATES:
        probing = in_state(count, minmtu, maxmtu)
        # Have that length sent, then put the state back.
        probing.minmtu = probing.maxmtu = length
        probing.mtuprobes = 31
        assert length in lengths(probing.step(usable=True))
        probing.mtuprobes, probing.minmtu, probing.maxmtu = count, minmtu, maxmtu
        assert probing.reply(length)
        expected = expected_reply(count, minmtu, maxmtu, length)
        state = count, minmtu, maxmtu
        assert probing.mtuprobes == expected.mtuprobes, state
        assert (probing.minmtu, probing.maxmtu) == (expected.minmtu, expected.maxmtu)
        assert probing.mtu == 1400


def test_every_refusal_by_the_kernel() -> None:
    for length in (0, 1, 64, 1400, 1401, 1451, 1518, 2000):
        for count, (minmtu, maxmtu) in STATES:
            probing = in_state(count, minmtu, maxmtu)
            probing.too_big(length)
            below = max(length - 1, 0)
            assert probing.maxmtu == (below if maxmtu >= length else maxmtu)
            assert probing.mtu == (below if length <= 1400 else 1400)
            assert (probing.mtuprobes, probing.minmtu) == (count, minmtu)


def test_unasked_replies_are_not_believed() -> None:
    probing = discovery(lowest)
    assert not probing.reply(1518)
    assert lengths(probing.step(usable=True)) == [64, 64, 64]
    for length in (0, 63, 65, 1518):
        assert not probing.reply(length)
    assert (probing.minmtu, probing.mtuprobes) == (0, 1)
    assert probing.reply(64)
    assert probing.minmtu == 64


def test_a_probe_that_never_left_is_not_answered() -> None:
    probing = discovery(highest)
    probes = iter(probing.step(usable=True).probes)
    assert next(probes) == Probe(1518)
    probing.too_big(1518)
    assert not probing.reply(1518)


def test_bounds_are_read_again_for_each_probe() -> None:
    probing = discovery(highest)
    sent = []
    for probe in probing.step(usable=True).probes:
        sent.append(probe.length)
        probing.too_big(probe.length)
    assert sent == [1518, 1517, 1516]
    assert probing.maxmtu == 1515
    assert probing.mtu == 1515


def test_lengths_are_drawn_from_between_the_bounds() -> None:
    drawn: list[tuple[int, int]] = []

    def record(first: int, last: int) -> int:
        drawn.append((first, last))
        return first

    probing = discovery(record)
    probing.minmtu, probing.maxmtu = 100, 1400
    assert lengths(probing.step(usable=True)) == [101, 101, 101]
    assert drawn == [(101, 1400)] * 3


def test_the_mtu_never_falls_below_zero() -> None:
    probing = discovery(highest)
    for length in range(70, -1, -1):
        probing.too_big(length)
    assert (probing.maxmtu, probing.mtu) == (0, 0)
    assert lengths(probing.step(usable=True)) == []
    assert (probing.minmtu, probing.maxmtu, probing.mtu) == (0, 0, 0)
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
    probing = in_state(31, 1353, 1353)
    assert 1353 in lengths(probing.step(usable=True))
    probing.reset()
    assert (probing.minmtu, probing.maxmtu, probing.mtuprobes) == (0, MTU, 0)
    assert not probing.started
    assert probing.mtu == 1400
    assert not probing.reply(1353)


def test_local_discovery_adds_a_broadcast_probe() -> None:
    probing = discovery(highest, local_discovery=True)
    for _ in range(10):
        probes = list(probing.step(usable=True).probes)
        assert [probe.broadcast for probe in probes] == [False, False, False, True]
        probing.minmtu = 1000
    probes = list(probing.step(usable=True).probes)
    assert probing.mtuprobes == 11
    assert [probe.broadcast for probe in probes] == [False] * 4


class Path:
    """A path for frames of up to ``carries`` bytes; above ``local`` it is EMSGSIZE."""

    def __init__(self, probing: PmtuDiscovery, carries: int, local: int = MTU) -> None:
        self.probing = probing
        self.carries = carries
        self.local = local
        self.clock = 0.0
        self.batches = 0

    def step(self) -> float:
        """Perform one step with the answers to its probes; return the delay."""
        step = self.probing.step(usable=True)
        answers = []
        for probe in step.probes:
            if probe.length > self.local:
                self.probing.too_big(probe.length)
            elif probe.length <= self.carries:
                answers.append(probe.length)
        for length in answers:
            self.probing.reply(length)
        assert step.delay is not None
        self.clock += step.delay
        return step.delay

    def settle(self, limit: int = 200) -> int:
        """Step until the discovery idles; return the number of steps."""
        for count in range(1, limit):
            self.step()
            if self.probing.mtuprobes == 31:
                return count
        raise AssertionError("does not settle")


@pytest.mark.parametrize("seed", range(20))
def test_a_fresh_link_with_local_knowledge(seed: int) -> None:
    probing = discovery(random.Random(seed).randint)
    path = Path(probing, 1451, local=1451)
    path.settle()
    assert probing.minmtu == probing.maxmtu == probing.mtu
    assert probing.mtu <= 1451
    if probing.mtu < 1451:
        # Found by time limit, not by the bounds meeting.
        assert path.clock >= 29


def test_a_full_cycle() -> None:
    probing = discovery(halving)
    path = Path(probing, 1451, local=1451)
    path.settle()
    assert (probing.minmtu, probing.maxmtu, probing.mtu) == (1451, 1451, 1451)
    # Steady state: a batch every PingInterval + PingTimeout, UDP stays proved.
    for _ in range(5):
        assert path.step() == PING_TIMEOUT
        assert probing.mtuprobes == 30
        assert path.step() == PING_INTERVAL
    # The path narrows silently: nothing above comes back, discovery starts over.
    path.carries = path.local = 1353
    assert path.step() == PING_TIMEOUT
    assert probing.mtuprobes == 32
    path.step()
    assert probing.mtuprobes == 1
    assert probing.minmtu < 1353
    # EMSGSIZE has lowered the limit a little, the rest is found out again.
    assert 1353 < probing.mtu < 1451
    path.settle()
    assert probing.mtu == 1353
    # It widens again: the probe 8 bytes above is answered first.
    path.carries = path.local = 1451
    path.step()
    assert (probing.mtuprobes, probing.maxmtu) == (10, MTU)
    assert probing.minmtu == 1353
    path.settle()
    assert probing.mtu == 1451


def test_a_path_of_full_size_is_found_at_once() -> None:
    probing = discovery(highest)
    path = Path(probing, MTU)
    assert path.settle() == 2
    assert probing.mtu == MTU
    # No probe above the largest frame.
    assert lengths(probing.step(usable=True)) == [MTU] * 3


def test_udp_never_works() -> None:
    probing = discovery(lowest)
    path = Path(probing, 0)
    assert [path.step() for _ in range(9)] == [1.0] * 9
    assert path.step() == PING_INTERVAL
    assert probing.mtuprobes == 31
    for _ in range(3):
        assert path.step() == PING_TIMEOUT
        assert probing.mtuprobes == 32
        assert path.step() == PING_INTERVAL
        assert (probing.mtuprobes, probing.minmtu) == (31, 0)
    # And then it does: the answer to a liveness batch starts the discovery.
    path.carries = 1451
    assert path.step() == PING_TIMEOUT
    assert (probing.mtuprobes, probing.minmtu) == (1, 64)
    path.settle()
    assert probing.mtu == probing.minmtu > 64


def test_losing_all_liveness_probes_takes_udp_away() -> None:
    probing = discovery(highest)
    path = Path(probing, MTU)
    path.settle()
    path.carries = 0
    path.step()
    assert probing.minmtu == MTU
    path.step()
    assert (probing.minmtu, probing.maxmtu, probing.mtuprobes) == (0, MTU, 1)
    assert probing.mtu == MTU


def test_a_late_increase_reply_is_an_ordinary_one() -> None:
    probing = in_state(31, 1353, 1353)
    first, *others = lengths(probing.step(usable=True))
    assert first == 1361
    assert probing.reply(others[0])
    assert probing.mtuprobes == 30
    assert probing.reply(first)
    assert (probing.mtuprobes, probing.minmtu, probing.maxmtu) == (30, 1353, 1353)


def test_a_key_starts_it_again() -> None:
    probing = in_state(5, 1000, 1400)
    assert probing.step(usable=False) == Step(None, ())
    assert not probing.started
    assert (probing.minmtu, probing.maxmtu) == (1000, 1400)
    assert probing.step(usable=True).delay == 1.0
    assert probing.mtuprobes == 1
    assert probing.started


def test_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logs.traffic.name)

    def line(probing: PmtuDiscovery, usable: bool = True) -> str:
        caplog.clear()
        list(probing.step(usable=usable).probes)
        assert {record.levelno for record in caplog.records} == {logging.INFO}
        assert {record.name for record in caplog.records} == {logs.traffic.name}
        return caplog.records[0].getMessage()

    assert line(in_state(0, 0, 1518)) == f"Sending MTU probe length 1518 to {PEER}"
    text = "Trying to send MTU probe to unreachable or rekeying node"
    assert line(in_state(0, 0, 1518), usable=False) == f"{text} {PEER}"
    assert line(in_state(9, 0, 1518)) == f"No response to MTU probes from {PEER}"
    text = f"Fixing MTU of {PEER} to 1451 after 7 probes"
    assert line(in_state(6, 1451, 1451)) == text
    text = f"{PEER} did not respond to UDP ping, restarting PMTU discovery"
    assert line(in_state(32, 1451, 1451)) == text
    probing = in_state(31, 1353, 1353)
    line(probing)
    caplog.clear()
    probing.reply(1361)
    text = f"Increase in PMTU to {PEER} detected, restarting PMTU discovery"
    assert caplog.records[0].getMessage() == text


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
