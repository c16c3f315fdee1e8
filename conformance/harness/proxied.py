"""Two nodes on networks that only a proxy joins: through it, and refused by it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from conformance.harness import proxyserver
from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.netns import Lan, Namespace
from conformance.harness.probes import expect_ping
from conformance.harness.processes import PLAIN_PYTHON
from conformance.harness.waits import SOON, wait_for

SERVER: Final = Path(proxyserver.__file__)
#: Number of the proxy's host on both networks.
HOST: Final = 9
_PORT: Final = 1080
_PROXY_HOST: Final = f"10.99.1.{HOST}"
PROXY: Final = f"{_PROXY_HOST} {_PORT}"
_PROXY_PASSED: Final = 0x200

#: Where the called node is, and a name for it that only the proxy knows.
ADDRESS: Final = "10.99.2.2"
ADDRESS6: Final = "fd99:2::2"
NAME: Final = "b.example"


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way through the proxy.

    ``proxy`` is the value of Proxy, ``serve`` what the server is started with,
    ``request`` what it must be sent, ``target`` the Address of the called node, and
    ``edge`` where the caller's edge says that it is.  ``refused`` is a line of the log
    in place of a connection.
    """

    what: str
    proxy: str
    serve: tuple[str, ...]
    request: bytes
    target: str = ADDRESS
    edge: str = f"{ADDRESS} port 655"
    refused: str | None = None
    ours_only: bool = False


def pass_through(bench: Bench, way: Way) -> None:
    """Connect, use it, lose the proxy, and connect again."""
    caller, called = bench.caller, bench.called
    mark = caller.log.mark()
    called.start()
    caller.start()
    _expect_passed(bench, way, mark)
    # A command that is slow to start may find the next proxy, and so pass.
    mark = caller.log.mark()
    bench.stop_serving()
    caller.wait_unreachable(called.name)
    bench.serve(way)
    _expect_passed(bench, way, mark)
    if way.proxy.startswith("exec") and caller.kind is Kind.OURS:
        children = Path(f"/proc/{caller.pid}/task/{caller.pid}/children").read_text()
        expect_equal("processes of the caller", len(children.split()), 1)
    if way.proxy.startswith("exec") and caller.kind is Kind.C:
        # Its commands inherit the device, which lives on until they have ended.
        caller.signal(signal.SIGTERM)
        wait_for("a stopped", lambda: not caller.alive, SOON)
        called.stop()
    else:
        bench.mesh.stop()


def _expect_passed(bench: Bench, way: Way, mark: int) -> None:
    caller, called = bench.caller, bench.called
    bench.mesh.wait_reachable()
    expect_ping(caller, called.address, count=5)
    expect_ping(called, caller.address, count=5)
    target = f"{way.target} port 655"
    dump = caller.dump()
    (row,) = dump.connections
    expect_equal("the connection's host", row.host, target)
    expect(bool(row.status & _PROXY_PASSED), f"status {row.status:04x}")
    (edge,) = (edge for edge in dump.edges if edge.source == caller.name)
    expect_equal("where the edge leads", edge.host, way.edge)
    wanted = [f"Connected to b ({target})", f"Connection with b ({target}) activated"]
    if way.proxy.startswith("exec "):
        wanted.insert(0, f"Using proxy {way.proxy.removeprefix('exec ')}")
    else:
        wanted.insert(0, f"Using proxy at {_PROXY_HOST} port {_PORT}")
        wanted.insert(2, "Proxy request granted")
    _expect_in_order(caller, wanted, mark)


def _expect_in_order(node: TincNode, wanted: Sequence[str], mark: int) -> None:
    lines = iter(node.log.text(mark).splitlines())
    for line in wanted:
        expect(line in lines, f"not in the log, or not in its place: {line}")


def be_refused(bench: Bench, line: str) -> None:
    """Be told no, and go on trying; nothing of ours reaches the other side."""
    caller, called = bench.caller, bench.called
    mark, called_mark = caller.log.mark(), called.log.mark()
    called.start()
    caller.start()
    caller.log.wait(f"^{line}$", 10, mark)
    caller.log.wait(r"^Trying to re-establish outgoing connection in ", 10, mark)
    expect(
        not called.log.has("^Connection from", called_mark),
        "the proxy let somebody through",
    )
    bench.mesh.stop()
    if caller.kind is Kind.OURS:
        gap = r"\nClosing connection with b \(.*\)\nCould not set up a meta connection"
        expect(caller.log.has(f"^{line}{gap}", mark), "the connection did not end")


class Bench:
    """A caller and a called node on two networks, and the proxy on both."""

    def __init__(self, lab: Lab, placement: Placement) -> None:
        kind_caller, kind_called = placement
        near, far = lab.lan(1), lab.lan(2)
        plans = [
            Plan(name="a", kind=kind_caller, connect_to=("b",)),
            Plan(name="b", kind=kind_called),
        ]
        self.mesh = Mesh(lab, plans, lans={"a": [near], "b": [far]})
        self.caller, self.called = self.mesh
        self._lab = lab
        self._namespace = _host(lab, near, far)
        self._out = lab.directory / "proxy.txt"
        self._child: subprocess.Popen[bytes] | None = None
        self._tinc_conf = (self.caller.etc / "tinc.conf").read_text()
        self._host_file = (self.caller.etc / "hosts" / "b").read_text()

    def configure(self, proxy: str, target: str) -> None:
        """Set the caller's Proxy, and its Address for the called node."""
        conf = f"{self._tinc_conf}Proxy = {proxy}\n"
        (self.caller.etc / "tinc.conf").write_text(conf)
        host = self._host_file.replace(f"Address = {ADDRESS}\n", "")
        (self.caller.etc / "hosts" / "b").write_text(f"Address = {target}\n{host}")

    def serve(self, way: Way) -> None:
        """Start the proxy; what it records begins anew."""
        kind, *words = way.serve
        argv = [*PLAIN_PYTHON, str(SERVER), kind, "0.0.0.0", str(_PORT)]
        argv += [f"name={NAME}={ADDRESS}", *words]
        with self._out.open("wb") as out:
            self._child = self._lab.processes.start(
                self._namespace.command(*argv),
                what="proxy",
                stdout=out,
                stderr=out,
                service=True,
            )
        wait_for(
            "the proxy listens", lambda: "listening" in self._out.read_text(), SOON
        )

    def stop_serving(self) -> None:
        """Kill the proxy, and all connections through it."""
        if self._child is not None and self._child.poll() is None:
            self._child.kill()
            self._child.wait()

    def requests(self) -> list[bytes]:
        """Return what the proxy was asked for."""
        listening, *requests = self._out.read_text().splitlines()
        expect_equal("the proxy's first word", listening, "listening")
        return [bytes.fromhex(request) for request in requests]


def _host(lab: Lab, *lans: Lan) -> Namespace:
    namespace = lab.namespace("proxy")
    for index, lan in enumerate(lans):
        lan.join(namespace, HOST, f"eth{index}")
    return namespace
