"""The UDP sockets over a fake socket: grouping, fall-backs, sending, addresses."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transport.datagrams import PEER, PEER6, FakeSocket, make
from tincd_compat.addresses import SocketAddress
from tincd_compat.transport.buffers import SendBuffer
from tincd_compat.transport.local import from_sockaddr
from tincd_compat.transport.trains import (
    MAX_REFUSALS,
    MAX_RUN_BYTES,
    MAX_SEGMENTS,
    TRAINS_REFUSED,
    Refusals,
    split_runs,
)
from tincd_compat.transport.udp import (
    UDP_SEGMENT,
    UdpSocket,
    UdpSockets,
    segmentation_is_sound,
)
from tincd_compat.transport.udp_options import to_sockaddr


@pytest.fixture
def traffic(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG, "tincd"):
        yield caplog


# Grouping


@pytest.mark.parametrize(
    ("sizes", "runs"),
    [
        ([], []),
        ([5], [(0, 1)]),
        ([5, 5, 5], [(0, 3)]),
        ([5, 5, 3], [(0, 3)]),
        ([5, 3, 3], [(0, 2), (2, 3)]),
        ([5, 3, 5, 5], [(0, 2), (2, 4)]),
        ([3, 5, 5], [(0, 1), (1, 3)]),
        ([5, 5, 3, 2], [(0, 3), (3, 4)]),
        ([9] * 65, [(0, 64), (64, 65)]),
        ([1524] * 64, [(0, 42), (42, 64)]),
    ],
)
def test_runs(sizes: list[int], runs: list[tuple[int, int]]) -> None:
    assert split_runs(sizes) == runs


def test_runs_of_what_is_not_too_long() -> None:
    sizes = [5, 5, 3, 6, 6, 4, 4]
    assert split_runs(sizes, 6) == [(0, 3), (3, 4), (4, 5), (5, 7)]
    assert split_runs(sizes, 1) == [(i, i + 1) for i in range(len(sizes))]


def test_runs_that_are_limited() -> None:
    assert split_runs([5, 5, 5, 5, 3], longest=13) == [(0, 2), (2, 5)]
    assert split_runs([5, 5, 5, 5, 3], longest=12) == [(0, 2), (2, 4), (4, 5)]
    assert split_runs([5, 5, 3], longest=1) == [(0, 1), (1, 2), (2, 3)]


@given(st.lists(st.sampled_from([1, 2, 30, 1500]) | st.integers(1, 65000)))
def test_runs_cover_the_train_and_suit_the_kernel(sizes: list[int]) -> None:
    runs = split_runs(sizes)
    assert [i for start, end in runs for i in range(start, end)] == [*range(len(sizes))]
    for start, end in runs:
        run = sizes[start:end]
        assert len(run) <= MAX_SEGMENTS
        assert sum(run) <= MAX_RUN_BYTES
        assert set(run[:-1]) <= {run[0]}
        assert run[-1] <= run[0]


@given(st.lists(st.binary(min_size=1, max_size=4), min_size=1))
def test_the_kernel_gets_every_datagram_in_order(train: list[bytes]) -> None:
    fake = FakeSocket()
    assert make(fake).send(train, ("10.0.0.2", 655)) == []
    assert fake.datagrams == train


# Sending


def test_a_train_is_one_message_to_one_address() -> None:
    fake = FakeSocket()
    sockets = UdpSockets([make(fake)])
    assert sockets.send_train(PEER, [b"aaaa", b"bbbb", b"cc"]) == []
    assert fake.messages == [[b"aaaa", b"bbbb", b"cc"]]
    assert fake.destinations == [("10.0.0.2", 655)]


@pytest.mark.parametrize(
    "options", [{"segmentation": False}, {"release": "7.0.3"}], ids=["option", "kernel"]
)
def test_without_segmentation_datagrams_go_singly(options: dict[str, Any]) -> None:
    fake = FakeSocket()
    udp = make(fake, **options)
    assert udp.send([b"aa", b"bb"], ("10.0.0.2", 655)) == []
    assert fake.messages == [[b"aa"], [b"bb"]]


def test_segmentation_is_probed() -> None:
    fake = FakeSocket()
    fake.unknown.add(UDP_SEGMENT)
    assert not make(fake).segmentation


ADDRESS = ("10.0.0.2", 655)
TRAIN = [b"aaaaa", b"bbbbb", b"c"]
SHORTER = [b"aaaa", b"bbbb", b"c"]


def runs_refused(fake: FakeSocket, error: int, length: int = 0) -> None:
    """Let no datagrams of that length or more leave in one message."""
    fake.refuse = lambda message: (
        error if len(message) > 1 and len(message[0]) >= length else 0
    )


def attempts(fake: FakeSocket, udp: UdpSocket, train: list[bytes], *to: Any) -> int:
    """Return in how many messages a train leaves, refused ones too."""
    count, refuse = 0, fake.refuse

    def counting(message: list[bytes]) -> int:
        nonlocal count
        count += 1
        return refuse(message)

    fake.refuse = counting
    fake.datagrams.clear()
    assert udp.send(train, *to or (ADDRESS,)) == []
    assert fake.datagrams == train
    fake.refuse = refuse
    return count


@pytest.mark.parametrize("error", [errno.EIO, errno.EINVAL, errno.EMSGSIZE])
def test_a_refused_train_leaves_singly_and_others_try_no_more(error: int) -> None:
    fake = FakeSocket()
    runs_refused(fake, error)
    udp = make(fake)
    assert attempts(fake, udp, TRAIN) == 4
    assert attempts(fake, udp, TRAIN) == 3


@pytest.mark.parametrize("error", [errno.EIO, errno.EINVAL, errno.EMSGSIZE])
def test_a_refusal_counts_for_its_address_only(error: int) -> None:
    fake = FakeSocket()
    runs_refused(fake, error)
    udp = make(fake)
    udp.send(TRAIN, ADDRESS)
    runs_refused(fake, 0)
    assert attempts(fake, udp, TRAIN, ("10.0.0.3", 655)) == 1
    assert udp.segmentation


@pytest.mark.parametrize("error", [errno.EINVAL, errno.EMSGSIZE])
def test_shorter_trains_go_on_where_the_path_cuts_long_datagrams(error: int) -> None:
    fake = FakeSocket()
    runs_refused(fake, error, 5)
    udp = make(fake)
    assert attempts(fake, udp, TRAIN) == 4
    assert attempts(fake, udp, TRAIN) == 3
    assert attempts(fake, udp, SHORTER) == 1
    runs_refused(fake, error, 4)
    assert attempts(fake, udp, SHORTER) == 4
    assert attempts(fake, udp, SHORTER) == 3
    assert attempts(fake, udp, TRAIN) == 3


@pytest.mark.parametrize("error", [errno.EIO, errno.EINVAL, errno.EMSGSIZE])
def test_the_kernel_is_asked_again_after_a_while(error: int) -> None:
    """Routes change, and nobody says that a train may pass now."""
    fake = FakeSocket()
    runs_refused(fake, error)
    udp = make(fake)
    for _ in range(2):
        assert attempts(fake, udp, TRAIN) == 4
        assert {attempts(fake, udp, TRAIN) for _ in range(TRAINS_REFUSED - 1)} == {3}
        # What is one datagram tells nothing, and does not count.
        assert attempts(fake, udp, [b"alone"]) == 1
    runs_refused(fake, 0)
    assert {attempts(fake, udp, TRAIN) for _ in range(TRAINS_REFUSED)} == {1}


def test_a_refusal_is_told_once(traffic: pytest.LogCaptureFixture) -> None:
    fake = FakeSocket()
    runs_refused(fake, errno.EIO)
    sockets = UdpSockets([make(fake)])
    for _ in range(2 * TRAINS_REFUSED):
        sockets.send_train(PEER, TRAIN)
    sockets.train_refused(PEER, 0, errno.EIO)
    assert traffic.messages == [
        "No UDP segmentation to 10.0.0.2 port 655: Input/output error"
    ]


def test_that_long_datagrams_are_fragmented_is_no_news(
    traffic: pytest.LogCaptureFixture,
) -> None:
    fake = FakeSocket()
    runs_refused(fake, errno.EMSGSIZE)
    UdpSockets([make(fake)]).send_train(PEER, TRAIN)
    assert traffic.messages == []


def test_refusals_of_many_addresses_are_bounded() -> None:
    refusals = Refusals()
    for port in range(3 * MAX_REFUSALS):
        refusals.learn(("10.0.0.2", port), errno.EIO, 5)
        assert len(refusals) <= MAX_REFUSALS
        assert refusals.shortest(("10.0.0.2", port)) == 1


def test_an_address_the_kernel_dislikes_leaves_segmentation_on() -> None:
    fake = FakeSocket()
    fake.refuse = lambda _message: errno.EINVAL
    udp = make(fake)
    refused = udp.send([b"aa", b"bb"], ("10.0.0.2", 0))
    assert [index for index, _ in refused] == [0, 1]
    runs_refused(fake, 0)
    assert attempts(fake, udp, TRAIN, ("10.0.0.2", 0)) == 1


@pytest.mark.parametrize("of_a_run", [errno.EMSGSIZE, errno.EINVAL])
def test_only_a_single_datagram_can_be_too_big(of_a_run: int) -> None:
    fake = FakeSocket()

    def refuse(message: list[bytes]) -> int:
        too_long = errno.EMSGSIZE if len(message) == 1 else of_a_run
        return too_long if len(message[0]) > 3 else 0

    fake.refuse = refuse
    udp = make(fake)
    train = [b"aaa", b"bbb", b"cccc", b"dddd", b"e"]
    for _ in range(2):
        assert UdpSockets([udp]).send_train(PEER, train) == [2, 3]
    assert fake.datagrams == [b"aaa", b"bbb", b"e"] * 2
    assert fake.messages[2:] == [[b"aaa", b"bbb"], [b"e"]]


def test_a_full_buffer_loses_silently(traffic: pytest.LogCaptureFixture) -> None:
    fake = FakeSocket()
    fake.refuse = lambda _message: errno.EAGAIN
    sockets = UdpSockets([make(fake)])
    assert sockets.send_train(PEER, [b"aa", b"bb"], peer="b") == []
    assert sockets.send_train(PEER, [b"aa"], peer="b") == []
    assert traffic.messages == []


def test_other_errors_are_logged_once_a_second(
    traffic: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    fake = FakeSocket()
    fake.refuse = lambda _message: errno.ENETUNREACH
    sockets = UdpSockets([make(fake)])
    line = "Error sending packet to b (10.0.0.2 port 655): Network is unreachable"
    assert sockets.send_train(PEER, [b"aa", b"bb"], peer="b") == []
    assert traffic.messages == [line]
    now += 1
    sockets.send_train(PEER, [b"aa", b"bb"], peer="b")
    assert traffic.messages == [line, line]


@pytest.mark.parametrize("address", [None, PEER6])
def test_nowhere_to_send(
    traffic: pytest.LogCaptureFixture, address: SocketAddress | None
) -> None:
    fake = FakeSocket()
    assert UdpSockets([make(fake)]).send_train(address, [b"aa"], peer="b") == []
    assert fake.messages == []
    (line,) = traffic.messages
    assert line.startswith("Error sending packet to b (")


def test_the_remembered_socket_is_used_if_it_fits() -> None:
    four, other, six = FakeSocket(), FakeSocket(), FakeSocket(socket.AF_INET6)
    sockets = UdpSockets([make(four), make(other), make(six)])
    assert sockets.choose(PEER, 1) == 1
    assert sockets.choose(PEER, 2) == 0
    assert sockets.choose(PEER, 99) == 0
    assert sockets.choose(PEER6, 0) == 2
    sockets.send_train(PEER, [b"x"], 1)
    sockets.send_train(PEER6, [b"y"], 1)
    assert (four.datagrams, other.datagrams, six.datagrams) == ([], [b"x"], [b"y"])
    assert UdpSockets([make(four)]).choose(PEER6, 0) is None


@pytest.mark.parametrize(
    ("family", "address", "option", "line"),
    [
        (socket.AF_INET, PEER, (socket.IPPROTO_IP, socket.IP_TOS), "IPv4"),
        (socket.AF_INET6, PEER6, (socket.IPPROTO_IPV6, socket.IPV6_TCLASS), "IPv6"),
    ],
)
def test_priority_is_set_when_it_changes(
    traffic: pytest.LogCaptureFixture,
    family: int,
    address: SocketAddress,
    option: tuple[int, int],
    line: str,
) -> None:
    fake = FakeSocket(family)
    sockets = UdpSockets([make(fake)])
    sockets.send_train(address, [b"x"])
    assert option not in fake.options
    sockets.send_train(address, [b"x"], tos=0x10)
    sockets.send_train(address, [b"x"], tos=0x10)
    assert fake.options[option] == 0x10
    sockets.send_train(address, [b"x"])
    assert fake.options[option] == 0
    assert traffic.messages == [
        f"Setting {line} outgoing packet priority to 16",
        f"Setting {line} outgoing packet priority to 0",
    ]


def test_broadcast_goes_to_the_local_networks() -> None:
    four, six = FakeSocket(), FakeSocket(socket.AF_INET6)
    sockets = UdpSockets([make(four), make(six)])
    sockets.broadcast(655, [b"x"], 0)
    sockets.broadcast(6551, [b"y"], 1)
    assert four.destinations == [("255.255.255.255", 655)]
    assert six.destinations == [("ff02::1", 6551, 0, 3)]


def test_close_closes_all() -> None:
    fakes = FakeSocket(), FakeSocket()
    UdpSockets([make(fake) for fake in fakes]).close()
    assert all(fake.closed for fake in fakes)


def test_a_sender_sends_from_the_socket_that_fits() -> None:
    fakes = FakeSocket(), FakeSocket(socket.AF_INET6)
    sockets = UdpSockets([make(fake) for fake in fakes])
    for address, fake in zip((PEER, PEER6), fakes, strict=True):
        send = sockets.sender(address, 0)
        assert send is not None
        assert send(b"datagram") is None
        assert fake.datagrams == [b"datagram"]
        assert fake.destinations == [to_sockaddr(address)]
    assert UdpSockets([make(fakes[0])]).sender(PEER6, 0) is None


def test_a_sender_says_why_a_datagram_is_refused() -> None:
    fake = FakeSocket()
    send = UdpSockets([make(fake)]).sender(PEER, 0)
    assert send is not None
    for error, told in ((errno.EMSGSIZE, errno.EMSGSIZE), (errno.EAGAIN, None)):
        fake.refuse = lambda _message, error=error: error  # type: ignore[misc]
        refusal = send(b"datagram")
        assert (refusal and refusal.errno) == told


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EINTR, errno.ENOBUFS])
@pytest.mark.parametrize("segmentation", [True, False])
def test_what_finds_the_socket_full_is_counted(
    number: int, segmentation: bool, caplog: pytest.LogCaptureFixture
) -> None:
    fake = FakeSocket()
    sockets = UdpSockets([make(fake, segmentation=segmentation)])
    fake.refuse = lambda message: number if message[0] == b"aa" else 0
    assert sockets.send_train(PEER, [b"aa", b"aa", b"bbb", b"c"]) == []
    assert sockets.sockets[0].buffer.sent == 4
    assert sockets.lost == 2
    send = sockets.sender(PEER, 0)
    assert send is not None
    assert send(b"aa") is None
    assert send(b"bbb") is None
    assert (sockets.sockets[0].buffer.sent, sockets.lost) == (7, 3)
    sockets.full(0, 64, 1000)
    assert sockets.lost == 67
    assert "Error sending" not in caplog.text


def test_a_socket_that_is_full_is_given_shorter_messages() -> None:
    fake, now = FakeSocket(), [0.0]
    udp = make(fake)
    udp.buffer = SendBuffer(fake, clock=lambda: now[0])
    sockets = UdpSockets([udp])
    limits = []
    for sent in (0, 100_000, 200_000):
        now[0] += 0.05
        limits.append(sockets.full(0, 1, sent))
    assert limits[-1] == udp.buffer.limit == (2000, 500_000)
    assert limits[0] == limits[1] == (MAX_RUN_BYTES, 0)
    sockets.send_train(PEER, [bytes(900)] * 5)
    assert [len(message) for message in fake.messages] == [2, 2, 1]
    udp.buffer.sent += 500_000
    sockets.send_train(PEER, [bytes(900)] * 5)
    assert len(fake.messages[-1]) == 5


def test_a_sender_takes_the_type_of_service_back() -> None:
    fake = FakeSocket()
    sockets = UdpSockets([make(fake)])
    sockets.send_train(PEER, [b"precious"], tos=16)
    send = sockets.sender(PEER, 0)
    assert send is not None
    send(b"ordinary")
    assert fake.options[socket.IPPROTO_IP, socket.IP_TOS] == 0


# Addresses and kernels


def test_a_scope_survives_both_ways() -> None:
    sockaddr = ("fe80::1", 655, 0, 4)
    assert to_sockaddr(from_sockaddr(sockaddr)) == sockaddr
    assert to_sockaddr(PEER) == ("10.0.0.2", 655)


@pytest.mark.parametrize(
    ("release", "sound"),
    [
        ("6.18.44-fc-v669", True),
        ("6.1.0-13-amd64", True),
        ("7.0.0", False),
        ("7.0-rc1", False),
        ("7.1.4-1", False),
        ("7.1.5", True),
        ("7.2.0", True),
        ("unknown", False),
    ],
)
def test_kernels_with_broken_segmentation(release: str, sound: bool) -> None:
    assert segmentation_is_sound(release) is sound
