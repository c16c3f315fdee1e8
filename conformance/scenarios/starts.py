"""Configurations good and bad: what a start says of them, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from conformance.harness.kinds import ONE, Placement
from conformance.harness.lab import Lab
from conformance.harness.outputs import Row, compare
from conformance.harness.scenario import Scenario

_MAIN: Final = "Name = alpha\nDeviceType = dummy\n"

#: A failure after the device was opened; nothing of the start is undone by C.
_UNDONE: Final = (
    (
        r"^((?:Unable to create|System call|unknown user).*\n)Terminating$",
        r"\1Statistics for dummy device dummy:\n total bytes in:           0\n"
        r" total bytes out:          0\nClosing connection with alpha (MYSELF)\n"
        r"Terminating",
    ),
)
_UNDONE_WHY: Final = "what was begun is undone, with tinc-down where tinc-up ran"

#: Lines behind the usual ones of tinc.conf, after which a start ends.
_FATAL: Final = (
    "Port",
    "Port =",
    "Mode = bridge",
    "Forwarding = maybe",
    "Broadcast = all",
    "AddressFamily = ipx",
    "Cipher = rot13",
    "Digest = crc",
    "MACLength = 99",
    "MACLength = -1",
    "Compression = 99",
    "Compression = -1",
    "ReplayWindow = -1",
    "UDPRcvBuf = -1",
    "UDPSndBuf = -5",
    "MaxTimeout = 0",
    "MaxTimeout = -3",
    "MinTimeout = -1",
    "MinTimeout = 99\nMaxTimeout = 9",
    "Subnet = 10.0.0.1/8",
    "Subnet = 10.0.0/8",
    "Subnet = 300.0.0.0",
    "Subnet = fe80::1/10",
    "Subnet = 1:2:3:4:5:6/48",
    "Subnet = 10.0.0.0/8#heavy",
    "PrivateKeyFile = /etc/tinc/vpn/nothing",
    "PrivateKey = abc",
    "PrivateKey = XYZ\nPublicKey = 12",
    "PrivateKey = 12\nPublicKey = XYZ",
    "Proxy = carrier-pigeon",
    "Proxy = socks4",
    "Proxy = socks4 host",
    "Proxy = http host",
    "Proxy = exec",
)
#: Lines that are complained about at most.
_TOLERATED: Final = (
    "Autoconnect = yes\nExperimentalProtocol = no\nUPnP = yes\nSandbox = off",
    "LocalDiscoveryAddress = 10.0.0.1\nEd25519PrivateKeyFile = /nowhere\nFoo = bar",
    "DeviceStandby = yes\nMACExpire = 60\nMaxConnectionBurst = 5\nIffOneQueue = no",
    "nAmE = beta\nTCPonly = yes",
    "PingTimeout 5\nPingInterval\t=\t60\nHostnames=no\n",
    "TCPOnly = maybe",
    "PingInterval = soon",
    "PingTimeout = 0",
    "PingInterval = -7",
    "KeyExpire = 30s",
    "ConnectTo = nobody",
    "ConnectTo =beta",
    " Port = nowhere\n\tMode = bridge",
    "# Port = nowhere",
    "Subnet = 10.0.0.0/ 8#7\nSubnet = FE80::/10\nSubnet = 1:2:3:4:5:6",
    "BindToAddress = 127.0.0.1",
    "BindToAddress = 127.0.0.1 4711\nBindToAddress = ::1\nBindToAddress = 192.0.2.7",
    "AddressFamily = ipv4",
    "AddressFamily = IPv6",
    "Mode = SWITCH",
    "ProcessPriority = high",
    "-----BEGIN RUBBISH-----\nPort = nowhere\n-----END RUBBISH-----",
    "ScriptsInterpreter = /bin/sh -e",
    "MaxOutputBufferSize = 4000",
    "PMTU = 1400\nPMTUDiscovery = no\nClampMSS = no",
)

#: In the foreground until it is ready or ends; then the log of what is left.
_FOREGROUND: Final = """
/usr/sbin/tincd -n vpn -D {options} > /run/out 2> /run/err & pid=$!
ended() {{ ! [ -e /proc/$pid/exe ]; }}
over() {{ ended || {{ said '^Ready$' {log} && idle; }}; }}
await over
ended || kill $pid
wait $pid; echo "status $?"
"""


def play(lab: Lab, placement: Placement) -> None:
    compare(lab, placement, [*_configurations(), *_NAMES, *_KEYS])


def _foreground(
    name: str,
    files: Mapping[str, str | None],
    options: str = "-d1",
    ours: tuple[tuple[str, str], ...] = (),
    why: str = "",
) -> Row:
    script = _FOREGROUND.format(options=options, log="/run/err")
    return Row(name=name, script=script, files=files, ours=ours, why=why)


def _configurations() -> Iterator[Row]:
    for lines in (*_FATAL, *_TOLERATED):
        yield _foreground(lines, {"vpn/tinc.conf": f"{_MAIN}{lines}\n"})
    yield _foreground(
        "a blank line",
        {"vpn/tinc.conf": f" \t\n{_MAIN}"},
        "-d0",
        (
            (r"^stdout:\nstatus 1", "stdout:\nstatus 0"),
            (
                r"^No value for variable `' .*\n",
                "tincd 1.0.36 starting, debug level 0\n"
                "dummy (dummy) is a dummy device\n"
                "Ready\nGot TERM signal\nTerminating\n",
            ),
        ),
        "a blank line that has blanks is blank",
    )
    for address in ("192.0.2.77", "no.such.host.invalid 77"):
        yield _foreground(
            f"BindToAddress = {address}",
            {"vpn/tinc.conf": f"{_MAIN}BindToAddress = {address}\n"},
            ours=_UNDONE,
            why=_UNDONE_WHY,
        )
    yield _foreground("unknown user", {}, "-d1 -U nosuchuser", _UNDONE, _UNDONE_WHY)
    yield _foreground(
        "Port = nowhere",
        {"vpn/tinc.conf": f"{_MAIN}Port = nowhere\n"},
        "-d0",
        (
            (
                r"^(Error looking up .*\n)",
                r"dummy (dummy) is a dummy device\n\1",
            ),
        ),
        "a port is looked up with the addresses to listen on",
    )
    yield _foreground(
        "ConnectTo = a-b",
        {"vpn/tinc.conf": f"{_MAIN}ConnectTo = a-b\n"},
        "-d0",
        ((r"^(dummy(?:.*\n)*?Ready\n)(Invalid name .*\n)", r"\2\1"),),
        "errors of tinc.conf are shown before the start goes on",
    )
    yield _foreground(
        "ConnectTo = alpha",
        {"vpn/tinc.conf": f"{_MAIN}ConnectTo = alpha\n"},
        ours=((r"^Could not set up .* alpha\nTrying to re-establish .*\n", ""),),
        why="nobody dials himself, at the end neither",
    )


def _name(value: str, environment: str = "") -> Row:
    row = _foreground(
        f"Name = {value} {environment}",
        {"vpn/tinc.conf": f"DeviceType = dummy\n{value and f'Name = {value}'}\n"},
    )
    return Row(name=row.name, script=f"{environment}\n{row.script}", files=row.files)


_NAMES: Final = (
    _name(""),
    _name("a-b"),
    _name("alpha beta"),
    _name("$HOST", "export HOST=alpha"),
    _name("$HOST", "export HOST=al-pha.example"),
    _name("$HOST", "hostname=$(hostname); ln -s alpha $net/hosts/${hostname%%.*}"),
    _name("$NODE", "export NODE=alpha"),
    _name("$NODE"),
    _name("$NODE", "export NODE=a.b"),
)
_PRIVATE: Final = "vpn/rsa_key.priv"
_KEYS: Final = (
    _foreground("no private key", {_PRIVATE: None}),
    _foreground(
        "an empty private key",
        {_PRIVATE: ""},
        ours=(
            (r"failed: No such file .*", "failed: there is no RSA private key in it"),
        ),
        why="the error that C shows is an older one",
    ),
    _foreground("no host file", {"vpn/hosts/alpha": None}),
    _foreground("a broken host file", {"vpn/hosts/alpha": "Subnet = 10.0.0.0/8\nX"}),
    _foreground("a directory beside host files", {"vpn/hosts/alpha.d/x": "Port = 1"}),
    _foreground(
        "conf.d",
        {
            "vpn/tinc.conf": "# nothing\n\nName = beta\n",
            "vpn/conf.d/a.conf": "Name = alpha\nDeviceType = dummy\n",
            "vpn/conf.d/.conf": "Port\n",
            "vpn/conf.d/b.conf~": "Port\n",
        },
    ),
    _foreground("conf.d, broken", {"vpn/conf.d/a.conf": "Port\n"}),
)

SCENARIO: Final = Scenario(
    name="starts",
    summary="good and bad configurations: messages and statuses of a start as of C",
    placements=ONE,
    play=play,
    needs_c=True,
    limit=600,
    seconds=40,
)
