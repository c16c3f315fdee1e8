"""What is known of this host's network, told from the kernel's netlink messages.

Many messages say what was known before: a router advertisement refreshes the lifetimes
of addresses, a wireless card looks around.  Only a difference is a change of network.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

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
#: NLA_TYPE_MASK: the rest of a number are flags.
_KIND: Final = 0x3FFF
#: Attributes of a link, of an address, of a route (rtnetlink(7)).
_IFLA_MTU: Final = 4
_IFA_ADDRESS: Final = 1
_IFA_LOCAL: Final = 2
_RTA_DST: Final = 1
_RTA_SRC: Final = 2
_RTA_OIF: Final = 4
_RTA_PRIORITY: Final = 6
_RTA_TABLE: Final = 15
#: RTA_GATEWAY, PREFSRC, MULTIPATH and VIA: by which ways a route leads, as they come.
_WAYS: Final = (5, 7, 9, 18)
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

    def __init__(self, own_index: int) -> None:
        self._own_index = own_index
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
        if kind in (NEWADDR, DELADDR):
            return self._address(kind == NEWADDR, message.data)
        return self._route(kind == NEWROUTE, message.data)

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

    def _address(self, there: bool, data: bytes) -> bool:
        family, length, flags, _, index = _ADDRESS.unpack_from(data, 16)
        attributes = _attributes(data, 16 + _ADDRESS.size)
        address = attributes.get(_IFA_LOCAL, attributes.get(_IFA_ADDRESS))
        entry = index, family, address, length
        there = there and not flags & _UNUSABLE
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

    def _route(self, there: bool, data: bytes) -> bool:
        """Note a route by what the kernel tells routes apart by, and where it leads."""
        head = _ROUTE.unpack_from(data, 16)
        family, to_length, from_length, tos, table, _, _, sort, _ = head
        attributes = _attributes(data, 16 + _ROUTE.size)
        link = _number(attributes, _RTA_OIF, 0) or None
        if link == self._own_index:
            return False
        key = (
            *(to_length, attributes.get(_RTA_DST), family),
            *(from_length, attributes.get(_RTA_SRC), tos),
            _number(attributes, _RTA_TABLE, table),
            _number(attributes, _RTA_PRIORITY, 0),
        )
        if not there:
            return self._routes.pop(key, None) is not None
        leads = link, sort, tuple(attributes.get(each) for each in _WAYS)
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


def _attributes(data: bytes, offset: int) -> dict[int, bytes]:
    """Return the attributes that begin at ``offset``, by number; the last of each kind.

    What is cut off or has an impossible length ends the message, as with the kernel.
    """
    found = dict[int, bytes]()
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size or offset + length > len(data):
            break
        found[kind & _KIND] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    return found


def _number(attributes: Mapping[int, bytes], kind: int, default: int) -> int:
    value = attributes.get(kind)
    return default if value is None else int.from_bytes(value[:4], sys.byteorder)


def _mtu(data: bytes) -> int:
    """Return the MTU that a message says of a link, 0 if it does not say."""
    return _number(_attributes(data, 16 + _LINK.size), _IFLA_MTU, 0)
