"""The verbs ``takeover`` and ``release``: the place of C tincd, taken or given back."""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tincd_compat.admin.audit import forward_secret
from tincd_compat.admin.session import FINDING, FINE, Session
from tincd_compat.admin.text import clean
from tincd_compat.errors import TincError
from tincd_compat.service.launcher import RELEASE, template
from tincd_compat.service.takeover import Host, TakeoverError, perform

#: The root of the system that runs.
RUNNING: Final = Path("/")
#: The exit status where nothing was changed, and the reason said.
FAILED: Final = FINDING


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """Add the options of the verb."""
    parser.description = (
        "Let /usr/sbin/tincd be this tincd, or C tincd again. "
        "Configuration, units and running daemons stay as they are."
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would be done, and stop"
    )
    parser.add_argument(
        "--program", type=Path, metavar="FILE", help="our tincd, if not beside this"
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=RUNNING,
        metavar="DIR",
        help="another system's root directory; FILE is as seen from inside",
    )


def run(session: Session) -> int:
    """Take the place, or give it back; 0 if the host is as asked for."""
    if not template("release").exists():
        raise TakeoverError(
            "this tincd is of a package, which has put it in the place of C tincd and "
            "gives that back when it is removed: apt-get remove tincd-compat"
        )
    options = session.options
    root = _root(options.root)
    program = Path(os.path.abspath(options.program or _own_program(root)))
    host = Host(program, root)
    if options.verb == "release":
        return _release(session, host, root, options.dry_run)
    return _take_over(host, options.dry_run, root == RUNNING)


def _root(given: Path) -> Path:
    """Return the root that is meant; ours has other names, too."""
    if given.is_dir() and given.samefile(RUNNING):
        return RUNNING
    return Path(os.path.abspath(given))


def _own_program(root: Path) -> Path:
    """Return the ``tincd`` installed beside this program, as it is seen from the root.

    What is outside that root is expected in the same place inside.
    """
    program = Path(os.path.abspath(sys.argv[0])).with_name("tincd")
    if program.is_relative_to(root):
        return RUNNING / program.relative_to(root)
    return program


def _release(session: Session, host: Host, root: Path, dry_run: bool) -> int:
    """Run the script that the launcher has, too, for when there is no Python."""
    if root == RUNNING:
        _name_refusing(session)
    words = ["--dry-run"] * dry_run + ["--root", str(root)] * (root != Path("/"))
    sys.stdout.flush()
    done = subprocess.run(["sh", str(template("release")), *words], check=False)
    if done.returncode == 0 and not dry_run and root == RUNNING:
        _name_running(host)
    return done.returncode


def _name_refusing(session: Session) -> None:
    """Name the nodes whose links prove that they refuse C tincd."""
    try:
        clients = session.clients
    except TincError:
        # No daemon runs, or none of ours.
        return
    for client in clients:
        with contextlib.suppress(TincError, OSError):
            names = forward_secret(client.many("links"))
            if names:
                words = ", ".join(clean(name) for name in names)
                session.say(f"Net {clean(client.net or '.')}: {words} refuse C tincd,")
                session.say("as they are linked by protocol 17.7, with Ed25519 keys.")


def _take_over(host: Host, dry_run: bool, is_running: bool) -> int:
    steps = host.takeover()
    if not steps:
        print(f"Nothing to do: {_state(host)}.")
        return FINE
    if dry_run:
        print("Would do, in this order:")
        for step in steps:
            print(f"  {step.text}")
        return 0
    if os.geteuid() != 0:
        raise TakeoverError("this has to be done by root")
    perform(steps, print)
    print(f"Done: {_state(host)}.")
    print(f"The way back, even without any Python: {RELEASE}")
    if is_running:
        _name_running(host)
    return 0


def _state(host: Host) -> str:
    return f"{host.tincd} is {host.program}"


def _name_running(host: Host) -> None:
    """Say which daemons still run as they were started."""
    for net, pid in host.running():
        if net:
            print(f"Still running as before: net {net}, process {pid}.", end=" ")
            print(f"Restart it when it suits you: systemctl restart tinc@{net}")
        else:
            print(f"Still running as before: process {pid}, without a net name.")
