"""The exporter beside a daemon between two C tincds, scraped over HTTP.

It runs as a unit with ``DynamicUser`` does: as a user that no system has, whose one
right is the group of the control socket.  It exposes what ``status --json`` says.
"""

from __future__ import annotations

import grp
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from prometheus_client.parser import text_string_to_metric_families

from conformance.harness.asking import socket_of
from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import NETNAME
from conformance.harness.exporter import Exporter
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.operator import Operator, Record
from conformance.harness.probes import expect_ping
from conformance.harness.promtool import promtool
from conformance.harness.scenario import Scenario
from conformance.harness.waits import SOON, Failed, wait_for

#: A group that every system has, and a user that none has.
_GROUP: Final = "daemon"
_SOMEBODY: Final = 54_321
_RULES: Final = Path(__file__).resolve().parents[2] / "contrib/prometheus"

#: Name of a sample and its labels, in the order of their names and without the net.
_Key: TypeAlias = tuple[str, tuple[str, ...]]
_Figures: TypeAlias = Mapping[_Key, float]


def play(lab: Lab, placement: Placement) -> None:
    for directory in (lab.directory, *lab.directory.parents[:1]):
        directory.chmod(0o711)
    kind_a, kind_b, kind_c = placement
    server = (f"ControlGroup = {_GROUP}",)
    plans = [
        Plan(name="a", kind=kind_a, connect_to=("b",)),
        Plan(name="b", kind=kind_b, connect_to=("c",), server=server),
        Plan(name="c", kind=kind_c, subnets=("172.30.3.0/24", "172.30.3.1/32")),
    ]
    mesh = Mesh(lab, plans)
    a, b, c = mesh
    socket_of(b).parent.chmod(0o711)
    mesh.start()
    mesh.wait_reachable()
    for node in (a, c):
        b.wait_pmtu(node.name)
        expect_ping(b, node.address, count=3)
    member = (_SOMEBODY, grp.getgrnam(_GROUP).gr_gid)
    exporter = Exporter(lab, b.namespace, {NETNAME: socket_of(b)}, member=member)
    operator = Operator(b)
    # A figure may change between two questions, but not each time.
    wait_for("figures agree with status", lambda: _agree(exporter, operator), SOON)
    _promtool(exporter)
    _healthy(exporter)
    c.stop()
    b.wait_unreachable("c")
    figures = _figures(exporter)
    for name in ("tinc_node_reachable", "tinc_connect_to_up"):
        expect_equal(f"{name} of a node that is gone", figures[name, ("c",)], 0)
    expect_equal("ready with one link", exporter.get(f"/ready/{NETNAME}").status, 200)
    a.stop()
    # With its last link it forgets all others.
    b.wait_dump("nobody else is known", lambda dump: len(dump.nodes) == 1, SOON)
    ready = exporter.get(f"/ready/{NETNAME}")
    expect_equal("ready without a link", ready.status, 503)
    codes = [each["code"] for each in ready.records[0]["problems"]]
    expect("no-link" in codes, f"problems without a link: {codes}")
    b.stop()
    expect_equal("without the daemon", dict(_figures(exporter)), {("tinc_up", ()): 0})
    for path in ("health", "ready"):
        expect_equal(path, exporter.get(f"/{path}/{NETNAME}").status, 503)
    expect_equal("the exporter itself", exporter.get("/healthz").status, 200)
    b.start()
    expect_equal("with it again", _figures(exporter)["tinc_up", ()], 1)
    exporter.complain()


def _figures(exporter: Exporter) -> _Figures:
    """Scrape once, as Prometheus does."""
    page = exporter.get("/metrics")
    expect_equal("status of /metrics", page.status, 200)
    found: dict[_Key, float] = {}
    for family in text_string_to_metric_families(page.body.decode()):
        for sample in family.samples:
            labels = dict(sample.labels)
            expect_equal(f"net of {sample.name}", labels.pop("net"), NETNAME)
            values = tuple(labels[key] for key in sorted(labels))
            found[sample.name, values] = sample.value
    return found


def _agree(exporter: Exporter, operator: Operator) -> bool:
    """Hold figures against what ``status --json`` says before and after them."""
    before = operator.says("status", "--json").records
    figures = _figures(exporter)
    after = operator.says("status", "--json").records
    for old, new in zip(before, after, strict=True):
        if _of(old) != _of(new):
            return False
    wanted = {key: value for record in after for key, value in _of(record).items()}
    for key, value in wanted.items():
        expect_equal(f"figure {key}", figures.get(key), value)
    names = {labels[0] for name, labels in figures if name == "tinc_node_reachable"}
    expect_equal("nodes with figures", names, {"a", "c"})
    expect_equal("links", _sum(figures, "tinc_links"), after[0]["links"])
    expect(_sum(figures, "tinc_meta_messages_total") > 10, "few messages")
    expect(figures["tinc_process_open_fds", ()] > 5, "few descriptors")
    return True


def _sum(figures: _Figures, wanted: str) -> float:
    return sum(value for (name, _), value in figures.items() if name == wanted)


def _of(record: Record) -> dict[_Key, Any]:
    """Return the figures that follow from a record of status or of a node."""
    if "data_plane" in record:
        about = (record["data_plane"], record["name"], record["version"])
        paths = {
            ("tinc_nodes", (path,)): amount
            for path, amount in record["nodes"].items()
            if path != "known"
        }
        return {
            ("tinc_up", ()): 1,
            ("tinc_build_info", about): 1,
            ("tinc_edges", ()): record["edges"],
            ("tinc_subnets", ()): record["subnets"],
            ("tinc_connect_to_up", ("c",)): 1,
            **paths,
        }
    if record["self"]:
        return {}
    node = (record["name"],)
    wanted: dict[_Key, Any] = {
        ("tinc_node_reachable", node): int(record["reachable"]),
        ("tinc_node_direct_udp", node): int(record["path"] == "udp"),
        ("tinc_node_mtu_bytes", node): record["mtu"],
        ("tinc_node_udp_rtt_seconds", node): record["rtt_udp"],
        ("tinc_node_reachability_changes_total", node): record["changes"],
    }
    for way, word in (("sent", "transmit"), ("received", "receive")):
        for unit in ("bytes", "packets"):
            wanted[f"tinc_node_{word}_{unit}_total", node] = record[way][unit]
    return wanted


def _healthy(exporter: Exporter) -> None:
    for path in ("/healthz", f"/health/{NETNAME}", f"/ready/{NETNAME}"):
        page = exporter.get(path)
        expect_equal(f"status of {path}: {page.body!r}", page.status, 200)
    expect_equal("a net that is none", exporter.get("/health/other").status, 404)
    expect_equal("a path that is none", exporter.get("/").status, 404)


def _promtool(exporter: Exporter) -> None:
    """Let Prometheus's own tool judge figures, alerts and the tests of these."""
    program = promtool()
    if program is None:
        return
    text = exporter.get("/metrics").body
    for words, given in (
        (("check", "metrics"), text),
        (("check", "rules", "tinc.rules.yml"), b""),
        (("test", "rules", "tinc.test.yml"), b""),
    ):
        done = subprocess.run(
            [program, *words], cwd=_RULES, input=given, check=False, capture_output=True
        )
        if done.returncode != 0:
            raise Failed(f"promtool {' '.join(words)}: {done.stdout!r} {done.stderr!r}")


SCENARIO: Final = Scenario(
    name="exporter",
    summary="figures and health by HTTP, as status has them, without root",
    placements=((Kind.C, Kind.OURS, Kind.C), (Kind.OURS, Kind.OURS, Kind.OURS)),
    play=play,
    seconds=25,
)
