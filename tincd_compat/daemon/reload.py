"""SIGHUP: the configuration is read again, and what it says of subnets and links."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tincd_compat import logs
from tincd_compat.addresses import Subnet
from tincd_compat.config.hosts import read_subnets
from tincd_compat.config.settings import Settings
from tincd_compat.daemon.configuration import load_again
from tincd_compat.errors import TincError

if TYPE_CHECKING:
    from tincd_compat.daemon.control import ControlPlane
    from tincd_compat.daemon.dialer import Dialer
    from tincd_compat.daemon.hosts import HostFiles
    from tincd_compat.daemon.links import Links
    from tincd_compat.service.start import StartOptions


class Reload:
    """Reads everything anew and applies it; what is broken changes nothing."""

    def __init__(
        self,
        files: HostFiles,
        links: Links,
        dialer: Dialer,
        control: ControlPlane,
    ) -> None:
        self._files = files
        self._links = links
        self._dialer = dialer
        self._control = control

    def steps(
        self, old: Settings, options: StartOptions, accept: Callable[[Settings], None]
    ) -> Iterator[float | None]:
        """Read and apply the configuration; ``accept`` gets the new settings."""
        try:
            new = load_again(options)
            configured = None
            if old.strict_subnets:
                configured = yield from self._read_subnets(options)
        except TincError as error:
            logs.always.error("%s", error)
            logs.always.error(
                "Unable to reread configuration file, keeping the old configuration."
            )
            return
        # Another Name takes a restart, and so do the subnets of its host file.
        subnets = new.subnets if new.name == old.name else old.subnets
        self._dialer.stop()
        accept(replace(old.reloaded(new), subnets=subnets))
        yield from self._links.recheck_hosts()
        gossip = self._control.gossip
        if configured is not None:
            configured[old.name] = subnets
            yield from self._control.walk(partial(gossip.reload_subnets, configured))
        else:
            yield from self._control.walk(partial(gossip.reload_own_subnets, subnets))
        self._dialer.start()

    def _read_subnets(
        self, options: StartOptions
    ) -> Generator[None, None, dict[str, tuple[Subnet, ...]]]:
        configured = {}
        for name, subnets in read_subnets(self._files.directory, options.options):
            configured[name] = subnets
            yield
        return configured
