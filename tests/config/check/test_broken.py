"""Broken configurations, and all that is said about each: once, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.check.conftest import ALPHA, BETA, build, key_pair, write
from tests.config.check.mistakes import (
    Change,
    beta,
    file,
    main,
    removed,
    said_about,
)
from tests.texts import texts
from tincd_compat.config.check.blocks import mend
from tincd_compat.config.check.configuration import check_configuration
from tincd_compat.daemon.configuration import SUITES

RIGHT = "-----BEGIN RSA PUBLIC KEY-----"
CLOSED = "-----END RSA PUBLIC KEY-----"
BEGIN = (
    f"error: a key block must begin with the line `{RIGHT}', and nothing else in it:"
    " here it is not seen as one"
)
END = (
    f"error: a key block must end with the line `{CLOSED}', and nothing else in it:"
    " here it is not seen as one"
)
NEVER = "warning: this never runs: the name of the script is"
LISTS = "error: one line has one address: write an {} line for each"
UP = "#!/bin/sh\nip link set $INTERFACE up\n"

Broken = tuple[Change, list[str]]


def address(value: str) -> Change:
    return beta(f"Address = {value}\n")


def bind(value: str) -> Change:
    return main(f"BindToAddress = {value}")


def peer_key(old: str, new: str) -> Change:
    """Damage the key block in the host file of beta, whose BEGIN is line 4."""
    key = key_pair(2)[1]
    assert key.count(old) == 1
    return lambda net: write(net / "hosts/beta", BETA + key.replace(old, new))


def script(text: str, name: str = "tinc-up", mode: int = 0o755) -> Change:
    # Universal line ends would hide what this is about.
    def change(net: Path) -> None:
        (net / name).write_bytes(text.encode())
        (net / name).chmod(mode)

    return change


#: The number of the END line of beta's key.
LAST = 4 + len(key_pair(2)[1].splitlines()) - 1

ADDRESSES: list[Broken] = [
    (
        address("beta.example.org:655"),
        [
            "hosts/beta:1: error: a blank divides host and port, no colon: write"
            " `beta.example.org 655'"
        ],
    ),
    (
        address("192.0.2.1:655"),
        [
            "hosts/beta:1: error: a blank divides host and port, no colon: write"
            " `192.0.2.1 655'"
        ],
    ),
    (
        address("[2001:db8::1]:655"),
        [
            "hosts/beta:1: error: tincd knows no brackets: write `2001:db8::1 655'",
        ],
    ),
    (
        address("[2001:db8::1] 655"),
        ["hosts/beta:1: error: tincd knows no brackets: write `2001:db8::1'"],
    ),
    (
        address("192.0.2.1/24"),
        [
            "hosts/beta:1: error: an address has no prefix length: write `192.0.2.1'",
        ],
    ),
    (
        address("tcp://beta.example.org:655/"),
        ["hosts/beta:1: error: tincd knows no URLs: write `beta.example.org 655'"],
    ),
    (address("a.example.org, b.example.org"), [f"hosts/beta:1: {LISTS}"]),
    (address("192.0.2.1,192.0.2.2 655"), [f"hosts/beta:1: {LISTS}"]),
    (
        address("192.0.2.1\t655"),
        [
            "hosts/beta:1: error: only a blank divides host and port, no tab: write"
            " `192.0.2.1 655'"
        ],
    ),
    (
        address("192.0.2.1 655 tcp"),
        [
            "hosts/beta:1: error: `655 tcp' is more than a port: nothing may follow it",
        ],
    ),
    (
        address("*"),
        ["hosts/beta:1: error: `*' is no address that a connection could be made to"],
    ),
    (
        bind("192.0.2.1:655"),
        [
            "tinc.conf:3: error: a blank divides host and port, no colon: write"
            " `192.0.2.1 655'"
        ],
    ),
    (
        bind("*:655"),
        ["tinc.conf:3: error: a blank divides host and port, no colon: write `* 655'"],
    ),
    (
        bind("[::]"),
        ["tinc.conf:3: error: tincd knows no brackets: write `::'"],
    ),
    (
        bind("192.0.2.1/24"),
        [
            "tinc.conf:3: error: an address has no prefix length: write `192.0.2.1'",
        ],
    ),
    (bind("192.0.2.1, 192.0.2.2"), [f"tinc.conf:3: {LISTS}"]),
    (
        bind("udp://192.0.2.1"),
        ["tinc.conf:3: error: tincd knows no URLs: write `192.0.2.1'"],
    ),
    (
        bind("*\t656"),
        [
            "tinc.conf:3: error: only a blank divides host and port, no tab: write"
            " `* 656'"
        ],
    ),
]

VALUES: list[Broken] = [
    (
        main("ConnectTo = beta, gamma"),
        [
            "tinc.conf:3: error: Invalid name for outgoing connection (write a"
            " ConnectTo line for each node)"
        ],
    ),
    (
        main("Compression = 12"),
        [
            "tinc.conf:3: warning: C tincd does not start with a level above 11: going"
            " back to it takes another one"
        ],
    ),
    (
        main("   "),
        [
            "tinc.conf:3: warning: with C tincd a line of blanks is an error: tincd"
            " does not start; leave the line empty"
        ],
    ),
    (
        file("tinc.conf", "\ufeffName = alpha\nConnectTo = beta\n"),
        [
            "tinc.conf:1: error: Name for tinc daemon required! (Name: a byte order"
            " mark hides it; save the file without that mark)",
        ],
    ),
    (
        file("conf.d/x.conf", "\ufeffName = alpha\n"),
        [
            "conf.d/x.conf:1: warning: a byte order mark is part of the name: this line"
            " has no effect; save the file without it"
        ],
    ),
]

DEVICES: list[Broken] = [
    (
        main("Interface = wireless-network-0"),
        [
            "tinc.conf:3: warning: only 15 bytes of the name count: that makes it"
            " wireless-networ"
        ],
    ),
    *[
        (
            main(f"{variable} = {name}"),
            [
                "tinc.conf:3: error: the name of an interface has no slash, blank or"
                " colon"
            ],
        )
        for variable in ("Interface", "BindToInterface")
        for name in ("eth/0", "my vpn", "eth0:1")
    ],
    (
        main("Interface = tap%x"),
        [
            "tinc.conf:3: error: a `%' in the name of an interface must be the only"
            " one, and be `%d'"
        ],
    ),
    (
        main("BindToInterface = a-name-of-16-byte"),
        [
            "tinc.conf:3: warning: only 15 bytes of the name count: that makes it"
            " a-name-of-16-by",
        ],
    ),
    (
        main("Device = /dev/tap77"),
        [
            "tinc.conf:3: error: there is no /dev/tap77: /dev/net/tun is the usual"
            " device"
        ],
    ),
    (
        main("Device = /etc/passwd"),
        ["tinc.conf:3: error: /etc/passwd is no device: /dev/net/tun is the usual one"],
    ),
]

SCRIPTS: list[Broken] = [
    (
        removed("tinc-up"),
        [
            "here: info: there is no tinc-up: the interface stays down and without"
            " address, unless something else sees to that"
        ],
    ),
    (
        script(UP.replace("\n", "\r\n")),
        [
            "tinc-up:1: error: no program is found with this line, which ends with CR"
            ' LF; `sed -i "s/\\r$//" tinc-up\' makes it LF'
        ],
    ),
    (
        script("ip link set $INTERFACE up\r\n"),
        [
            "tinc-up:1: warning: the shell takes CR for a part of the line, which ends"
            ' with CR LF; `sed -i "s/\\r$//" tinc-up\' makes it LF'
        ],
    ),
    (
        script("#!/usr/bin/env sh\n:\r\n", "hosts/beta-up"),
        [
            "hosts/beta-up:2: warning: the shell takes CR for a part of the line, which"
            ' ends with CR LF; `sed -i "s/\\r$//" hosts/beta-up\' makes it LF'
        ],
    ),
    (
        script("#!/usr/local/bin/no-such-shell -e\n"),
        [
            "tinc-up:1: error: the script cannot run: there is no program"
            " /usr/local/bin/no-such-shell"
        ],
    ),
    (
        script("#!/usr/bin/env no-such-shell\n"),
        [
            "tinc-up:1: warning: the script cannot run: there is no program"
            " no-such-shell in PATH"
        ],
    ),
    (
        script("#!/usr/bin/env sh -e\n"),
        [
            "tinc-up:1: error: the script cannot run: `sh -e' is one word to env;"
            " `env -S' divides it"
        ],
    ),
    (
        script("#!/usr/bin/env -S no-such-shell -e\n"),
        [
            "tinc-up:1: warning: the script cannot run: there is no program"
            " no-such-shell in PATH"
        ],
    ),
    (
        script(f"\ufeff{UP}"),
        [
            "tinc-up:1: warning: a byte order mark hides the first line; save the file"
            " without it"
        ],
    ),
    (
        main("ScriptsInterpreter = /no/such/shell"),
        [
            "tinc.conf:3: error: no script can run: there is no program /no/such/shell",
        ],
    ),
    (
        main("ScriptsInterpreter = no-such-shell -x"),
        ["tinc.conf:3: error: no script can run: there is no program no-such-shell"],
    ),
    (script(UP, "host-Up"), [f"host-Up: {NEVER} host-up"]),
    (script(UP, "tinc-up.sh"), [f"tinc-up.sh: {NEVER} tinc-up"]),
    (script(UP, "subnet_down"), [f"subnet_down: {NEVER} subnet-down"]),
    (script(UP, "hosts/beta-up.sh"), [f"hosts/beta-up.sh: {NEVER} beta-up"]),
    (script(UP, "hosts/beta-Down"), [f"hosts/beta-Down: {NEVER} beta-down"]),
    (script(UP, "beta-up"), [f"beta-up: {NEVER} hosts/beta-up"]),
]

KEYS: list[Broken] = [
    (peer_key(RIGHT, f"Port = 656{RIGHT}"), [f"hosts/beta:4: {BEGIN}"]),
    (peer_key(RIGHT, RIGHT[1:]), [f"hosts/beta:4: {BEGIN}"]),
    (peer_key(RIGHT, RIGHT[:-1]), [f"hosts/beta:4: {BEGIN}"]),
    (peer_key(RIGHT, f" {RIGHT}"), [f"hosts/beta:4: {BEGIN}"]),
    (peer_key(RIGHT, f"-{RIGHT}"), [f"hosts/beta:4: {BEGIN}"]),
    (peer_key("-----BEGIN", "\u2014\u2014BEGIN"), [f"hosts/beta:4: {BEGIN}"]),
    (peer_key(f"{RIGHT}\n", RIGHT), [f"hosts/beta:4: {BEGIN}"]),
    (peer_key("-----END", "----END"), [f"hosts/beta:{LAST}: {END}"]),
    (peer_key(CLOSED, CLOSED[:-1]), [f"hosts/beta:{LAST}: {END}"]),
    (peer_key(f"\n{CLOSED}", CLOSED), [f"hosts/beta:{LAST - 1}: {END}"]),
    (peer_key(f"{CLOSED}\n", f"{CLOSED}Port = 656\n"), [f"hosts/beta:{LAST}: {END}"]),
    (
        peer_key(CLOSED, "-----END PUBLIC KEY-----"),
        [f"hosts/beta:{LAST}: {END}"],
    ),
    (
        peer_key(f"{RIGHT}\n", ""),
        [
            "hosts/beta:4: error: a key block without its first line:"
            f" `{RIGHT}' belongs here"
        ],
    ),
    (
        peer_key(f"\n{CLOSED}", ""),
        [
            "hosts/beta:4: error: this key block has no END line: the rest of the file"
            " is not read"
        ],
    ),
    (
        file("hosts/beta", BETA + "".join(key_pair(2)[1].splitlines(True)[1:-1])),
        [
            "hosts/beta:4: error: a key stands here without the lines BEGIN and END"
            " around it: copy it again, with both"
        ],
    ),
    (
        file("hosts/alpha", ALPHA + key_pair(1)[1].replace(RIGHT, RIGHT[1:])),
        [f"hosts/alpha:3: {BEGIN}"],
    ),
    (
        file("rsa_key.priv", key_pair(1)[0].replace("-----BEGIN", "----BEGIN"), 0o600),
        [f"rsa_key.priv:1: {BEGIN.replace('PUBLIC', 'PRIVATE')}"],
    ),
]

ALL = [*ADDRESSES, *VALUES, *DEVICES, *SCRIPTS, *KEYS]


def names(rows: list[Broken]) -> list[str]:
    return [f"{number}: {lines[0]}" for number, (_, lines) in enumerate(rows)]


@pytest.mark.parametrize(("change", "lines"), ALL, ids=names(ALL))
def test_all_that_is_said(net: Path, change: Change, lines: list[str]) -> None:
    change(net)
    variable = "BindToAddress" if "tinc.conf" in lines[0] else "Address"
    assert said_about(net) == [line.format(variable) for line in lines]


def test_there_are_many() -> None:
    assert len(ALL) >= 40


def test_the_name_of_the_net_is_that_of_its_interface(net: Path) -> None:
    assert said_about(net, netname="office") == []
    assert said_about(net, netname="my vpn") == [
        "here: error: the interface of net my vpn: the name of an interface has no"
        " slash, blank or colon"
    ]
    assert said_about(net, netname="a-very-long-netname") == [
        "here: warning: the interface of net a-very-long-netname: only 15 bytes of the"
        " name count: that makes it a-very-long-net"
    ]
    main("Interface = vpn")(net)
    assert said_about(net, netname="a-very-long-netname") == []


def test_other_devices_have_neither_name_nor_file_nor_script(net: Path) -> None:
    main("DeviceType = dummy", "Device = /no/such", "Interface = a/b")(net)
    (net / "tinc-up").unlink()
    assert said_about(net) == []


FINE: list[Change] = [
    address("2001:db8::1"),
    address("2001:db8::1 655"),
    address("fe80::1%eth0 tinc"),
    address("beta.example.org  655"),
    bind("* 655"),
    bind("::"),
    main("Interface = tap%d"),
    main("Compression = 11"),
    main("BindToInterface = eth0"),
    script("#!/bin/sh -e\n"),
    script("#! /usr/bin/env sh\n"),
    script("#!/usr/bin/env -S sh -e\n"),
    script("#!/usr/bin/env -S A=1 sh\n"),
    script("#!/usr/bin/env python3\npass\r\n", "hosts/beta-up"),
    script(""),
    script("\x7fELF\0\r\n"),
    script(UP, "tinc-up.sh~"),
    script(UP, "tinc-up.bak"),
    script(UP, "tinc-up.dpkg-old"),
    script(UP, "tinc-up.example"),
    script(UP, "nobody-up"),
    script(UP, "hosts/nobody-up"),
    main("ScriptsInterpreter = sh -e"),
    main("ScriptsInterpreter = env A=1 $SHELL"),
]


@pytest.mark.parametrize("change", FINE)
def test_nothing_is_made_up(net: Path, change: Change) -> None:
    change(net)
    assert said_about(net) == []


def test_a_script_that_cannot_be_read_is_left_alone(
    net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *args: object, **more: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)
    assert [line for line in said_about(net) if "tinc-up" in line] == []


@pytest.fixture(scope="module")
def spare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("spare"))


def test_a_begin_line_without_its_end_does_not_show_the_key(spare: Path) -> None:
    key = key_pair(2)[1].replace("KEY-----\n", "KEY", 1)
    for text in (key, key.replace("PUBLIC KEY", "PUBLIC KY", 1)):
        write(spare / "hosts/beta", BETA + text)
        findings = check_configuration(
            spare, [], SUITES, environment={}, hostname="somewhere"
        )
        said = "".join(f"{found} {found.variable}" for found in findings)
        assert "key block" in said
        assert "MIIBCgKCAQEA" not in said


@given(st.data())
def test_no_slip_shows_a_key(spare: Path, data: st.DataObject) -> None:
    key = key_pair(2)[1]
    at = data.draw(st.integers(0, len(key) - 1))
    cut = data.draw(st.integers(0, 6))
    put = data.draw(st.sampled_from(["", " ", "\n", "=", "#", "-", "x", "Port = 1"]))
    write(spare / "hosts/beta", BETA + key[:at] + put + key[at + cut :])
    body = "".join(key.splitlines()[1:-1])
    findings = check_configuration(
        spare, [], SUITES, environment={}, hostname="somewhere"
    )
    said = "".join(f"{found} {found.variable}" for found in findings)
    for start in range(0, len(body) - 12):
        assert body[start : start + 12] not in said


@given(st.binary(max_size=300))
def test_what_is_whole_stays_as_it_is(data: bytes) -> None:
    text = data.replace(b"\0", b"").replace(b"\r", b"")
    whole = b"Port = 1\n" + key_pair(1)[1].encode()
    assert mend(whole).data == whole
    mended = mend(text)
    if not mended.damages:
        assert mended.data.rstrip(b"\n") == text.rstrip(b"\n")


@given(texts("-BEGIN RSAPUBLCKYD\nabc=", max_size=200))
def test_what_is_mended_has_no_damage(text: str) -> None:
    once = mend(text.encode())
    assert mend(once.data).damages == []
