"""The subnet table against the rule in its plainest form: walk the sorted table."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tincd_compat.addresses import Subnet, SubnetKind
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


def naive_lookup(
    entries: list[tuple[Subnet, Host]], address: bytes
) -> tuple[Subnet, Host] | None:
    ordered = sorted(entries, key=lambda entry: (entry[0].sort_key, entry[1].name))
    last = None
    for entry in ordered:
        if entry[0].contains(address):
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
