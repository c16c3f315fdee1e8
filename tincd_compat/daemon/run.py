"""Where the command line hands over: run the daemon to its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tincd_compat import logs
from tincd_compat.daemon.collector import Collector
from tincd_compat.daemon.daemon import Daemon
from tincd_compat.errors import TincError
from tincd_compat.transport.loop import PacketLoop

if TYPE_CHECKING:
    from tincd_compat.config.parser import Entry
    from tincd_compat.service.start import StartOptions


def run_daemon(options: StartOptions, entries: Sequence[Entry]) -> int:
    """Run a daemon with what tinc.conf says in ``entries``; return the exit status."""
    with asyncio.Runner(loop_factory=PacketLoop) as runner:
        options.log.attend(runner.get_loop())
        try:
            return runner.run(_run(options, entries))
        finally:
            options.log.attend(None)


async def _run(options: StartOptions, entries: Sequence[Entry]) -> int:
    try:
        daemon = Daemon(options, entries)
    except TincError as error:
        logs.always.error("%s", error)
        logs.always.log(logs.NOTICE, "Terminating")
        return 1
    Collector(time.perf_counter).start()
    return await daemon.run()
