"""``-K`` as every tool calls it: stdin, names, old keys, and what openssl reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from conformance.harness.kinds import ONE, Placement
from conformance.harness.lab import Lab
from conformance.harness.outputs import Row, compare
from conformance.harness.scenario import Scenario

#: Small for speed; what is asked does not depend on it.
_BITS: Final = "1024"

#: Nothing of a net but what the row adds.
_EMPTY: Final[Mapping[str, str | None]] = {
    "vpn/tinc.conf": None,
    "vpn/rsa_key.priv": None,
    "vpn/hosts/alpha": None,
}
_NO_KEYS: Final[Mapping[str, str | None]] = {
    "vpn/rsa_key.priv": None,
    "vpn/hosts/alpha": None,
    "vpn/hosts/": "",
}
_CHECKS: Final = """
openssl rsa -in $net/rsa_key.priv -noout -check 2>&1
openssl rsa -in $net/rsa_key.priv -pubout 2>/dev/null > /run/pub
for file in $net/hosts/alpha $net/rsa_key.pub; do
  [ -e $file ] || continue
  openssl rsa -RSAPublicKey_in -in $file -pubout 2>/dev/null | cmp - /run/pub
done
openssl rsa -in $net/rsa_key.priv -noout -text | head -n 1
openssl rsa -in $net/rsa_key.priv -noout -text | grep Exponent:
rm /run/pub
"""
_OLD_KEYS: Final = (
    "-----BEGIN RSA PUBLIC KEY-----\nMEgCQQDx\n-----END RSA PUBLIC KEY-----\n"
)


def play(lab: Lab, placement: Placement) -> None:
    compare(lab, placement, _ROWS)


def _generate(
    name: str,
    command: str,
    files: Mapping[str, str | None] = _NO_KEYS,
    checks: str = _CHECKS,
    ours: tuple[tuple[str, str], ...] = (),
    why: str = "",
) -> Row:
    command = re.sub(r"(?<!/)\btincd", "/usr/sbin/tincd", command)
    return Row(
        name=name,
        script=f"run {command}\n{checks}",
        files=files,
        ours=ours,
        why=why,
    )


_ERRORS_FIRST: Final = (
    ((r"^(Generating .*\nDone\.\n)(Invalid .*\n)", r"\2\1"),),
    "nobody waits for keys to learn that the name is wrong",
)
_SAME_MODE: Final = (
    ((r"^(etc/vpn/hosts/alpha, mode )600", r"\g<1>644"),),
    "a host file stays readable for who may read it",
)


def _asked(name: str, answers: str) -> Row:
    """On a terminal, where it asks for both names; what is typed is not compared."""
    script = f"""
printf '{answers}' | script -qec '/usr/sbin/tincd -n vpn -K1024; echo status $?' \\
  /dev/null | tr -d '\\r' | grep -Eo 'Please enter .*]: ?|^(Error|status|Gener).*'
ls /run
"""
    return Row(name=name, script=script, files=_NO_KEYS)


_ROWS: Final = (
    _asked("a terminal", "\\n\\n"),
    _asked("a terminal, other names", "/run/a\\n/run/b\\n"),
    _asked("a terminal, one name", "\\n/run/b\\n"),
    _generate("stdin is /dev/null", f"tincd -n vpn -K{_BITS} < /dev/null"),
    _generate("stdin is closed", f"tincd -n vpn -K {_BITS} <&-"),
    _generate("all is closed", f"tincd -n vpn -K {_BITS} <&- >&- 2>&-"),
    _generate("yes", f"sh -c 'yes | tincd -n vpn -K{_BITS}'"),
    _generate("yes, guarded", f"sh -c 'yes \"\" || true' | tincd -n vpn -K {_BITS}"),
    _generate("one newline", f"sh -c 'echo | tincd -n vpn --generate-keys={_BITS}'"),
    _generate("a name", f"sh -c 'echo /run/x | tincd -n vpn --gen {_BITS}'"),
    _generate("of a directory", f"tincd -c $net -K{_BITS} < /dev/null"),
    _generate("--config", f"sh -c 'echo | tincd -K{_BITS} --config=/etc/tinc/vpn'"),
    _generate("-c and -n", f"tincd -c $net -n vpn --generate-keys={_BITS} </dev/null"),
    _generate("default size", "tincd -n vpn -K < /dev/null"),
    _generate("size rounded", "tincd -n vpn -K1031 < /dev/null"),
    _generate("size with more", "tincd -n vpn -K1024bits < /dev/null"),
    _generate(
        "nameless",
        f"tincd -n vpn -K{_BITS} < /dev/null",
        {**_NO_KEYS, "vpn/tinc.conf": "DeviceType = dummy\n"},
    ),
    _generate(
        "no tinc.conf",
        f"tincd -n vpn -K{_BITS} < /dev/null",
        {**_NO_KEYS, "vpn/tinc.conf": None},
    ),
    _generate(
        "a name of -o", f"tincd -n vpn -K{_BITS} -o Name=beta < /dev/null", _NO_KEYS
    ),
    _generate(
        "the name $VAR",
        f"env NODE=a-b.c tincd -n vpn -K{_BITS} < /dev/null; ls $net/hosts",
        {**_NO_KEYS, "vpn/tinc.conf": "Name = $NODE\n"},
    ),
    _generate(
        "a variable that is not set",
        f"tincd -n vpn -K{_BITS} < /dev/null",
        {**_NO_KEYS, "vpn/tinc.conf": "Name = $NODE\n"},
        _CHECKS,
        *_ERRORS_FIRST,
    ),
    _generate(
        "a bad name",
        f"tincd -n vpn -K{_BITS} < /dev/null",
        {**_NO_KEYS, "vpn/tinc.conf": "Name = a-b\n"},
        _CHECKS,
        *_ERRORS_FIRST,
    ),
    _generate(
        "a broken tinc.conf",
        f"tincd -n vpn -K{_BITS} < /dev/null",
        {**_NO_KEYS, "vpn/tinc.conf": "Name = alpha\nPort\n"},
    ),
    _generate(
        "a key file elsewhere",
        f"tincd -n vpn -K{_BITS} < /dev/null",
        {**_NO_KEYS, "vpn/tinc.conf": "Name = alpha\nPrivateKeyFile = /run/k.priv\n"},
        "ls /run",
    ),
    _generate(
        "a host file there",
        f"tincd -n vpn -K{_BITS} < /dev/null",
        {"vpn/rsa_key.priv": None, "vpn/hosts/alpha": "Subnet = 10.0.0.0/8"},
    ),
    _generate(
        "old keys",
        f"tincd -n vpn -K{_BITS} < /dev/null",
        {"vpn/hosts/alpha": f"Subnet = 10.0.0.0/8\n{_OLD_KEYS}Port = 655\n"},
        _CHECKS,
        *_SAME_MODE,
    ),
    _generate(
        "old keys, yes",
        f"sh -c 'yes | tincd -n vpn -K{_BITS}'",
        {},
        _CHECKS,
        *_SAME_MODE,
    ),
    _generate(
        "twice",
        f"tincd -n vpn -K{_BITS} < /dev/null; run /usr/sbin/tincd -n vpn -K512",
        _NO_KEYS,
        "",
    ),
    _generate("no directory", "tincd -n none -K512 < /dev/null", _EMPTY, ""),
    _generate(
        "no hosts",
        "tincd -n vpn -K512 < /dev/null",
        {"vpn/rsa_key.priv": None, "vpn/hosts/alpha": None},
        "",
        ((r"^etc/vpn/rsa_key.priv, mode 600:\n\n-.*\n-.*\n\n", ""),),
        "a new private key whose public half is lost helps nobody",
    ),
    _generate("a log file", "tincd -n vpn -K512 --logfile < /dev/null", checks=""),
    _generate("and a start", f"tincd -n vpn -D -K{_BITS} < /dev/null"),
)

SCENARIO: Final = Scenario(
    name="keygen",
    summary="-K with every stdin, name and old key; files, modes and texts as of C",
    placements=ONE,
    play=play,
    limit=400,
    seconds=9,
    needs_c=True,
    tools=("openssl", "script"),
)
