"""The command line of ``tincd-compat``: which verb, which nets, which exit status."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from tincd_compat import __version__
from tincd_compat.admin import nets
from tincd_compat.admin.client import RequestRefused
from tincd_compat.admin.session import FINDING, UNTOLD, Session
from tincd_compat.admin.text import PLAIN, Style
from tincd_compat.admin.verbs import ALONE, VERBS
from tincd_compat.errors import TincError

#: Options whose argument is a word of its own, which may be called as a verb is.
_WITH_ARGUMENT: Final = frozenset(
    {"-n", "--net", "-c", "--config", "--socket", "--root", "--program"}
)

#: The daemon has looked, and what was named is not there.
_NOT_FOUND: Final = 404

_DESCRIPTION: Final = (
    "Show, explain and check what a running tincd knows of its mesh, "
    "or put tincd in the place of C tincd."
)
_EPILOG: Final = (
    "Exit status: 0 fine, 1 something was found, 2 it cannot be told. "
    "'health' has those of Nagios. See tincd-compat(8)."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    place = place_of_verb(words)
    if place is not None:
        # Options may stand before the verb, too.
        words.insert(0, words.pop(place))
    options = parser(words[:1]).parse_args(words)
    try:
        status = run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has seen enough; nothing more can be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNTOLD
    except KeyboardInterrupt:
        return 130
    return status


def run(options: argparse.Namespace) -> int:
    """Run the verb of ``options`` on this host and this terminal."""
    module = module_of(options.verb)
    try:
        return int(module.run(session_of(options)))
    except (TincError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        print(f"tincd-compat: {error}", file=sys.stderr)
        if isinstance(error, RequestRefused) and error.status == _NOT_FOUND:
            return FINDING
        return int(getattr(module, "FAILED", UNTOLD))


def place_of_verb(words: Iterable[str]) -> int | None:
    """Return where the first word is that is a verb, and no argument of an option."""
    before = ""
    for place, word in enumerate(words):
        if word == "--":
            break
        if word in VERBS and before not in _WITH_ARGUMENT:
            return place
        before = word
    return None


def module_of(verb: str) -> ModuleType:
    """Return the module of a verb; no verb waits for what another one imports."""
    return importlib.import_module(f"tincd_compat.admin.{VERBS[verb][0]}")


def parser(filled: Iterable[str] = VERBS) -> argparse.ArgumentParser:
    """Return the parser of the verbs in ``filled``, or of all names where none is one.

    Each verb has a parser of its own; all of them take longer than most answers.
    """
    top = argparse.ArgumentParser(
        prog="tincd-compat", description=_DESCRIPTION, epilog=_EPILOG
    )
    top.add_argument("--version", action="version", version=__version__)
    # Without prog it is found out by way of a page of help, and that of a terminal.
    verbs = top.add_subparsers(
        metavar="VERB", dest="verb", required=True, prog=top.prog
    )
    wanted = set(filled) & VERBS.keys()
    for verb, (_, summary) in VERBS.items():
        if wanted and verb not in wanted:
            continue
        below = verbs.add_parser(verb, help=summary, description=_sentence(summary))
        if not wanted:
            continue
        if verb not in ALONE:
            _add_common(below)
        module_of(verb).arguments(below, verb)
    return top


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."


def _add_common(below: argparse.ArgumentParser) -> None:
    below.add_argument(
        "-n",
        "--net",
        metavar="NET",
        help="this net; else the only one that runs, or all",
    )
    below.add_argument(
        "--socket", type=Path, metavar="FILE", help="the daemon's control socket"
    )
    below.add_argument("--json", action="store_true", help="print records, one a line")


def session_of(options: argparse.Namespace) -> Session:
    """Return the session of this process."""
    _make_printable(sys.stdout)
    is_terminal = sys.stdout.isatty()
    return Session(
        options,
        clients=lambda: nets.chosen(
            getattr(options, "net", None), getattr(options, "socket", None)
        ),
        write=sys.stdout.write,
        flush=sys.stdout.flush,
        now=time.time,
        style=style_of(os.environ, is_terminal),
        width=os.get_terminal_size(sys.stdout.fileno()).columns
        if is_terminal
        else None,
    )


def style_of(environment: Any, is_terminal: bool) -> Style:
    """Return whether to colour: on a terminal that can, and only there."""
    wanted = is_terminal and not environment.get("NO_COLOR")
    return Style(True) if wanted and environment.get("TERM") != "dumb" else PLAIN


def _make_printable(stream: Any) -> None:
    """Let a terminal without UTF-8 show a question mark, and end nothing."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
