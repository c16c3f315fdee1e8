"""ConnectTo: dialling each wanted neighbour until it answers, and again when it goes.

One task pursues one ConnectTo.  A round tries every ``Address`` of the host file in
order, each with every address its name resolves to; a link that came up is waited for.
A round that fails is followed by a pause that grows by five seconds (tinc 1.0.36), and
only a PONG from the peer resets it.  What ends a pause early, SIGALRM or a change of
the network, brings one more round; those that were planned stay as they are.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress, valid_name
from tincd_compat.config.values import ProxyServer
from tincd_compat.control.outgoing import Outgoing
from tincd_compat.daemon.dials import connecting_result
from tincd_compat.daemon.listening import socket_family
from tincd_compat.daemon.proxies import Proxies, left_to_proxy
from tincd_compat.daemon.unexpected import UnexpectedErrors
from tincd_compat.errors import ConfigError
from tincd_compat.meta.proxydialogues import Target
from tincd_compat.observe.words import DialResult, LinkEnd
from tincd_compat.transport.proxy import ProxyPassage
from tincd_compat.transport.resolver import Resolve, resolve
from tincd_compat.transport.tcp import connect

if TYPE_CHECKING:
    from tincd_compat.config.current import CurrentSettings
    from tincd_compat.daemon.link import Link
    from tincd_compat.daemon.links import Links


#: Called for an attempt at a node that has failed: how, where, and in words.
Note: TypeAlias = Callable[[str, DialResult, Target | None, str | None], None]


class Connect(Protocol):
    """As :func:`tincd_compat.transport.tcp.connect`."""

    def __call__(
        self,
        address: SocketAddress,
        *,
        interface: str | None,
        source: SocketAddress | None,
        patience: float,
    ) -> Awaitable[socket.socket]: ...


async def _at_once() -> float:
    return 0.0


class Dialer:
    """The tasks that dial, one for each ConnectTo."""

    def __init__(
        self,
        settings: CurrentSettings,
        links: Links,
        unexpected: UnexpectedErrors,
        *,
        resolve: Resolve = resolve,
        connect: Connect = connect,
        environment: Mapping[str, str] | None = None,
        jitter: Callable[[], float] = lambda: 0.0,
        turn: Callable[[], Awaitable[float]] = _at_once,
        note: Note = lambda name, result, target, words: None,
        gave_up: Callable[[str], None] = lambda name: None,
    ) -> None:
        """``environment`` is for commands that stand for a proxy.

        ``jitter`` returns by how many seconds a pause is longer than announced.
        ``turn`` waits until one more handshake is within our means, and returns for how
        many seconds.  ``note`` is called for each attempt that fails, ``gave_up`` for
        each node that is not dialled for a while.
        """
        self._note = note
        self._gave_up = gave_up
        self._pursued: dict[str, Outgoing] = {}
        self._settings = settings
        self._links = links
        self._unexpected = unexpected
        self._lookup = resolve
        self._connect = connect
        self._jitter = jitter
        self._turn = turn
        self._proxies = Proxies(
            environment or {}, resolve=self._resolve, connect=self._open
        )
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._alarm = asyncio.Event()
        self._resting: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Pursue every ConnectTo of the settings, each with a fresh back-off.

        This replaces whatever has been pursued so far.
        """
        self.stop()
        settings = self._settings.current
        for name in dict.fromkeys(settings.connect_to):
            if name == settings.name:
                logs.connections.info("Already connected to %s", name)
            elif valid_name(name):
                outgoing = self._pursued[name] = self._new_outgoing(name)
                self._tasks[name] = asyncio.create_task(
                    self._pursue(outgoing), name=f"ConnectTo {name}"
                )

    def next_at(self, name: str) -> float | None:
        """Return when the next attempt at that node is planned, None if none is."""
        outgoing = self._pursued.get(name)
        return None if outgoing is None else outgoing.retry_at

    def targets(self) -> Iterator[tuple[str, str]]:
        """Yield every host and port that may have to be looked up, as far as read."""
        settings = self._settings.current
        if isinstance(settings.proxy, ProxyServer):
            yield settings.proxy.host, settings.proxy.port
        for name in filter(valid_name, settings.connect_to):
            # What is wrong with a file is said when it is dialled.
            with suppress(ConfigError):
                yield from self._links.read_host(name).targets

    def stop(self) -> None:
        """Give up all attempts; links that are up stay, without anyone redialling."""
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
        self._pursued.clear()

    def rest(self, seconds: float) -> None:
        """Give up all attempts and start afresh after that time."""
        self.stop()
        loop = asyncio.get_running_loop()
        self._resting = loop.call_later(seconds, self.start)

    def retry_now(self) -> None:
        """Try at once what waits for the end of a pause; the pause goes on after it."""
        self._alarm.set()
        self._alarm = asyncio.Event()

    def _new_outgoing(self, name: str) -> Outgoing:
        settings = self._settings.current
        return Outgoing(
            name, min_timeout=settings.min_timeout, max_timeout=settings.max_timeout
        )

    async def _pursue(self, outgoing: Outgoing) -> None:
        while True:
            try:
                unusable = not await self._round(outgoing)
            except Exception as error:
                self._unexpected.report(f"Connecting to {outgoing.name}", error)
                unusable = False
            now = asyncio.get_running_loop().time()
            retry_at = outgoing.failed(now, unusable=unusable)
            self._gave_up(outgoing.name)
            with suppress(TimeoutError):
                # Two nodes that call each other at once end up without a link, both at
                # the same moment.  With equal pauses they would do so for ever.
                async with asyncio.timeout(retry_at - now + self._jitter()):
                    await self._alarm.wait()

    async def _round(self, outgoing: Outgoing) -> bool:
        """Try each address once, or follow a link that is there already.

        Returns False if the host file gives nothing to try.
        """
        if await self._adopted(outgoing):
            return True
        try:
            host = self._links.read_host(outgoing.name)
            if not host.addresses:
                name = outgoing.name
                advice = f"hosts/{name} lacks `Address = HOST'"
                raise ConfigError(f"No address specified for {name} ({advice})")
        except ConfigError as error:
            logs.always.error("%s", error)
            self._note(outgoing.name, DialResult.HOST_FILE, None, str(error))
            return False
        loop = asyncio.get_running_loop()
        started = loop.time()
        for name, port in host.targets:
            for target in await self._targets(outgoing, name, port):
                started += await self._turn()
                link = await self._dial(outgoing, target, started)
                if link is not None:
                    await link.ended.wait()
                    if link.end is not None and link.end.reason is LinkEnd.UPGRADED:
                        link = await self._dial(outgoing, target, loop.time()) or link
                        await link.ended.wait()
                    if link.proven or await self._adopted(outgoing):
                        return True
                # The time lost here must not count as distance to the next address.
                started = loop.time()
        return True

    async def _adopted(self, outgoing: Outgoing) -> bool:
        """Wait for the end of a link that the peer dialled; False if there is none."""
        link = self._links.link_to(outgoing.name)
        if link is None:
            return False
        logs.connections.info("Already connected to %s", outgoing.name)
        link.outgoing = outgoing
        await link.ended.wait()
        return True

    async def _targets(self, outgoing: Outgoing, name: str, port: str) -> list[Target]:
        """Return the addresses, or the name itself if only the proxy may know it."""
        targets: list[Target] = [*await self._resolve(name, port)]
        if not targets and self._settings.current.proxy is None:
            words = f"{name} port {port} does not resolve"
            self._note(outgoing.name, DialResult.NAME, None, words)
        if not targets and self._settings.current.proxy is not None:
            unknown = left_to_proxy(name, port)
            return [] if unknown is None else [unknown]
        return targets

    async def _resolve(self, name: str, port: str) -> list[SocketAddress]:
        family = socket_family(self._settings.current.address_family)
        try:
            return await self._lookup(name, port, family)
        except OSError as error:
            # A look-up that timed out is an OSError without a text.
            reason = error.strerror or "no answer in time"
            logs.always.warning("Error looking up %s port %s: %s", name, port, reason)
            return []

    async def _dial(
        self, outgoing: Outgoing, target: Target, started: float
    ) -> Link | None:
        name = outgoing.name
        logs.connections.info("Trying to connect to %s (%s)", name, target)
        try:
            passage = await self._reach(name, target)
        except TimeoutError:
            logs.connections.warning(
                "Timeout while connecting to %s (%s)", name, target
            )
            self._note(name, DialResult.TIMEOUT, target, None)
            return None
        except OSError as error:
            # The event loop puts words of its own into the error.
            reason = os.strerror(error.errno) if error.errno else str(error)
            logs.connections.error(
                "Error while connecting to %s (%s): %s", name, target, reason
            )
            self._note(name, connecting_result(error), target, reason)
            return None
        if passage is None:
            self._note(name, DialResult.PROXY, target, None)
            return None
        return self._begin(passage, outgoing, started)

    async def _reach(self, name: str, target: Target) -> ProxyPassage | None:
        """Connect; None if a proxy refused, about which the log has a line already."""
        settings = self._settings.current
        if settings.proxy is not None:
            return await self._proxies.connect_through(
                settings.proxy, target, name, settings.ping_timeout
            )
        # Without a proxy nothing is left unresolved.
        address = cast(SocketAddress, target)
        sock = await self._open(address)
        logs.connections.info("Connected to %s (%s)", name, address)
        return ProxyPassage(sock, address)

    def _begin(self, passage: ProxyPassage, outgoing: Outgoing, started: float) -> Link:
        link = self._links.dialled(
            passage.socket,
            passage.address,
            outgoing,
            started,
            proxied=passage.proxied,
        )
        self._proxies.attend(passage, link)
        return link

    async def _open(self, address: SocketAddress) -> socket.socket:
        settings = self._settings.current
        return await self._connect(
            address,
            interface=settings.bind_to_interface,
            source=self._links.source_for(address),
            patience=settings.ping_timeout,
        )
