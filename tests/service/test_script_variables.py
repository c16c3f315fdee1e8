"""What scripts are told: their environment, as tincd 1.0.36 was seen to set it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tincd_compat.addresses import SocketAddress, Subnet
from tincd_compat.service.scripts import script_command, script_environment


def subnet(text: str) -> Subnet:
    parsed = Subnet.parse(text)
    assert parsed is not None
    return parsed


#: Captured from tincd 1.0.36: ``-n vpn``, node alpha, peer beta.
OWN = "DEVICE=dummy INTERFACE=dummy NAME=alpha NETNAME=vpn"
BETA = f"{OWN} NODE=beta REMOTEADDRESS=10.99.0.2 REMOTEPORT=6552"
CAPTURED: list[tuple[str, str, str | None, SocketAddress | None, Subnet | None]] = [
    ("tinc-up", OWN, None, None, None),
    (
        "subnet-up (own)",
        f"{OWN} NODE=alpha SUBNET=10.1.0.0/16 WEIGHT=10",
        "alpha",
        None,
        subnet("10.1.0.0/16"),
    ),
    ("host-up", BETA, "beta", SocketAddress("10.99.0.2", 6552), None),
    (
        "subnet-up",
        f"{BETA} SUBNET=10.2.0.0/16 WEIGHT=7",
        "beta",
        SocketAddress("10.99.0.2", 6552),
        subnet("10.2.0.0/16#7"),
    ),
]


@pytest.mark.parametrize(("script", "expected", "node", "address", "net"), CAPTURED)
def test_captured_environments(
    script: str,
    expected: str,
    node: str | None,
    address: SocketAddress | None,
    net: Subnet | None,
) -> None:
    variables = script_environment(
        netname="vpn",
        name="alpha",
        device="dummy",
        interface="dummy",
        node=node,
        address=address,
        subnet=net,
    )
    shown = " ".join(f"{key}={variables[key]}" for key in sorted(variables))
    assert shown == expected, script


@pytest.mark.parametrize(
    ("text", "shown", "weight"),
    [
        ("10.1.2.3", "10.1.2.3/32", "10"),
        ("fec0:0:0:1::/64#-3", "fec0:0:0:1:0:0:0:0/64", "-3"),
        ("00:1a:2b:3c:4d:5e", "0:1a:2b:3c:4d:5e", "10"),
    ],
)
def test_subnets_are_written_in_full(text: str, shown: str, weight: str) -> None:
    variables = script_environment(
        netname=None, name="a", device=None, interface=None, subnet=subnet(text)
    )
    assert (variables["SUBNET"], variables["WEIGHT"]) == (shown, weight)


def test_unknown_values_are_empty() -> None:
    assert script_environment(netname=None, name="a", device=None, interface=None) == {
        "NETNAME": "",
        "NAME": "a",
        "DEVICE": "",
        "INTERFACE": "",
    }


def test_an_address_has_no_zone() -> None:
    variables = script_environment(
        netname=None,
        name="a",
        device=None,
        interface=None,
        address=SocketAddress("fe80::1", 655, scope=3),
    )
    assert variables["REMOTEADDRESS"] == "fe80::1"


@pytest.mark.parametrize(
    ("interpreter", "text"),
    [(None, '"$0"'), ("", '"$0"'), ("/bin/sh -e", '/bin/sh -e "$0"')],
)
def test_the_path_is_a_value_for_the_shell(interpreter: str | None, text: str) -> None:
    path = Path('/etc/tinc/$(reboot)"`x`/tinc-up')
    command = script_command(path, interpreter)
    assert command == ["/bin/sh", "-c", text, str(path)]
