"""A bundle for a bug report: the same alias for the same address, and no address."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from tests.admin import mesh
from tests.admin.played import Stage, client, daemon
from tincd_compat.admin import report

EVENTS = [
    {
        "at": "2026-11-30T02:47:31Z",
        "node": "charlie",
        "kind": "dial",
        "text": "charlie (198.51.100.7 port 655): vpn.example.org has no address",
        "reason": "resolve",
    },
    {"at": "x", "text": "from fe80::1%eth0, 02:00:5e:10:00:01 and [2001:db8::7]:655"},
]
LINKS = [{"node": "charlie", "address": {"host": "vpn.example.org", "port": 655}}]


def stage() -> Stage:
    return Stage(
        client(daemon(status=mesh.STATUS, nodes=mesh.NODES, events=EVENTS, links=LINKS))
    )


def test_no_address_is_left() -> None:
    played = stage()
    assert played.call("report", "--json") == 0
    for secret in ("198.51", "example", "fe80", "2001:db8", "5e:10", "10.0.3."):
        assert secret not in played.text
    records = [json.loads(line) for line in played.lines]
    hosts = {each["address"]["host"] for each in records if "address" in each}
    [number] = {host for host in hosts if host.startswith("ipv4-")}
    # The sentence tells of the same address by the same alias; times are none.
    [dial] = [each for each in records if each.get("kind") == "dial"]
    assert dial["text"] == f"charlie ({number} port 655): host-1 has no address"
    assert dial["at"] == "2026-11-30T02:47:31Z"
    [charlie] = [each for each in records if each.get("name") == "charlie"]
    assert charlie["subnets"][0].endswith("/24#10")


@pytest.mark.parametrize("text", ["02:47:31", "1.0.36", "a::b", "12:30", "127.0.0.1"])
def test_what_is_no_address_stays(text: str) -> None:
    expected = "ipv6" if text == "a::b" else text
    assert report.Aliases().hide(text).startswith(expected)


def test_the_file(tmp_path: Path) -> None:
    file = tmp_path / "report.tar.gz"
    assert stage().call("report", str(file)) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as archive:
        names = archive.getnames()
    assert set(names) == {
        "tincd-report/system.json",
        *(f"tincd-report/vpn/{name}.json" for name in ("status", "nodes", "events")),
        "tincd-report/vpn/links.json",
    }
    with pytest.raises(FileExistsError):
        stage().call("report", str(file))
