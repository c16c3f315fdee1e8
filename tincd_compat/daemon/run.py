"""Where the command line hands over: read the configuration and run the daemon."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

from tincd_compat import logs
from tincd_compat.config.settings import Settings, Suites, read_settings
from tincd_compat.errors import TincError
from tincd_compat.tunnel.suites import find_cipher, find_digest

if TYPE_CHECKING:
    from tincd_compat.config.parser import Entry
    from tincd_compat.service.start import StartOptions


def _digest_size(name: str) -> int | None:
    digest = find_digest(name)
    return None if digest is None else digest.size


def load(options: StartOptions) -> Settings:
    """Read tinc.conf, conf.d and our own host file; ConfigError if they do not do."""
    suites = Suites(lambda name: find_cipher(name) is not None, _digest_size)
    return read_settings(
        options.directory,
        options.options,
        suites,
        environment=os.environ,
        hostname=socket.gethostname(),
    )


def run_daemon(options: StartOptions, entries: list[Entry]) -> int:
    """Run the daemon to its end; return the exit status."""
    return asyncio.run(_serve(options))


async def _serve(options: StartOptions) -> int:
    # The loop is running by now: the parts find it by themselves.
    from tincd_compat.daemon.daemon import Daemon

    try:
        daemon = Daemon(options)
    except TincError as error:
        logs.always.error("%s", error)
        logs.always.log(logs.NOTICE, "Terminating")
        return 1
    return await daemon.run()
