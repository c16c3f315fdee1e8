"""Who may look through the control socket, who may change something, and its file.

Members of ControlGroup may look.  Root, and the user that the daemon has become, may
change something.  Others may not even connect.
"""

from __future__ import annotations

import grp
import pwd
import signal
import stat
from typing import Final

from conformance.harness.asking import ask, ask_as, socket_of
from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import ONE, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.scenario import Scenario
from conformance.harness.waits import wait_for

#: A group that every system has, in place of one of its own.
_GROUP: Final = "daemon"
_OPTIONS: Final = ((), ("-U", "nobody"), ("-R",), ("-R", "-U", "nobody"))
#: Users that no system has.
_SOMEBODY: Final = 54_321


def play(lab: Lab, placement: Placement) -> None:
    (kind,) = placement
    if kind is Kind.C:
        # C tincd has no such socket, but takes the variables for none.
        mesh = Mesh(lab, [Plan(name="node", kind=kind, server=_LINES)])
        mesh.start()
        (node,) = mesh
        expect(not socket_of(node).exists(), "a socket of C tincd")
        node.stop()
        return
    for directory in (lab.directory, *lab.directory.parents[:1]):
        directory.chmod(0o711)
    mesh = Mesh(lab, [Plan(name="node", kind=kind, server=_LINES)])
    (node,) = mesh
    socket_of(node).parent.chmod(0o711)
    for options in _OPTIONS:
        node.start(*options)
        _rights(node, "nobody" if "-U" in options else None)
        _end(node)
        # Who has become somebody else cannot take it away; the next start can.
        expect(bool(options) or not socket_of(node).exists(), "the socket is left")
    _stale(node)
    _none(mesh, node)


_LINES: Final = (f"ControlGroup = {_GROUP}", "EventHistory = 50", "HealthHoldOff = 9")


def _rights(node: TincNode, user: str | None) -> None:
    group = grp.getgrnam(_GROUP).gr_gid
    status = socket_of(node).lstat()
    expect(stat.S_ISSOCK(status.st_mode), "a socket")
    expect_equal("its mode", stat.S_IMODE(status.st_mode), 0o660)
    expect_equal("its group", status.st_gid, group)
    expect_equal("root looks", ask(node, "/v1/nodes")[0], 200)
    expect_equal("root changes", ask(node, "/v1/purge", "POST")[0], 200)
    member = _SOMEBODY, _SOMEBODY, str(group)
    for target in ("/v1/status", "/v1/nodes", "/v1/events", "/v1/counters"):
        expect_equal("a member looks", ask_as(node, target, "GET", *member), "200")
    for target in ("reload", "retry", "purge", "log-level?level=5", "ping?node=node"):
        said = ask_as(node, f"/v1/{target}", "POST", *member)
        expect_equal("a member changes nothing", said, "403")
    stranger = _SOMEBODY, _SOMEBODY, ""
    for target, method in (("/v1/nodes", "GET"), ("/v1/purge", "POST")):
        said = ask_as(node, target, method, *stranger)
        expect_equal("a stranger", said, "PermissionError")
    if user is not None:
        account = pwd.getpwnam(user)
        own = account.pw_uid, account.pw_gid, str(group)
        said = ask_as(node, "/v1/purge", "POST", *own)
        expect_equal("the user of the daemon changes", said, "200")


def _end(node: TincNode) -> None:
    """End it; with -U or -R it has no right any more to take its files away."""
    node.signal(signal.SIGTERM)
    wait_for(f"{node.name} ends", lambda: not node.alive, 20)
    node.pidfile.unlink(missing_ok=True)


def _stale(node: TincNode) -> None:
    """What a killed daemon leaves is replaced; what is no socket stays."""
    node.start()
    node.kill()
    expect(socket_of(node).exists(), "a killed daemon leaves its socket")
    node.start()
    expect_equal("a daemon after a killed one", ask(node, "/v1/nodes")[0], 200)
    node.stop()
    socket_of(node).write_text("precious")
    node.start()
    node.log.wait(r"^Could not open .*: there is a file that is no socket$", 10)
    node.stop()
    expect_equal("the file", socket_of(node).read_text(), "precious")
    socket_of(node).unlink()


def _none(mesh: Mesh, node: TincNode) -> None:
    """No socket is wanted."""
    node.start("-o", "ControlSocket=no")
    expect(not socket_of(node).exists(), "a socket that nobody wanted")
    node.stop()


SCENARIO: Final = Scenario(
    name="socket-rights",
    summary="who may look and who may change, with -U and -R; a stale socket",
    placements=ONE,
    play=play,
    seconds=20,
)
