"""Which of our addresses a datagram was for, and answers from there.

Who has dialled the second address of a host from behind a NAT or a firewall hears only
what comes from there, and the routing table may choose the first. So a socket that is
bound to all addresses asks for what each datagram was for (IP_PKTINFO), the address of
a node carries that, and what is sent to the node names it, if the routing table would
not choose it anyway.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable
from typing import Final, TypeAlias

from tincd_compat.addresses import SocketAddress
from tincd_compat.transport.udp_options import IP_PKTINFO, IPV6_PKTINFO

#: Ancillary data of a message, as the socket module wants it.
Control: TypeAlias = tuple[tuple[int, int, bytes], ...]

#: ``struct in6_pktinfo``, the longer one.
PKTINFO_SPACE: Final = socket.CMSG_SPACE(20)
#: Addresses with a source that are remembered; with more all are forgotten.
MAX_SOURCES: Final = 16384

#: What the system may say of an address that is not its own any more.
GONE: Final = frozenset({errno.EINVAL, errno.ENETUNREACH, errno.EADDRNOTAVAIL})

# Interface, our address and what the header says; what the header says and interface.
_IPV4: Final = struct.Struct("=i4s4s")
_IPV6: Final = struct.Struct("=16si")
_LINK_LOCAL: Final = 0xFE80
_LINK_LOCAL_MASK: Final = 0xFFC0
_MULTICAST: Final = 0xFF


def spoken_to(data: bytes) -> str:
    """Return the address of ours that a message was for, by IP_PKTINFO or its like.

    "" if no answer can come from there.  A link has one link-local address, and the
    scope says which link.
    """
    if len(data) == _IPV4.size:
        return socket.inet_ntop(socket.AF_INET, _IPV4.unpack(data)[1])
    packed = _IPV6.unpack(data)[0]
    link_local = int.from_bytes(packed[:2], "big") & _LINK_LOCAL_MASK == _LINK_LOCAL
    if link_local or packed[0] == _MULTICAST:
        return ""
    return socket.inet_ntop(socket.AF_INET6, packed)


class SourceAddresses:
    """From which of our addresses datagrams leave.

    :param route: returns the packed address that the routing table chooses towards one
    """

    def __init__(self, route: Callable[[bytes], bytes | None]) -> None:
        self._route = route
        self._known: dict[tuple[str, str], Control] = {}

    def of(self, address: SocketAddress) -> Control:
        """Return the ancillary data for a datagram to there; none if the route does."""
        local = address.local
        if not local:
            return ()
        ends = address.host, local
        found = self._known.get(ends)
        if found is None:
            if len(self._known) >= MAX_SOURCES:
                self._known.clear()
            found = self._known[ends] = self._control(address)
        return found

    def _control(self, address: SocketAddress) -> Control:
        ipv6 = address.is_ipv6
        family = socket.AF_INET6 if ipv6 else socket.AF_INET
        packed = socket.inet_pton(family, address.local)
        if self._route(address.packed) == packed:
            return ()
        if ipv6:
            return ((socket.IPPROTO_IPV6, IPV6_PKTINFO, _IPV6.pack(packed, 0)),)
        return ((socket.IPPROTO_IP, IP_PKTINFO, _IPV4.pack(0, packed, bytes(4))),)

    def refused(self, address: SocketAddress, error: int) -> bool:
        """Note that a source was refused; True if the system chooses the source now."""
        if error not in GONE or not self.of(address):
            return False
        self._known[address.host, address.local] = ()
        return True

    def forget(self) -> None:
        """Forget all sources: our addresses or routes may have changed."""
        self._known.clear()
