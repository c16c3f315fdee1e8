from __future__ import annotations

import logging

import pytest
from hypothesis import given

from tests.config.samples import entry
from tests.texts import texts
from tincd_compat.addresses import Subnet
from tincd_compat.config import values
from tincd_compat.config.values import ProxyCommand, ProxyServer, ProxyType
from tincd_compat.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("yes", True), ("YES", True), ("no", False), ("No", False)],
)
def test_boolean(text: str, expected: bool) -> None:
    assert values.boolean(entry(text)) is expected


@pytest.mark.parametrize("text", ["true", "1", "yess", "yes #", "on"])
def test_a_bad_boolean_is_logged(text: str, caplog: pytest.LogCaptureFixture) -> None:
    assert values.boolean(entry(text, "TCPonly")) is None
    assert caplog.messages == [
        '"yes" or "no" expected for configuration variable TCPonly in tinc.conf line 7'
    ]
    assert caplog.records[0].levelno == logging.ERROR


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30", 30),
        ("30s", 30),
        ("30 60", 30),
        ("-5", -5),
        ("+5", 5),
        ("\v\f 5", 5),
        ("010", 10),
        ("0x10", 0),
        ("2147483648", -2147483648),
        ("4294967297", 1),
        ("9" * 5000, -1),
        ("-" + "9" * 5000, 0),
    ],
)
def test_integer(text: str, expected: int) -> None:
    assert values.integer(entry(text)) == expected


@pytest.mark.parametrize("text", ["x", "-", "+ 5", "s30", "٣"])
def test_a_bad_integer_is_logged(text: str, caplog: pytest.LogCaptureFixture) -> None:
    assert values.integer(entry(text, "PingInterval")) is None
    assert caplog.messages == [
        "Integer expected for configuration variable PingInterval in tinc.conf line 7"
    ]


@given(texts(min_size=1, max_size=30))
def test_integers_fit_into_32_bits(text: str) -> None:
    value = values.integer(entry(text))
    assert value is None or -(2**31) <= value < 2**31


def test_bounded() -> None:
    setter = values.bounded("Bogus level!", 0, 11)
    assert setter(entry("11")) == 11
    assert setter(entry("x")) is None
    for text in ("12", "-1"):
        with pytest.raises(ConfigError) as caught:
            setter(entry(text, "Compression"))
        assert str(caught.value) == (
            "Bogus level! (Compression in tinc.conf line 7: "
            f"{text} is not allowed, use at least 0 and at most 11)"
        )
    with pytest.raises(ConfigError, match=r"0 is not allowed, use at least 1\)$"):
        values.bounded("Bogus maximum timeout!", 1)(entry("0"))


def test_one_of() -> None:
    setter = values.one_of("Bad {value}!", {"a": 1, "b": 2})
    assert setter(entry("B")) == 2
    with pytest.raises(ConfigError) as caught:
        setter(entry("{x}"))
    assert str(caught.value) == (
        "Bad {x}! (Variable in tinc.conf line 7: `{x}' is not one of a, b)"
    )


def test_node_name(caplog: pytest.LogCaptureFixture) -> None:
    assert values.node_name(entry("a_B9")) == "a_B9"
    assert values.node_name(entry("a-b")) is None
    assert caplog.messages == [
        "Invalid name for outgoing connection in tinc.conf line 7"
    ]
    assert caplog.records[0].levelno == logging.ERROR


@pytest.mark.parametrize("text", ["a, b", "a,b", "a b", "a;b"])
def test_one_line_connects_to_one_node(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert values.node_name(entry(text)) is None
    assert caplog.messages == [
        "Invalid name for outgoing connection in tinc.conf line 7"
        " (write a ConnectTo line for each node)"
    ]


def test_subnet() -> None:
    assert values.subnet(entry("10.0.0.0/ 8#3")) == Subnet.parse("10.0.0.0/8#3")
    assert values.subnet(entry("1:2:3:4:5:6")) == Subnet.parse("1:2:3:4:5:6")


@pytest.mark.parametrize("text", ["10.0.0/8", "10.0.0.0/33", "10.0.0.0/8#x"])
def test_a_bad_subnet_is_fatal(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        values.subnet(entry(text, "subNet"))
    assert str(caught.value) == (
        "Subnet expected for configuration variable subNet in tinc.conf line 7"
        f" (`{text}' is not a whole ADDRESS[/LENGTH][#WEIGHT])"
    )


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("10.0.0.1/8", "10.0.0.0/8"),
        ("10.7.6.5/23#3", "10.7.6.0/23"),
        ("fe80::1/64", "fe80:0:0:0:0:0:0:0/64"),
    ],
)
def test_bits_behind_the_prefix_are_fatal(text: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        values.subnet(entry(text, "subNet"))
    assert str(caught.value) == (
        "Network address and prefix length do not match for configuration variable "
        f"subNet in tinc.conf line 7 (`{text}' has bits behind the prefix: {meant}?)"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.org", ("example.org", None)),
        ("example.org 655", ("example.org", "655")),
        ("example.org  655", ("example.org", "655")),
        ("fe80::1%eth0 http", ("fe80::1%eth0", "http")),
    ],
)
def test_host_and_port(text: str, expected: tuple[str, str | None]) -> None:
    assert values.host_and_port(entry(text)) == expected
    assert values.bind_address(entry(text)) == expected


def test_bind_to_any_address() -> None:
    assert values.bind_address(entry("*")) == (None, None)
    assert values.bind_address(entry("* 7")) == (None, "7")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", None),
        ("NONE whatever", None),
        ("socks4 h 1", ProxyServer(ProxyType.SOCKS4, "h", "1")),
        ("socks4a h 1 u", ProxyServer(ProxyType.SOCKS4A, "h", "1", "u")),
        ("SOCKS5 h 1 u p", ProxyServer(ProxyType.SOCKS5, "h", "1", "u", "p")),
        ("socks5 h 1 u p q", ProxyServer(ProxyType.SOCKS5, "h", "1", "u", "p q")),
        ("socks5 h 1  p", ProxyServer(ProxyType.SOCKS5, "h", "1", "", "p")),
        ("http h 1", ProxyServer(ProxyType.HTTP, "h", "1")),
        ("exec nc $NODE 1", ProxyCommand("nc $NODE 1")),
        ("exec  nc", ProxyCommand(" nc")),
    ],
)
def test_proxy(text: str, expected: values.Proxy | None) -> None:
    assert values.proxy(entry(text)) == expected


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("socks5", "Host and port argument expected for proxy!"),
        ("socks5 h", "Host and port argument expected for proxy!"),
        ("socks5  h 1", "Host and port argument expected for proxy!"),
        ("http h  1", "Host and port argument expected for proxy!"),
        ("exec", "Argument expected for proxy type exec!"),
        ("tor h 1", "Unknown proxy type tor!"),
    ],
)
def test_a_bad_proxy_is_fatal(text: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        values.proxy(entry(text, "Proxy"))
    assert str(caught.value).startswith(f"{line} (Proxy in tinc.conf line 7: ")


def test_proxy_credentials_are_not_shown() -> None:
    proxy = values.proxy(entry("socks5 h 1 someone secret"))
    assert "someone" not in repr(proxy)
    assert "secret" not in repr(proxy)
    with pytest.raises(ConfigError) as caught:
        values.proxy(entry("socks5  1 someone secret"))
    assert "secret" not in str(caught.value)
