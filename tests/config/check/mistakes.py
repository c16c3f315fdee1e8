"""Ways to spoil a good configuration, and what is said about the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.config.check.conftest import ALPHA, BETA, MAIN, key_pair, write
from tincd_compat.config.check.configuration import check_configuration
from tincd_compat.config.parser import parse_option
from tincd_compat.daemon.configuration import SUITES

Change = Callable[[Path], None]

#: What is changed, and the line about it.
Mistake = tuple[Change, str]


def said_about(
    net: Path,
    *options: str,
    netname: str | None = None,
    nets: Path | None = None,
    chroot: bool = False,
    user: str | None = None,
    addresses: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the lines about ``net``, with paths from there."""
    findings = check_configuration(
        net,
        [parse_option(text, number) for number, text in enumerate(options, 1)],
        SUITES,
        environment={},
        hostname="somewhere",
        netname=netname,
        nets=nets,
        chroot=chroot,
        user=user,
        host_addresses=lambda: addresses or {},
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


def each_is_found(rows: list[Mistake]) -> Callable[[Path, Change, str], None]:
    """Return a test that after each change its line is said."""

    @pytest.mark.parametrize(("change", "line"), rows, ids=[line for _, line in rows])
    def test(net: Path, change: Change, line: str) -> None:
        change(net)
        said = said_about(net)
        assert line in said, said

    return test
