"""Text forms of addresses and subnets; the accepted strings are tincd 1.0.36's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.texts import texts
from tincd_compat.addresses import (
    SocketAddress,
    Subnet,
    SubnetKind,
    format_host,
    format_mac,
    interface_fault,
    valid_name,
)

ACCEPTED = [
    ("10.0.0.0/8", "10.0.0.0/8#10"),
    ("10.0.0.5/24", "10.0.0.5/24#10"),
    ("1.2.3.4", "1.2.3.4/32#10"),
    ("1.2.3.4/+8", "1.2.3.4/8#10"),
    ("1.2.3.4/008", "1.2.3.4/8#10"),
    ("10.0.0.0/ 8", "10.0.0.0/8#10"),
    ("0.0.0.0/0", "0.0.0.0/0#10"),
    ("01.02.03.04/8", "1.2.3.4/8#10"),
    ("+1.2.3.4", "1.2.3.4/32#10"),
    ("1.2.3.4#5", "1.2.3.4/32#5"),
    ("1.2.3.4/8#-5", "1.2.3.4/8#-5"),
    ("1.2.3.4/8#+5", "1.2.3.4/8#5"),
    ("1.2.3.4#4294967296", "1.2.3.4/32#0"),
    ("1.2.3.4#2147483648", "1.2.3.4/32#-2147483648"),
    ("::/0", "0:0:0:0:0:0:0:0/0#10"),
    ("::1", "0:0:0:0:0:0:0:1/128#10"),
    ("::01", "0:0:0:0:0:0:0:1/128#10"),
    ("fd00:1::/64#5", "fd00:1:0:0:0:0:0:0/64#5"),
    ("FD00::/16", "fd00:0:0:0:0:0:0:0/16#10"),
    ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8/128#10"),
    ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0/128#10"),
    ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8/128#10"),
    ("1:2:3:4::6", "1:2:3:4:0:0:0:6/128#10"),
    ("fd00::1.2.3.4", "fd00:0:0:0:0:0:102:304/128#10"),
    ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304/128#10"),
    ("1:2:3:4:5:6", "1:2:3:4:5:6#10"),
    ("00:1A:2B:3C:4D:5E#7", "0:1a:2b:3c:4d:5e#7"),
    ("100:2:3:4:5:6", "0:2:3:4:5:6#10"),
    ("1234:5678:9abc:def0:1:ffff", "34:78:bc:f0:1:ff#10"),
]

REJECTED = [
    "",
    "/8",
    "#5",
    "foo",
    "1.2.3.4/33",
    "1.2.3.4/-1",
    "1.2.3.4/",
    "1.2.3.4/8x",
    "1.2.3.4/8/9",
    "1.2.3.4/8#",
    "1.2.3.4/8#5x",
    "1.2.3.4#0x10",
    "1.2.3.4#5#6",
    "1.2.3.4#5/8",
    "1.2.3/24",
    "1..2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "-1.2.3.4",
    "0x1.2.3.4",
    "::/129",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    ":1:2:3:4:5:6:7",
    "fe80::1%lo",
    "::1.2.3",
    "::1.2.3.256",
    "::1.2.3.4.5",
    "1:2:3:4:5:6/48",
    "1:2:3:4:5:",
    "1:2:3:4:5:6:",
    "1:2:3:4:5:g",
    ":" * 1024,
    "1.2.3.4#" + "9" * 64,
]


@pytest.mark.parametrize(("text", "canonical"), ACCEPTED)
def test_subnet_accepted(text: str, canonical: str) -> None:
    subnet = Subnet.parse(text)
    assert subnet is not None
    assert str(subnet) == canonical
    assert Subnet.parse(canonical) == subnet


@pytest.mark.parametrize("text", REJECTED)
def test_subnet_rejected(text: str) -> None:
    assert Subnet.parse(text) is None


def test_six_groups_are_a_mac_address() -> None:
    subnet = Subnet.parse("1:2:3:4:5:6")
    assert subnet == Subnet(SubnetKind.MAC, bytes([1, 2, 3, 4, 5, 6]), 48, 10)


@st.composite
def subnets(draw: st.DrawFn) -> Subnet:
    kind = draw(st.sampled_from(SubnetKind))
    length = {SubnetKind.MAC: 6, SubnetKind.IPV4: 4, SubnetKind.IPV6: 16}[kind]
    address = draw(st.binary(min_size=length, max_size=length))
    prefix = 48 if kind is SubnetKind.MAC else draw(st.integers(0, length * 8))
    weight = draw(st.integers(-(2**31), 2**31 - 1))
    return Subnet(kind, address, prefix, weight)


@given(subnets())
def test_subnet_text_is_read_back(subnet: Subnet) -> None:
    assert Subnet.parse(str(subnet)) == subnet


@given(texts(max_size=40))
def test_any_text_is_a_subnet_or_none(text: str) -> None:
    subnet = Subnet.parse(text)
    assert subnet is None or Subnet.parse(str(subnet)) == subnet


@given(subnets(), st.data())
def test_containment_ignores_the_host_bits(subnet: Subnet, data: st.DataObject) -> None:
    bits = len(subnet.address) * 8
    spare = bits - subnet.prefix
    host = data.draw(st.integers(0, 2**spare - 1))
    network = int.from_bytes(subnet.address, "big") >> spare << spare
    inside = (network | host).to_bytes(len(subnet.address), "big")
    assert subnet.contains(inside)
    if subnet.prefix:
        outside = (network ^ (1 << spare) | host).to_bytes(len(inside), "big")
        assert not subnet.contains(outside)
    assert not subnet.contains(inside + b"\0")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10.0.0.5/24", True), ("10.0.0.0/24", False), ("0.0.0.0/0", False)],
)
def test_host_bits(text: str, expected: bool) -> None:
    subnet = Subnet.parse(text)
    assert subnet is not None
    assert subnet.has_host_bits is expected


def test_net_leaves_the_weight_out() -> None:
    texts = ["10.1.2.3", "fec0:0:0:1::/64", "0:1a:2b:3c:4d:5e"]
    parsed = [Subnet.parse(text) for text in texts]
    assert [subnet.net for subnet in parsed if subnet] == [
        "10.1.2.3/32",
        "fec0:0:0:1:0:0:0:0/64",
        "0:1a:2b:3c:4d:5e",
    ]


def test_order_is_family_then_longer_prefix_address_weight() -> None:
    ordered = [
        "1:2:3:4:5:6#9",
        "1:2:3:4:5:7#1",
        "9.0.0.0/32#5",
        "10.0.0.0/24#5",
        "10.0.0.0/24#6",
        "10.0.1.0/24#1",
        "1.0.0.0/8#1",
        "fd00:0:0:0:0:0:0:0/64#1",
        "0:0:0:0:0:0:0:0/0#1",
    ]
    parsed = [subnet for text in reversed(ordered) if (subnet := Subnet.parse(text))]
    parsed.sort(key=lambda subnet: subnet.sort_key)
    assert [str(subnet) for subnet in parsed] == ordered


@pytest.mark.parametrize("name", ["a", "Zz_09", "x" * 2048])
def test_valid_names(name: str) -> None:
    assert valid_name(name)


@pytest.mark.parametrize("name", ["", "a-b", "a.b", "a b", "é", "a\n", "../x", "٣"])
def test_invalid_names(name: str) -> None:
    assert not valid_name(name)


@pytest.mark.parametrize(
    ("host", "port", "text"),
    [
        ("127.0.0.1", "655", "127.0.0.1 port 655"),
        ("::1", "0", "::1 port 0"),
        ("FE80::1%eth0", "65535", "fe80::1 port 65535"),
        ("::ffff:1.2.3.4", "1", "::ffff:1.2.3.4 port 1"),
        ("2001:db8:0:0:0:0:0:1", "0655", "2001:db8::1 port 655"),
    ],
)
def test_socket_address_text(host: str, port: str, text: str) -> None:
    address = SocketAddress.parse(host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("example.org", "655"),
        ("unknown", "655"),
        ("1.2.3", "655"),
        ("127.0.0.1", "http"),
        ("127.0.0.1", "-1"),
        ("127.0.0.1", "65536"),
        ("127.0.0.1", "²"),
        ("127.0.0.1", ""),
        ("", "655"),
    ],
)
def test_socket_address_takes_numbers_only(host: str, port: str) -> None:
    assert SocketAddress.parse(host, port) is None


def test_scope_is_not_compared() -> None:
    plain, scoped = SocketAddress("fe80::1", 1), SocketAddress("fe80::1", 1, 3)
    assert plain == scoped
    assert hash(plain) == hash(scoped)
    assert scoped.with_port(2) == SocketAddress("fe80::1", 2)
    assert scoped.with_port(2).scope == 3


def test_interface_of_the_scope_in_text() -> None:
    address = SocketAddress("fe80::1", 655, 2, "eth0")
    assert str(address) == "fe80::1%eth0 port 655"
    assert str(address.with_port(1)) == "fe80::1%eth0 port 1"
    assert address == SocketAddress("fe80::1", 655)


def test_unmapped() -> None:
    mapped = SocketAddress("::ffff:10.0.0.1", 655)
    assert mapped.is_ipv6
    assert mapped.unmapped() == SocketAddress("10.0.0.1", 655)
    assert not mapped.unmapped().is_ipv6
    other = SocketAddress("fd00::1", 655)
    assert other.unmapped() is other


@given(st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16))
def test_packed_hosts_are_read_back(packed: bytes) -> None:
    address = SocketAddress.parse(format_host(packed), "1")
    assert address is not None
    assert address.packed == packed


def test_format_mac_does_not_pad() -> None:
    assert format_mac(bytes([0, 0x1A, 0x2B, 0x3C, 0x4D, 0x5E])) == "0:1a:2b:3c:4d:5e"


@pytest.mark.parametrize(
    "name", ["vpn", "tap%d", "%d", "a,b", "...", "\u00fc", "a" * 15 + "/", ""]
)
def test_names_that_the_kernel_gives_an_interface(name: str) -> None:
    assert interface_fault(name) is None


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("eth/0", "slash"),
        ("eth0:1", "colon"),
        ("my vpn", "blank"),
        ("my\tvpn", "blank"),
        ("\u00e0", "blank"),
        (".", "`.'"),
        ("..", "`..'"),
        ("tap%", "%d"),
        ("tap%x", "%d"),
        ("%d%d", "%d"),
    ],
)
def test_names_that_the_kernel_gives_no_interface(name: str, word: str) -> None:
    assert word in (interface_fault(name) or "")
