from __future__ import annotations

import errno

from hypothesis import given
from hypothesis import strategies as st

from tincd_compat.service.backlog import BATCH, LineBacklog


class Reader:
    """Takes so many bytes of lines, or fails."""

    def __init__(self, most: int = 1000) -> None:
        self.room = 0
        self.failing = False
        self.calls = 0
        self.read = b""
        self.backlog = LineBacklog(self.write, lambda count: b"(%d)\n" % count, most)

    def write(self, data: bytes) -> int:
        self.calls += 1
        if self.failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        if not self.room:
            raise BlockingIOError
        taken = data[: self.room]
        self.room -= len(taken)
        self.read += taken
        return len(taken)


def test_lines_that_find_room_do_not_wait() -> None:
    reader = Reader()
    reader.room = 100
    reader.backlog.put(b"one\n")
    reader.backlog.put(b"two\n")
    assert (reader.read, bool(reader.backlog)) == (b"one\ntwo\n", False)


def test_lines_wait_in_order() -> None:
    reader = Reader()
    for line in (b"one\n", b"two\n", b"three\n"):
        reader.backlog.put(line)
    assert bool(reader.backlog)
    reader.room = 6
    assert reader.backlog.catch_up() == 1
    assert reader.read == b"one\ntw"
    reader.room = 100
    reader.backlog.put(b"four\n")
    reader.backlog.catch_up()
    assert reader.read == b"one\ntwo\nthree\nfour\n"
    assert reader.backlog.lost == 0


def test_a_gap_is_told_where_it_is() -> None:
    reader = Reader(most=20)
    for number in range(9):
        reader.backlog.put(b"line%d\n" % number)
    assert reader.backlog.lost == 6
    reader.room = 1000
    reader.backlog.put(b"line9\n")
    reader.backlog.catch_up()
    assert reader.read == b"line0\nline1\nline2\n(6)\nline9\n"


def test_a_gap_at_the_end_is_told_without_another_line() -> None:
    reader = Reader(most=10)
    for _ in range(3):
        reader.backlog.put(b"line5\n")
    reader.room = 1000
    while reader.backlog:
        reader.backlog.catch_up()
    assert reader.read == b"line5\n(2)\n"


def test_a_line_that_is_refused_costs_only_itself() -> None:
    reader = Reader()
    reader.failing = True
    reader.backlog.put(b"lost\n")
    reader.failing, reader.room = False, 100
    reader.backlog.put(b"kept\n")
    assert (reader.read, reader.backlog.lost) == (b"kept\n", 1)


def test_a_line_costs_no_more_for_those_that_wait() -> None:
    reader = Reader(most=1 << 20)
    for _ in range(5000):
        reader.backlog.put(b"line\n")
    reader.room = 1 << 20
    reader.calls = 0
    reader.backlog.put(b"line\n")
    assert reader.calls <= 3
    reader.calls = 0
    assert reader.backlog.catch_up() == BATCH
    assert reader.calls == BATCH


@given(
    st.lists(st.integers(0, 40) | st.integers(-40, -4), max_size=60),
)
def test_all_that_is_not_counted_as_lost_arrives(steps: list[int]) -> None:
    """A positive step is room that the reader makes, a negative one a long line."""
    reader = Reader(most=60)
    put: list[bytes] = []
    for number, step in enumerate(steps):
        if step >= 0:
            reader.room += step
            reader.backlog.catch_up()
        else:
            put.append(f"{number:x}\n".rjust(-step, "x").encode())
            reader.backlog.put(put[-1])
        assert reader.backlog._size <= 60
    reader.room = 1 << 20
    while reader.backlog:
        reader.backlog.catch_up()
    expected, lost = iter(put), 0
    for line in reader.read.splitlines(keepends=True):
        if line.startswith(b"("):
            count = int(line[1:-2])
            lost += count
            for _ in range(count):
                next(expected)
        else:
            assert line == next(expected)
    assert list(expected) == []
    assert lost == reader.backlog.lost
