"""A small mesh around a daemon on a bench: two neighbours and whom they lead to.

    xhid - x - s - y - far      dead, whom nobody leads to
                    \\ hid

Datagrams cannot reach hid and xhid, so packets for them must go through y and x.
Packets for far are for it directly, and go over TCP by y for want of a key.
"""

from __future__ import annotations

from typing import Final

from conformance.harness.played import Neighbour

# The number in the inner addresses of each node.
S: Final = 1
X: Final = 2
Y: Final = 3
FAR: Final = 50
HID: Final = 51
XHID: Final = 52
DEAD: Final = 53
#: No node has it.
NOBODY: Final = 99

_INDIRECT: Final = 0xD
_DIRECT: Final = 0xC


def at(number: int, host: int = 9) -> str:
    """Return an IPv4 address in the subnet of a node."""
    return f"172.30.{number}.{host}"


def at6(number: int) -> str:
    return f"fd30:0:0:{number}::9"


def _subnets(name: str, number: int) -> tuple[tuple[str, str], ...]:
    return (
        ("10", f"{name} 172.30.{number}.0/24"),
        ("10", f"{name} fd30:0:0:{number}:0:0:0:0/64"),
    )


def _behind(
    near: str, name: str, number: int, options: int
) -> tuple[tuple[str, str], ...]:
    there = f"{near} {name} 10.77.0.{number} 655 {options:x} 5"
    back = f"{name} {near} 10.77.0.1 655 {options:x} 5"
    return (("12", there), ("12", back), *_subnets(name, number))


def around(
    *,
    x: tuple[str, ...] = (),
    y: tuple[str, ...] = (),
    y_options: int = _DIRECT,
    y_ipv6: bool = False,
) -> tuple[Neighbour, Neighbour]:
    """Return both neighbours; ``x`` and ``y`` are lines of their host files.

    The dead node owns parts of what y owns, too.
    """
    dead = (
        *_subnets("dead", DEAD),
        ("10", "dead 172.30.3.64/26"),
        ("10", "dead fd30:0:0:3:0:0:0:40/122"),
    )
    return (
        Neighbour(
            name="x", host=x, says=(*_behind("x", "xhid", XHID, _INDIRECT), *dead)
        ),
        Neighbour(
            name="y",
            host=y,
            options=y_options,
            ipv6=y_ipv6,
            says=(
                *_behind("y", "far", FAR, _DIRECT),
                *_behind("y", "hid", HID, _INDIRECT),
            ),
        ),
    )
