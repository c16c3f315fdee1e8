"""Who works when, and for how long."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.transport.fakes import FakeLoop
from tincd_compat.transport.turns import SHORTEST_SLICE, TURN, Turns

STEP = TURN / 100


class Worker:
    """Has so many steps to make, each of which takes a while."""

    def __init__(self, loop: FakeLoop, steps: int, log: list[str], name: str) -> None:
        self.left = steps
        self.slices = 0
        self._loop = loop
        self._log = log
        self._name = name

    def work(self, until: float) -> bool:
        self.slices += 1
        self._log.append(self._name)
        while self.left:
            self.left -= 1
            self._loop.now += STEP
            if self._loop.now >= until:
                break
        return self.left > 0


class Shop:
    """Workers that share a loop; ``log`` tells who had a slice."""

    def __init__(self, loop: FakeLoop) -> None:
        self.loop = loop
        self.log: list[str] = []
        self.turns = Turns(loop, done=lambda: self.log.append("done"))

    def worker(self, name: str, steps: int) -> Worker:
        return Worker(self.loop, steps, self.log, name)


@pytest.fixture
def shop(loop: FakeLoop) -> Shop:
    return Shop(loop)


def test_who_finds_nobody_in_line_works_at_once(loop: FakeLoop, shop: Shop) -> None:
    worker = shop.worker("a", 10)
    assert shop.turns.begin(worker)
    assert (worker.left, shop.log) == (0, ["a", "done"])
    # Nothing was planned for that.
    assert not loop._ready


def test_who_is_not_done_goes_on_in_the_next_turn(loop: FakeLoop, shop: Shop) -> None:
    worker = shop.worker("a", 250)
    assert shop.turns.begin(worker)
    assert worker.left == 150
    loop.settle()
    assert (worker.left, worker.slices) == (0, 3)
    assert shop.log == ["a", "done"] * 3
    assert loop.longest_turn <= TURN + STEP


def test_who_comes_when_the_time_is_used_up_stands_in_line(
    loop: FakeLoop, shop: Shop
) -> None:
    late = shop.worker("late", 1)
    shop.turns.begin(shop.worker("a", 100))
    assert not shop.turns.begin(late)
    assert late.slices == 0
    loop.settle()
    assert late.left == 0


def test_little_work_now_and_then_adds_up(loop: FakeLoop, shop: Shop) -> None:
    """Turns of the loop are not counted, so the budget is for several of them."""
    begun = [shop.turns.begin(shop.worker("a", 30)) for _ in range(5)]
    assert begun == [True] * 4 + [False]
    loop.settle()
    assert shop.turns.begin(shop.worker("a", 30))


def test_all_in_line_have_the_same_share(loop: FakeLoop, shop: Shop) -> None:
    workers = [shop.worker(name, 1000) for name in "abcd"]
    for worker in workers:
        shop.turns.join(worker)
    loop.call(lambda: None)
    first_round = shop.log[: shop.log.index("done")]
    assert first_round == ["a", "b", "c", "d"]
    assert max(w.slices for w in workers) - min(w.slices for w in workers) <= 1
    assert loop.longest_turn <= TURN + STEP


def test_what_one_leaves_of_its_share_is_for_those_behind(
    loop: FakeLoop, shop: Shop
) -> None:
    short, long = shop.worker("short", 1), shop.worker("long", 1000)
    shop.turns.join(short)
    shop.turns.join(long)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert 1000 - long.left == pytest.approx(99, abs=1)
    loop.settle()


def test_a_newcomer_waits_for_a_slice_of_each(loop: FakeLoop, shop: Shop) -> None:
    busy = [shop.worker(f"busy {number}", 10_000) for number in range(10)]
    for worker in busy:
        shop.turns.join(worker)
    loop.call_soon(loop.stop)
    loop.run_forever()
    shop.log.clear()
    shop.turns.join(shop.worker("new", 1))
    asked = loop.now
    while "new" not in shop.log:
        loop.call_soon(loop.stop)
        loop.run_forever()
    before = shop.log[: shop.log.index("new")]
    assert [before.count(f"busy {number}") for number in range(10)] == [1] * 10
    assert loop.now - asked <= 10 * (SHORTEST_SLICE + STEP) + TURN
    loop.settle()


def test_who_joins_twice_has_one_slice(loop: FakeLoop, shop: Shop) -> None:
    worker = shop.worker("a", 1)
    shop.turns.join(worker)
    shop.turns.join(worker)
    loop.settle()
    assert shop.log == ["a", "done"]


def test_who_joins_in_a_turn_is_for_the_next(loop: FakeLoop, shop: Shop) -> None:
    class Inviting(Worker):
        def work(self, until: float) -> bool:
            shop.turns.join(shop.worker("guest", 1))
            return super().work(until)

    shop.turns.join(Inviting(loop, 1, shop.log, "host"))
    loop.settle()
    assert shop.log == ["host", "done", "guest", "done"]


def test_an_error_stops_nobody_else(loop: FakeLoop, shop: Shop) -> None:
    class Broken(Worker):
        def work(self, until: float) -> bool:
            raise ZeroDivisionError("oops")

    shop.turns.join(Broken(loop, 1, shop.log, "broken"))
    other = shop.worker("other", 1)
    shop.turns.join(other)
    loop.settle()
    assert [str(error) for error in loop.errors()] == ["oops"]
    assert other.left == 0


@example([1000] * 100)
@given(st.lists(st.integers(0, 400), max_size=60))
def test_no_turn_is_long_and_all_is_done(amounts: list[int]) -> None:
    loop = FakeLoop()
    shop = Shop(loop)
    workers = [shop.worker(str(number), steps) for number, steps in enumerate(amounts)]
    for worker in workers:
        loop.call_soon(shop.turns.begin, worker)
    loop.settle()
    assert [worker.left for worker in workers] == [0] * len(workers)
    # What is begun at once, and then a turn; the last slice may be a bit too long.
    assert loop.longest_turn <= 2 * TURN + SHORTEST_SLICE + STEP
    loop.shut()
