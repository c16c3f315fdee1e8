"""Variables: unknown ones, ones in the wrong file, and ones that do not count."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import Enum
from typing import Final

from tincd_compat.config.check.findings import Report
from tincd_compat.config.parser import Config, Entry
from tincd_compat.config.settings import BYTE_ORDER_MARK
from tincd_compat.config.variables import HOST_VARIABLES, VARIABLES, Scope


class Home(Enum):
    """Which file a variable stands in; ``-o`` counts like the file it speaks for."""

    SERVER = "tinc.conf"
    OWN = "own host file"
    PEER = "host file of another node"


#: Variables that only tinc 1.1 has.
LATER_VARIABLES: Final = (
    "AutoConnect",
    "BroadcastSubnet",
    "DeviceStandby",
    "ECDSAPrivateKeyFile",
    "ECDSAPublicKey",
    "ECDSAPublicKeyFile",
    "FWMark",
    "InvitationExpire",
    "ListenAddress",
    "LocalDiscoveryAddress",
    "LogLevel",
    "MaxConnectionBurst",
    "MTUInfoInterval",
    "Sandbox",
    "ScriptsExtension",
    "UDPDiscovery",
    "UDPDiscoveryInterval",
    "UDPDiscoveryKeepaliveInterval",
    "UDPDiscoveryTimeout",
    "UDPInfoInterval",
    "UPnP",
    "UPnPDiscoverWait",
    "UPnPRefreshPeriod",
)

#: Variables that are known, and do nothing.
_IDLE: Final = {
    "IffOneQueue": "current kernels ignore it",
    "VDEGroup": "VDE is not supported, neither here nor by Debian's tincd",
    "VDEPort": "VDE is not supported, neither here nor by Debian's tincd",
}

_KNOWN: Final = {name.lower(): name for name in (*VARIABLES, "Name")}
_LATER: Final = {name.lower(): name for name in LATER_VARIABLES}


def check_names(entries: Iterable[Entry], home: Home, report: Report) -> None:
    """Look at the name of every assignment of one file."""
    for entry in entries:
        # Lines without a name were looked at as lines.
        if not entry.variable:
            continue
        if entry.variable.startswith(BYTE_ORDER_MARK):
            _check_marked(entry, home, report)
            continue
        name = _KNOWN.get(entry.variable.lower())
        if name is None:
            _check_unknown(entry, report)
        else:
            _check_home(entry, name, home, report)


def _check_marked(entry: Entry, home: Home, report: Report) -> None:
    hidden = entry.variable.removeprefix(BYTE_ORDER_MARK)
    # Whether a Name is missed shows when all files have been read.
    if home is not Home.SERVER or hidden.lower() != "name":
        check_mark(entry, report)


def check_mark(entry: Entry, report: Report) -> None:
    """Warn of an assignment that a byte order mark is in front of."""
    text = "a byte order mark is part of the name: this line has no effect"
    report.warning(entry, f"{text}; save the file without it")


def _check_unknown(entry: Entry, report: Report) -> None:
    later = _LATER.get(entry.variable.lower())
    if later is not None:
        text = f"{later} is of tinc 1.1 and has no effect, as with C tincd 1.0"
        report.info(entry, text)
        return
    near = difflib.get_close_matches(entry.variable.lower(), _KNOWN, 1, 0.75)
    advice = f"did you mean {_KNOWN[near[0]]}?" if near else "it has no effect"
    report.warning(entry, f"unknown variable `{entry.variable}': {advice}")


def _check_home(entry: Entry, name: str, home: Home, report: Report) -> None:
    if name in _IDLE:
        report.info(entry, f"{name} has no effect: {_IDLE[name]}")
    scope = VARIABLES[name].scope if name in VARIABLES else Scope.OWN
    if home is Home.SERVER and Scope.OWN not in scope:
        text = f"{name} has no effect here: it belongs into the host file of a node"
        report.warning(entry, text)
    elif home is Home.PEER and name not in HOST_VARIABLES:
        text = f"{name} has no effect in the host file of another node"
        report.warning(entry, text)
    elif home is Home.OWN and name == "Name":
        report.warning(entry, "Name has no effect here: it belongs into tinc.conf")
    elif home is Home.OWN and name not in HOST_VARIABLES:
        text = f"{name} belongs into tinc.conf: C tincd forgets it here at SIGHUP"
        report.warning(entry, text)


def check_shadowed(config: Config, scope: Scope, report: Report) -> None:
    """Find values that another one of the same variable keeps from counting.

    What ``-o`` keeps from counting was meant so.
    """
    single = [
        name
        for name, variable in VARIABLES.items()
        if scope in variable.scope and not variable.multiple
    ]
    for name in [*single, "Name"] if scope is Scope.OWN else single:
        first = config.first(name)
        if first is None or first.file is None:
            continue
        for entry in config.all(name)[1:]:
            if entry.value != first.value:
                text = f"{name} has no effect here: the one in {first.place} counts"
                report.warning(entry, f"{text} (the lowest line number does)")
