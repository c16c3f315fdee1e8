"""Whoever watches a daemon all the time: a scrape each second of all that it tells.

A scrape is what ``tincd-compat status --json`` and the exporter's ``/metrics`` ask the
control socket for, and the text that comes of it.  ``python -m`` this module goes on
until it is ended, in a process of its own, and prints how long each scrape took.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from conformance.harness.checks import expect
from conformance.harness.daemon import NETNAME
from conformance.harness.lab import Lab
from tincd_compat.admin import exposition
from tincd_compat.admin.client import Client, over

_EVERY: Final = 1.0


def scrape(socket: Path) -> float:
    """Ask for everything once; return the seconds that it took."""
    client = Client(NETNAME, over(socket, NETNAME))
    started = time.monotonic()
    client.one("status")
    client.many("nodes")
    expect("tinc_up" in exposition.text([exposition.ask(client)]), "no figures")
    return time.monotonic() - started


@contextmanager
def scraped(lab: Lab, *sockets: Path) -> Iterator[None]:
    """Have these daemons scraped each second, as long as the block lasts."""
    argv = [sys.executable, "-m", __name__, *map(str, sockets)]
    log = lab.directory / "scrapes.log"
    with log.open("wb") as output:
        child = lab.processes.start(
            argv, what="scrapes", stdout=output, stderr=output, service=True
        )
        try:
            yield
        finally:
            child.terminate()
            child.wait()
    lines = log.read_text().split()
    expect(bool(lines), "nothing was scraped")
    for line in lines:
        # Else what it says instead is the reason.
        expect(line.replace(".", "").isdigit(), f"scrapes: {log.read_text()[-500:]}")


def _main(sockets: list[Path]) -> None:
    due = time.monotonic()
    while True:
        for socket in sockets:
            print(f"{scrape(socket):.4f}", flush=True)
        due += _EVERY
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    _main([Path(word) for word in sys.argv[1:]])
