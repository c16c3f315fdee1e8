"""The verb ``metrics``: figures for Prometheus, on standard output or in a file."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from tincd_compat.admin.client import Client, Forbidden, Unanswered
from tincd_compat.admin.session import FINE, Session
from tincd_compat.errors import TincError


class NoPrometheus(TincError):
    """The library that writes the format is not installed."""


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        "action", nargs="?", choices=("write",), help="write a file, in one step"
    )
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="in the directory of node_exporter's textfile collector, ending in .prom",
    )
    parser.add_argument(
        "--nodes",
        choices=("linked", "all"),
        default="linked",
        help="in a mesh of more than 200: whose series (%(default)s)",
    )


def run(session: Session) -> int:
    """Print the exposition of all nets, or put it in a file."""
    options = session.options
    if (options.action is None) != (options.file is None):
        raise TincError("'metrics write' needs a FILE")
    if options.json:
        for client in session.clients:
            session.say(Client.text(client.one("counters")))
        return FINE
    try:
        from tincd_compat.admin import exposition
    except ImportError:
        raise NoPrometheus(
            "metrics needs the library prometheus_client: "
            "pip install 'tincd-compat[metrics]'"
        ) from None
    try:
        scrapes = [exposition.scrape(client) for client in session.clients]
    except Forbidden:
        raise
    except Unanswered:
        # A net that is named and down is a figure, too.
        if options.net is None:
            raise
        scrapes = [exposition.Scrape(options.net, None)]
    text = exposition.text(scrapes, all_nodes=options.nodes == "all")
    if options.file is None:
        session.data(text)
    else:
        replace(options.file, text)
    return FINE


def replace(file: Path, text: str) -> None:
    """Write a file as a whole: who reads it meanwhile sees the old one."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.write_text(text)
        draft.chmod(0o644)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
