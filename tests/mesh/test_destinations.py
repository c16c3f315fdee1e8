"""Owners of addresses, remembered, against the table that they are from."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tincd_compat.addresses import Subnet
from tincd_compat.mesh.destinations import Destinations
from tincd_compat.mesh.node import Node
from tincd_compat.mesh.subnets import SubnetTable

OWNERS = [Node(name, reachable=True) for name in "abc"]
#: Few addresses that are near each other, at both ends of what there is.
ADDRESSES = [
    *(number.to_bytes(4) for number in (0, 1, 2, 127, 128, 255, 256, 2**32 - 1)),
    *(number.to_bytes(6) for number in (0, 1, 2, 2**48 - 1)),
    *(number.to_bytes(16) for number in (0, 1, 2, 2**64, 2**128 - 1)),
]
SUBNETS = [
    "0.0.0.0/0",
    *(f"0.0.0.{last}/{prefix}" for last in (0, 1, 129) for prefix in (23, 24, 25, 32)),
    *("128.0.0.0/1", "255.255.255.255/32", "0.0.0.0/24#5"),
    *("0:0:0:0:0:1", "0:0:0:0:0:2", "ff:ff:ff:ff:ff:ff", "0:0:0:0:0:1#5"),
    *("::/0", "::/127", "::1/128", "::/64", "8000::/1", "::1/64#5"),
]


def parse(text: str) -> Subnet:
    subnet = Subnet.parse(text)
    assert subnet is not None
    return subnet


def covers(subnet: Subnet, address: bytes) -> bool:
    """Tell, bit by bit, whether an address is in a subnet."""
    if len(address) != len(subnet.address):
        return False
    here, there = (
        "".join(f"{byte:08b}" for byte in each) for each in (address, subnet.address)
    )
    return here[: subnet.prefix] == there[: subnet.prefix]


steps = st.tuples(
    st.booleans(), st.sampled_from(OWNERS), st.sampled_from(SUBNETS).map(parse)
)


@given(st.lists(steps, max_size=30), st.data())
def test_no_answer_is_stale(
    told: list[tuple[bool, Node, Subnet]], data: st.DataObject
) -> None:
    table = SubnetTable[Node]()
    known = Destinations(table)
    heard: list[Subnet] = []
    table.changed = heard.append
    for add, owner, subnet in told:
        for address in data.draw(st.sets(st.sampled_from(ADDRESSES))):
            known.find(address)
        before = dict(known.owners)
        done = table.add(owner, subnet) if add else table.remove(owner, subnet)
        assert heard == [subnet] * done
        void = [address for each in heard for address in known.forget(each)]
        assert sorted(void) == sorted(
            address for address in before if done and covers(subnet, address)
        )
        assert known.owners == {a: o for a, o in before.items() if a not in void}
        heard.clear()
        for address in ADDRESSES:
            found = table.lookup(address)
            assert known.find(address) is (None if found is None else found[1])


def test_what_is_known_is_asked_once() -> None:
    table = SubnetTable[Node]()
    known = Destinations(table)
    table.add(OWNERS[0], parse("0.0.0.0/24"))
    for _ in range(2):
        assert known.find(bytes(4)) is OWNERS[0]
    assert len(known) == 1
    assert known.forget(parse("0.0.0.0/24")) == [bytes(4)]
    assert len(known) == 0


def test_everything_is_forgotten() -> None:
    known = Destinations(SubnetTable[Node]())
    for address in ADDRESSES:
        assert known.find(address) is None
    known.clear()
    assert len(known) == 0
    for text in ("0.0.0.0/0", "0:0:0:0:0:1", "::/0"):
        assert known.forget(parse(text)) == []
