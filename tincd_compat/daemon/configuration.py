"""From the configuration files to the settings of this run."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from tincd_compat.config.parser import Entry, options_for, read_server_config
from tincd_compat.config.settings import Settings, Suites, complete_settings
from tincd_compat.crypto.suites import Suite, find_cipher, find_digest
from tincd_compat.daemon.listening import socket_family
from tincd_compat.device.base import DeviceOptions
from tincd_compat.device.vnet import OffloadWishes
from tincd_compat.modes import Mode

if TYPE_CHECKING:
    from tincd_compat.service.start import StartOptions


def _digest_size(name: str) -> int | None:
    digest = find_digest(name)
    return None if digest is None else digest.size


def _warnings(cipher: str, digest: str, maclength: int) -> list[str]:
    return Suite.configured(cipher, digest, maclength).warnings()


#: What the packet layer says about Cipher, Digest and MACLength.
SUITES: Final = Suites(
    lambda name: find_cipher(name) is not None, _digest_size, _warnings
)


def load(options: StartOptions, entries: Sequence[Entry]) -> Settings:
    """Return the settings behind tinc.conf's ``entries``; ConfigError if they won't do.

    Our own host file is read here, since its name is in those entries.
    """
    return complete_settings(
        entries,
        options.directory,
        options.options,
        SUITES,
        environment=os.environ,
        hostname=socket.gethostname(),
    )


def load_again(options: StartOptions) -> Settings:
    """Read everything anew (SIGHUP); ConfigError leaves the caller with the old."""
    given = options_for(options.options, None)
    return load(options, read_server_config(options.directory, given))


def device_options(
    settings: Settings, options: StartOptions, offloads: OffloadWishes
) -> DeviceOptions:
    """Return what the settings say about the device."""
    return DeviceOptions(
        device_type=settings.device_type,
        device=settings.device,
        interface=settings.interface,
        netname=options.netname,
        uml_socket=str(options.uml_socket),
        family=socket_family(settings.address_family),
        router=settings.mode is Mode.ROUTER,
        offloads=offloads,
    )
