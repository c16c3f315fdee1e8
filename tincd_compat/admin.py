"""The program ``tincd-compat``: put tincd in the place of C tincd, or take it out."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tincd_compat import __version__
from tincd_compat.errors import TincError
from tincd_compat.service.launcher import RELEASE, template
from tincd_compat.service.takeover import Host, TakeoverError, perform

#: The root of the system that runs.
RUNNING: Final = Path("/")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 if the host is as asked for, 1 if it was refused."""
    options = _parser().parse_args(arguments)
    root = _root(options.root)
    program = Path(os.path.abspath(options.program or _own_program(root)))
    try:
        host = Host(program, root)
        if options.command == "release":
            return _release(host, root, options.dry_run)
        return _take_over(host, options.dry_run, root == RUNNING)
    except (TincError, OSError) as error:
        print(f"tincd-compat: {error}", file=sys.stderr)
        return 1


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tincd-compat",
        description="Let /usr/sbin/tincd be this tincd, or C tincd again. "
        "Configuration, units and running daemons stay as they are.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("command", choices=["takeover", "release"])
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
    return parser


def _release(host: Host, root: Path, dry_run: bool) -> int:
    """Run the script that the launcher has, too, for when there is no Python."""
    words = ["--dry-run"] * dry_run + ["--root", str(root)] * (root != Path("/"))
    sys.stdout.flush()
    done = subprocess.run(["sh", str(template("release")), *words], check=False)
    if done.returncode == 0 and not dry_run and root == RUNNING:
        _name_running(host)
    return done.returncode


def _take_over(host: Host, dry_run: bool, is_running: bool) -> int:
    steps = host.takeover()
    if not steps:
        print(f"Nothing to do: {_state(host)}.")
        return 0
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


if __name__ == "__main__":
    sys.exit(main())
