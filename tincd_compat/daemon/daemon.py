"""The life of the daemon: start, periodic work, signals, reload, stop.

The order of a start and of a stop is what scripts, init systems and the other nodes can
see, and that of tinc 1.0.36 (tincd(8)).
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from tincd_compat import __version__, logs
from tincd_compat.config.current import CurrentSettings
from tincd_compat.config.hosts import read_subnets
from tincd_compat.config.settings import Settings
from tincd_compat.daemon import dumps, offloads
from tincd_compat.daemon.clock import Clock
from tincd_compat.daemon.configuration import device_options, load
from tincd_compat.daemon.journal import Journal
from tincd_compat.daemon.link import End
from tincd_compat.daemon.listening import (
    adopt_pairs,
    announced_port,
    open_pairs,
    socket_family,
)
from tincd_compat.daemon.operators import Actions, OperatorSide
from tincd_compat.daemon.parts import Parts
from tincd_compat.daemon.reload import Reload
from tincd_compat.daemon.signals import Signals
from tincd_compat.daemon.slices import Slices, at_once
from tincd_compat.daemon.statusline import PROGRAM, StatusLine
from tincd_compat.daemon.suspension import Suspension
from tincd_compat.daemon.unexpected import UnexpectedErrors
from tincd_compat.device.base import Device, open_device
from tincd_compat.errors import DeviceError, TincError
from tincd_compat.observe.events import Events
from tincd_compat.observe.words import LinkEnd
from tincd_compat.service import privileges
from tincd_compat.service.notify import open_notifier
from tincd_compat.service.process import handle_signals
from tincd_compat.transport.netwatch import NetworkWatch
from tincd_compat.transport.operators import session_class
from tincd_compat.transport.tcp import AcceptLimit, Listener
from tincd_compat.transport.udp import UdpSockets

if TYPE_CHECKING:
    from tincd_compat.config.parser import Entry
    from tincd_compat.service.start import StartOptions

#: How long scripts may keep tinc-down waiting; systemd's unit kills after five seconds.
STOP_PATIENCE: Final = 4.0
#: How many signs of life fit into the interval in which the watchdog wants one.
WATCHDOG_SHARE: Final = 3


def wall_time() -> float:
    """Return the seconds since 1970, as they are set."""
    return time.time()


def boot_time() -> float:
    """Return the seconds since the machine was started, asleep or not."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Daemon:
    """One tincd.  :meth:`run` is its whole life."""

    def __init__(self, options: StartOptions, entries: Sequence[Entry]) -> None:
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._status = 0
        self._notifier = open_notifier(os.environ, os.getpid(), self._loop.call_later)
        self._listeners: list[Listener] = []
        self._status_line: StatusLine | None = None
        self._device: Device | None = None
        #: A further signal to stop has come: scripts are not waited for any longer.
        self._hurry = asyncio.Event()
        #: The scripts subnet-up of our own subnets were queued.
        self._subnets_up = False
        self._unexpected = UnexpectedErrors()
        # What operators see has less of a turn than what the net needs.
        self._show = Slices.on(self._loop, 1 / 4).begin
        self._watch: NetworkWatch | None = None
        self._suspension = Suspension()
        settings = CurrentSettings(load(options, entries))
        clock = Clock(self._loop.time, wall_time, boot_time)
        journal = Journal(Events(settings.current.event_history), clock)
        journal.started(__version__, os.getpid())
        self._offloads = offloads.allowed(settings.current, os.environ)
        self._caught = self._signals()
        self.parts = Parts(
            options, settings, clock, journal, self._unexpected, self._loop
        )

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.parts.settings.current

    # Start.

    async def run(self) -> int:
        """Start, serve until told to stop, and stop; return the exit status."""
        self._loop.set_exception_handler(self._unexpected.from_loop)
        handle_signals(self._loop, self._caught.handlers())
        try:
            self._open_device()
            self._options.ready()
            await self._until_stopped(self._run_first_scripts())
            if not self._stopping.is_set():
                await self._until_stopped(self._learn_names())
            if not self._stopping.is_set():
                self._open_sockets()
                self._go()
            await self._stopping.wait()
        except TincError as error:
            logs.always.error("%s", error)
            self._status = 1
        except Exception as error:
            # tinc-up may have run, and what it did has to be undone.
            self._unexpected.report("Start", error)
            self._status = 1
        await self._stop()
        return self._status

    def _open_device(self) -> None:
        parts = self.parts
        self._device = open_device(
            device_options(self.settings, self._options, self._offloads.device)
        )
        parts.attach_device(self._device, self._changed)
        actions = Actions(
            reload=self._begin_reload,
            retry=self._flush,
            purge=parts.control.purge,
            disconnect=self._disconnect,
            set_log_level=lambda level: self._options.log.set_level(level),
        )
        self._operators = OperatorSide(
            parts, actions, self._unexpected.report, self._show, self._loop
        )
        self._reloading = Reload(parts, self._operators.note_reload)
        self._operators.start()

    def _changed(self) -> None:
        """Show the service manager that a link or the graph has changed."""
        if self._status_line is not None and not self._stopping.is_set():
            self._status_line.changed()

    def _disconnect(self, name: str) -> bool:
        link = self.parts.links.link_to(name)
        if link is not None:
            end = End(LinkEnd.ASKED, "An operator has asked for it")
            self.parts.links.terminate(link, end, report=True)
        return link is not None

    async def _run_first_scripts(self) -> None:
        """Run tinc-up and subnet-up for our subnets, before anybody can connect."""
        if self.settings.strict_subnets:
            options = self._options
            configured = dict(read_subnets(options.directory, options.options))
            configured[self.settings.name] = self.settings.subnets
            # No peer is connected yet that would have to get the messages.
            at_once("subnets", self.parts.control.gossip.subnets.reload(configured))
        self.parts.events.device(True)
        # Not sooner: tinc-up may be what makes subnet-up.
        await self.parts.scripts.drain()
        self._own_subnets(True)
        await self.parts.scripts.drain()

    async def _learn_names(self) -> None:
        """Look up what will be dialled, if the resolver's files get out of reach."""
        if self._options.chroot:
            await self.parts.names.learn(
                self.parts.dialer.targets(), socket_family(self.settings.address_family)
            )

    def _own_subnets(self, up: bool) -> None:
        myself = self.parts.mesh.myself
        self._subnets_up = up
        self.parts.events.subnets(myself, self.parts.mesh.subnets.of(myself), up, None)
        self.parts.events.finish()

    async def _until_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Await ``work``, but no longer than until the daemon is told to stop."""
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            task.result()
        else:
            task.cancel()

    def _open_sockets(self) -> None:
        handed = self._options.listen_fds
        if handed is not None:
            self.parts.scripts.hide("LISTEN_FDS")
            pairs = adopt_pairs(self.settings, handed)
        else:
            pairs = open_pairs(self.settings)
        links = self.parts.links
        links.listening = [pair.address for pair in pairs]
        links.announce_port(announced_port(self.settings, pairs))
        limit = AcceptLimit()
        for pair in pairs:
            self._listeners.append(
                Listener(pair.tcp, limit, self.parts.tarpit, links.accepted)
            )
        elastic = self.settings.udp_sndbuf is None
        udp = self._offloads.sockets((pair.udp for pair in pairs), elastic=elastic)
        self.parts.dataplane.attach_sockets(UdpSockets(udp))

    def _go(self) -> None:
        # Not sooner: addresses learned from it run scripts, and tinc-up is the first.
        assert self._device is not None
        self.parts.dataplane.attach_device(self._device, self._device_failed)
        logs.always.log(logs.NOTICE, "Ready")
        self._status_line = StatusLine(
            self.parts.mesh,
            self.parts.links,
            self._notifier.status,
            lambda: time.strftime("%H:%M:%S"),
            self._loop.call_later,
            self._show,
        )
        count = len(self._listeners)
        self._notifier.ready(f"{PROGRAM}: ready, listening on {count} addresses")
        self.parts.dialer.start()
        priority = self.settings.process_priority
        if priority is not None:
            privileges.set_priority(priority)
        self._drop_privileges()
        self.parts.graph_dump.start()
        self._watch = NetworkWatch(self._own_index(), self._network_changed)
        self._watch.start()
        self._feed_watchdog()
        self._tick_later()
        self._caught.serve()

    def _own_index(self) -> int:
        """Return the number of our interface, 0 if it is none of the kernel's."""
        assert self._device is not None
        try:
            return socket.if_nametoindex(self._device.interface)
        except OSError:
            return 0

    def _network_changed(self) -> None:
        """Try at once what had to wait: another network may lead somewhere."""
        self.parts.dataplane.routes_changed()
        if not self._look_for_suspension():
            self.parts.dialer.retry_now()
            self.parts.dataplane.probe_now()

    def _look_for_suspension(self) -> bool:
        """See who is still there, if the machine has slept; tell whether it has."""
        if not self._suspension.over(self.settings.ping_timeout):
            return False
        logs.status.info("This machine was suspended: looking after all peers")
        self._do_all_now()
        return True

    def _do_all_now(self) -> None:
        """Do at once what had to wait, and ask all peers for a sign of life."""
        self.parts.dialer.retry_now()
        self.parts.dataplane.probe_now()
        self.parts.links.ping_all()

    def _drop_privileges(self) -> None:
        root = self._options.directory if self._options.chroot else None
        if root is None and self._options.user is None:
            return
        session_class()
        if self._options.mlock and self._options.user is not None:
            privileges.allow_growth()
        if root is not None:
            self._options.leave_root()
        privileges.drop(self._options.user, root)
        if root is not None:
            inside = type(root)("/")
            self.parts.files.directory = self.parts.scripts.directory = inside
            self._options = replace(self._options, directory=inside)

    # Time.

    def _tick_later(self) -> None:
        self._loop.call_later(self.settings.ping_timeout, self._tick)

    def _tick(self) -> None:
        """Do the periodic work of every PingTimeout seconds."""
        if self._stopping.is_set():
            return
        # First, so that the clock goes on if something below fails unforeseen.
        self._tick_later()
        self._options.log.count_omitted()
        now = self._loop.time()
        self._look_for_suspension()
        self.parts.control.settle()
        if self._status_line is not None:
            self._status_line.changed()
        pause = self.parts.control.tick(now)
        if pause:
            # Another node uses our name: stop dialling, go on for everybody else.
            self.parts.dialer.rest(pause)
            self._operators.own.note_conflict()

    def _feed_watchdog(self) -> None:
        """Tell the service manager in time that the loop still turns."""
        interval = self._notifier.watchdog_seconds
        if interval is not None:
            self._notifier.alive()
            self._loop.call_later(interval / WATCHDOG_SHARE, self._feed_watchdog)

    def _device_failed(self, error: DeviceError) -> None:
        logs.always.error("%s", error)
        self._status = 1
        self._stopping.set()

    # Signals.

    def _signals(self) -> Signals:
        return Signals(
            {
                signal.SIGTERM: self._told_to_stop,
                signal.SIGQUIT: self._told_to_stop,
                signal.SIGINT: self._options.log.toggle_debug,
                signal.SIGHUP: self._begin_reload,
                signal.SIGALRM: self._flush,
                signal.SIGUSR1: self._dump_connections,
                signal.SIGUSR2: self._dump_tables,
                # The control plane is made in the course of the start.
                signal.SIGWINCH: lambda: self.parts.control.purge(),
            }
        )

    def _told_to_stop(self) -> None:
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()

    def _begin_reload(self) -> None:
        self._options.log.reopen()
        self.parts.slices.begin("reload", self._reload())

    def _reload(self) -> Iterator[float | None]:
        """Read the configuration again; a broken one changes nothing."""
        self._notifier.reloading(self._loop.time())
        try:
            yield from self._reloading.steps(self._options)
        finally:
            self._notifier.ready()

    def _flush(self) -> None:
        logs.always.info("Flushing event queue")
        self._do_all_now()

    def _dump_connections(self) -> None:
        tree = self.parts.dataplane.broadcast_neighbours()
        lines = dumps.connections(self.parts.links, tree)
        self.parts.slices.begin("connections", dumps.write(lines))

    def _dump_tables(self) -> None:
        if self._device is None:
            return
        parts = self.parts
        parts.control.settle()
        counters = dumps.counters(parts.links, parts.control)
        counters += parts.dataplane.counters()
        lines = dumps.tables(self._device, parts.mesh, parts.tunnels.dump, counters)
        parts.slices.begin("tables", dumps.write(lines))

    # The end.

    async def _stop(self) -> None:
        """Leave in the order of tincd: connections, own subnets, sockets, tinc-down."""
        self._caught.end()
        self._stopping.set()
        self.parts.slices.drop()
        self._notifier.stopping()
        if self._device is None:
            logs.always.log(logs.NOTICE, "Terminating")
            return
        self._operators.close()
        if logs.connections.isEnabledFor(logging.DEBUG):
            at_once("statistics", dumps.write(dumps.statistics(self._device)))
        try:
            self._close()
        except Exception as error:
            # What tinc-up has done has to be undone all the same.
            self._unexpected.report("Stop", error)
            self._status = 1
        await self._last_scripts()
        self._device.close()
        logs.always.log(logs.NOTICE, "Terminating")

    def _close(self) -> None:
        self.parts.dialer.stop()
        self.parts.names.stop()
        if self._watch is not None:
            self._watch.stop()
        self.parts.graph_dump.stop()
        self.parts.links.close()
        logs.connections.log(
            logs.NOTICE, "Closing connection with %s (MYSELF)", self.settings.name
        )
        if self._subnets_up:
            self._own_subnets(False)
        for listener in self._listeners:
            listener.close()
        self.parts.tarpit.close()
        self.parts.dataplane.close()

    async def _last_scripts(self) -> None:
        """Wait for scripts as long as STOP_PATIENCE, then run tinc-down in any case.

        A further signal to stop ends the wait for the scripts that run by then.
        """
        self.parts.events.finish()
        if not await self.parts.scripts.drain(STOP_PATIENCE, self._hurry):
            self.parts.scripts.drop()
        self._hurry.clear()
        self.parts.events.device(False)
        if not await self.parts.scripts.drain(hurry=self._hurry):
            self.parts.scripts.drop()
