"""What is known of this host's network, and which messages say something new."""

from __future__ import annotations

import socket
import struct
import sys
from itertools import islice, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.marshal import MarshalRtnl

from tests.transport import netlink
from tests.transport.netlink import UP, address, link, route
from tincd_compat.transport import hostnetwork
from tincd_compat.transport.hostnetwork import MOST, HostNetwork, requests, split

OWN = 7
TENTATIVE = 0x40


@pytest.fixture
def network() -> HostNetwork:
    return HostNetwork(OWN)


def told(network: HostNetwork, *messages: bytes) -> list[bool]:
    """Return for each message whether it told of a change."""
    return [
        network.concerns(each) and network.take(each)
        for each in split(b"".join(messages))
    ]


@pytest.mark.parametrize(
    ("new", "again", "gone"),
    [
        (link(2), link(2, flags=UP | 0x100), link(2, flags=0x1)),
        (link(2), link(2, flags=UP | 0x1000), link(2, gone=True)),
        (
            address(2, "10.0.0.1", lifetime=300),
            address(2, "10.0.0.1", lifetime=200),
            address(2, "10.0.0.1", gone=True),
        ),
        (
            address(2, "2001:db8::1"),
            address(2, "2001:db8::1", lifetime=5, flags=0x100),
            address(2, "2001:db8::1", flags=TENTATIVE),
        ),
        (route(None, 2), route(None, 2), route(None, 2, gone=True)),
        (
            route("10.1.1.0", 2, metric=5),
            route("10.1.1.0", 2, metric=5),
            route("10.1.1.0", 2, metric=5, gone=True),
        ),
    ],
)
def test_only_a_difference_is_a_change(
    network: HostNetwork, new: bytes, again: bytes, gone: bytes
) -> None:
    for _ in range(2):
        assert told(network, new, again, new, gone, gone) == [
            *(True, False, False),
            *(True, False),
        ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (link(2), link(2, mtu=1400)),
        (route(None, 2), route(None, 3)),
        (route(None, 2), route(None, 2, "10.0.0.253")),
        (route("10.1.1.0", 2), route("10.1.2.0", 2)),
        (route(None, 2), route(None, 2, metric=5)),
        (route(None, 2), route(None, 2, sort=7)),
        # What routes are told apart by.
        (route("10.1.0.0", 2), route("10.1.0.0", 2, length=16)),
        (route(None, 2), route(None, 2, source="10.1.1.0")),
        (
            route(None, 2, source="10.1.1.0"),
            route(None, 2, source="10.1.2.0"),
        ),
        (route(None, 2), route(None, 2, tos=8)),
        (route(None, 2), route(None, 2, family=socket.AF_INET6)),
        (route(None, 2), route(None, 2, table=7)),
        (route(None, 2, table=1000), route(None, 2, table=1001)),
        (route(None, 2, short=True, table=7), route(None, 2, short=True, table=8)),
        # Further ways of saying where one leads: from where, by several, by IPv6.
        *(
            (route(None, 2, more=[(kind, b"one")]), route(None, 2, more=[(kind, b"2")]))
            for kind in (7, 9, 18)
        ),
        (address(2, "10.0.0.1"), address(3, "10.0.0.1")),
        (address(2, "10.0.0.1"), address(2, "10.0.0.1", length=25)),
        (address(2, "2001:db8::1"), address(2, "2001:db8::2")),
        (
            address(2, "10.0.0.1", peer="10.0.0.9"),
            address(2, "10.0.0.2", peer="10.0.0.9"),
        ),
    ],
)
def test_another_value_is_a_change(
    network: HostNetwork, before: bytes, after: bytes
) -> None:
    assert told(network, before, after, after) == [True, True, False]


@pytest.mark.parametrize(
    "ignored",
    [
        link(OWN),
        link(2, family=7),
        link(2, family=7, gone=True),
        link(2, flags=0x1),
        address(OWN, "10.0.0.1"),
        address(2, "2001:db8::1", flags=TENTATIVE),
        route("10.1.1.0", OWN),
        route("10.1.1.0", 2, flags=0x200),
        *(route("10.1.1.0", 2, sort=sort) for sort in (2, 3, 4, 5)),
        route("10.1.1.0", 2, gone=True),
        netlink.message(28, bytes(12)),
    ],
)
def test_what_is_no_change(network: HostNetwork, ignored: bytes) -> None:
    assert told(network, ignored, ignored) == [False, False]


@pytest.mark.parametrize(
    "end",
    [link(2, flags=0), link(2, gone=True), address(2, "10.0.0.1", gone=True)],
)
def test_a_route_that_went_with_its_link_is_new_afterwards(
    network: HostNetwork, end: bytes
) -> None:
    # Of an IPv4 route that ends so the kernel says nothing.
    other, lost = route("10.2.2.0", 3), route(None, 2)
    told(network, link(2), address(2, "10.0.0.1"), lost, other)
    assert told(network, end, other, lost) == [True, False, True]


def test_too_many_routes_leave_the_default_ones(network: HostNetwork) -> None:
    addresses = (f"10.{a}.{b}.0" for a, b in product(range(8), range(250)))
    routes = [route(each, 2) for _, each in zip(range(MOST), addresses, strict=False)]
    told(network, route(None, 2), *routes[:-1])
    assert told(network, *routes[-3:]) == [False, False, False]
    assert told(network, route(None, 2), routes[0], route(None, 3)) == [
        *(False, False),
        True,
    ]
    network.clear()
    assert told(network, routes[0]) == [True]


def test_no_table_grows_without_end(network: HostNetwork) -> None:
    for number in range(MOST + 5):
        assert told(network, link(10 + number))[0] is (number < MOST)
        new = address(2, f"10.0.{number >> 8}.{number & 255}")
        assert told(network, new)[0] is (number < MOST)
        assert told(network, route(None, 2, metric=number))[0] is (number < MOST)
    # What is known stays known.
    assert told(network, link(10, mtu=1400), link(10), link(10)) == [True, True, False]


def test_answers_are_told_from_news() -> None:
    data = link(2, asked=True) + link(2) + netlink.done()
    assert [(each.answers, each.ends_answer) for each in split(data)] == [
        *((True, False), (False, False), (False, True)),
    ]


def test_news_that_has_the_number_of_a_question_is_news() -> None:
    """Who changes something may give what the kernel says of it any number."""
    (asked,) = split(link(2, asked=True))
    news = bytearray(asked.data)
    # The flags, of which NLM_F_MULTI is one.
    news[6:8] = bytes(2)
    assert [each.answers for each in split(bytes(news))] == [False]


def test_an_attribute_that_is_cut_off_or_impossible_says_nothing(
    network: HostNetwork,
) -> None:
    silent = shortened(link(2), 8)
    impossible = bytearray(link(2))
    # The length of what says the MTU.
    impossible[32:34] = bytes(2)
    for data in (shortened(link(2), 2), bytes(impossible)):
        network.clear()
        assert told(network, data, silent) == [True, False]


def test_an_attribute_may_be_marked_as_having_others_in_it(
    network: HostNetwork,
) -> None:
    marked = bytearray(link(2))
    (kind,) = struct.unpack_from("=H", marked, 34)
    struct.pack_into("=H", marked, 34, kind | 0x8000)
    assert told(network, link(2), bytes(marked)) == [True, False]


def shortened(message: bytes, count: int) -> bytes:
    """Return a message without its last bytes, and what fills the gap to the next."""
    end = len(message) - count
    return struct.pack("=I", end) + message[4:end] + bytes(-end % 4)


def test_a_length_of_nothing_is_the_end() -> None:
    assert list(islice(split(bytes(64)), 2)) == []


def test_the_kernel_is_asked_for_all() -> None:
    kinds = [each.kind for each in split(b"".join(requests()))]
    assert kinds == [18, 22, 26]


@given(
    st.one_of(
        st.binary(max_size=80),
        st.builds(
            lambda kind, body: netlink.message(kind, body),
            st.sampled_from([16, 17, 20, 21, 24, 25]),
            st.binary(max_size=60),
        ),
    )
)
def test_any_bytes_are_read_to_their_end(data: bytes) -> None:
    network = HostNetwork(OWN)
    assert len(told(network, data)) <= 5


@pytest.mark.parametrize(
    ("message", "numbers"),
    [
        (
            address(2, "10.0.0.1", flags=TENTATIVE),
            {"IFA_ADDRESS": 1, "IFA_LOCAL": 2, "IFA_FLAGS": 8},
        ),
        (
            route("10.1.1.0", 2, metric=5),
            {
                **{"RTA_DST": 1, "RTA_OIF": 4, "RTA_GATEWAY": 5},
                **{"RTA_PRIORITY": 6, "RTA_TABLE": 15},
            },
        ),
        (link(2), {"IFLA_MTU": 4}),
    ],
)
def test_attributes_are_where_the_library_finds_them(
    message: bytes, numbers: dict[str, int]
) -> None:
    [fields] = MarshalRtnl().parse(message)
    heads = {20: 24, 24: 28, 16: 32}
    found = hostnetwork._attributes(message, heads[fields["header"]["type"]])
    for name, number in numbers.items():
        value, raw = fields.get_attr(name), found[number]
        if isinstance(value, str):
            assert value == socket.inet_ntop(socket.AF_INET, raw)
        else:
            assert value == int.from_bytes(raw, sys.byteorder)


@given(st.binary(max_size=40))
def test_attributes_end_with_their_message(data: bytes) -> None:
    found = hostnetwork._attributes(data, 0)
    assert sum(4 + len(value) for value in found.values()) <= len(data)
