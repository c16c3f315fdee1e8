"""Dialogues with proxies: the bytes of tincd 1.0.36, and replies of every kind."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tincd_compat.addresses import SocketAddress
from tincd_compat.errors import ConfigError, PeerError
from tincd_compat.meta.proxydialogues import (
    MAX_HTTP_HEAD,
    HostName,
    ProxyDialogue,
    ProxyProgress,
    Target,
    edge_address,
    http,
    socks4,
    socks4a,
    socks5,
)

IPV4 = SocketAddress("10.0.0.2", 655)
IPV6 = SocketAddress("fd00::2", 655)
NAME = HostName("no.such.host", 655)

PACKED4 = b"\x0a\0\0\x02"
PACKED6 = b"\xfd" + bytes(14) + b"\x02"
PORT = b"\x02\x8f"


def plain5(target: Target = IPV4) -> ProxyDialogue:
    return socks5(target, "", None)


def secret5(target: Target = IPV4) -> ProxyDialogue:
    return socks5(target, "bob", "secret")


#: Requests as captured from tincd 1.0.36, except for the brackets.
REQUESTS: list[tuple[str, ProxyDialogue, bytes]] = [
    ("socks4", socks4(IPV4, ""), b"\4\1" + PORT + PACKED4 + b"\0"),
    ("socks4 user", socks4(IPV4, "bob"), b"\4\1" + PORT + PACKED4 + b"bob\0"),
    ("socks4a address", socks4a(IPV4, "u"), b"\4\1" + PORT + PACKED4 + b"u\0"),
    (
        "socks4a name",
        socks4a(NAME, ""),
        b"\4\1" + PORT + b"\0\0\0\1\0no.such.host\0",
    ),
    (
        "socks4a name user",
        socks4a(NAME, "u"),
        b"\4\1" + PORT + b"\0\0\0\1u\0no.such.host\0",
    ),
    ("socks5", plain5(), b"\5\1\0\5\1\0\1" + PACKED4 + PORT),
    ("socks5 IPv6", plain5(IPV6), b"\5\1\0\5\1\0\4" + PACKED6 + PORT),
    ("socks5 name", plain5(NAME), b"\5\1\0\5\1\0\3\x0cno.such.host" + PORT),
    ("socks5 user", socks5(IPV4, "u", None), b"\5\1\0\5\1\0\1" + PACKED4 + PORT),
    (
        "socks5 password",
        secret5(),
        b"\5\1\2\1\3bob\6secret\5\1\0\1" + PACKED4 + PORT,
    ),
    (
        "socks5 no user",
        socks5(IPV4, "", "x"),
        b"\5\1\2\1\0\1x\5\1\0\1" + PACKED4 + PORT,
    ),
    (
        "socks5 bytes of the file",
        socks5(IPV4, "\udcff", "é"),
        b"\5\1\2\1\1\xff\2\xc3\xa9\5\1\0\1" + PACKED4 + PORT,
    ),
    ("http", http(IPV4), b"CONNECT 10.0.0.2:655 HTTP/1.1\r\n\r\n"),
    ("http IPv6", http(IPV6), b"CONNECT [fd00::2]:655 HTTP/1.1\r\n\r\n"),
    ("http name", http(NAME), b"CONNECT no.such.host:655 HTTP/1.1\r\n\r\n"),
]


@pytest.mark.parametrize(
    ("dialogue", "request_bytes"),
    [row[1:] for row in REQUESTS],
    ids=[row[0] for row in REQUESTS],
)
def test_requests(dialogue: ProxyDialogue, request_bytes: bytes) -> None:
    assert dialogue.request == request_bytes


@pytest.mark.parametrize(
    ("build", "line"),
    [
        (
            lambda: socks4(IPV6, ""),
            "Can only connect to numeric IPv4 addresses through a SOCKS 4 proxy!",
        ),
        (
            lambda: socks4(NAME, ""),
            "Can only connect to numeric IPv4 addresses through a SOCKS 4 proxy!",
        ),
        (
            lambda: socks4a(IPV6, ""),
            "Can only connect to IPv4 addresses or hostnames through a SOCKS 4a proxy!",
        ),
        (
            lambda: socks5(IPV4, "u" * 256, "p"),
            "The user for the SOCKS 5 proxy is longer than 255 bytes",
        ),
        (
            lambda: socks5(IPV4, "u", "p" * 256),
            "The password for the SOCKS 5 proxy is longer than 255 bytes",
        ),
        (
            lambda: socks5(HostName("h" * 256, 1), "", None),
            "The host name for the SOCKS 5 proxy is longer than 255 bytes",
        ),
    ],
)
def test_requests_that_cannot_be_made(
    build: Callable[[], ProxyDialogue], line: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build()
    assert str(caught.value) == line


def test_the_longest_fields_fit() -> None:
    dialogue = socks5(HostName("h" * 255, 1), "u" * 255, "p" * 255)
    assert len(dialogue.request) == 3 + 1 + 256 + 256 + 4 + 256 + 2


OK5 = b"\5\0\0\1\1\2\3\4\0\7"
OK5_IPV6 = b"\5\0\0\4" + PACKED6 + b"\0\7"
OK5_NAME = b"\5\0\0\3\4host\0\7"
BOUND = SocketAddress("1.2.3.4", 7)

#: Replies that grant the request, and the address in them.
GRANTED: list[tuple[Callable[[], ProxyDialogue], bytes, SocketAddress | None]] = [
    (lambda: socks4(IPV4, ""), b"\0\x5a\0\7\1\2\3\4", BOUND),
    (lambda: socks4a(NAME, ""), b"\0\x5a\0\7\1\2\3\4", BOUND),
    (lambda: socks4a(NAME, ""), b"\0\x5a" + bytes(6), SocketAddress("0.0.0.0", 0)),
    (plain5, b"\5\0" + OK5, BOUND),
    (plain5, b"\5\0\5\0\x99" + OK5[3:], BOUND),
    (plain5, b"\5\0" + OK5_IPV6, SocketAddress("fd00::2", 7)),
    (plain5, b"\5\0\5\0\0\4" + bytes(10) + b"\xff\xff\1\2\3\4\0\7", BOUND),
    (plain5, b"\5\0" + OK5_NAME, None),
    (plain5, b"\5\0\5\0\0\3\0\0\7", None),
    (secret5, b"\5\2\1\0" + OK5, BOUND),
    (secret5, b"\5\2\5\0" + OK5, BOUND),
    (secret5, b"\5\2\1\0" + OK5_NAME, None),
    (secret5, b"\5\0" + OK5, BOUND),
    (lambda: http(IPV4), b"HTTP/1.1 200 OK\r\n\r\n", None),
    (lambda: http(IPV4), b"HTTP/1.0 200 Connection established\r\n\r\n", None),
    (lambda: http(IPV4), b"http/1.1 200\r\nVia: x\r\nX: y\r\n\r\n", None),
]

#: Replies that end the connection, and what the log says.
REFUSED: list[tuple[Callable[[], ProxyDialogue], bytes, str]] = [
    (lambda: socks4(IPV4, ""), b"\0\x5b", "Proxy request rejected"),
    (lambda: socks4(IPV4, ""), b"\1", "Proxy request rejected"),
    (lambda: socks4a(NAME, ""), b"\0\x5d" + bytes(6), "Proxy request rejected"),
    (plain5, b"\4", "Proxy authentication method rejected"),
    (plain5, b"\5\xff", "Proxy authentication method rejected"),
    (plain5, b"\5\1", "Proxy authentication method rejected"),
    (plain5, b"\5\2\5\0", "Proxy authentication method rejected"),
    (secret5, b"\5\xff", "Proxy authentication method rejected"),
    (secret5, b"\5\2\1\1", "Proxy username/password rejected"),
    (secret5, b"\5\2\5\1", "Proxy username/password rejected"),
    (secret5, b"\5\2\2", "Proxy username/password rejected"),
    (plain5, b"\5\0\5\2", "Proxy request rejected"),
    (plain5, b"\5\0\4", "Proxy request rejected"),
    (secret5, b"\5\2\1\0\5\1", "Proxy request rejected"),
    (plain5, b"\5\0\5\0\0\2", "Proxy reply malformed"),
    (lambda: http(IPV4), b"SSH", "Proxy reply malformed"),
    (lambda: http(IPV4), b"HTTP/2.0", "Proxy reply malformed"),
    (lambda: http(IPV4), b"HTTP/1.1\t", "Proxy reply malformed"),
    (
        lambda: http(IPV4),
        b"HTTP/1.1 407 Proxy Authentication Required\r\n",
        "Proxy request rejected: 407 Proxy Authentication Required",
    ),
    (lambda: http(IPV4), b"HTTP/1.0 201 OK\r\n", "Proxy request rejected: 201 OK"),
    (lambda: http(IPV4), b"HTTP/1.1 2000 OK\r\n", "Proxy request rejected: 2000 OK"),
    (lambda: http(IPV4), b"HTTP/1.1 \r\n", "Proxy request rejected: "),
    (
        lambda: http(IPV4),
        b"HTTP/1.1 403 \x1b[31m\xe9\n\r\n",
        r"Proxy request rejected: 403 \x1b[31m\xe9\x0a",
    ),
    (
        lambda: http(IPV4),
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * (MAX_HTTP_HEAD - 20),
        "Proxy reply malformed",
    ),
    (lambda: http(IPV4), b"HTTP/1.1 " + b"2" * MAX_HTTP_HEAD, "Proxy reply malformed"),
]


def feed(dialogue: ProxyDialogue, chunks: Iterable[bytes]) -> ProxyProgress:
    """Hand chunks in until the proxy has granted; the rest goes to the leftover."""
    progress, rest = ProxyProgress(), b""
    for chunk in chunks:
        if progress.done:
            rest += chunk
        else:
            progress = dialogue.receive_data(chunk)
    return ProxyProgress(progress.done, progress.leftover + rest, progress.bound)


def single_bytes(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


@pytest.mark.parametrize(("build", "reply", "bound"), GRANTED)
def test_granted(
    build: Callable[[], ProxyDialogue], reply: bytes, bound: SocketAddress | None
) -> None:
    assert build().receive_data(reply) == ProxyProgress(True, b"", bound)
    early = b"0 beta 17\n"
    assert build().receive_data(reply + early) == ProxyProgress(True, early, bound)
    assert feed(build(), single_bytes(reply + early)) == ProxyProgress(
        True, early, bound
    )


@pytest.mark.parametrize(("build", "reply", "bound"), GRANTED)
def test_nothing_is_granted_before_the_reply_is_complete(
    build: Callable[[], ProxyDialogue], reply: bytes, bound: SocketAddress | None
) -> None:
    for length in range(len(reply)):
        assert build().receive_data(reply[:length]) == ProxyProgress(), reply[:length]


@pytest.mark.parametrize(("build", "reply", "line"), REFUSED)
def test_refused(build: Callable[[], ProxyDialogue], reply: bytes, line: str) -> None:
    for chunks in ([reply], [reply + b"more\r\n\r\n"], single_bytes(reply)):
        with pytest.raises(PeerError) as caught:
            feed(build(), chunks)
        assert caught.value.text("beta (10.0.0.2 port 655)") == line


def test_the_longest_head() -> None:
    head = b"HTTP/1.1 200 OK\r\nX: "
    head += b"y" * (MAX_HTTP_HEAD - len(head) - 4) + b"\r\n\r\n"
    assert http(IPV4).receive_data(head + b"x").leftover == b"x"


def test_granting_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "tincd.connections")
    socks4(IPV4, "").receive_data(b"\0\x5a" + bytes(6))
    records = [(record.name, record.levelno) for record in caplog.records]
    assert records == [("tincd.connections", logging.DEBUG)]
    assert caplog.messages == ["Proxy request granted"]


BUILDERS: list[Callable[[], ProxyDialogue]] = [
    lambda: socks4(IPV4, "u"),
    lambda: socks4a(NAME, "u"),
    plain5,
    secret5,
    lambda: http(NAME),
]
BEGINNINGS = sorted({reply for _, reply, _ in GRANTED} | {b""})


@settings(max_examples=60)
@given(
    builder=st.sampled_from(BUILDERS),
    beginning=st.sampled_from(BEGINNINGS),
    cut=st.integers(0, 40),
    garbage=st.binary(max_size=300),
    seed=st.integers(0, 1 << 16),
)
def test_anything_else_is_the_proxys_fault(
    builder: Callable[[], ProxyDialogue],
    beginning: bytes,
    cut: int,
    garbage: bytes,
    seed: int,
) -> None:
    """However the bytes are cut, the outcome is the same, and never a bug of ours."""
    data = beginning[:cut] + garbage

    def outcome(chunks: Iterable[bytes]) -> ProxyProgress | str:
        try:
            progress = feed(builder(), chunks)
        except PeerError as error:
            return error.template
        return progress if progress.done else ProxyProgress()

    noise = random.Random(seed)
    cuts = sorted(noise.randrange(len(data) + 1) for _ in range(5))
    pieces = [
        data[start:end] for start, end in zip([0, *cuts], [*cuts, None], strict=True)
    ]
    whole = outcome([data])
    assert outcome(single_bytes(data)) == whole
    assert outcome(pieces) == whole


@pytest.mark.parametrize(
    ("target", "bound", "expected"),
    [
        (IPV4, None, IPV4),
        (IPV4, BOUND, IPV4),
        (IPV6, SocketAddress("0.0.0.0", 0), IPV6),
        (NAME, BOUND, BOUND),
        (NAME, SocketAddress("fd00::9", 7), SocketAddress("fd00::9", 7)),
        (NAME, None, SocketAddress("0.0.0.1", 655)),
        (NAME, SocketAddress("0.0.0.0", 0), SocketAddress("0.0.0.1", 0)),
        (NAME, SocketAddress("::", 9), SocketAddress("100::", 9)),
    ],
)
def test_edges_get_addresses(
    target: Target, bound: SocketAddress | None, expected: SocketAddress
) -> None:
    assert edge_address(target, bound) == expected


def test_targets_are_logged_alike() -> None:
    assert str(NAME) == "no.such.host port 655"
    assert str(IPV4) == "10.0.0.2 port 655"
