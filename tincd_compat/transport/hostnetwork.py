"""What is known of this host's network, told from the kernel's netlink messages.

Many messages say what was known before: a router advertisement refreshes the lifetimes
of addresses, a wireless card looks around.  Only a difference is a change of network.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

#: Reads netlink messages into dictionaries, as pyroute2 does.
Parse: TypeAlias = Callable[[bytes], Iterable[Any]]

#: Entries of each table.  Where there are more links or addresses, the rest is passed
#: over; where there are more routes, only the default ones count.
MOST: Final = 1024

NEWLINK: Final = 16
DELLINK: Final = 17
NEWADDR: Final = 20
DELADDR: Final = 21
NEWROUTE: Final = 24
DELROUTE: Final = 25
_DONE: Final = frozenset({2, 3})  # NLMSG_ERROR, NLMSG_DONE
_MULTI: Final = 0x2  # NLM_F_MULTI
_DUMP: Final = 0x301  # NLM_F_REQUEST | NLM_F_DUMP

_HEADER: Final = struct.Struct("=IHHII")
#: Heads of the three kinds: family, what follows, flags or index.
_LINK: Final = struct.Struct("=BxHiII")
_ADDRESS: Final = struct.Struct("=BBBBI")
_ROUTE: Final = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE: Final = struct.Struct("=HH")
_IFLA_MTU: Final = 4
#: RTM_GETLINK, GETADDR and GETROUTE, each its own sequence number too, and their heads.
_REQUESTS: Final = {18: _LINK.size, 22: _ADDRESS.size, 26: _ROUTE.size}

#: IFF_UP and IFF_RUNNING: the link carries packets.
_WORKS: Final = 0x1 | 0x40
#: IFA_F_OPTIMISTIC, DADFAILED and TENTATIVE: not, or not yet, an address to send from.
_UNUSABLE: Final = 0x04 | 0x08 | 0x40
#: RTM_F_CLONED: what the kernel has found out by itself.
_CLONED: Final = 0x200
#: RTN_LOCAL, BROADCAST, ANYCAST and MULTICAST: they come and go with the addresses.
_FOLLOWING: Final = range(2, 6)


class Message(NamedTuple):
    """One netlink message; ``data`` is the whole of it.

    ``answers``: it is part of what was asked for, and no news.
    """

    kind: int
    answers: bool
    data: bytes

    @property
    def ends_answer(self) -> bool:
        """Whether this is the last message of what was asked for."""
        return self.kind in _DONE


def split(data: bytes) -> Iterator[Message]:
    """Cut what was read into messages."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size:
            return
        answers = bool(flags & _MULTI) and sequence in _REQUESTS
        yield Message(kind, answers, data[offset : offset + length])
        offset += (length + 3) & ~3


def requests() -> list[bytes]:
    """Return what to ask the kernel, one after another, to hear all that there is."""
    return [
        _HEADER.pack(_HEADER.size + size, kind, _DUMP, kind, 0) + bytes(size)
        for kind, size in _REQUESTS.items()
    ]


class HostNetwork:
    """The links that work, the usable addresses and the routes, but for our own link.

    :param own_index: the interface that our scripts configure; nothing there counts.
    """

    def __init__(self, own_index: int, parse: Parse = lambda _: ()) -> None:
        self._own_index = own_index
        #: Reads messages of addresses and of routes.
        self.parse = parse
        #: The MTU of each link that works.
        self._links: dict[int, int] = {}
        self._addresses: set[tuple[object, ...]] = set()
        #: Where each route leads: by which link, if by one alone, and the rest.
        self._routes: dict[tuple[object, ...], tuple[object, ...]] = {}
        self._defaults_only = False

    def clear(self) -> None:
        """Forget everything: all there is will be told anew."""
        self._links.clear()
        self._addresses.clear()
        self._routes.clear()
        self._defaults_only = False

    def concerns(self, message: Message) -> bool:
        """Tell from the head of a message whether it can be about anything known."""
        kind, data = message.kind, message.data
        if kind in (NEWLINK, DELLINK) and len(data) >= 16 + _LINK.size:
            family, _, index, _, _ = _LINK.unpack_from(data, 16)
            # With a family it is about the link as a port of a bridge.
            return bool(family == socket.AF_UNSPEC and index != self._own_index)
        if kind in (NEWADDR, DELADDR) and len(data) >= 16 + _ADDRESS.size:
            index = _ADDRESS.unpack_from(data, 16)[4]
            return bool(index != self._own_index)
        if kind in (NEWROUTE, DELROUTE) and len(data) >= 16 + _ROUTE.size:
            _, length, _, _, _, _, _, sort, flags = _ROUTE.unpack_from(data, 16)
            if flags & _CLONED or sort in _FOLLOWING:
                return False
            return not (self._defaults_only and length)
        return False

    def take(self, message: Message) -> bool:
        """Learn from a message that concerns us; tell whether it says anything new."""
        kind = message.kind
        if kind in (NEWLINK, DELLINK):
            _, _, index, flags, _ = _LINK.unpack_from(message.data, 16)
            works = kind == NEWLINK and flags & _WORKS == _WORKS
            return self._link(index, _mtu(message.data) if works else None)
        changed = False
        for fields in self.parse(message.data):
            attributes = dict(fields.get("attrs") or ())
            if kind in (NEWADDR, DELADDR):
                changed |= self._address(kind == NEWADDR, fields, attributes)
            elif attributes.get("RTA_OIF") != self._own_index:
                changed |= self._route(kind == NEWROUTE, fields, attributes)
        return changed

    def _link(self, index: int, mtu: int | None) -> bool:
        if self._links.get(index) == mtu:
            return False
        if mtu is None:
            del self._links[index]
            self._lose_routes(index)
        elif index in self._links or len(self._links) < MOST:
            self._links[index] = mtu
        else:
            return False
        return True

    def _address(
        self, there: bool, fields: dict[str, Any], attributes: dict[str, Any]
    ) -> bool:
        usable = not attributes.get("IFA_FLAGS", fields["flags"]) & _UNUSABLE
        address = attributes.get("IFA_LOCAL", attributes.get("IFA_ADDRESS"))
        index: int = fields["index"]
        entry = index, fields["family"], address, fields["prefixlen"]
        there = there and usable
        if there == (entry in self._addresses):
            return False
        if not there:
            self._addresses.discard(entry)
            self._lose_routes(index)
        elif len(self._addresses) < MOST:
            self._addresses.add(entry)
        else:
            return False
        return True

    def _lose_routes(self, index: int) -> None:
        """Forget the ways over a link: of some that end with it the kernel is silent.

        One that is there yet counts as new when it is told of again, which is harmless.
        """
        kept = self._routes.items()
        self._routes = {key: to for key, to in kept if to[0] not in (index, None)}

    def _route(
        self, there: bool, fields: dict[str, Any], attributes: dict[str, Any]
    ) -> bool:
        """Note a route by what the kernel tells routes apart by, and where it leads."""
        key = (
            *(fields["dst_len"], attributes.get("RTA_DST"), fields["family"]),
            *(fields["src_len"], attributes.get("RTA_SRC"), fields["tos"]),
            attributes.get("RTA_TABLE", fields["table"]),
            attributes.get("RTA_PRIORITY"),
        )
        if not there:
            return self._routes.pop(key, None) is not None
        ways = ("RTA_GATEWAY", "RTA_VIA", "RTA_MULTIPATH", "RTA_PREFSRC")
        rest = repr([attributes.get(name) for name in ways])
        leads = attributes.get("RTA_OIF"), fields["type"], rest
        if self._routes.get(key) == leads or not self._room(key):
            return False
        self._routes[key] = leads
        return True

    def _room(self, key: tuple[object, ...]) -> bool:
        """Tell whether a route can be noted; for too many, only default ones are."""
        if key in self._routes or len(self._routes) < MOST:
            return True
        self._defaults_only = True
        kept = self._routes.items()
        self._routes = {each: leads for each, leads in kept if not each[0]}
        return not key[0] and len(self._routes) < MOST


def _mtu(data: bytes) -> int:
    """Find the MTU among what a message says of a link, 0 if it does not say."""
    offset = 16 + _LINK.size
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if kind == _IFLA_MTU and len(data) >= offset + 8:
            return int.from_bytes(data[offset + 4 : offset + 8], sys.byteorder)
        offset += max(4, (length + 3) & ~3)
    return 0
