"""The verb ``keys``: an Ed25519 key for this node, and what becomes of it."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tincd_compat.admin.session import FINDING, FINE, Session
from tincd_compat.admin.text import clean
from tincd_compat.config.paths import CONFIGURATION, instance_paths
from tincd_compat.errors import ConfigError

if TYPE_CHECKING:
    from tincd_compat.config.ed25519keygen import KeyPlaces, OwnKey

#: The exit status where nothing was changed, and the reason said.
FAILED: Final = FINDING

_AFTERWARDS: Final = """\
What happens next:
  This node begins to use the key when tincd is started again{how}
  A reload is not enough. Peers without such a key go on as before.
  A peer that has one, too, exchanges keys with this node by itself, at the first
  connection. Their connections are forward secret then, and so are their packets.
  From then on both refuse each other in protocol 17.0, which is all that C tincd
  speaks. The way back is in tincd-compat(8)."""
_REPLACED: Final = """\
Every host that has the old line refuses this node with the new key. Put the new line
in its place there before this node is started again."""
_UNUSED: Final = """\
tinc.conf has ExperimentalProtocol = no: the key is of no use while that line is
there."""


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """Add the options of the verb."""
    parser.description = (
        "Make an Ed25519 key beside the RSA key, add its public half to the host file "
        "of this node, and print that line for the others. Takes the rights of whoever "
        "owns the files."
    )
    parser.add_argument(
        "-n", "--net", metavar="NET", help="this net; else the only one there is"
    )
    parser.add_argument(
        "-c", "--config", metavar="DIR", help="the configuration is in this directory"
    )
    parser.add_argument(
        "--public", action="store_true", help="print the line of the key, make none"
    )
    parser.add_argument(
        "--replace", action="store_true", help="make another key; the old one is kept"
    )
    parser.add_argument("--json", action="store_true", help="print one record")


def run(session: Session) -> int:
    """Make a key unless there is one, and say what that means."""
    # These load the cryptography, which no other verb needs.
    from tincd_compat.config.ed25519keygen import (
        find_places,
        make_own_key,
        read_own_key,
    )

    options = session.options
    if options.public and options.replace:
        raise ConfigError("--public makes no key, so there is nothing to --replace")
    net, directory = chosen(options.net, options.config)
    hostname = os.uname().nodename
    places = find_places(directory, environment=os.environ, hostname=hostname)
    if options.public:
        key = read_own_key(places)
    else:
        key = make_own_key(places, os.urandom, replace=options.replace)
    if options.json:
        session.say(json.dumps(record(net, places, key)))
    elif options.public:
        session.say(key.line)
    else:
        for line in render(net, places, key):
            session.say(line)
    return FINE


def chosen(
    net: str | None, directory: str | None, nets: Path = CONFIGURATION
) -> tuple[str | None, Path]:
    """Return the net that is meant and its directory; None is tincd without a net.

    Without either that is the only one below ``nets``.  ConfigError if there are
    several, or none.
    """
    if net is not None or directory is not None:
        paths = instance_paths(net, directory)
        return paths.netname, paths.directory
    found = [None] if (nets / "tinc.conf").exists() else []
    below = sorted(path.parent.name for path in nets.glob("*/tinc.conf"))
    names = [*found, *below]
    if not names:
        raise ConfigError(f"there is no {nets}/NET/tinc.conf (-n NET, or -c DIR)")
    if len(names) > 1:
        words = ", ".join(name or "." for name in names)
        raise ConfigError(f"there are several nets, say which: -n NET, of {words}")
    [only] = names
    return only, nets if only is None else nets / only


def record(net: str | None, places: KeyPlaces, key: OwnKey) -> dict[str, object]:
    """Return the record of ``--json``."""
    return {
        "record": "keys",
        "net": net,
        "node": places.name,
        "line": key.line,
        "private_key_file": str(places.private_file),
        "host_file": str(places.host_file),
        "made": key.made,
        "replaced": key.replaced,
        "added": key.added,
        "used": places.used,
    }


def render(net: str | None, places: KeyPlaces, key: OwnKey) -> list[str]:
    """Return the text: what was done, the line for the others, what happens next."""
    name, private = clean(places.name), clean(places.private_file)
    host = clean(places.host_file)
    if key.made:
        words = "another Ed25519 key" if key.replaced else "an Ed25519 key"
        lines = [f"{name} has {words} now: {private}"]
    else:
        lines = [f"{name} has an Ed25519 key already, which was kept: {private}"]
    if key.replaced:
        lines.append("The old one is in that file, too, and does not count any more.")
    done = "was added to" if key.added else "is in"
    lines += [f"This line {done} {host}", "and belongs into that file at the others:"]
    lines += ["", key.line, ""]
    if key.replaced:
        lines += [*_REPLACED.splitlines(), ""]
    if places.used:
        how = "." if net is None else f": systemctl restart tinc@{clean(net)}"
        lines += _AFTERWARDS.format(how=how).splitlines()
    else:
        lines += _UNUSED.splitlines()
    return lines
