"""SIGHUP: the configuration is read again, and what it says of subnets and links."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tincd_compat import logs
from tincd_compat.addresses import Subnet
from tincd_compat.config.hosts import read_subnets
from tincd_compat.daemon.configuration import load_again
from tincd_compat.errors import TincError

if TYPE_CHECKING:
    from tincd_compat.daemon.parts import Parts
    from tincd_compat.service.start import StartOptions


class Reload:
    """The reload: a new configuration is applied, a broken one changes nothing."""

    def __init__(
        self, parts: Parts, tell: Callable[[str | None, Sequence[str]], None]
    ) -> None:
        """``tell`` is called with the error or None, and the variables that wait."""
        self._tell = tell
        self._settings = parts.settings
        self._files = parts.files
        self._links = parts.links
        self._dialer = parts.dialer
        self._control = parts.control

    def steps(self, options: StartOptions) -> Iterator[float | None]:
        """Read and apply the configuration, in steps that end at each ``yield``."""
        try:
            new = load_again(options)
            configured = None
            if self._settings.current.strict_subnets:
                configured = yield from self._read_subnets(options)
        except TincError as error:
            self._tell(str(error), ())
            logs.always.error("%s", error)
            logs.always.error(
                "Unable to reread configuration file, keeping the old configuration."
            )
            return
        self._dialer.stop()
        waiting = self._settings.reload(new)
        for variable in waiting:
            logs.always.warning(
                "%s has changed, which takes effect at the next start", variable
            )
        self._control.hosts_changed()
        yield from self._links.recheck_hosts()
        yield from self._apply_subnets(configured)
        self._dialer.start()
        self._tell(None, waiting)

    def _apply_subnets(
        self, configured: dict[str, tuple[Subnet, ...]] | None
    ) -> Iterator[float | None]:
        """Announce and withdraw subnets; ``configured`` is set with StrictSubnets."""
        settings, gossip = self._settings.current, self._control.gossip
        if configured is not None:
            configured[settings.name] = settings.subnets
            yield from self._control.walk(partial(gossip.subnets.reload, configured))
        else:
            walk = partial(gossip.subnets.reload_own, settings.subnets)
            yield from self._control.walk(walk)

    def _read_subnets(
        self, options: StartOptions
    ) -> Generator[None, None, dict[str, tuple[Subnet, ...]]]:
        configured = {}
        for name, subnets in read_subnets(self._files.directory, options.options):
            configured[name] = subnets
            yield
        return configured
