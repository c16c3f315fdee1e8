from __future__ import annotations

from pathlib import Path

import pytest

from tincd_compat.config.paths import Paths, instance_paths
from tincd_compat.errors import ConfigError


@pytest.mark.parametrize("netname", [None, "."])
def test_without_netname(netname: str | None) -> None:
    assert instance_paths(netname) == Paths(
        netname=None,
        ident="tinc",
        directory=Path("/etc/tinc"),
        pid_file=Path("/run/tinc.pid"),
        log_file=Path("/var/log/tinc.log"),
        uml_socket=Path("/run/tinc.umlsocket"),
    )


def test_with_netname() -> None:
    assert instance_paths("vpn") == Paths(
        netname="vpn",
        ident="tinc.vpn",
        directory=Path("/etc/tinc/vpn"),
        pid_file=Path("/run/tinc.vpn.pid"),
        log_file=Path("/var/log/tinc.vpn.log"),
        uml_socket=Path("/run/tinc.vpn.umlsocket"),
    )


def test_a_directory_changes_nothing_else() -> None:
    paths = instance_paths("vpn", "some/where")
    assert paths.directory == Path("some/where")
    assert paths.pid_file == Path("/run/tinc.vpn.pid")
    assert paths.netname == "vpn"
    assert instance_paths(None, "/x").ident == "tinc"


@pytest.mark.parametrize("netname", ["", "a/b", "/", ".."])
def test_a_netname_is_part_of_a_file_name(netname: str) -> None:
    with pytest.raises(ConfigError, match="Invalid netname"):
        instance_paths(netname)
