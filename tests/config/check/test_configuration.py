"""A configuration as a whole: what is in order, options, users, and arbitrary bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.check.conftest import build, key_pair, write
from tests.config.check.mistakes import (
    Change,
    Mistake,
    beta,
    each_is_found,
    file,
    main,
    mode,
    said_about,
)
from tests.texts import texts
from tincd_compat.config.check import users
from tincd_compat.config.check.configuration import check_configuration
from tincd_compat.config.check.findings import exit_status
from tincd_compat.config.check.users import Account
from tincd_compat.daemon.configuration import SUITES

NAMELESS: list[Mistake] = [
    (
        file("tinc.conf", "ConnectTo = beta\n"),
        "tinc.conf: error: Name for tinc daemon required! (put `Name = NAME' into "
        "tinc.conf: letters, digits and underscores make a name)",
    ),
    (
        file("tinc.conf", "Name = al-pha\n"),
        "tinc.conf:1: error: Invalid name for myself!",
    ),
    (
        file("tinc.conf", "Name = $NODE\n"),
        "tinc.conf:1: error: Invalid Name: environment variable NODE does not exist",
    ),
]

test_a_mistake_is_found = each_is_found(NAMELESS)


#: What may look odd and is in order.
FINE: list[Change] = [
    lambda net: None,
    main("# a comment", "", "\t# another", "Interface vpn", "port=655"),
    main("Subnet = 10.9.0.0/16#5", "Device = /dev/net/tun"),
    main("Proxy = none", "Mode = router"),
    main("BindToAddress = * 656", "BindToAddress = ::1"),
    main("DecrementTTL = no\r"),
    file("conf.d/more.conf", "Hostnames = no\n"),
    file("conf.d/ignored", "nonsense\n"),
    file("hosts/beta~", "nonsense\n"),
    file("hosts/.beta.swp", "nonsense\n"),
    file("hosts/beta.d/x", "nonsense\n"),
    file("hosts/beta-up", "", 0o755),
    file("hosts/gamma", "Port = 1\nDigest = sha1\nWeight = 3\n" + key_pair(3)[1]),
    beta("Subnet = 10.1.0.0/16#20\n"),
    main("Cipher = blowfish", "Digest = sha1"),
    mode("rsa_key.priv", 0o400),
]


@pytest.mark.parametrize("change", FINE)
def test_nothing_is_made_up(net: Path, change: Change) -> None:
    change(net)
    assert said_about(net) == []


def test_an_interpreter_needs_no_executable_scripts(net: Path) -> None:
    (net / "tinc-up").chmod(0o644)
    main("ScriptsInterpreter = /bin/sh")(net)
    assert said_about(net) == []


def test_the_command_line_is_part_of_the_configuration(net: Path) -> None:
    lines = said_about(
        net, "Mode=x", "beta.Adress=a", "alpha.Subnet=1.2.3.4/8", "Zzz=1"
    )
    assert lines == [
        "command line option 1: error: Invalid routing mode! (Mode: `x' is not one of "
        "router, switch, hub)",
        "command line option 2: warning: unknown variable `Adress': did you mean "
        "Address?",
        "command line option 3: error: Network address and prefix length do not match "
        "for configuration variable Subnet (`1.2.3.4/8' has bits behind the prefix: "
        "1.0.0.0/8?)",
        "command line option 4: warning: unknown variable `Zzz': it has no effect",
    ]


def test_what_the_command_line_overrides_is_no_mistake(net: Path) -> None:
    main("Mode = hub")(net)
    assert said_about(net, "Mode=router") == []


def test_a_chroot_without_a_shell(net: Path) -> None:
    assert said_about(net, chroot=True) == [
        "here: warning: with --chroot scripts after the start need bin/sh in here"
    ]
    write(net / "bin" / "sh", "", 0o755)
    assert said_about(net, chroot=True) == []


def test_an_unknown_user(net: Path) -> None:
    lines = ["command line: error: unknown user `no such user'"]
    assert said_about(net, user="no such user") == lines


def test_a_user_who_cannot_read_what_is_read_later(
    net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever runs the tests, the files are of somebody else.
    somebody = Account("ghost", net.stat().st_uid + 1, frozenset())
    monkeypatch.setattr(users, "find_account", lambda name: somebody)
    for parent in net.parents:
        if not parent.stat().st_mode & 0o001:
            monkeypatch.setattr(users, "_ENTER", 0)
    (net / "hosts/beta").chmod(0o600)
    (net / "tinc-up").chmod(0o700)
    file("conf.d/x.conf", "", 0o640)(net)
    assert said_about(net, user="ghost") == [
        "conf.d/x.conf: warning: with --user ghost it cannot be read after the start",
        "hosts/beta: warning: with --user ghost it cannot be read after the start",
        "tinc-up: warning: with --user ghost it cannot be run after the start",
    ]


def test_a_name_from_the_environment(net: Path) -> None:
    write(net / "tinc.conf", "Name = $HOST\n")
    findings = check_configuration(
        net, [], SUITES, environment={"HOST": "alpha"}, hostname="somewhere"
    )
    assert findings == []


def test_without_tinc_conf_nothing_else_is_said(net: Path) -> None:
    (net / "tinc.conf").unlink()
    (net / "rsa_key.priv").unlink()
    assert len(said_about(net)) == 1


def test_a_key_this_user_may_not_read(
    net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Path.open

    def refuse(self: Path, mode: str = "r", *args: Any) -> Any:
        if self.name == "rsa_key.priv":
            raise PermissionError(13, "Permission denied")
        return there(self, mode, *args)

    monkeypatch.setattr(Path, "open", refuse)
    assert said_about(net) == [
        "rsa_key.priv: warning: Error reading RSA private key file `rsa_key.priv': "
        "Permission denied: it was not checked"
    ]


def test_nothing_is_changed(net: Path) -> None:
    main("Mode = x", "Port")(net)

    def state() -> list[tuple[str, int, float]]:
        found = ((p, p.stat()) for p in sorted(net.rglob("*")))
        return [(str(p), status.st_mode, status.st_mtime) for p, status in found]

    before = state()
    said_about(net)
    assert state() == before


@pytest.fixture(scope="module")
def garbled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    net = build(tmp_path_factory.mktemp("garbled"))
    # Trying a real key would take most of the time.
    write(net / "rsa_key.priv", "", 0o600)
    return net


WORDS = st.sampled_from(
    ["Name", "ConnectTo", "Port", "Cipher", "PrivateKey", "Proxy", "Mode", "\ufeff"]
)
LINES = st.builds("{}={}\n".format, WORDS, texts(max_size=12))
CONTENT = st.one_of(
    st.binary(max_size=200),
    st.lists(LINES, max_size=5).map(lambda lines: "".join(lines).encode()),
)


FILES = st.sampled_from(["tinc.conf", "hosts/alpha", "rsa_key.priv"])


@given(content=CONTENT, name=FILES)
def test_no_bytes_raise(garbled: Path, content: bytes, name: str) -> None:
    path = garbled / name
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        findings = check_configuration(
            garbled, [], SUITES, environment={}, hostname="somewhere"
        )
    finally:
        path.write_bytes(before)
    assert exit_status(findings) in (0, 1, 2)


@given(content=CONTENT)
def test_no_bytes_of_a_peer_raise(garbled: Path, content: bytes) -> None:
    (garbled / "hosts" / "omega").write_bytes(content)
    said_about(garbled)
