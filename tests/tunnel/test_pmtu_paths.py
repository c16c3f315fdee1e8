"""Path MTU discovery over simulated paths: narrow, wide, lossy, slow, changing."""

from __future__ import annotations

import random

import pytest

from tests.tunnel.probing import (
    CHECK,
    IDLE,
    PING_INTERVAL,
    PING_TIMEOUT,
    SEARCH,
    discovery,
    fixed,
    key,
    lengths,
)
from tincd_compat.tunnel import pmtu
from tincd_compat.tunnel.pmtu import MTU, Phase, PmtuDiscovery


class Path:
    """A path for frames of up to ``carries`` bytes; above ``local`` it is EMSGSIZE.

    ``loss`` is the share of probes that get no answer; answers take ``delay`` steps.
    """

    def __init__(
        self,
        probing: PmtuDiscovery,
        carries: int,
        local: int = MTU,
        *,
        loss: float = 0,
        seed: int = 1,
        delay: int = 0,
    ) -> None:
        self.probing = probing
        self.carries, self.local = carries, local
        self.loss, self.random = loss, random.Random(seed)
        self.clock = 0.0
        self.sent: list[int] = []
        self.numbers = 0
        self._answers: list[list[int]] = [[] for _ in range(delay)]

    def step(self, *, data: bool = False) -> float:
        """Perform one step with the answers to its probes; return the delay."""
        self.numbers += data
        step = self.probing.step(usable=True, numbers=self.numbers)
        answers = []
        for probe in step.probes:
            self.numbers += 1
            if probe.length > self.local:
                self.probing.too_big(probe.length)
                continue
            self.sent.append(probe.length)
            if probe.length <= self.carries and self.random.random() >= self.loss:
                answers.append(probe.length)
        self._answers.append(answers)
        for length in self._answers.pop(0):
            self.probing.reply(length)
        assert step.delay is not None
        self.clock += step.delay
        return step.delay

    def until(self, *phases: Phase, data: bool = False, limit: int = 200) -> float:
        """Step until a phase is there; return the seconds it took."""
        started = self.clock
        for _ in range(limit):
            self.step(data=data)
            if self.probing.phase in phases:
                return self.clock - started
        raise AssertionError(f"still {self.probing.phase} after {limit} steps")

    def settle(self) -> float:
        """Step until an MTU is known; return the seconds it took without idling."""
        started = self.clock
        while self.step() <= pmtu.PROBE_INTERVAL or self.probing.phase is not IDLE:
            assert self.clock - started < 1000
        return self.clock - started - PING_TIMEOUT


def settled(carries: int, local: int = MTU) -> Path:
    path = Path(discovery(), carries, local)
    path.settle()
    assert path.probing.mtu == min(carries, local)
    return path


@pytest.mark.parametrize("carries", [*range(64, 1518, 13), 1355, 1451, 1517, 1518])
def test_a_path_that_says_nothing(carries: int) -> None:
    path = Path(discovery(), carries)
    assert path.settle() <= 16
    assert path.probing.mtu == carries


@pytest.mark.parametrize("local", [*range(64, 1518, 13), 1355, 1451, 1517, 1518])
def test_a_link_whose_kernel_knows(local: int) -> None:
    path = Path(discovery(), MTU, local)
    assert path.settle() <= 12
    assert path.probing.mtu == local


def test_the_usual_link_takes_four_seconds() -> None:
    path = Path(discovery(), 1451, 1451)
    assert path.settle() <= 4
    assert path.probing.mtu == 1451
    assert len(path.sent) <= 12


def test_the_first_batch_meets_a_node_without_our_key() -> None:
    path = Path(discovery(), 0, 1451)
    path.step()
    path.carries = 1451
    assert path.settle() <= 6
    assert path.probing.mtu == 1451


def test_a_path_slower_than_the_batches() -> None:
    path = Path(discovery(), 1400, delay=3)
    path.until(IDLE)
    for _ in range(200):
        path.step()
    assert path.probing.mtu == 1400


@pytest.mark.parametrize("seed", range(30))
def test_a_lossy_path(seed: int) -> None:
    """What loss hides is found by the regular checks."""
    path = Path(discovery(), 1400, loss=0.5, seed=seed)
    path.settle()
    assert path.probing.mtu <= 1400
    while path.clock < 3600 and path.probing.mtu < 1400 - pmtu.INCREASE:
        path.step()
    assert path.probing.mtu >= 1400 - pmtu.INCREASE


def test_an_idle_path_costs_what_it_costs_tincd() -> None:
    path = settled(1400)
    path.sent.clear()
    path.clock = 0
    while path.clock < 650:
        path.step()
    assert len(path.sent) <= 40
    assert path.probing.phase is IDLE


def test_a_busy_path_costs_a_probe_every_ping_timeout() -> None:
    path = settled(1400)
    path.sent.clear()
    path.clock = 0
    while path.clock < 650:
        path.step(data=True)
    assert len(path.sent) <= 40 + 650 / PING_TIMEOUT
    assert path.probing.mtu == 1400


@pytest.mark.parametrize("carries", [64, 500, 1000, 1100, 1300, 1353])
def test_a_busy_path_that_silently_becomes_narrower(carries: int) -> None:
    path = settled(1451)
    path.carries = carries
    assert path.until(SEARCH, data=True) <= 2 * PING_TIMEOUT + 1
    # Never proved more than it carries, and not closed to all data.
    assert 64 <= path.probing.minmtu <= carries
    assert path.probing.mtu == 1451
    assert path.settle() <= 16
    assert path.probing.mtu == carries


def test_an_idle_path_that_silently_becomes_narrower() -> None:
    path = settled(1451)
    path.carries = 1300
    assert path.until(SEARCH) <= PING_INTERVAL + 2 * PING_TIMEOUT
    path.settle()
    assert path.probing.mtu == 1300


def test_a_narrower_path_whose_kernel_knows() -> None:
    path = settled(1451, 1451)
    path.carries = path.local = 1353
    # One data frame is refused; from then on nothing of its size takes UDP.
    path.probing.too_big(1451)
    assert path.probing.minmtu == 1450
    assert path.settle() <= 8
    assert path.probing.mtu == 1353


@pytest.mark.parametrize("wider", [1364, 1400, 1451, 1518])
def test_a_path_that_becomes_wider(wider: int) -> None:
    path = settled(1353)
    path.carries = wider
    assert path.until(SEARCH) <= PING_INTERVAL + PING_TIMEOUT
    assert path.probing.minmtu == 1361
    path.settle()
    assert path.probing.mtu == wider


def test_a_wider_path_is_noticed_in_whatever_order_answers_come() -> None:
    probing = fixed(IDLE, due=True).build()
    for length in reversed(lengths(probing.step(usable=True))):
        assert probing.reply(length)
    assert key(probing) == (SEARCH, pmtu.GIVE_UP, 1408, MTU, 1400)


def test_one_lost_answer_does_not_matter() -> None:
    path = settled(1451)
    path.loss = 1
    path.until(CHECK, data=True)
    path.loss = 0
    path.step(data=True)
    assert key(path.probing) == (IDLE, 2, 1451, 1451, 1451)


def test_udp_stops_and_works_again() -> None:
    path = settled(1451)
    path.carries = 0
    assert path.until(SEARCH, data=True) <= 2 * PING_TIMEOUT + 1
    assert (path.probing.minmtu, path.probing.mtu) == (0, 1451)
    path.until(IDLE)
    assert path.probing.rounds == pmtu.GIVE_UP
    path.carries = 1451
    assert path.until(SEARCH) <= PING_INTERVAL + PING_TIMEOUT
    path.settle()
    assert path.probing.mtu == 1451


def test_udp_never_works() -> None:
    path = Path(discovery(), 0)
    path.until(IDLE)
    path.sent.clear()
    path.clock = 0
    while path.clock < 650:
        path.step(data=True)
    assert len(path.sent) <= 33
    assert path.probing.minmtu == 0
