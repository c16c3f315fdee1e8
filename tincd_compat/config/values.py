"""Values of configuration variables: from text to typed, in tinc's rules and words.

A *setter* takes an :class:`~tincd_compat.config.parser.Entry` and returns its value.
It returns None for "not set" after logging what was wrong, so that the default
applies, and raises ConfigError where tincd refuses to start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Final, TypeAlias, TypeVar

from tincd_compat import logs
from tincd_compat.addresses import Subnet, valid_name
from tincd_compat.config.parser import Entry
from tincd_compat.dataclass import dataclass
from tincd_compat.errors import ConfigError

T = TypeVar("T")

# C's %d: what follows the digits does not matter ("30s" is 30).
_INTEGER: Final = re.compile(r"[ \t\v\f\r]*([+-]?[0-9]+)")
_INT64: Final = 1 << 63


class AddressFamily(Enum):
    """Address families of sockets and name lookups."""

    ANY = "any"
    IPV4 = "ipv4"
    IPV6 = "ipv6"


class ProcessPriority(IntEnum):
    """Scheduling priority; the value is the nice level."""

    LOW = 10
    NORMAL = 0
    HIGH = -10


class ProxyType(Enum):
    """Protocols spoken with a proxy server."""

    SOCKS4 = "socks4"
    SOCKS4A = "socks4a"
    SOCKS5 = "socks5"
    HTTP = "http"


@dataclass(frozen=True, slots=True)
class ProxyServer:
    """A proxy to connect through; a password of None asks for no authentication."""

    type: ProxyType
    host: str
    port: str
    user: str = field(default="", repr=False)
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ProxyCommand:
    """A shell command whose standard input and output are the connection."""

    command: str


Proxy: TypeAlias = ProxyServer | ProxyCommand


def refusal(message: str, entry: Entry, advice: str) -> ConfigError:
    """Return the error for a fatal value: tincd's line, the place, and the remedy."""
    return ConfigError(f"{message} ({entry.variable} in {entry.place}: {advice})")


def string(entry: Entry) -> str:
    """The value as it stands."""
    return entry.value


def boolean(entry: Entry) -> bool | None:
    """``yes`` or ``no`` in any case."""
    value = {"yes": True, "no": False}.get(entry.value.lower())
    if value is None:
        logs.always.error(
            '"yes" or "no" expected for configuration variable %s in %s',
            entry.variable,
            entry.place,
        )
    return value


def yes_no_or_path(entry: Entry) -> str | None:
    """``yes`` or ``no`` in any case, or an absolute path."""
    word = entry.value.lower()
    if word in ("yes", "no"):
        return word
    if entry.value.startswith("/"):
        return entry.value
    logs.always.error(
        '"yes", "no" or an absolute path expected for configuration variable %s in %s',
        entry.variable,
        entry.place,
    )
    return None


def integer(entry: Entry) -> int | None:
    """A decimal number, reduced to a signed 32-bit one as C does."""
    match = _INTEGER.match(entry.value)
    if match is None:
        logs.always.error(
            "Integer expected for configuration variable %s in %s",
            entry.variable,
            entry.place,
        )
        return None
    # strtol() saturates at 64 bits before the number is cut to 32.
    value = min(max(int(match[1][:4000]), -_INT64), _INT64 - 1)
    return (value + 0x80000000) % 0x100000000 - 0x80000000


def bounded(
    message: str, minimum: int, maximum: int = 0x7FFFFFFF
) -> Callable[[Entry], int | None]:
    """Return a setter for a number outside whose bounds tincd does not start."""

    def setter(entry: Entry) -> int | None:
        value = integer(entry)
        if value is not None and not minimum <= value <= maximum:
            top = "" if maximum == 0x7FFFFFFF else f" and at most {maximum}"
            advice = f"{value} is not allowed, use at least {minimum}{top}"
            raise refusal(message, entry, advice)
        return value

    return setter


def one_of(
    message: str,
    choices: Mapping[str, T],
    absent: Mapping[str, str] = MappingProxyType({}),
) -> Callable[[Entry], T]:
    """Return a setter for one of several words in any case.

    ``{value}`` in the message stands for the value found.  ``absent`` has reasons why
    words that exist elsewhere are not among the choices.
    """

    def setter(entry: Entry) -> T:
        try:
            return choices[entry.value.lower()]
        except KeyError:
            words = ", ".join(choices)
            reason = absent.get(entry.value.lower())
            advice = reason or f"`{entry.value}' is not one of {words}"
            text = message.replace("{value}", entry.value)
            raise refusal(text, entry, advice) from None

    return setter


def node_name(entry: Entry) -> str | None:
    """The name of a node to connect to."""
    if valid_name(entry.value):
        return entry.value
    several = re.search(r"[ \t,;]", entry.value)
    advice = " (write a ConnectTo line for each node)" if several else ""
    text = "Invalid name for outgoing connection in %s%s"
    logs.always.error(text, entry.place, advice)
    return None


def subnet(entry: Entry) -> Subnet:
    """A subnet without bits beyond its prefix."""
    value = Subnet.parse(entry.value)
    if value is None:
        problem = "Subnet expected"
        advice = "is not a whole ADDRESS[/LENGTH][#WEIGHT]"
    elif value.has_host_bits:
        problem = "Network address and prefix length do not match"
        advice = f"has bits behind the prefix: {value.without_host_bits.net}?"
    else:
        return value
    variable = f"configuration variable {entry.variable}"
    text = f"{problem} for {variable} in {entry.place}"
    raise ConfigError(f"{text} (`{entry.value}' {advice})")


def host_and_port(entry: Entry) -> tuple[str, str | None]:
    """``HOST`` or ``HOST PORT``, divided at the first space; neither is looked up."""
    host, _, port = entry.value.partition(" ")
    return host, port.strip(" ") or None


def bind_address(entry: Entry) -> tuple[str | None, str | None]:
    """``ADDRESS [PORT]``, where ``*`` stands for any address and becomes None."""
    host, port = host_and_port(entry)
    return None if host == "*" else host, port


def proxy(entry: Entry) -> Proxy | None:
    """``none``, ``exec COMMAND`` or ``TYPE HOST PORT [USER [PASSWORD]]``.

    Exactly one space divides two fields; a password extends to the end of the line.
    """
    kind, _, arguments = entry.value.partition(" ")
    if kind.lower() == "none":
        return None
    if kind.lower() == "exec":
        if not arguments:
            message = "Argument expected for proxy type exec!"
            raise refusal(message, entry, "write `exec COMMAND'")
        return ProxyCommand(arguments)
    try:
        type_ = ProxyType(kind.lower())
    except ValueError:
        words = ", ".join(["none", *(member.value for member in ProxyType), "exec"])
        message = f"Unknown proxy type {kind}!"
        raise refusal(message, entry, f"the types are {words}") from None
    host, port, user, password = [*arguments.split(" ", 3), "", "", "", ""][:4]
    if not host or not port:
        message = "Host and port argument expected for proxy!"
        advice = f"write `{kind} HOST PORT' with one space between the words"
        raise refusal(message, entry, advice)
    return ProxyServer(type_, host, port, user, password or None)
