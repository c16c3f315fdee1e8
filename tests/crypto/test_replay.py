"""The replay window, number by number and against a literal reference."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.reference import Window
from tincd_compat.crypto.replay import ReplayWindow, SptpsWindow, Verdict

ACCEPT, RESUME = Verdict.ACCEPT, Verdict.RESUME
LATE, FUTURE = Verdict.LATE, Verdict.FUTURE


def run(window: ReplayWindow, *steps: tuple[int, Verdict]) -> None:
    for index, (seqno, expected) in enumerate(steps):
        assert window.check(seqno) is expected, f"step {index}: {seqno}"


def test_in_order_and_repeated() -> None:
    window = ReplayWindow(16)
    run(window, (0, LATE), (1, ACCEPT), (1, LATE), (2, ACCEPT), (0, LATE), (1, LATE))
    assert window.highest == 2


def test_skipped_numbers_may_come_late_once() -> None:
    run(
        ReplayWindow(16),
        *((1, ACCEPT), (5, ACCEPT), (3, ACCEPT), (3, LATE), (2, ACCEPT), (4, ACCEPT)),
        *((5, LATE), (2, LATE), (4, LATE), (6, ACCEPT)),
    )


def test_the_window_ends_128_numbers_back() -> None:
    window = ReplayWindow(16)
    run(window, (100, ACCEPT), (128, ACCEPT))
    run(window, (2, ACCEPT), (1, ACCEPT), (0, LATE))
    run(window, (130, ACCEPT), (2, LATE), (3, ACCEPT), (131, ACCEPT), (4, ACCEPT))
    run(window, (133, ACCEPT), (5, LATE), (6, ACCEPT))


def test_127_ahead_is_near_and_128_is_far() -> None:
    run(ReplayWindow(16), (127, ACCEPT), (1, ACCEPT), (126, ACCEPT))
    run(ReplayWindow(16), (128, FUTURE), (1, ACCEPT))


def test_the_fifth_stray_in_a_row_is_believed() -> None:
    window = ReplayWindow(16)
    run(window, (1, ACCEPT), (3, ACCEPT))
    for strays in range(1, 5):
        run(window, (1000 + strays, FUTURE))
        assert window.strays == strays
        assert window.highest == 3
    run(window, (1009, RESUME), (1008, LATE), (2, LATE), (1010, ACCEPT), (1009, LATE))
    assert window.strays == 0


def test_an_accepted_packet_makes_it_doubt_strays_again() -> None:
    window = ReplayWindow(16)
    strays = [(500 + number, FUTURE) for number in range(4)]
    run(window, *strays, (1, ACCEPT), *strays, (2, ACCEPT))


def test_a_late_packet_does_not() -> None:
    window = ReplayWindow(16)
    run(window, (1, ACCEPT), *((500, FUTURE),) * 4, (1, LATE), (500, RESUME))


@pytest.mark.parametrize(
    ("window_bytes", "patience"), [(1, 0), (3, 0), (4, 1), (32, 8)]
)
def test_patience_is_a_quarter_of_the_window(window_bytes: int, patience: int) -> None:
    window = ReplayWindow(window_bytes)
    run(window, *((10_000, FUTURE),) * patience, (10_000, RESUME))


def test_zero_bytes_switch_it_off() -> None:
    window = ReplayWindow(0)
    run(window, (0, ACCEPT), (7, ACCEPT), (7, ACCEPT), (2**32 - 1, ACCEPT), (1, ACCEPT))
    assert window.highest == 2**32 - 1


def test_numbers_do_not_wrap() -> None:
    window = ReplayWindow(16)
    top = 2**32 - 1
    run(window, *((top - 1, FUTURE),) * 4, (top - 1, RESUME), (top, ACCEPT))
    run(window, *((seqno, LATE) for seqno in (0, 1, 5, 200, top - 1, top)))


numbers = st.one_of(
    st.integers(0, 40),
    st.integers(0, 400),
    st.sampled_from([10**6, 10**6 + 1, 2**30 + 1]),
)


@given(st.sampled_from([0, 1, 2, 4, 16]), st.lists(numbers, max_size=80))
def test_like_the_reference(window_bytes: int, seqnos: list[int]) -> None:
    window, reference = ReplayWindow(window_bytes), Window(window_bytes)
    for seqno in seqnos:
        accepted = window.check(seqno) in (ACCEPT, RESUME)
        assert accepted is reference.accepts(seqno)
        assert window.highest == reference.received
        assert window.strays == reference.farfuture


@given(st.lists(st.integers(-200, 200), max_size=200))
def test_like_the_reference_around_the_highest(steps: list[int]) -> None:
    window, reference = ReplayWindow(16), Window(16)
    for step in steps:
        seqno = max(0, reference.received + step)
        assert (window.check(seqno) in (ACCEPT, RESUME)) is reference.accepts(seqno)
        assert window.highest == reference.received


@given(st.lists(st.integers(1, 100), max_size=100))
def test_no_number_is_accepted_twice(seqnos: list[int]) -> None:
    window = ReplayWindow(16)
    accepted = [seqno for seqno in seqnos if window.check(seqno) is ACCEPT]
    assert len(accepted) == len(set(accepted))


@given(st.sampled_from([0, 1, 4, 16]), st.lists(numbers, max_size=60))
def test_what_follows_is_accepted_and_nothing_else_changes(
    window_bytes: int, seqnos: list[int]
) -> None:
    one, other = ReplayWindow(window_bytes), ReplayWindow(window_bytes)
    for seqno in seqnos:
        next_one = seqno == other.highest + 1
        assert one.follows(seqno) is next_one
        verdict = other.check(seqno)
        if not next_one:
            assert one.check(seqno) is verdict
        assert (one.highest, one.strays) == (other.highest, other.strays)


@given(
    window_bytes=st.sampled_from([0, 1, 2, 16]),
    before=st.lists(st.integers(1, 60), max_size=8),
    count=st.integers(0, 40),
    after=st.lists(st.integers(1, 120), max_size=20),
)
def test_advancing_is_accepting_one_by_one(
    window_bytes: int, before: list[int], count: int, after: list[int]
) -> None:
    one, other = ReplayWindow(window_bytes), ReplayWindow(window_bytes)
    for number in before:
        assert one.check(number) is other.check(number)
    one.advance(count)
    for _ in range(count):
        assert other.check(other.highest + 1) is Verdict.ACCEPT
    assert (one.highest, one.strays) == (other.highest, other.strays)
    for number in after:
        assert one.check(number) is other.check(number)


class Literal:
    """The window of SPTPS, rule by rule as tinc 1.1 behaves.

    ``expected`` is the next number; ``wanted`` has the numbers that were skipped.
    """

    def __init__(self, window_bytes: int) -> None:
        self.expected = 2
        self.span = 8 * window_bytes
        self.patience = window_bytes // 4
        self.strays = 0
        self.wanted: set[int] = set()

    def accepts(self, number: int) -> bool:
        if number > self.expected and number >= self.expected + self.span:
            if self.strays < self.patience:
                self.strays += 1
                return False
            self.wanted = set(range(number - self.span, number))
        elif number < self.expected:
            if number < self.expected - self.span or number not in self.wanted:
                return False
        else:
            self.wanted |= set(range(self.expected, number))
        self.wanted.discard(number)
        self.strays = 0
        self.expected = max(self.expected, number + 1)
        return True


@given(
    st.integers(1, 16),
    st.lists(st.integers(-140, 140) | st.integers(-600, 600), max_size=80),
)
def test_the_window_of_sptps(window_bytes: int, steps: list[int]) -> None:
    window, literal = SptpsWindow(window_bytes), Literal(window_bytes)
    for step in steps:
        number = max(0, literal.expected + step)
        reaches = window.reaches(number)
        distance = number - literal.expected
        assert reaches == (-8 * window_bytes <= distance < 8 * window_bytes)
        accepted = window.check(number) in (ACCEPT, RESUME)
        assert accepted == literal.accepts(number), number
        assert window.highest == literal.expected - 1
        assert window.strays == literal.strays


def test_the_window_of_sptps_ends_one_number_later() -> None:
    run(SptpsWindow(16), (0, LATE), (1, LATE), (2, ACCEPT), (130, ACCEPT), (3, ACCEPT))
    run(SptpsWindow(16), (130, FUTURE), (129, ACCEPT), (2, ACCEPT), (2, LATE))


def test_who_is_believed_in_the_far_future_of_sptps_may_be_followed() -> None:
    far = ((1000, FUTURE),) * 4
    run(
        SptpsWindow(16), *far, (1000, RESUME), (873, ACCEPT), (872, LATE), (999, ACCEPT)
    )
    run(SptpsWindow(16), *far, (1000, RESUME), (1000, LATE), (2, LATE), (1001, ACCEPT))


def test_zero_bytes_switch_the_window_of_sptps_off() -> None:
    run(SptpsWindow(0), (9, ACCEPT), (9, ACCEPT), (5000, ACCEPT), (0, ACCEPT))
    assert SptpsWindow(0).reaches(1 << 31)
