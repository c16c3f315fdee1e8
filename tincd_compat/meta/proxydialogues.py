"""Dialogues with a proxy before the meta protocol begins: SOCKS 4, 4a, 5 and HTTP.

A dialogue is one request and one reply (RFC 1928, RFC 1929, RFC 9110 section 9.3.6).
The request is written at once, as tinc 1.0.36 does it, even where a reply could be
waited for in between.  Whoever owns the socket hands in what arrives until the proxy
has granted the request; what follows the reply is the peer's.

A refusal or a malformed reply raises PeerError with tincd's line, a request that the
protocol cannot express ConfigError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress, format_host
from tincd_compat.dataclass import dataclass
from tincd_compat.errors import ConfigError, PeerError
from tincd_compat.meta.wording import printable

#: Longest head of an HTTP reply, as much as common servers accept of a request.
MAX_HTTP_HEAD: Final = 8192

#: Longest user, password or host name in SOCKS 5: its length is one byte.
_MAX_FIELD: Final = 255

_NO_AUTHENTICATION: Final = 0
_USERNAME_PASSWORD: Final = 2
_IPV4, _NAME, _IPV6 = 1, 3, 4
_HTTP_VERSIONS: Final = (b"HTTP/1.0 ", b"HTTP/1.1 ")

# Edges need an address.  These lead nowhere, and nobody else has them.
_NOWHERE_IPV4: Final = "0.0.0.1"
_NOWHERE_IPV6: Final = "100::"


@dataclass(frozen=True, slots=True)
class HostName:
    """A host that could not be looked up here; the proxy may know it."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host} port {self.port}"


Target: TypeAlias = SocketAddress | HostName


class Granted(NamedTuple):
    """A complete reply: its length, and the address in it, if there is one."""

    length: int
    bound: SocketAddress | None


@dataclass(frozen=True, slots=True)
class ProxyProgress:
    """The state of a dialogue.

    ``leftover`` and ``bound`` belong to a finished one: the bytes behind the reply, and
    the address the proxy says it connects from.
    """

    done: bool = False
    leftover: bytes = b""
    bound: SocketAddress | None = None


class ProxyDialogue:
    """A request to a proxy, and the reading of its reply."""

    def __init__(
        self, request: bytes, parse_reply: Callable[[bytes], Granted | None]
    ) -> None:
        """``parse_reply`` gets all that has arrived and returns None for too little."""
        self.request = request
        self._parse_reply = parse_reply
        self._received = b""

    def receive_data(self, data: bytes) -> ProxyProgress:
        """Take any amount of what the proxy sent; PeerError ends the connection."""
        self._received += data
        granted = self._parse_reply(self._received)
        if granted is None:
            return ProxyProgress()
        logs.connections.debug("Proxy request granted")
        return ProxyProgress(True, self._received[granted.length :], granted.bound)


def edge_address(target: Target, bound: SocketAddress | None) -> SocketAddress:
    """Return where our edge says that the peer is.

    A name must not get there: C tincd 1.0.36 dies of it.  A proxy that looked up the
    name may say an address; a useless one is replaced by one that leads nowhere.
    """
    if isinstance(target, SocketAddress):
        return target
    if bound is None:
        return SocketAddress(_NOWHERE_IPV4, target.port)
    if any(bound.packed):
        return bound
    return SocketAddress(_NOWHERE_IPV6 if bound.is_ipv6 else _NOWHERE_IPV4, bound.port)


# Requests.


def socks4(target: Target, user: str) -> ProxyDialogue:
    """SOCKS 4, which knows IPv4 addresses only."""
    if isinstance(target, HostName) or target.is_ipv6:
        raise ConfigError(
            "Can only connect to numeric IPv4 addresses through a SOCKS 4 proxy!"
        )
    return ProxyDialogue(_socks4_request(target, user), _parse_socks4)


def socks4a(target: Target, user: str) -> ProxyDialogue:
    """SOCKS 4 with the extension for host names."""
    if isinstance(target, SocketAddress):
        if target.is_ipv6:
            raise ConfigError(
                "Can only connect to IPv4 addresses or hostnames through a SOCKS 4a"
                " proxy!"
            )
        return socks4(target, user)
    # An address of 0.0.0.x announces the name behind the user.
    request = _socks4_request(SocketAddress("0.0.0.1", target.port), user)
    return ProxyDialogue(request + _encode(target.host) + b"\0", _parse_socks4)


def socks5(target: Target, user: str, password: str | None) -> ProxyDialogue:
    """SOCKS 5, with the user only if there is a password."""
    if password is None:
        offered, login = _NO_AUTHENTICATION, b""
    else:
        offered = _USERNAME_PASSWORD
        login = b"\1" + _field("user", user) + _field("password", password)
    if isinstance(target, HostName):
        place = bytes([_NAME]) + _field("host name", target.host)
    else:
        place = bytes([_IPV6 if target.is_ipv6 else _IPV4]) + target.packed
    connect = b"\5\1\0" + place + target.port.to_bytes(2, "big")
    return ProxyDialogue(
        bytes([5, 1, offered]) + login + connect,
        lambda data: _parse_socks5(data, offered),
    )


def http(target: Target) -> ProxyDialogue:
    """HTTP CONNECT."""
    is_ipv6 = isinstance(target, SocketAddress) and target.is_ipv6
    host = f"[{target.host}]" if is_ipv6 else target.host
    request = f"CONNECT {host}:{target.port} HTTP/1.1\r\n\r\n"
    return ProxyDialogue(_encode(request), _parse_http)


def _socks4_request(address: SocketAddress, user: str) -> bytes:
    port = address.port.to_bytes(2, "big")
    return b"\4\1" + port + address.packed + _encode(user) + b"\0"


def _field(what: str, text: str) -> bytes:
    data = _encode(text)
    if len(data) > _MAX_FIELD:
        raise ConfigError(
            f"The {what} for the SOCKS 5 proxy is longer than {_MAX_FIELD} bytes"
        )
    return bytes([len(data)]) + data


def _encode(text: str) -> bytes:
    """Return the bytes that stood in the configuration file."""
    return text.encode("utf-8", "surrogateescape")


# Replies.  Each field is judged as soon as it is there: a proxy that says no may say
# nothing more.


def _parse_socks4(data: bytes) -> Granted | None:
    if not b"\0\x5a".startswith(data[:2]):
        raise PeerError("Proxy request rejected")
    if len(data) < 8:
        return None
    return Granted(8, _address(data[4:8], data[2:4]))


def _parse_socks5(data: bytes, offered: int) -> Granted | None:
    """Read the method, the answer to the password if there is one, and the reply."""
    if data[:1] not in (b"", b"\5"):
        raise PeerError("Proxy authentication method rejected")
    if len(data) < 2:
        return None
    # Whoever was offered a password may do without it.
    if data[1] not in (_NO_AUTHENTICATION, offered):
        raise PeerError("Proxy authentication method rejected")
    if data[1] == _NO_AUTHENTICATION:
        return _parse_socks5_reply(data, 2)
    # The version of this answer is 1 (RFC 1929), but C tincd expects 5 and some
    # servers please it.
    if data[2:3] not in (b"", b"\1", b"\5") or data[3:4] not in (b"", b"\0"):
        raise PeerError("Proxy username/password rejected")
    return _parse_socks5_reply(data, 4) if len(data) >= 4 else None


def _parse_socks5_reply(data: bytes, start: int) -> Granted | None:
    reply = data[start:]
    if not b"\5\0".startswith(reply[:2]):
        raise PeerError("Proxy request rejected")
    if len(reply) < 4:
        return None
    size: int | None = {_IPV4: 4, _IPV6: 16, _NAME: 1}.get(reply[3])
    if size is None:
        raise PeerError("Proxy reply malformed")
    if reply[3] == _NAME:
        size += reply[4] if len(reply) > 4 else 0
    end = 4 + size + 2
    if len(reply) < end:
        return None
    bound = None
    if reply[3] != _NAME:
        bound = _address(reply[4 : 4 + size], reply[end - 2 : end])
    return Granted(start + end, bound)


def _parse_http(data: bytes) -> Granted | None:
    """Read the head: ``HTTP/1.x 200``, and what follows as far as an empty line."""
    start = data[:9].upper()
    if not any(version.startswith(start) for version in _HTTP_VERSIONS):
        raise PeerError("Proxy reply malformed")
    line, complete, _ = data[:MAX_HTTP_HEAD].partition(b"\r\n")
    status = line[9:]
    if complete and (status[:3] != b"200" or status[3:4].isdigit()):
        raise PeerError(f"Proxy request rejected: {printable(status)}")
    end = data.find(b"\r\n\r\n", 0, MAX_HTTP_HEAD)
    if end >= 0:
        return Granted(end + 4, None)
    if len(data) >= MAX_HTTP_HEAD:
        raise PeerError("Proxy reply malformed")
    return None


def _address(packed: bytes, port: bytes) -> SocketAddress:
    host = format_host(packed)
    return SocketAddress(host, int.from_bytes(port, "big")).unmapped()
