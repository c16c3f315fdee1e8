"""Proxy: reaching a ConnectTo through somebody else (tinc.conf(5), Proxy)."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.config.values import Proxy, ProxyCommand, ProxyServer, ProxyType
from tincd_compat.errors import ConfigError, PeerError
from tincd_compat.meta import proxydialogues as dialogues
from tincd_compat.meta.proxydialogues import (
    HostName,
    ProxyDialogue,
    Target,
    edge_address,
)
from tincd_compat.transport.proxy import (
    ProxyPassage,
    ProxyProcess,
    converse,
    run_command,
)

if TYPE_CHECKING:
    from tincd_compat.daemon.link import Link

#: Names that are left to the proxy if they cannot be looked up here (tinc 1.0.36).
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+")
_PORT: Final = re.compile(r"[A-Za-z0-9]+")


def left_to_proxy(host: str, port: str) -> HostName | None:
    """Return a name that could not be looked up, if the proxy may know it."""
    if not (_HOST.fullmatch(host) and _PORT.fullmatch(port)):
        return None
    try:
        number = int(port) if port.isdigit() else socket.getservbyname(port, "tcp")
    except OSError:
        return None
    return HostName(host, number) if number <= 0xFFFF else None


def dialogue_with(proxy: ProxyServer, target: Target) -> ProxyDialogue:
    """Return what to say to a proxy; ConfigError if it cannot be said."""
    match proxy.type:
        case ProxyType.SOCKS4:
            return dialogues.socks4(target, proxy.user)
        case ProxyType.SOCKS4A:
            return dialogues.socks4a(target, proxy.user)
        case ProxyType.SOCKS5:
            return dialogues.socks5(target, proxy.user, proxy.password)
        case ProxyType.HTTP:
            return dialogues.http(target)


class Proxies:
    """Connects through proxies and looks after the commands among them.

    ``environment`` is that of the commands, but for what depends on the connection.
    ``resolve`` returns the addresses of a host and port and logs if there are none;
    ``connect`` raises OSError, which includes TimeoutError.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        resolve: Callable[[str, str], Awaitable[list[SocketAddress]]],
        connect: Callable[[SocketAddress], Awaitable[socket.socket]],
    ) -> None:
        self._environment = environment
        self._resolve = resolve
        self._connect = connect
        self._processes: set[asyncio.Task[None]] = set()

    async def connect_through(
        self, proxy: Proxy, target: Target, name: str, patience: float
    ) -> ProxyPassage | None:
        """Open a way to the node ``name``; None, with a line in the log, if it fails.

        OSError or TimeoutError if the proxy itself cannot be reached.
        """
        try:
            if isinstance(proxy, ProxyCommand):
                return self._run(proxy, target, name)
            return await self._ask(proxy, target, name, patience)
        except ConfigError as error:
            logs.always.error("%s", error)
        except PeerError as error:
            peer = f"{name} ({target})"
            logger: logging.Logger = getattr(error, "logger", logs.always)
            severity: int = getattr(error, "severity", logging.ERROR)
            logger.log(severity, "%s", error.text(peer))
            logs.connections.log(logs.NOTICE, "Closing connection with %s", peer)
        return None

    async def _ask(
        self, proxy: ProxyServer, target: Target, name: str, patience: float
    ) -> ProxyPassage | None:
        dialogue = dialogue_with(proxy, target)
        addresses = await self._resolve(proxy.host, proxy.port)
        if not addresses:
            return None
        logs.connections.info("Using proxy at %s port %s", proxy.host, proxy.port)
        sock = await self._connect_any(addresses)
        logs.connections.info("Connected to %s (%s)", name, target)
        progress = await converse(sock, dialogue, patience)
        address = edge_address(target, progress.bound)
        return ProxyPassage(sock, address, target, progress.leftover)

    async def _connect_any(self, addresses: list[SocketAddress]) -> socket.socket:
        for address in addresses[:-1]:
            try:
                return await self._connect(address)
            except OSError:
                continue
        return await self._connect(addresses[-1])

    def _run(self, proxy: ProxyCommand, target: Target, name: str) -> ProxyPassage:
        logs.connections.debug("Using proxy %s", proxy.command)
        place = {
            "NODE": name,
            "REMOTEADDRESS": target.host,
            "REMOTEPORT": str(target.port),
        }
        sock, process = run_command(proxy.command, {**self._environment, **place})
        logs.connections.info("Connected to %s (%s)", name, target)
        address = edge_address(target, None)
        return ProxyPassage(sock, address, target, process=process)

    def attend(self, passage: ProxyPassage, link: Link) -> None:
        """Hand over what has come early, and end a command with its link."""
        if passage.process is not None:
            self._end_with(passage.process, link.ended)
        if passage.received:
            link.feed(partial(link.connection.receive_data, passage.received))

    def _end_with(self, process: ProxyProcess, ended: asyncio.Event) -> None:
        # The task outlives a reload, which replaces the dialling but not the links.
        task = asyncio.create_task(process.end_with(ended))
        self._processes.add(task)
        task.add_done_callback(self._processes.discard)


def command_environment(
    environment: Mapping[str, str], name: str, netname: str | None
) -> dict[str, str]:
    """Return the environment of a command as far as it is always the same."""
    network = {} if netname is None else {"NETNAME": netname}
    return {**environment, "NAME": name, **network}
