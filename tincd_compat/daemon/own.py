"""What the daemon knows of itself, for whoever looks at it from outside."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tincd_compat import __version__
from tincd_compat.daemon.clock import Clock
from tincd_compat.dataclass import dataclass
from tincd_compat.observe.records import SuiteRecord
from tincd_compat.observe.times import Time
from tincd_compat.observe.views import Own
from tincd_compat.observe.words import DataPlaneKind, PythonReason

if TYPE_CHECKING:
    from tincd_compat.config.current import CurrentSettings
    from tincd_compat.config.settings import Settings
    from tincd_compat.transport.kernelqueues import KernelQueues

#: Seconds after which another node is taken to use our name no longer.
CONFLICT_LASTS: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """What does not change while the daemon runs."""

    net: str | None
    #: Where the configuration is, outside of a chroot.
    folder: str
    interface: str
    options: int
    rsa_bits: int | None


class OwnFacts:
    """Makes the view of the daemon itself.

    The functions return whether compiled code moves packets, why Python does and the
    device does not work; the queues of the UDP sockets, the port that is announced, the
    debug level in force.
    """

    def __init__(
        self,
        fixed: Fixed,
        settings: CurrentSettings,
        clock: Clock,
        *,
        compiled: Callable[[], bool],
        python_why: Callable[[], PythonReason | None],
        device_error: Callable[[], str | None],
        queues: Callable[[], KernelQueues],
        port: Callable[[], str],
        level: Callable[[], int],
    ) -> None:
        self._fixed = fixed
        self._settings = settings
        self._compiled = compiled
        self._python_why = python_why
        self._device_error = device_error
        self._queues = queues
        self._port = port
        self._level = level
        self._started = clock.now()
        self._clock = clock
        self._reloaded: Time | None = None
        self._reload_ok: bool | None = None
        self._reload_error: str | None = None
        self._conflict: Time | None = None
        self._conflict_seen = clock.now()

    def note_conflict(self) -> None:
        """Another node uses our name, as it seems."""
        now = self._clock.now()
        if self._conflict is None or now - self._conflict_seen > CONFLICT_LASTS:
            self._conflict = now
        self._conflict_seen = now

    def note_reload(self, error: str | None) -> None:
        """The configuration was read again; an error leaves the old one in force."""
        self._reload_ok, self._reload_error = error is None, error
        if error is None:
            self._reloaded = self._clock.now()

    def view(self) -> Own:
        fixed, settings = self._fixed, self._settings.current
        self._clock.check()
        port, queues = self._port(), self._queues()
        return Own(
            net=fixed.net,
            folder=fixed.folder,
            name=settings.name,
            version=__version__,
            pid=os.getpid(),
            mode=settings.mode,
            data_plane=DataPlaneKind.COMPILED
            if self._compiled()
            else DataPlaneKind.PYTHON,
            device_error=self._device_error(),
            python_why=self._python_why(),
            udp_buffer_wanted=queues.wanted,
            udp_buffer_granted=queues.granted,
            udp_lost=queues.lost(),
            started=self._started,
            reloaded=self._reloaded,
            reload_ok=self._reload_ok,
            reload_error=self._reload_error,
            interface=fixed.interface,
            port=int(port) if port.isdigit() else None,
            debug_level=self._level(),
            suite=_suite(settings),
            rsa_bits=fixed.rsa_bits,
            options=fixed.options,
            strict_subnets=settings.strict_subnets,
            tunnel_server=settings.tunnel_server,
            ping_interval=settings.ping_interval,
            ping_timeout=settings.ping_timeout,
            hold_off=settings.health_hold_off,
            name_conflict=self._conflict_since(),
            clock_step=self._clock.step,
            clock_set=self._clock.set_at,
        )

    def _conflict_since(self) -> Time | None:
        seen = self._clock.now() - self._conflict_seen
        return self._conflict if seen <= CONFLICT_LASTS else None


def _suite(settings: Settings) -> SuiteRecord:
    return SuiteRecord(
        cipher=settings.cipher.lower(),
        digest=settings.digest.lower(),
        mac_length=settings.maclength,
        compression=settings.compression,
    )
