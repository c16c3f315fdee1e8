"""The exposition for Prometheus, and the rates of ``top``."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.admin import mesh
from tests.admin.lists import LISTS, NODES, stage
from tests.admin.played import Stage, client, daemon
from tincd_compat.admin import exposition, top
from tincd_compat.admin.client import Forbidden, RequestRefused, Unanswered


def samples(text: str) -> dict[str, float]:
    """Return each series as text to its value."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            assert f"{sample.name}{{{labels}}}" not in found
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def test_series() -> None:
    played = stage(status=mesh.STATUS)
    assert played.call("metrics") == 0
    found = samples(played.text)
    expected = {
        "tinc_up{net=vpn}": 1,
        "tinc_build_info{data_plane=compiled,name=alpha,net=vpn,version=0.2.0}": 1,
        "tinc_problems{code=data-over-tcp,net=vpn,severity=warning}": 1,
        "tinc_problems{code=no-link,net=vpn,severity=critical}": 0,
        "tinc_nodes{net=vpn,path=relay_udp}": 1,
        "tinc_links{direction=outgoing,net=vpn}": 1,
        "tinc_links{direction=incoming,net=vpn}": 0,
        "tinc_forward_secret_links{net=vpn}": 0,
        "tinc_node_direct_udp{net=vpn,node=bravo}": 1,
        "tinc_node_direct_udp{net=vpn,node=charlie}": 0,
        "tinc_node_reachable{net=vpn,node=echo}": 0,
        "tinc_node_mtu_bytes{net=vpn,node=bravo}": 1451,
        "tinc_node_udp_rtt_seconds{net=vpn,node=bravo}": 0.0118,
        "tinc_node_receive_bytes_total{net=vpn,node=bravo}": 884 << 20,
        "tinc_node_reachability_changes_total{net=vpn,node=bravo}": 1,
        "tinc_node_key_timestamp_seconds{net=vpn,node=bravo}": 1796007790,
        "tinc_data_bytes_total{direction=sent,net=vpn,path=tcp}": 11,
        "tinc_dropped_packets_total{net=vpn,reason=unknown-destination}": 3,
        "tinc_meta_messages_total{direction=received,net=vpn,request=PONG}": 4,
        "tinc_graph_runs_total{net=vpn}": 6,
        "tinc_loop_lag_seconds_bucket{le=+Inf,net=vpn}": 3,
        "tinc_loop_lag_seconds_count{net=vpn}": 3,
        "tinc_script_runs_total{net=vpn,result=ok,script=host-up}": 9,
        "tinc_connect_attempts_total{net=vpn,node=echo,result=refused}": 12,
        "tinc_process_resident_memory_bytes{net=vpn}": 42 << 20,
        "tinc_process_cpu_seconds_total{net=vpn}": 1.5,
    }
    assert {name: found.get(name) for name in expected} == expected
    # What is not known has no series, rather than a zero.
    assert "tinc_node_mtu_bytes{net=vpn,node=charlie}" not in found
    assert not any("node=alpha" in name for name in found)


@pytest.mark.parametrize(("words", "nodes"), [((), 3), (("--nodes", "all"), 304)])
def test_a_large_mesh_has_few_series(words: tuple[str, ...], nodes: int) -> None:
    crowd = [mesh.node(f"n{number}") for number in range(300)]
    played = stage(nodes=[*NODES, *crowd])
    assert played.call("metrics", *words) == 0
    found = [n for n in samples(played.text) if n.startswith("tinc_node_reachable{")]
    assert len(found) == nodes


def down(error: Exception) -> Any:
    def answer(method: str, path: str) -> tuple[int, bytes]:
        raise error

    return client(answer, "other")


@pytest.mark.parametrize(
    "error", [Unanswered("down"), RequestRefused(503, "not ready")], ids=str
)
def test_a_net_that_is_down(error: Exception) -> None:
    played = Stage(client(daemon(**LISTS)), down(error))
    assert played.call("metrics") == 0
    found = samples(played.text)
    assert (found["tinc_up{net=vpn}"], found["tinc_up{net=other}"]) == (1, 0)
    with pytest.raises(Forbidden):
        Stage(down(Forbidden("not you"))).call("metrics")


def test_a_file_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "tinc.prom"
    file.write_text("old")
    assert stage().call("metrics", "write", str(file)) == 0
    assert "tinc_up" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [file]
    with pytest.raises(Exception, match="needs a FILE"):
        stage().call("metrics", "write")


def test_the_collector_asks_nobody_before_it_is_asked() -> None:
    asked: list[bool] = []

    def find() -> list[exposition.Scrape]:
        asked.append(True)
        return [exposition.Scrape("vpn", None)]

    collector = exposition.NetCollector(find)
    assert list(collector.describe()) == []
    assert asked == []
    assert [family.name for family in collector.collect()] == ["tinc_up"]


class TestTop:
    def rows(self, seconds: float = 2.0) -> list[top.Row]:
        after = [
            {**mesh.BRAVO, "sent": mesh.way((1.2 * mesh.GIB) + 2_000_000)},
            {**mesh.CHARLIE, "sent": mesh.way(5)},
            mesh.DELTA,
            mesh.node("new", sent=mesh.way(9), received=mesh.way(9)),
            mesh.ALPHA,
        ]
        before = [mesh.ALPHA, mesh.BRAVO, mesh.CHARLIE, mesh.DELTA]
        return top.rows(before, after, seconds)

    def test_rates(self) -> None:
        rates = {row.node["name"]: row for row in self.rows()}
        assert set(rates) == {"bravo", "charlie", "delta", "new"}
        assert rates["bravo"].sent == 8_000_000
        assert rates["delta"].received == 0
        # Counters that began anew, and nodes that are new, have no rate yet.
        assert rates["charlie"].sent is None
        assert rates["new"].packets is None
        assert all(row.sent is None for row in self.rows(0))

    @pytest.mark.parametrize(
        ("column", "names"),
        [
            ("SENT/S", ["bravo", "delta", "charlie", "new"]),
            ("NODE", ["bravo", "charlie", "delta", "new"]),
            ("RTT", ["charlie", "bravo", "delta", "new"]),
        ],
    )
    def test_orders(self, column: str, names: list[str]) -> None:
        found = top.ordered(self.rows(), column)
        assert [row.node["name"] for row in found] == names

    @pytest.mark.parametrize(
        ("rate", "text"),
        [
            (None, "-"),
            (0, "0 bit"),
            (999.4, "999 bit"),
            (1200, "1.2 kbit"),
            (8e6, "8.0 Mbit"),
            (12e9, "12 Gbit"),
            (1e16, "10000 Tbit"),
        ],
    )
    def test_units(self, rate: float | None, text: str) -> None:
        assert top.bits(rate) == text

    def test_what_is_drawn(self) -> None:
        from rich.console import Console

        console = Console(width=80, record=True, file=io.StringIO())
        console.print(top._table(client(daemon()), self.rows(), "SENT/S"))
        text = console.export_text()
        assert "vpn: traffic by node" in text
        [bravo] = [line for line in text.splitlines() if "bravo" in line][:1]
        assert "8.0 Mbit" in bravo
        assert max(map(len, text.splitlines())) <= 80

    def test_without_a_terminal(self) -> None:
        played = stage(width=None)
        assert played.call("top") == 2
        assert "needs a terminal" in played.text
