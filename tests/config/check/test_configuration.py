"""One row per mistake: what is changed in a good configuration, and what is said."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.config.check.conftest import ALPHA, BETA, MAIN, build, key_pair, write
from tincd_compat.config.check import users
from tincd_compat.config.check.configuration import check_configuration
from tincd_compat.config.check.findings import exit_status
from tincd_compat.config.check.users import Account
from tincd_compat.config.parser import parse_option
from tincd_compat.daemon.configuration import SUITES

Change = Callable[[Path], None]


def check(
    net: Path, *options: str, chroot: bool = False, user: str | None = None
) -> list[str]:
    """Return the lines about ``net``, with paths from there."""
    findings = check_configuration(
        net,
        [parse_option(text, number) for number, text in enumerate(options, 1)],
        SUITES,
        environment={},
        hostname="somewhere",
        chroot=chroot,
        user=user,
    )
    # The directory as a whole is called "here".
    return [
        str(finding).replace(f"{net}/", "").replace(str(net), "here")
        for finding in findings
    ]


def main(*lines: str) -> Change:
    """Append to tinc.conf, whose first new line is number 3."""
    return lambda net: write(net / "tinc.conf", MAIN + "".join(f"{x}\n" for x in lines))


def alpha(text: str) -> Change:
    """Put lines before those of the own host file."""
    return lambda net: write(net / "hosts/alpha", text + ALPHA + key_pair(1)[1])


def beta(text: str) -> Change:
    return lambda net: write(net / "hosts/beta", text + BETA + key_pair(2)[1])


def file(name: str, text: str, mode: int = 0o644) -> Change:
    return lambda net: write(net / name, text, mode)


def mode(name: str, bits: int) -> Change:
    return lambda net: (net / name).chmod(bits)


def removed(name: str) -> Change:
    return lambda net: (net / name).unlink()


GAMMA = "Subnet = 10.3.0.0/16\n"

#: What is changed, and the line about it.
ROWS: list[tuple[Change, str]] = [
    # Names of variables and where they stand.
    (
        main("ConectTo = beta"),
        "tinc.conf:3: warning: unknown variable `ConectTo': did you mean ConnectTo?",
    ),
    (
        main("mod = switch"),
        "tinc.conf:3: warning: unknown variable `mod': did you mean Mode?",
    ),
    (
        main("Zzz = 1"),
        "tinc.conf:3: warning: unknown variable `Zzz': it has no effect",
    ),
    (
        main("autoconnect = yes"),
        "tinc.conf:3: info: AutoConnect is of tinc 1.1 and has no effect, as with C "
        "tincd 1.0",
    ),
    (
        main("IffOneQueue = no"),
        "tinc.conf:3: info: IffOneQueue has no effect: current kernels ignore it",
    ),
    (
        main("Address = example.org"),
        "tinc.conf:3: warning: Address has no effect here: it belongs into the host "
        "file of a node",
    ),
    (
        beta("Mode = switch\n"),
        "hosts/beta:1: warning: Mode has no effect in the host file of another node",
    ),
    (
        alpha("Mode = router\n"),
        "hosts/alpha:1: warning: Mode belongs into tinc.conf: C tincd forgets it here "
        "at SIGHUP",
    ),
    (
        alpha("Name = alpha\n"),
        "hosts/alpha:1: warning: Name has no effect here: it belongs into tinc.conf",
    ),
    (
        main("Mode = hub", "Mode = switch"),
        "tinc.conf:4: warning: Mode has no effect here: the one in tinc.conf line 3 "
        "counts (the lowest line number does)",
    ),
    (
        file("conf.d/a.conf", "Name = omega\n"),
        "tinc.conf:1: warning: Name has no effect here: the one in conf.d/a.conf line 1"
        " counts (the lowest line number does)",
    ),
    (
        beta("Port = 1\nPort = 2\n"),
        "hosts/beta:2: warning: Port has no effect here: the one in hosts/beta line 1 "
        "counts (the lowest line number does)",
    ),
    # Lines.
    (
        main("Mode"),
        "tinc.conf:3: error: No value for variable `Mode': tincd does not start",
    ),
    (
        file("conf.d/x.conf", "\nMode =\n"),
        "conf.d/x.conf:2: error: No value for variable `Mode': tincd does not start",
    ),
    (
        alpha("Mode\n"),
        "hosts/alpha:1: error: No value for variable `Mode': the rest of the file is "
        "not read",
    ),
    (
        beta("Port\n"),
        "hosts/beta:1: error: No value for variable `Port': connections with this node "
        "are refused",
    ),
    (
        main(" Mode = switch"),
        "tinc.conf:3: warning: a line that begins with a blank or `=' has no effect",
    ),
    (
        file("tinc.conf", f"\ufeffMode = hub\n{MAIN}"),
        "tinc.conf:1: warning: a byte order mark is part of the name: this line has no "
        "effect",
    ),
    (
        main("Interface = vpn # the tunnel"),
        "tinc.conf:3: warning: a comment cannot follow a value: `#' and the rest are "
        "part of it",
    ),
    (
        main(f"#{'x' * 2048}"),
        "tinc.conf:3: warning: C tincd takes what follows byte 2048 for another line",
    ),
    (
        beta("-----BEGIN X-----\n"),
        "hosts/beta:5: warning: a key block begins inside another one, which has no END"
        " line",
    ),
    (
        main("-----BEGIN RSA PUBLIC KEY-----"),
        "tinc.conf:3: warning: this key block has no END line: the rest of the file is "
        "not read",
    ),
    # Values.
    (
        main("Mode = bridge"),
        "tinc.conf:3: error: Invalid routing mode! (Mode: `bridge' is not one of "
        "router, switch, hub)",
    ),
    (
        main("TCPOnly = true"),
        'tinc.conf:3: error: "yes" or "no" expected for configuration variable TCPOnly',
    ),
    (
        beta("TCPOnly = true\n"),
        'hosts/beta:1: warning: "yes" or "no" expected for configuration variable '
        "TCPOnly",
    ),
    (
        main("PingTimeout = fast"),
        "tinc.conf:3: error: Integer expected for configuration variable PingTimeout",
    ),
    (main("PingInterval = 30s"), "tinc.conf:3: warning: `30s' is read as 30"),
    (
        main("Compression = 99"),
        "tinc.conf:3: error: Bogus compression level! (Compression: 99 is not allowed, "
        "use at least 0 and at most 33)",
    ),
    (
        main("DeviceType = vde"),
        "tinc.conf:3: error: Unknown device type vde! (DeviceType: VDE is not "
        "supported, neither here nor by Debian's tincd)",
    ),
    (
        main("ConnectTo = be-ta"),
        "tinc.conf:3: error: Invalid name for outgoing connection",
    ),
    (
        main("Proxy = socks5 localhost"),
        "tinc.conf:3: error: Host and port argument expected for proxy! (Proxy: write "
        "`socks5 HOST PORT' with one space between the words)",
    ),
    (
        main("MinTimeout = 20", "MaxTimeout = 10"),
        "tinc.conf:3: warning: Minimum timeout (20 s) cannot be larger than maximum "
        "timeout (10 s). Correcting !",
    ),
    (
        main("Port = 70000"),
        "tinc.conf:3: error: there is no port 70000, the highest is 65535",
    ),
    (
        main("BindToAddress = * 655abc"),
        "tinc.conf:3: error: `655abc' is neither a number nor the name of a service",
    ),
    (
        beta("Address = x -1\n"),
        "hosts/beta:1: error: there is no port -1, the highest is 65535",
    ),
    # Packets that others can read or forge.
    (
        main("Cipher = none"),
        "tinc.conf:3: warning: Cipher = none: whoever is on their way can read the "
        "packets to us",
    ),
    (
        main("Digest = None"),
        "tinc.conf:3: warning: Digest = none: anybody can forge and alter packets to "
        "us, and senders are known by their addresses only",
    ),
    (
        alpha("MACLength = 0\n"),
        "hosts/alpha:1: warning: MACLength = 0: anybody can forge and alter packets to "
        "us, and senders are known by their addresses only",
    ),
    (
        main("MACLength = 33"),
        "tinc.conf:3: error: MAC length exceeds size of digest! (MACLength: sha256 "
        "allows 0 to 32 bytes)",
    ),
    (
        main("MACLength = none"),
        "tinc.conf:3: error: Integer expected for configuration variable MACLength",
    ),
    (
        main("Cipher = rot13"),
        "tinc.conf:3: error: Unrecognized cipher type! (Cipher: `rot13' is neither "
        "`none' nor a cipher known here)",
    ),
    (
        main("Cipher = aes-256-gcm"),
        "tinc.conf:3: error: Cipher aes-256-gcm cannot be used: a packet has no room "
        "for its authentication tag! (Cipher: aes-256-cbc is the default)",
    ),
    (
        main("Cipher = rot13", "Digest = crc32"),
        "tinc.conf:4: error: Unrecognized digest type! (Digest: `crc32' is neither "
        "`none' nor a digest known here)",
    ),
    (
        main("ReplayWindow = 0"),
        "tinc.conf:3: warning: packets that somebody recorded are taken again",
    ),
    # The name.
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
    # Files.
    (
        removed("tinc.conf"),
        "tinc.conf: error: Cannot open config file tinc.conf: No such file or "
        "directory",
    ),
    (
        removed("hosts/alpha"),
        "hosts/alpha: error: Cannot open config file hosts/alpha: No such file or "
        "directory",
    ),
    (
        lambda net: shutil.rmtree(net / "hosts"),
        "hosts: error: Could not open hosts: No such file or directory",
    ),
    (
        mode("tinc.conf", 0o646),
        "tinc.conf: warning: everybody may write here; `chmod o-w' forbids it",
    ),
    (
        mode("hosts", 0o777),
        "hosts: warning: everybody may write here; `chmod o-w' forbids it",
    ),
    (
        mode("hosts/beta", 0o666),
        "hosts/beta: warning: everybody may write here; `chmod o-w' forbids it",
    ),
    (
        mode("tinc-up", 0o777),
        "tinc-up: warning: everybody may write here; `chmod o-w' forbids it",
    ),
    (
        mode(".", 0o777),
        "here: warning: everybody may write here; `chmod o-w' forbids it",
    ),
    (
        mode("tinc-up", 0o644),
        "tinc-up: error: the script is not executable; `chmod +x' makes it so",
    ),
    (
        file("hosts/beta-down", "", 0o600),
        "hosts/beta-down: error: the script is not executable; `chmod +x' makes it so",
    ),
    (
        file("host-up/x", ""),
        "host-up: error: a script is expected here, not a directory",
    ),
    (
        file("hosts/be-ta", ""),
        "hosts/be-ta: warning: this is not the name of a node: letters, digits and _ "
        "make one",
    ),
    # Keys.
    (
        removed("rsa_key.priv"),
        "rsa_key.priv: error: Error reading RSA private key file `rsa_key.priv': No "
        "such file or directory (`tincd -K' makes a key pair)",
    ),
    (
        main("PrivateKeyFile = /nowhere/key"),
        "/nowhere/key: error: Error reading RSA private key file `/nowhere/key': No "
        "such file or directory (`tincd -K' makes a key pair)",
    ),
    (
        main("PrivateKeyFile = key"),
        "tinc.conf:3: warning: the path is relative to the working directory, which is "
        "/ once detached",
    ),
    (
        main("PrivateKey = 1234"),
        "tinc.conf: error: PrivateKey used but no PublicKey found! (`tincd -K' makes a "
        "key pair in files instead)",
    ),
    (
        main("PrivateKey = 1234"),
        "tinc.conf:3: info: PrivateKey is obsolete: `tincd -K' makes keys in files",
    ),
    (
        file("rsa_key.priv", "nothing", 0o600),
        "rsa_key.priv: error: Reading RSA private key file `rsa_key.priv' failed: "
        "there is no RSA private key in it",
    ),
    (
        mode("rsa_key.priv", 0o640),
        "rsa_key.priv: warning: Warning: insecure file permissions for RSA private key "
        "file `rsa_key.priv'!",
    ),
    (
        file("rsa_key.priv", key_pair(3)[0], 0o600),
        "hosts/alpha: error: the public key here does not belong to the private key of "
        "this node: nobody who has this file lets it in",
    ),
    (
        file("rsa_key.priv", key_pair(4, 1024)[0], 0o600),
        "rsa_key.priv: warning: an RSA key of 1024 bits is weak; `tincd -K' makes a "
        "new pair",
    ),
    (
        file("hosts/beta", BETA + key_pair(4, 1024)[1]),
        "hosts/beta: warning: an RSA key of 1024 bits is weak; `tincd -K' makes a new "
        "pair",
    ),
    (
        file("hosts/alpha", ALPHA),
        "hosts/alpha: warning: No public key for alpha specified! (its RSA PUBLIC KEY "
        "block belongs into hosts/alpha)",
    ),
    (
        file("hosts/beta", BETA),
        "hosts/beta: error: No public key for beta specified! (its RSA PUBLIC KEY "
        "block belongs into hosts/beta)",
    ),
    (
        file("hosts/gamma", GAMMA),
        "hosts/gamma: warning: No public key for gamma specified! (its RSA PUBLIC KEY "
        "block belongs into hosts/gamma)",
    ),
    (
        file("hosts/gamma", GAMMA + key_pair(2)[1]),
        "hosts/gamma: warning: gamma has the public key of beta, so each can pass as "
        "the other",
    ),
    (
        file("hosts/beta", BETA + key_pair(2)[1] + key_pair(3)[1]),
        "hosts/beta: warning: there are 2 public keys in this file, only one counts",
    ),
    (
        file("hosts/alpha", ALPHA + key_pair(1)[1] + key_pair(1)[0]),
        "hosts/alpha: error: there is a private key in this file, which other nodes "
        "get copies of",
    ),
    # Other nodes.
    (
        main("ConnectTo = gamma"),
        "tinc.conf:3: error: cannot connect to gamma: there is no hosts/gamma",
    ),
    (main("ConnectTo = alpha"), "tinc.conf:3: warning: this is the node itself"),
    (
        file("hosts/beta", key_pair(2)[1]),
        "hosts/beta: error: there is no Address, but ConnectTo in tinc.conf line 2 "
        "needs one",
    ),
    # Subnets.
    (
        alpha("Subnet = 10.5.0.1/24\n"),
        "hosts/alpha:1: error: Network address and prefix length do not match for "
        "configuration variable Subnet",
    ),
    (
        beta("Subnet = 10.5.0.1/24\n"),
        "hosts/beta:1: warning: Network address and prefix length do not match for "
        "configuration variable Subnet",
    ),
    (
        alpha("Subnet = 10.5/16\n"),
        "hosts/alpha:1: error: Subnet expected for configuration variable Subnet",
    ),
    (
        beta("Subnet = 10.1.0.0/16\n"),
        "hosts/beta:1: warning: 10.1.0.0/16 is a subnet of alpha too (hosts/alpha line "
        "1): with equal weights beta gets no packets while alpha is reachable",
    ),
    (
        file("hosts/aaa", "Subnet = 10.2.0.0/16#10\n" + key_pair(3)[1]),
        "hosts/beta:1: warning: 10.2.0.0/16 is a subnet of aaa too (hosts/aaa line 1): "
        "with equal weights beta gets no packets while aaa is reachable",
    ),
    (
        beta("Subnet = 10.2.0.0/16\n"),
        "hosts/beta:2: warning: 10.2.0.0/16 is in hosts/beta line 1 already",
    ),
]


@pytest.mark.parametrize(("change", "line"), ROWS, ids=[line for _, line in ROWS])
def test_a_mistake_is_found(net: Path, change: Change, line: str) -> None:
    change(net)
    assert line in check(net)


#: What may look odd and is in order.
FINE: list[Change] = [
    lambda net: None,
    main("# a comment", "", "   ", "\t# another", "Interface vpn", "port=655"),
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
    assert check(net) == []


def test_an_interpreter_needs_no_executable_scripts(net: Path) -> None:
    (net / "tinc-up").chmod(0o644)
    main("ScriptsInterpreter = /bin/sh")(net)
    assert check(net) == []


def test_the_command_line_is_part_of_the_configuration(net: Path) -> None:
    lines = check(net, "Mode=x", "beta.Adress=a", "alpha.Subnet=1.2.3.4/8", "Zzz=1")
    assert lines == [
        "command line option 1: error: Invalid routing mode! (Mode: `x' is not one of "
        "router, switch, hub)",
        "command line option 2: warning: unknown variable `Adress': did you mean "
        "Address?",
        "command line option 3: error: Network address and prefix length do not match "
        "for configuration variable Subnet",
        "command line option 4: warning: unknown variable `Zzz': it has no effect",
    ]


def test_what_the_command_line_overrides_is_no_mistake(net: Path) -> None:
    main("Mode = hub")(net)
    assert check(net, "Mode=router") == []


def test_a_chroot_without_a_shell(net: Path) -> None:
    assert check(net, chroot=True) == [
        "here: warning: with --chroot scripts after the start need bin/sh in here"
    ]
    write(net / "bin" / "sh", "", 0o755)
    assert check(net, chroot=True) == []


def test_an_unknown_user(net: Path) -> None:
    lines = ["command line: error: unknown user `no such user'"]
    assert check(net, user="no such user") == lines


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
    assert check(net, user="ghost") == [
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
    assert len(check(net)) == 1


def test_a_key_this_user_may_not_read(
    net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Path.open

    def refuse(self: Path, mode: str = "r", *args: Any) -> Any:
        if self.name == "rsa_key.priv":
            raise PermissionError(13, "Permission denied")
        return there(self, mode, *args)

    monkeypatch.setattr(Path, "open", refuse)
    assert check(net) == [
        "rsa_key.priv: warning: Error reading RSA private key file `rsa_key.priv': "
        "Permission denied: it was not checked"
    ]


def test_nothing_is_changed(net: Path) -> None:
    main("Mode = x", "Port")(net)

    def state() -> list[tuple[str, int, float]]:
        found = ((p, p.stat()) for p in sorted(net.rglob("*")))
        return [(str(p), status.st_mode, status.st_mtime) for p, status in found]

    before = state()
    check(net)
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
LINES = st.builds("{}={}\n".format, WORDS, st.text(max_size=12))
CONTENT = st.one_of(
    st.binary(max_size=200),
    st.lists(LINES, max_size=5).map(lambda lines: "".join(lines).encode()),
)


FILES = st.sampled_from(["tinc.conf", "hosts/alpha", "rsa_key.priv"])


@settings(deadline=None)
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


@settings(deadline=None)
@given(content=CONTENT)
def test_no_bytes_of_a_peer_raise(garbled: Path, content: bytes) -> None:
    (garbled / "hosts" / "omega").write_bytes(content)
    check(garbled)
