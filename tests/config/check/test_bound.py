"""BindToAddress and what addresses the host has, as far as it knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.config.check.mistakes import main, said_about
from tincd_compat.config.check.addresses import check_bound
from tincd_compat.config.check.findings import Report
from tincd_compat.config.parser import Config, parse_option

HERE = {
    "127.0.0.1": "lo",
    "192.0.2.2": "eth0",
    "192.0.2.9": "eth1",
    "fe80::1": "eth0",
    "2001:db8::2": "eth0",
}


@pytest.mark.parametrize(
    ("address", "known"),
    [
        ("192.0.2.7", "there is 192.0.2.2 (eth0), 192.0.2.9 (eth1)"),
        ("2001:db8::7 655", "there is 2001:db8::2 (eth0)"),
    ],
)
def test_an_address_that_is_not_there(net: Path, address: str, known: str) -> None:
    main(f"BindToAddress = {address}")(net)
    assert said_about(net, addresses=HERE) == [
        f"tinc.conf:3: warning: no interface of this host has {address.split()[0]}"
        f" now: {known}; tincd only starts without it with `FreeBind = yes'"
    ]


def test_a_host_without_any_address_of_the_kind(net: Path) -> None:
    main("BindToAddress = 2001:db8::7")(net)
    [line] = said_about(net, addresses={"192.0.2.2": "eth0", "::1": "lo"})
    assert "there is none" in line


@pytest.mark.parametrize(
    "address",
    [
        *("192.0.2.2", "2001:DB8:0::2 656", "*", "0.0.0.0", "::", "127.0.0.2"),
        *("fe80::9%eth0", "gateway.example.org", "224.0.0.1"),
    ],
)
def test_an_address_that_may_be_there(net: Path, address: str) -> None:
    main(f"BindToAddress = {address}")(net)
    assert said_about(net, addresses=HERE) == []


def test_one_that_need_not_be_there(net: Path) -> None:
    main("BindToAddress = 192.0.2.7")(net)
    assert said_about(net, "FreeBind=yes", addresses=HERE) == []


def test_a_host_that_does_not_tell(net: Path) -> None:
    main("BindToAddress = 192.0.2.7")(net)
    assert said_about(net) == []


@pytest.mark.parametrize(("address", "times"), [("192.0.2.7", 1), ("*", 0)])
def test_the_kernel_is_asked_once_for_all_lines(address: str, times: int) -> None:
    asked: list[None] = []

    def host_addresses() -> Mapping[str, str]:
        asked.append(None)
        return HERE

    lines = [parse_option(f"BindToAddress={address}", n)[1] for n in range(1, 9)]
    check_bound(Config(lines), host_addresses, Report())
    assert len(asked) == times
