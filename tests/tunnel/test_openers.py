"""Two keys of ours at a node: which one counts, for how long, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.samples import suite_of
from tincd_compat.tunnel.codec import Drop, Opener, Sealer
from tincd_compat.tunnel.drops import Opened
from tincd_compat.tunnel.openers import Openers

SUITE = suite_of(427, 672, 4)
NO_MAC = suite_of(427, 672, 0)
PATIENCE = 70.0
#: Seconds between two ticks.
TICK = 5.0
FRAME = b"frame"


class Node:
    """A node that was given keys 1 to ``keys``, and can seal with any of them."""

    def __init__(self, keys: int = 0) -> None:
        self.openers = Openers(PATIENCE)
        self.sealers: dict[int, Sealer] = {}
        self.made: dict[int, Opener] = {}
        self._now = 0.0
        for _ in range(keys):
            self.renew()

    def renew(self) -> None:
        number = len(self.made) + 1
        block = bytes([number]) * 48
        self.sealers[number] = Sealer(SUITE, block)
        self.made[number] = Opener(SUITE, block)
        self.openers.renew(self.made[number])

    def seal(self, *keys: int) -> list[bytes]:
        """Return one datagram under each of these keys."""
        return [self.sealers[key].seal_train([FRAME])[0] for key in keys]

    def send(self, *keys: int) -> list[Drop | None]:
        """Return what becomes of a train under these keys."""
        return drops(self.openers.open_train(self.seal(*keys), self._now))

    def tick(self, count: int = 1) -> None:
        for _ in range(count):
            self.openers.tick(self._now)
            self._now += TICK

    @property
    def current(self) -> int:
        """The number of the current key, 0 without one."""
        return next(
            (n for n, each in self.made.items() if each is self.openers.current), 0
        )

    def counts(self, key: int) -> bool:
        """Tell whether a datagram under the key is known for the node's."""
        return bool(self.openers.matches(self.seal(key)[0]))


def drops(train: Sequence[Opened]) -> list[Drop | None]:
    assert all(each.frame == (b"" if each.drop else FRAME) for each in train)
    return [each.drop for each in train]


def test_without_a_key() -> None:
    node = Node()
    assert node.openers.current is None
    assert node.openers.matches(bytes(100)) is None
    node.openers.forget_other()
    node.tick(100)
    node.openers.expire()


def test_one_key_is_the_only_one() -> None:
    node = Node(1)
    node.sealers[2] = Sealer(SUITE, bytes(48))
    assert node.send(1, 2, 1) == [None, Drop.UNAUTHENTICATED, None]
    assert node.counts(1)
    assert not node.counts(2)


class TestTheOlderLineComesLast:
    def test_before_the_node_has_used_the_newer(self) -> None:
        node = Node(2)
        assert node.current == 2
        assert node.counts(1)
        assert node.send(1, 1) == [None, None]
        assert node.current == 1
        # The newer key may be on its way still.
        assert node.counts(2)

    def test_after_that(self) -> None:
        node = Node(2)
        assert node.send(2) == [None]
        assert node.send(1) == [None]
        assert node.current == 1

    def test_seen_by_nobody_but_the_compiled_pumps(self) -> None:
        node = Node(2)
        node.made[2].open_train(node.seal(2, 2))
        assert node.send(1) == [None]
        assert node.current == 1

    def test_what_stays_in_use_stays_for_good(self) -> None:
        node = Node(2)
        node.send(2)
        for _ in range(100):
            assert node.send(1) == [None]
            node.tick()
        assert node.current == 1

    def test_the_newer_key_waits(self) -> None:
        node = Node(2)
        node.send(1)
        node.tick(1000)
        assert node.send(2) == [None]

    def test_a_train_with_both(self) -> None:
        node = Node(2)
        assert node.send(1, 2, 2) == [None] * 3
        assert node.current == 2
        assert node.send(2, 1) == [None] * 2
        assert node.current == 1

    def test_it_can_turn_back(self) -> None:
        node = Node(2)
        for key in (2, 1, 2, 1, 2):
            assert node.send(key) == [None]
            assert node.current == key


class TestTheUsualOrder:
    """The node had used the older key when the newer was made."""

    def test_what_is_on_its_way_arrives(self) -> None:
        node = Node(1)
        node.send(1)
        node.renew()
        assert node.send(1, 1) == [None] * 2
        assert node.current == 1
        assert node.send(1, 2) == [None] * 2
        assert node.current == 2

    @pytest.mark.parametrize("compiled", [False, True])
    def test_the_first_packet_under_the_newer_ends_the_older(
        self, compiled: bool
    ) -> None:
        node = Node(1)
        node.send(1)
        node.renew()
        if compiled:
            node.made[2].open_train(node.seal(2))
        else:
            node.send(2)
        assert not node.counts(1)
        assert node.send(1, 2) == [Drop.UNAUTHENTICATED, None]

    def test_even_if_the_older_came_to_the_front_again(self) -> None:
        node = Node(1)
        node.send(1)
        node.renew()
        node.send(1)
        node.send(2)
        assert node.current == 2
        assert not node.counts(1)

    def test_a_straggler_within_a_train_does_not_bring_it_back(self) -> None:
        node = Node(1)
        node.send(1)
        node.renew()
        assert node.send(2, 1) == [None] * 2
        assert node.current == 2
        assert not node.counts(1)

    def test_a_line_that_got_lost(self) -> None:
        node = Node(1)
        node.send(1)
        node.renew()
        node.tick(10)
        assert node.send(1) == [None]
        node.tick(100)
        assert node.send(1) == [None]


class TestTheEnd:
    def test_when_it_has_been_out_of_use_for_long(self) -> None:
        node = Node(2)
        node.tick(int(PATIENCE / TICK))
        assert node.counts(1)
        node.tick()
        assert not node.counts(1)
        assert node.send(1, 2) == [Drop.UNAUTHENTICATED, None]

    def test_use_begins_the_time_anew(self) -> None:
        node = Node(2)
        node.tick(10)
        node.send(1)
        node.tick(10)
        node.send(2)
        node.tick(int(PATIENCE / TICK))
        assert node.counts(1)
        node.tick()
        assert not node.counts(1)

    def test_so_does_a_renewal(self) -> None:
        node = Node(2)
        node.tick(10)
        node.renew()
        node.tick(10)
        assert node.counts(2)

    def test_a_third_key(self) -> None:
        node = Node(3)
        assert [node.counts(key) for key in (1, 2, 3)] == [False, True, True]

    def test_a_third_key_after_a_turn(self) -> None:
        node = Node(2)
        node.send(2)
        node.send(1)
        node.renew()
        assert [node.counts(key) for key in (1, 2, 3)] == [True, False, True]
        # Neither line of before is on its way any more.
        node.send(3)
        assert not node.counts(1)

    @pytest.mark.parametrize("in_use", [1, 2])
    def test_no_key_outlives_its_expiry(self, in_use: int) -> None:
        node = Node(2)
        node.send(in_use)
        node.openers.expire()
        assert node.openers.current is None
        assert node.openers.matches(node.seal(1)[0]) is None
        node.renew()
        assert [node.counts(key) for key in (1, 2, 3)] == [False, False, True]

    @pytest.mark.parametrize("in_use", [1, 2])
    def test_forgotten_by_itself(self, in_use: int) -> None:
        node = Node(2)
        node.send(in_use)
        node.openers.forget_other()
        assert node.current == in_use
        assert node.send(3 - in_use, in_use) == [Drop.UNAUTHENTICATED, None]

    def test_a_key_that_we_cannot_work(self) -> None:
        node = Node(2)
        node.openers.renew(None)
        assert node.openers.matches(node.seal(1)[0]) is None
        node.renew()
        assert not node.counts(2)


def test_without_a_mac_there_is_no_other() -> None:
    openers = Openers(PATIENCE)
    old, new = (Sealer(NO_MAC, bytes([number]) * 48) for number in (1, 2))
    openers.renew(Opener(NO_MAC, bytes([1]) * 48))
    openers.renew(Opener(NO_MAC, bytes([2]) * 48))
    old.seal_train([FRAME])
    (opened,) = openers.open_train(old.seal_train([FRAME]), 0.0)
    assert opened.drop is not None
    assert drops(openers.open_train(new.seal_train([FRAME]), 0.0)) == [None]
    assert openers.matches(new.seal_train([FRAME])[0]) is False


def test_each_key_has_its_own_window() -> None:
    node = Node(2)
    first, second = node.seal(1), node.seal(2)
    assert drops(node.openers.open_train(second + first, 0.0)) == [None] * 2
    assert drops(node.openers.open_train(second + first, 0.0)) == [Drop.LATE] * 2
    # What is no news does not turn anything.
    assert node.current == 1
    assert node.openers.highest == 1
    assert drops(node.openers.open_train(second, 0.0)) == [Drop.LATE]
    assert node.current == 1


def test_junk_turns_nothing() -> None:
    node = Node(2)
    junk = [b"", b"short", bytes(64), bytes(1500)]
    assert drops(node.openers.open_train(junk, 0.0)) == [
        *[Drop.TOO_SHORT] * 2,
        *[Drop.UNAUTHENTICATED] * 2,
    ]
    assert node.current == 2
    assert node.counts(1)


class Counting(Opener):
    """Counts the datagrams whose MAC it computes."""

    macs = 0

    def open_train(self, datagrams: Sequence[bytes]) -> list[Opened]:
        self.macs += len(datagrams)
        return super().open_train(datagrams)

    def matches(self, datagram: bytes) -> bool:
        self.macs += 1
        return super().matches(datagram)


def test_a_forged_datagram_costs_one_mac_more_and_a_genuine_one_none() -> None:
    openers = Openers(PATIENCE)
    made = [Counting(SUITE, bytes([number]) * 48) for number in (1, 2)]
    for each in made:
        openers.renew(each)
    openers.open_train([bytes(64)] * 10, 0.0)
    openers.matches(bytes(64))
    assert [each.macs for each in made] == [11, 11]
    openers.open_train(Sealer(SUITE, bytes([2]) * 48).seal_train([FRAME] * 10), 0.0)
    assert [each.macs for each in made] == [11, 21]


@given(
    st.permutations([1, 2]),
    st.lists(st.integers(0, 3), min_size=2, max_size=2),
    st.booleans(),
)
def test_in_whatever_order_two_lines_come_nothing_is_lost(
    arrivals: list[int], packets: list[int], late: bool
) -> None:
    """``late``: the newer key is made after the first packets under the older."""
    node = Node(1 if late and arrivals[0] == 1 else 2)
    for key, count in zip(arrivals, packets, strict=True):
        if key not in node.made:
            node.renew()
        assert node.send(*[key] * count) == [None] * count
        node.tick(5)
    assert node.send(arrivals[-1]) == [None]
