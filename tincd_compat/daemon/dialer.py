"""ConnectTo: dialling each wanted neighbour until it answers, and again when it goes.

One task pursues one ConnectTo.  A round tries every ``Address`` of the host file in
order, each with every address its name resolves to; a link that came up is waited for.
A round that fails is followed by a pause that grows by five seconds (tinc 1.0.36), and
only a PONG from the peer resets it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress, valid_name
from tincd_compat.control.outgoing import Outgoing
from tincd_compat.daemon.listening import socket_family
from tincd_compat.errors import ConfigError
from tincd_compat.transport.resolver import resolve
from tincd_compat.transport.tcp import connect

if TYPE_CHECKING:
    from tincd_compat.config.hosts import HostSettings
    from tincd_compat.config.settings import Settings
    from tincd_compat.daemon.link import Link


class Network(Protocol):
    """What dialling needs of the rest of the daemon."""

    def link_to(self, name: str) -> Link | None:
        """Return the active link with that node, if any."""

    def read_host(self, name: str) -> HostSettings:
        """Read hosts/NAME; ConfigError if that is impossible."""

    def dialled(
        self,
        sock: socket.socket,
        address: SocketAddress,
        outgoing: Outgoing,
        started: float,
    ) -> Link:
        """Begin the handshake on a connected socket."""

    def source_for(self, address: SocketAddress) -> SocketAddress | None:
        """Return the local address to dial from, or None for any."""


class Dialer:
    """Keeps a task per ConnectTo."""

    def __init__(self, settings: Callable[[], Settings], network: Network) -> None:
        self._settings = settings
        self._network = network
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._alarm = asyncio.Event()

    def start(self) -> None:
        """Pursue every ConnectTo of the settings, each with a fresh back-off."""
        for name in dict.fromkeys(self._settings().connect_to):
            if valid_name(name):
                self._tasks[name] = asyncio.create_task(
                    self._pursue(self._new_outgoing(name)), name=f"ConnectTo {name}"
                )

    async def stop(self) -> None:
        """Give up all attempts; links that are up stay, without anyone redialling."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def retry_now(self) -> None:
        """End every pause at once; the back-off keeps growing (SIGALRM)."""
        self._alarm.set()
        self._alarm = asyncio.Event()

    def _new_outgoing(self, name: str) -> Outgoing:
        settings = self._settings()
        return Outgoing(
            name, min_timeout=settings.min_timeout, max_timeout=settings.max_timeout
        )

    async def _pursue(self, outgoing: Outgoing) -> None:
        while True:
            unusable = not await self._round(outgoing)
            now = asyncio.get_running_loop().time()
            retry_at = outgoing.failed(now, unusable=unusable)
            with suppress(TimeoutError):
                async with asyncio.timeout(retry_at - now):
                    await self._alarm.wait()

    async def _round(self, outgoing: Outgoing) -> bool:
        """Try each address once, or follow a link that is there already.

        Returns False if the host file gives nothing to try.
        """
        if await self._adopted(outgoing):
            return True
        try:
            host = self._network.read_host(outgoing.name)
            if not host.addresses:
                raise ConfigError(f"No address specified for {outgoing.name}")
        except ConfigError as error:
            logs.always.error("%s", error)
            return False
        loop = asyncio.get_running_loop()
        started = loop.time()
        async for address in self._addresses(host):
            link = await self._dial(outgoing, address, started)
            if link is not None:
                await link.ended.wait()
                if link.proven or await self._adopted(outgoing):
                    return True
            # The time lost on this address must not count as distance to the next.
            started = loop.time()
        return True

    async def _adopted(self, outgoing: Outgoing) -> bool:
        """Follow a link somebody else set up, until it ends; False if there is none."""
        link = self._network.link_to(outgoing.name)
        if outgoing.name == self._settings().name:
            logs.connections.info("Already connected to %s", outgoing.name)
            await asyncio.Event().wait()
        if link is None:
            return False
        logs.connections.info("Already connected to %s", outgoing.name)
        link.outgoing = outgoing
        await link.ended.wait()
        return True

    async def _addresses(self, host: HostSettings) -> AsyncIterator[SocketAddress]:
        for name, port in host.targets:
            for address in await self._resolve(name, port):
                yield address

    async def _resolve(self, name: str, port: str) -> list[SocketAddress]:
        family = socket_family(self._settings().address_family)
        try:
            return await resolve(name, port, family)
        except OSError as error:
            # A look-up that timed out is an OSError without a text.
            reason = error.strerror or "no answer in time"
            logs.always.warning("Error looking up %s port %s: %s", name, port, reason)
            return []

    async def _dial(
        self, outgoing: Outgoing, address: SocketAddress, started: float
    ) -> Link | None:
        name = outgoing.name
        settings = self._settings()
        logs.connections.info("Trying to connect to %s (%s)", name, address)
        try:
            sock = await connect(
                address,
                interface=settings.bind_to_interface,
                source=self._network.source_for(address),
                patience=settings.ping_timeout,
            )
        except TimeoutError:
            logs.connections.warning(
                "Timeout while connecting to %s (%s)", name, address
            )
            return None
        except OSError as error:
            logs.connections.error(
                "Error while connecting to %s (%s): %s", name, address, error.strerror
            )
            return None
        logs.connections.info("Connected to %s (%s)", name, address)
        return self._network.dialled(sock, address, outgoing, started)
