"""Operations with the private key: which is next, how many wait, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transport.fakes import FakeLoop
from tincd_compat.config.keys import PrivateKey
from tincd_compat.daemon import privateops
from tincd_compat.daemon.privateops import Crowded, Meter, PrivateOperations


class SlowKey:
    """Takes its time, and gives back what it was given."""

    size = 4

    def __init__(self, loop: FakeLoop) -> None:
        self._loop = loop
        self.seconds = 0.1
        #: What was decrypted, in turn.
        self.done: list[bytes] = []

    def decrypt(self, block: bytes) -> bytes:
        self._loop.now += self.seconds
        self.done.append(block)
        if block == b"broken":
            raise ArithmeticError("the RSA operation gave a wrong result")
        return block


class Thread:
    """Operations with a slow key, in a thread that works when told to."""

    def __init__(self, loop: FakeLoop) -> None:
        self.loop = loop
        self.key = SlowKey(loop)
        self.operations = PrivateOperations(cast(PrivateKey, self.key), loop)
        self.asked: dict[str, asyncio.Future[bytes]] = {}

    def ask(self, words: str) -> None:
        """Ask for each word; its first letter is its source, o for own links."""
        for word in words.split():
            source = None if word[0] == "o" else word[0]
            self.asked[word] = self.operations.ask(word.encode(), source)
        self.loop.settle()

    def work(self, times: int = 1) -> str:
        """Do operations as long as there are some; return which."""
        before = len(self.key.done)
        for _ in range(times):
            self.loop.finish_work()
        return b" ".join(self.key.done[before:]).decode()

    def serve(self, seconds: float) -> str:
        """Work for so long, at least."""
        before = len(self.key.done)
        end = self.loop.now + seconds
        while self.loop.now < end:
            if self.loop.work:
                self.loop.finish_work()
            else:
                self.loop.advance(0.01)
        return b" ".join(self.key.done[before:]).decode()

    def crowded(self) -> str:
        """Return who was told that there are too many."""
        return " ".join(
            word
            for word, result in self.asked.items()
            if result.done()
            and not result.cancelled()
            and isinstance(result.exception(), Crowded)
        )


@pytest.fixture
def thread(loop: FakeLoop) -> Iterator[Thread]:
    thread = Thread(loop)
    yield thread
    thread.operations.close()


# Order.


def test_an_answer(thread: Thread) -> None:
    thread.ask("a1")
    assert not thread.asked["a1"].done()
    assert thread.work() == "a1"
    assert thread.asked["a1"].result() == b"a1"
    assert thread.operations.pace == pytest.approx(0.1)


def test_one_at_a_time(thread: Thread) -> None:
    thread.ask("a1 b1 o1")
    assert (len(thread.loop.work), len(thread.operations)) == (1, 2)


def test_own_links_come_first_then_callers_in_turns(thread: Thread) -> None:
    thread.ask("a1 a2 a3 b1 b2 c1 o1 o2")
    assert thread.work(8) == "a1 o1 o2 a2 b1 c1 a3 b2"


def test_what_goes_wrong(thread: Thread) -> None:
    thread.ask("broken a1")
    assert thread.work(2) == "broken a1"
    with pytest.raises(ArithmeticError, match="wrong result"):
        thread.asked["broken"].result()


# Callers that leave.


def test_what_is_withdrawn_is_not_begun(thread: Thread) -> None:
    thread.ask("a1 a2 b1 o1")
    for word in ("a2", "o1"):
        thread.asked[word].cancel()
    thread.loop.settle()
    assert len(thread.operations) == 1
    assert thread.work(4) == "a1 b1"


def test_what_is_withdrawn_meanwhile_comes_to_its_end(thread: Thread) -> None:
    thread.ask("broken b1")
    thread.asked["broken"].cancel()
    assert thread.work(2) == "broken b1"
    assert thread.asked["broken"].cancelled()


def test_a_thread_that_is_gone(thread: Thread) -> None:
    thread.ask("a1 b1")
    thread.loop.work.pop()[0].cancel()
    thread.loop.settle()
    assert thread.asked["a1"].cancelled()
    assert thread.work() == "b1"


# The share of callers.


def test_a_flood_leaves_half_of_the_time(thread: Thread) -> None:
    thread.ask(" ".join(f"a{number}" for number in range(4)))
    served = 0
    for second in range(20):
        served += len(thread.serve(1.0).split())
        thread.ask(" ".join(f"a{second}.{number}" for number in range(10)))
    busy = served * thread.key.seconds
    assert 9.5 < busy < 11.5


def test_who_calls_into_a_flood_is_served_after_one_turn(thread: Thread) -> None:
    for second in range(10):
        thread.ask(" ".join(f"a{second}.{number}" for number in range(10)))
        thread.serve(1.0)
    thread.ask("m1")
    began = thread.loop.now
    while not thread.asked["m1"].done():
        thread.serve(0.01)
    assert thread.loop.now - began < 0.5


def test_own_links_need_no_share(thread: Thread) -> None:
    thread.ask(" ".join(f"a{number}" for number in range(30)))
    assert len(thread.work(30).split()) < 30
    assert thread.loop.work == []
    thread.ask("o1")
    assert thread.work() == "o1"


def test_a_quiet_time_is_worth_no_more_than_a_second(thread: Thread) -> None:
    thread.loop.advance(1000.0)
    thread.ask(" ".join(f"a{number}" for number in range(30)))
    # While the second is used up, half a second for each comes in again.
    assert len(thread.work(30).split()) == 20
    thread.loop.advance(0.11)
    assert thread.work(2) == "a20"


# The bound.


def test_nobody_waits_longer_than_patience(thread: Thread) -> None:
    thread.ask("a0")
    thread.work()
    thread.ask(" ".join(f"a{number}" for number in range(1, 20)))
    # One is being done; 2.5 seconds, half of them for callers, are for twelve more.
    assert len(thread.operations) == 12
    assert thread.crowded() == "a14 a15 a16 a17 a18 a19"
    thread.ask("b1 b2")
    assert thread.crowded() == "a12 a13 a14 a15 a16 a17 a18 a19"


def test_a_few_may_wait_whatever_they_cost(thread: Thread) -> None:
    thread.key.seconds = 30.0
    thread.ask("a0")
    thread.work()
    thread.ask("a1 b1 c1 d1 e1 f1")
    assert len(thread.operations) == privateops.LEAST_CALLERS
    assert thread.crowded() == "e1 f1"


# Dialling.


def dialled(thread: Thread, times: int) -> list[float]:
    """Let so many links be dialled; return how many seconds each has waited."""

    async def dial() -> list[float]:
        return await asyncio.gather(*(thread.operations.turn() for _ in range(times)))

    task = thread.loop.create_task(dial())
    thread.loop.settle()
    thread.loop.finish_work()
    return thread.loop.run(asyncio.wait_for(task, 1000.0))


def test_a_few_dials_need_no_trial(thread: Thread) -> None:
    assert dialled(thread, privateops.FIRST_DIALS) == [0.0] * 4
    assert thread.key.done == []


def test_many_dials_leave_at_the_pace_of_the_key(thread: Thread) -> None:
    waited = dialled(thread, 45)
    assert thread.key.done == [b"\0\0\0\1"]
    assert waited[:4] == [0.0] * 4
    # The operations of those ahead can all be done within 2.5 seconds.
    assert waited[4:30] == pytest.approx([0.1] * 26)
    assert waited[30:] == pytest.approx([0.2 + 0.1 * number for number in range(15)])


def test_a_known_pace_needs_no_trial(thread: Thread) -> None:
    thread.ask("a1")
    thread.work()
    assert dialled(thread, 31)[-1] == pytest.approx(0.5)
    assert thread.key.done == [b"a1"]


def test_a_quick_key_lets_all_go(thread: Thread) -> None:
    thread.key.seconds = 0.005
    assert max(dialled(thread, 300)) == pytest.approx(0.005)


def test_who_gives_up_takes_nothing_from_the_others(thread: Thread) -> None:
    thread.operations.pace = 0.1
    for _ in range(100):
        tasks = [thread.loop.create_task(thread.operations.turn()) for _ in range(40)]
        thread.loop.settle()
        for task in tasks:
            task.cancel()
        thread.loop.settle()
    assert dialled(thread, 1) == pytest.approx([0.1])


@pytest.mark.parametrize("trouble", ["error", "cancelled task"])
def test_a_trial_that_fails(thread: Thread, trouble: str) -> None:
    dialled(thread, privateops.FIRST_DIALS)
    tasks = [thread.loop.create_task(thread.operations.turn()) for _ in range(2)]
    thread.loop.settle()
    if trouble == "error":
        thread.loop.fail_work(ArithmeticError("the RSA operation gave a wrong result"))
    else:
        tasks.pop(0).cancel()
        thread.loop.settle()
        thread.loop.finish_work()
    thread.loop.finish_work()
    assert all(task.done() and task.exception() is None for task in tasks)


def test_the_pace_follows_the_key(thread: Thread) -> None:
    thread.ask("o1 o2")
    thread.work()
    thread.key.seconds = 0.5
    thread.work()
    assert thread.operations.pace == pytest.approx(0.2)


# The end.


def test_nothing_is_begun_after_the_end(thread: Thread) -> None:
    thread.ask("a1 a2 b1")
    thread.operations.close()
    assert thread.work(3) == "a1"
    thread.ask("a3")
    assert thread.work() == ""


def test_one_timer_waits_for_the_share_until_the_end(thread: Thread) -> None:
    def timers() -> int:
        handles: list[asyncio.TimerHandle] = thread.loop._scheduled  # type: ignore[attr-defined]
        return sum(not handle.cancelled() for handle in handles)

    thread.ask(" ".join(f"a{number}" for number in range(30)))
    thread.work(30)
    thread.ask("b1 b2 b3")
    assert timers() == 1
    thread.operations.close()
    assert timers() == 0
    thread.loop.advance(10.0)
    assert thread.work(2) == ""


def test_a_real_thread() -> None:
    async def run() -> tuple[bytes, Executor | None]:
        loop = asyncio.get_running_loop()
        operations = PrivateOperations(cast(PrivateKey, StillKey()), loop)
        block = await operations.ask(b"block", None)
        operations.close()
        return block, operations._thread

    block, worker = asyncio.run(run())
    assert block == b"block"
    assert isinstance(worker, ThreadPoolExecutor)
    assert worker._max_workers == 1


class StillKey:
    """A key that needs no time."""

    def decrypt(self, block: bytes) -> bytes:
        return block


# Metering.


@given(
    st.floats(0.1, 1.0),
    st.floats(0.0, 5.0),
    st.lists(st.tuples(st.floats(0.0, 2.0), st.floats(0.01, 2.0)), max_size=30),
)
def test_work_keeps_to_its_share(
    share: float, burst: float, jobs: list[tuple[float, float]]
) -> None:
    meter, now, done = Meter(share, burst), 50.0, 0.0
    for pause, seconds in jobs:
        now += pause
        now += meter.delay(now)
        assert done <= burst + (now - 50.0) * share + 1e-6
        meter.add(seconds, now)
        done += seconds
