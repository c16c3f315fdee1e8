"""The subnet table against the rule in its plainest form: walk the sorted table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cost import calls
from tincd_compat.addresses import Subnet, SubnetKind
from tincd_compat.mesh import ordered
from tincd_compat.mesh.subnets import MAX_CACHED, SubnetTable


@dataclass(eq=False)
class Host:
    name: str
    reachable: bool = True

    def __repr__(self) -> str:
        return self.name


def subnet(text: str) -> Subnet:
    parsed = Subnet.parse(text)
    assert parsed is not None
    return parsed


def contains(subnet: Subnet, address: bytes) -> bool:
    """Tell bit by bit whether a packed address of that length lies in the subnet."""
    ours, bits = (
        "".join(f"{byte:08b}" for byte in each) for each in (subnet.address, address)
    )
    return len(bits) == len(ours) and bits.startswith(ours[: subnet.prefix])


def naive_lookup(
    entries: list[tuple[Subnet, Host]], address: bytes
) -> tuple[Subnet, Host] | None:
    ordered = sorted(entries, key=lambda entry: (entry[0].sort_key, entry[1].name))
    last = None
    for entry in ordered:
        if contains(entry[0], address):
            if entry[1].reachable:
                return entry
            last = entry
    return last


@st.composite
def small_subnets(draw: st.DrawFn) -> Subnet:
    """Subnets that often overlap: few addresses, host bits included."""
    kind, length = draw(
        st.sampled_from(
            [(SubnetKind.MAC, 6), (SubnetKind.IPV4, 4), (SubnetKind.IPV6, 16)]
        )
    )
    address = bytes(length - 1) + bytes([draw(st.integers(0, 7))])
    bits = length * 8
    prefixes = [bits] if kind is SubnetKind.MAC else [0, bits - 2, bits - 1, bits]
    weight = draw(st.sampled_from([-1, 10, 11]))
    return Subnet(kind, address, draw(st.sampled_from(prefixes)), weight)


@st.composite
def addresses(draw: st.DrawFn) -> bytes:
    length = draw(st.sampled_from([4, 6, 16]))
    return bytes(length - 1) + bytes([draw(st.integers(0, 8))])


OPERATIONS = st.one_of(
    st.tuples(st.sampled_from(["add", "remove"]), st.integers(0, 2), small_subnets()),
    st.tuples(st.just("flip"), st.integers(0, 2), small_subnets()),
)


@given(st.lists(OPERATIONS, max_size=30), st.lists(addresses(), max_size=8))
def test_table_agrees_with_walking(
    operations: list[tuple[str, int, Subnet]], wanted: list[bytes]
) -> None:
    agrees_with_walking(operations, wanted)


@st.composite
def crowded(draw: st.DrawFn) -> Subnet:
    """Subnets of two networks, the one within the other, with many weights."""
    prefix, weight = draw(st.sampled_from([31, 32])), draw(st.integers(0, 20))
    return Subnet(SubnetKind.IPV4, bytes([10, 0, 0, 2]), prefix, weight)


CROWDING = st.one_of(
    st.tuples(st.sampled_from(["add", "add", "remove"]), st.integers(0, 2), crowded()),
    st.tuples(st.just("flip"), st.integers(0, 2), crowded()),
)


@given(st.lists(CROWDING, max_size=120))
def test_many_weights_of_one_network_agree_with_walking(
    operations: list[tuple[str, int, Subnet]],
) -> None:
    wanted = [bytes([10, 0, 0, 2]), bytes([10, 0, 0, 3])]
    with mock.patch.object(ordered, "MAX_PIECE", 4):
        agrees_with_walking(operations, wanted)


def agrees_with_walking(
    operations: list[tuple[str, int, Subnet]], wanted: list[bytes]
) -> None:
    hosts = [Host(name) for name in "bca"]
    table: SubnetTable[Host] = SubnetTable()
    entries: list[tuple[Subnet, Host]] = []
    for verb, index, item in operations:
        host = hosts[index]
        known = (item, host) in entries
        if verb == "add":
            assert table.add(host, item) is not known
            entries += [] if known else [(item, host)]
        elif verb == "remove":
            assert table.remove(host, item) is known
            entries = [entry for entry in entries if entry != (item, host)]
        else:
            host.reachable = not host.reachable
            table.invalidate()
        for address in wanted:
            assert table.lookup(address) == naive_lookup(entries, address)
    ordered = sorted(entries, key=lambda entry: (entry[0].sort_key, entry[1].name))
    assert table.all() == ordered
    assert len(table) == len(entries)
    for host in hosts:
        assert table.of(host) == [item for item, owner in ordered if owner is host]


@pytest.fixture
def table() -> SubnetTable[Host]:
    return SubnetTable()


def test_same_subnet_with_two_weights_coexists(table: SubnetTable[Host]) -> None:
    host = Host("a")
    assert table.add(host, subnet("10.0.0.0/8#5"))
    assert table.add(host, subnet("10.0.0.0/8#6"))
    assert table.has(host, subnet("10.0.0.0/8#6"))
    assert not table.has(host, subnet("10.0.0.0/8#7"))
    assert not table.has(Host("a"), subnet("10.0.0.0/8#6"))


def test_what_went_from_a_crowded_network_is_not_listed(
    table: SubnetTable[Host],
) -> None:
    host = Host("a")
    weights = [subnet(f"10.0.0.0/8#{weight}") for weight in range(4)]
    for each in weights:
        table.add(host, each)
    for each in (weights[1], weights[3]):
        assert table.remove(host, each)
    assert [item for item, _ in table] == [weights[0], weights[2]]
    assert table.remove(host, weights[0])
    assert [item for item, _ in table] == [weights[2]]


def test_reachable_shorter_prefix_beats_unreachable_longer(
    table: SubnetTable[Host],
) -> None:
    dead, live = Host("dead", reachable=False), Host("live")
    table.add(dead, subnet("10.1.0.0/16"))
    table.add(live, subnet("10.0.0.0/8"))
    assert table.lookup(bytes([10, 1, 2, 3])) == (subnet("10.0.0.0/8"), live)


def test_last_match_if_nobody_is_reachable(table: SubnetTable[Host]) -> None:
    first, last = Host("a", reachable=False), Host("b", reachable=False)
    table.add(first, subnet("10.1.0.0/16"))
    table.add(first, subnet("10.0.0.0/8#1"))
    table.add(last, subnet("10.0.0.0/8#2"))
    assert table.lookup(bytes([10, 1, 2, 3])) == (subnet("10.0.0.0/8#2"), last)


def test_lower_weight_is_preferred(table: SubnetTable[Host]) -> None:
    a, b = Host("a"), Host("b")
    table.add(a, subnet("10.0.0.0/8#20"))
    table.add(b, subnet("10.0.0.0/8#5"))
    assert table.lookup(bytes([10, 0, 0, 1])) == (subnet("10.0.0.0/8#5"), b)


def test_answers_are_remembered_until_invalidated(table: SubnetTable[Host]) -> None:
    a, b = Host("a"), Host("b")
    table.add(a, subnet("10.0.0.0/8#1"))
    table.add(b, subnet("10.0.0.0/8#2"))
    address = bytes([10, 0, 0, 1])
    assert table.lookup(address) == (subnet("10.0.0.0/8#1"), a)
    a.reachable = False
    assert table.lookup(address) == (subnet("10.0.0.0/8#1"), a)
    table.invalidate()
    assert table.lookup(address) == (subnet("10.0.0.0/8#2"), b)


def test_many_destinations_do_not_fill_memory(table: SubnetTable[Host]) -> None:
    for number in range(MAX_CACHED * 2 + 5):
        assert table.lookup(number.to_bytes(4, "big")) is None
    assert len(table._cache) <= MAX_CACHED


def test_what_comes_and_goes_during_a_walk_spoils_nothing_else(
    table: SubnetTable[Host],
) -> None:
    hosts = [Host("a"), Host("b")]
    texts = ("1:2:3:4:5:6", "10.0.0.0/8#5", "10.0.0.0/8#6", "10.1.0.0/16", "fd00::/8")
    for text in texts:
        table.add(hosts[0], subnet(text))
    seen = []
    for found, _ in table:
        seen.append(found)
        table.remove(hosts[0], subnet("10.1.0.0/16"))
        table.add(hosts[1], subnet("10.0.0.0/8#7"))
        table.add(hosts[1], subnet("10.0.0.0/9"))
    expected = [subnet(text) for text in texts if text != "10.1.0.0/16"]
    assert [each for each in seen if each in expected] == expected


# Costs: members choose the weights and the owners.


class Asked:
    """A host of which it counts as a call when its reachability is asked for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._reachable = False

    @property
    def reachable(self) -> bool:
        return self._reachable

    @reachable.setter
    def reachable(self, value: bool) -> None:
        self._reachable = value


NOWHERE = bytes([10, 0, 0, 1])


def crowd_of(size: int) -> tuple[SubnetTable[Asked], Asked]:
    """One network: even weights are of one host, odd ones of a host each; all dead."""
    table: SubnetTable[Asked] = SubnetTable()
    many = Asked("many")
    for weight in range(size):
        owner = Asked(f"one{weight}") if weight % 2 else many
        table.add(owner, subnet(f"0.0.0.0/0#{weight}"))
    table.lookup(NOWHERE)
    return table, many


def grows(cost: Callable[[int], int]) -> float:
    """By what factor a step costs more in a table that is 16 times as large."""
    return cost(8192) / cost(512)


def test_an_entry_that_goes_does_not_look_at_the_others() -> None:
    def cost(size: int) -> int:
        table, many = crowd_of(size)
        item = subnet(f"0.0.0.0/0#{size // 2}")
        return calls(lambda: (table.remove(many, item), table.add(many, item)))

    assert grows(cost) < 2


def test_a_lookup_does_not_ask_all_owners_that_cannot_be_reached() -> None:
    def cost(size: int) -> int:
        table, _ = crowd_of(size)
        alive, item = Asked("zzz"), subnet("0.0.0.0/0#-1")
        alive.reachable = True

        def change_and_look() -> None:
            for _ in range(4):
                table.add(alive, item)
                assert table.lookup(NOWHERE) == (item, alive)
                table.remove(alive, item)
                assert table.lookup(NOWHERE) != (item, alive)

        return calls(change_and_look)

    assert grows(cost) < 2


def test_other_destinations_of_a_network_share_its_answer() -> None:
    def cost(size: int) -> int:
        table, _ = crowd_of(size)
        table.invalidate()
        table.lookup(NOWHERE)
        return calls(lambda: [table.lookup(bytes([9, 9, 9, n])) for n in range(100)])

    assert grows(cost) < 2
