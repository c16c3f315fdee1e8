"""Results of attempts at each ConnectTo: the last one, and counts by result."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from tincd_compat.addresses import SocketAddress
from tincd_compat.daemon.clock import Clock
from tincd_compat.dataclass import dataclass
from tincd_compat.meta.proxydialogues import Target
from tincd_compat.observe.events import Events
from tincd_compat.observe.records import Address
from tincd_compat.observe.summary import ConnectTo, DialAttempts
from tincd_compat.observe.times import Time
from tincd_compat.observe.words import AddressSource, DialResult, EventKind, LinkEnd

_DIALS: Final = {
    LinkEnd.CLOSED: DialResult.CLOSED,
    LinkEnd.RESET: DialResult.CLOSED,
    LinkEnd.AUTH_TIMEOUT: DialResult.AUTH_TIMEOUT,
    LinkEnd.PING_TIMEOUT: DialResult.AUTH_TIMEOUT,
    LinkEnd.WRONG_KEY: DialResult.WRONG_KEY,
    LinkEnd.IDENTITY: DialResult.INCOMPATIBLE,
    LinkEnd.INCOMPATIBLE: DialResult.INCOMPATIBLE,
    LinkEnd.PROTOCOL: DialResult.INCOMPATIBLE,
}


#: Ends with which somebody leaves us who has our METAKEY and cannot read it: tincd says
#: nothing then, it closes the connection or lets it be.
_SILENT: Final = frozenset({LinkEnd.CLOSED, LinkEnd.RESET, LinkEnd.AUTH_TIMEOUT})


def dial_result(reason: LinkEnd, key_unread: bool) -> DialResult:
    """Return what an ending in the handshake means for whoever has dialled.

    ``key_unread``: the peer has got our METAKEY, and has not shown that it can read it.
    """
    if key_unread and reason in _SILENT:
        return DialResult.WRONG_KEY
    return _DIALS.get(reason, DialResult.ERROR)


def connecting_result(error: OSError) -> DialResult:
    """Return what an error of the system means for whoever has dialled."""
    if isinstance(error, TimeoutError) or error.errno == errno.ETIMEDOUT:
        return DialResult.TIMEOUT
    if error.errno == errno.ECONNREFUSED:
        return DialResult.REFUSED
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN):
        return DialResult.UNREACHABLE
    return DialResult.ERROR


@dataclass(slots=True)
class _Attempt:
    """The last attempt, and since when they go as that one went."""

    result: DialResult
    since: Time
    at: Time
    words: str | None
    target: Target | None


class Dials:
    """Results of attempts, by the name of the node."""

    def __init__(self, events: Events, clock: Clock) -> None:
        self._events = events
        self._clock = clock
        self._last: dict[str, _Attempt] = {}
        self._counts: Counter[tuple[str, DialResult]] = Counter()

    def note(
        self,
        name: str,
        result: DialResult,
        target: Target | None = None,
        words: str | None = None,
    ) -> None:
        """Note how an attempt has ended."""
        now, before = self._clock.now(), self._last.get(name)
        up = result is DialResult.OK
        as_before = before is not None and (before.result is DialResult.OK) == up
        since = before.since if as_before and before is not None else now
        self._last[name] = _Attempt(result, since, now, words, target)
        self._counts[name, result] += 1
        again = before is not None and (before.result, before.words) == (result, words)
        if again and result is DialResult.HOST_FILE:
            # A file is looked at each second, and says the same until it is another.
            return
        self._events.add(
            *(now, EventKind.DIAL, name, result),
            host=None if target is None else target.host,
            port=_port(target),
            words=words,
            wait=None,
        )

    def records(
        self,
        names: Iterable[str],
        linked_since: Callable[[str], float | None],
        next_at: Callable[[str], float | None],
    ) -> Iterator[ConnectTo]:
        """Yield the record of each ConnectTo.

        The functions return since when there is an active link with a node, and when
        the next attempt is planned, by the loop's clock.
        """
        for name in names:
            last, up_since = self._last.get(name), linked_since(name)
            up = up_since is not None
            since = self._clock.wall(up_since)
            if not up and last is not None:
                since = last.since if last.result is not DialResult.OK else last.at
            failed = last is not None and last.result is not DialResult.OK
            yield ConnectTo(
                node=name,
                up=up,
                since=since,
                last=None if last is None else last.result,
                error=last.words if failed and last is not None else None,
                address=None if last is None else _address(last.target),
                last_at=None if last is None else last.at,
                next_at=None if up else self._clock.wall(next_at(name)),
            )

    def attempts(self) -> Iterator[DialAttempts]:
        """Yield how often attempts have ended in which way."""
        for (name, result), count in self._counts.items():
            yield DialAttempts(node=name, result=result, count=count)

    def keep_only(self, names: Iterable[str]) -> None:
        """Forget the last attempts at nodes that are no ConnectTo any more."""
        kept = frozenset(names)
        self._last = {n: last for n, last in self._last.items() if n in kept}


def _port(target: Target | None) -> int | None:
    return None if target is None else target.port


def _address(target: Target | None) -> Address | None:
    if target is None:
        return None
    source = AddressSource.DIALLED if isinstance(target, SocketAddress) else None
    return Address(host=target.host, port=target.port, from_=source)
