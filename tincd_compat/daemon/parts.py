"""The parts of one daemon and how they are connected, before any of them is at work.

Some parts want to know the device.  So they are made in two steps: by the constructor,
from the configuration alone, and by :meth:`Parts.attach_device`.  Neither opens
anything, and neither starts a timer.
"""

from __future__ import annotations

import random
import secrets
from typing import TYPE_CHECKING

from tincd_compat import logs
from tincd_compat.config.current import CurrentSettings
from tincd_compat.config.keys import load_private_key, load_signing_key
from tincd_compat.config.settings import Settings
from tincd_compat.control.context import GossipPolicy
from tincd_compat.control.gossip import Gossip
from tincd_compat.control.keyexchange import KeyExchange
from tincd_compat.control.seen import SeenRequests
from tincd_compat.crypto.suites import Suite, meta_cipher_for
from tincd_compat.daemon.control import ControlPlane, new_nonce
from tincd_compat.daemon.dataplane import DataPlane
from tincd_compat.daemon.dialer import Dialer
from tincd_compat.daemon.graphdump import GraphDump
from tincd_compat.daemon.hosts import HostFiles, own_options
from tincd_compat.daemon.journal import NotedEvents
from tincd_compat.daemon.linknews import LinkNews
from tincd_compat.daemon.links import Links
from tincd_compat.daemon.names import Names
from tincd_compat.daemon.notices import Notices
from tincd_compat.daemon.policy import parameters_of
from tincd_compat.daemon.proxies import command_environment
from tincd_compat.daemon.scriptevents import ScriptEvents
from tincd_compat.daemon.slices import Slices
from tincd_compat.mesh.dump import graphviz
from tincd_compat.mesh.node import Mesh
from tincd_compat.meta.identity import Identity
from tincd_compat.service.environment import original_environment
from tincd_compat.service.scripts import ScriptRunner
from tincd_compat.transport.tcp import Tarpit
from tincd_compat.tunnel.tunnels import Tunnels

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from tincd_compat.config.ed25519 import SigningKey
    from tincd_compat.daemon.clock import Clock
    from tincd_compat.daemon.journal import Journal
    from tincd_compat.daemon.sessionplane import SessionPlane
    from tincd_compat.daemon.unexpected import UnexpectedErrors
    from tincd_compat.device.base import Device
    from tincd_compat.meta.sptps import Sptps
    from tincd_compat.service.start import StartOptions


class Parts:
    """Everything that one daemon consists of.  Raises ConfigError.

    ``device``, ``events``, ``control`` and ``graph_dump`` are there once
    :meth:`attach_device` was called.
    """

    device: Device
    events: ScriptEvents
    control: ControlPlane
    graph_dump: GraphDump

    def __init__(
        self,
        options: StartOptions,
        current: CurrentSettings,
        clock: Clock,
        journal: Journal,
        unexpected: UnexpectedErrors,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        settings = current.current
        self.options = options
        self.settings = current
        self.clock = clock
        self.journal = journal
        self._loop = loop
        self.slices = Slices.on(loop)
        key = load_private_key(settings, options.directory)
        self.rsa_bits = key.public.bits
        suite = Suite.configured(settings.cipher, settings.digest, settings.maclength)
        for text in suite.warnings():
            logs.always.warning("%s", text)
        self._opens = suite.usable
        signing = load_signing_key(settings, options.directory)
        self.files = HostFiles(
            options.directory, options.options, sptps=signing is not None
        )
        self.mesh = Mesh(settings.name)
        self._signing = signing
        announced = own_options(settings, self.files.minor)
        self.mesh.myself.options = announced
        for subnet in settings.subnets:
            self.mesh.subnets.add(self.mesh.myself, subnet)
        identity = Identity(
            settings.name,
            key,
            settings.port,
            meta_cipher_for(suite.cipher),
            announced,
            None if signing is None else _sptps(settings.name, signing),
        )
        self.tarpit = Tarpit()
        self.links = Links(
            current,
            key,
            identity,
            self.files,
            self.tarpit,
            unexpected,
            bypass_security=options.bypass_security,
        )
        self.tunnels = Tunnels(parameters_of(settings, suite), secrets.token_bytes)
        self.dataplane = DataPlane(self.mesh, current, suite, self.tunnels, self.links)
        environment = original_environment()
        notices = Notices(current)
        self.news = LinkNews(self.mesh, journal, notices, loop.time)
        self.names = Names()
        self.dialer = Dialer(
            current,
            self.links,
            unexpected,
            resolve=self.names.resolve,
            environment=command_environment(
                environment, settings.name, options.netname
            ),
            jitter=random.random,
            turn=self.links.operations.turn,
            note=self.news.dial_failed,
            gave_up=notices.gave_up,
        )
        self.scripts = ScriptRunner(
            options.directory,
            environment,
            lambda: current.current.scripts_interpreter,
        )
        self.scripts.watcher = journal.scripts

    def attach_device(self, device: Device, changed: Callable[[], None]) -> None:
        """Make what is left; ``changed`` is called for other links or another graph."""
        settings, loop = self.settings.current, self._loop
        self.device = device
        self.events = ScriptEvents(
            self.scripts,
            netname=self.options.netname,
            name=settings.name,
            device=device.path,
            interface=device.interface,
            begin=Slices.on(loop).begin,
        )
        exchange = self._key_exchange(settings)
        sessions = self._sessions(exchange)
        self.control = ControlPlane(
            self.mesh,
            self._gossip(settings),
            exchange,
            self.links,
            self.tunnels,
            NotedEvents(self.events, self.journal, lambda: self.control.loss),
            loop.time,
            loop.call_later,
            self.slices.begin,
            sessions,
        )
        self.control.changed = self.news.changed = changed
        self.control.forgot = self.journal.forgotten
        self.graph_dump = GraphDump(
            lambda: self.settings.current.graph_dump_file,
            lambda: graphviz(self.mesh),
            lambda: self.control.runs.count,
            loop,
            self.slices.begin,
        )
        self.links.began = self.news.began
        self.links.ended = self.news.ended
        self.links.attach(self.control, self.dataplane.packets_received)
        self.dataplane.attach_control(self.control)

    def _gossip(self, settings: Settings) -> Gossip:
        policy = GossipPolicy(
            strict_subnets=settings.strict_subnets,
            tunnel_server=settings.tunnel_server,
            mac_expire=settings.mac_expire,
        )
        seen = SeenRequests(settings.ping_interval)
        return Gossip(self.mesh, policy, seen, new_nonce)

    def _sessions(self, exchange: KeyExchange) -> SessionPlane | None:
        """Make what nodes have sessions by, if there is an Ed25519 key."""
        if self._signing is None:
            return None
        from tincd_compat.daemon.sessionplane import SessionPlane

        sessions = SessionPlane(
            self.mesh,
            self._signing,
            self.files,
            self.tunnels,
            self.settings,
            self._loop.time,
            exchange.lifetime,
        )
        self.dataplane.attach_sessions(sessions.path)
        sessions.route = self.dataplane.from_session
        exchange.sessions = sessions.rules
        return sessions

    def _key_exchange(self, settings: Settings) -> KeyExchange:
        return KeyExchange(
            self.mesh,
            tunnel_server=settings.tunnel_server,
            udp_confirmed=self.tunnels.udp_confirmed,
            nonce=new_nonce,
            key_expire=settings.key_expire,
            now=self._loop.time(),
            jitter=random.random,
            opens=self._opens,
        )


def _sptps(name: str, key: SigningKey) -> Sptps:
    """Return our side of protocol 17.7, whose cryptography nobody else loads.

    That is before the root directory may change, where nothing could be loaded.
    """
    from tincd_compat.meta.sptps import Sptps

    return Sptps(name, key, secrets.token_bytes)
