"""What names and audit make of nodes and their keys."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.admin import mesh
from tests.admin.lists import (
    FINE,
    LINK,
    NODES,
    SUITE,
    stage,
)
from tincd_compat.admin import audit
from tincd_compat.observe.words import LinkProtocol

SECRET = {
    **{**LINK, "protocol": "17.7", "rsa_bits": None, "digest": None},
    **dict.fromkeys(("cipher", "peer_cipher"), "chacha20-poly1305"),
}


class TestNames:
    def test_hosts(self) -> None:
        played = stage()
        assert played.call("names") == 0
        assert played.text == "10.0.2.1\tbravo\nfd00::2\tbravo\n"

    def test_dnsmasq(self) -> None:
        played = stage()
        assert played.call("names", "--format", "dnsmasq", "--suffix", ".vpn") == 0
        assert played.lines[0] == "host-record=bravo.vpn,10.0.2.1"

    @pytest.mark.parametrize("name", ["a b", "a\nb", "", "büro", "a,b", None, "a.b"])
    def test_a_hostile_name_is_no_line(self, name: object) -> None:
        played = stage(nodes=[{**mesh.BRAVO, "name": name}])
        assert played.call("names") == 0
        assert played.text == ""


class TestAudit:
    def test_text(self) -> None:
        own = {**FINE, "suite": SUITE, "rsa_bits": 1024}
        played = stage(width=None, status=own)
        assert played.call("audit", "--max-age", "0.1") == 1
        assert played.lines[0] == "vpn: 4 nodes with findings"
        rows = [re.split("  +", line) for line in played.lines[3:]]
        assert [(row[0], row[-1]) for row in rows] == [
            ("alpha (this one)", "RSA of 1024 bits"),
            ("bravo", "the key is older than 0.1 h"),
            ("charlie", "bf-cbc is weak, the key is older than 0.1 h"),
            ("delta", "not encrypted, no MAC, the key is older than 0.1 h"),
        ]

    def test_nothing_is_wrong(self) -> None:
        played = stage(nodes=NODES[:2])
        assert played.call("audit") == 0
        assert played.lines[0] == "vpn: nothing is too weak"

    def test_links_that_are_not_forward_secret(self) -> None:
        links = [LINK, {**SECRET, "name": "charlie"}]
        nodes = [node for node in NODES if node["name"] in ("bravo", "charlie")]
        nodes = [{**node, "key": None} for node in nodes]
        played = stage(width=None, nodes=nodes, links=links)
        assert played.call("audit", "--forward-secret") == 1
        rows = [re.split("  +", line) for line in played.lines[4:]]
        assert rows == [
            [
                "bravo",
                *("-", "-", "-", "17.0", "2048"),
                "the link is not forward secret",
            ],
            ["charlie", *("-", "-", "-", "17.7", "-")],
        ]
        # A mesh of tinc 1.0 is not told each time what it is.
        played = stage(width=None, nodes=nodes, links=links)
        assert played.call("audit") == 0
        assert played.lines[0] == "vpn: nothing is too weak"

    def test_a_link_that_is_not_there_yet_is_nobodys(self) -> None:
        links = [{**SECRET, "active": False}]
        [own] = audit.records(FINE, [{**mesh.BRAVO, "key": None}], links, 0.0, None)
        assert own["self"]
        assert audit.forward_secret(links) == []
        others = [{**SECRET, "name": name} for name in ("echo", "delta")]
        assert audit.forward_secret([LINK, *others]) == ["delta", "echo"]

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"cipher": "chacha20-poly1305"}, None),
            ({"cipher": "DES-EDE3-CBC"}, "des-ede3-cbc is weak"),
            ({"digest": "MD5"}, "MD5 is weak"),
            ({"mac_length": 2}, "a MAC of 2 bytes"),
            ({"mac_length": 0}, "no MAC"),
            ({"cipher": "camellia-256-cbc"}, None),
        ],
    )
    def test_findings(self, fields: dict[str, Any], words: str | None) -> None:
        found = audit.findings({**SUITE, **fields}, 2048)
        assert found == ([words] if words else [])


def test_what_is_forward_secret_is_a_protocol_of_links() -> None:
    assert LinkProtocol(audit.FORWARD_SECRET) is LinkProtocol.SPTPS
