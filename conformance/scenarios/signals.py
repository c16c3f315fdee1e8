"""Every signal at every moment: while a script of the start or of the stop runs.

The scenario ``lives`` has those to a daemon at rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from conformance.harness.kinds import ONE, Placement
from conformance.harness.lab import Lab
from conformance.harness.outputs import Row, compare
from conformance.harness.scenario import Scenario

_LOG: Final = "/var/log/tinc.vpn.log"
_SCRIPTS: Final = ("tinc-up", "subnet-up", "subnet-down", "tinc-down")
#: What shows at once that a signal was taken.
_TAKEN: Final = {
    "HUP": "Got HUP signal",
    "ALRM": "Got ALRM signal",
    "USR1": "End of connections",
    "USR2": "End of subnet list",
}
#: Takes a while, and the rest with it, to see which scripts run.
_LINGERS: Final = """#!/bin/sh
echo ${0##*/} >> /run/ran; : > /run/at
while ! [ -e /run/go ]; do sleep 0.05; done
"""
_RUNS: Final = "#!/bin/sh\necho ${0##*/} >> /run/ran\n"
#: A host file that is there only after the start is found by a reload.
_MAIN: Final = "Name = alpha\nDeviceType = dummy\nStrictSubnets = yes\n"


def play(lab: Lab, placement: Placement) -> None:
    compare(lab, placement, _ROWS)


def _files(lingers: str) -> Mapping[str, str | None]:
    scripts = {
        f"vpn/{name}": _LINGERS if name == lingers else _RUNS for name in _SCRIPTS
    }
    return {"vpn/tinc.conf": _MAIN, **scripts}


def _send(*names: str) -> str:
    """Signals one after the other, each when it shows that the last was taken."""
    steps = []
    for name in names:
        steps.append(f"kill -{name} $(cat /run/tinc.vpn.pid)")
        if name in _TAKEN:
            steps.append(f"await said '{_TAKEN[name]}'")
    return "; ".join(steps)


def _start(script: str, names: tuple[str, ...], then: str = ":") -> Row:
    """Signals while a script of the start runs; ``then`` follows ``Ready``.

    The log has been moved away, so what follows a reload is in a new one.
    """
    return Row(
        name=f"{' and '.join(names)} during {script}",
        script=f"""
run /usr/sbin/tincd -n vpn -d{_level(names)} --logfile
await test -e /run/at
{_send(*names)}
echo 'Subnet = 10.2.0.0/16' > $net/hosts/beta
{f"mv {_LOG} {_LOG}.1" if "HUP" in names else ":"}
: > /run/go
{then}
await idle
{_send("USR2") if "USR2" not in names else ":"}
rm $net/hosts/beta
end
""",
        files=_files(script),
    )


def _stop(
    script: str,
    names: tuple[str, ...],
    ours: tuple[tuple[str, str], ...] = (),
    why: str = "",
) -> Row:
    """Signals while a script of the stop runs."""
    return Row(
        name=f"{' and '.join(names)} during {script}",
        script=f"""
run /usr/sbin/tincd -n vpn -d{_level(names)} --logfile
await said ': Ready$'; await idle
kill $(cat /run/tinc.vpn.pid)
await test -e /run/at
{_send(*names)}
: > /run/go
await gone
""",
        files=_files(script),
        ours=ours,
        why=why,
    )


def _level(names: tuple[str, ...]) -> int:
    return 3 if "WINCH" in names else 0


def _end(script: str, name: str, status: int, more: str, why: str) -> Row:
    """What a signal comes to: status, pid file and scripts, without any words.

    C ends with ``status`` at once; ours with 0, when ``more`` scripts have run.
    """
    stops = script.endswith("-down")
    ours = (rf"^status {status}\nwith pid file\n(.*)$", rf"status 0\n\1{more}")
    return Row(
        name=f"{name} during {script}",
        script=f"""
sh -c 'exec /usr/sbin/tincd -n vpn -D --logfile' 2> /dev/null & daemon=$!
{"await said ': Ready$'; await idle; kill $daemon" if stops else ":"}
await test -e /run/at
kill -{name} $daemon; sleep 0.2
: > /run/go
wait $daemon 2> /dev/null; echo "status $?"
[ ! -e /run/tinc.vpn.pid ] || echo "with pid file"
echo $(cat /run/ran)
rm -f /run/* {_LOG}
""",
        files=_files(script),
        ours=(ours,) if status else (),
        why=why,
    )


_READY: Final = "await said ': Ready$'"
_REOPENED: Final = f"await test -e {_LOG}"
_FLUSHED: Final = "await said 'Flushing event queue' {}"

_ROWS: Final = (
    *(
        _start(script, names, then)
        for script in ("tinc-up", "subnet-up")
        for names, then in (
            (("USR1",), _READY),
            (("USR2",), _READY),
            (("ALRM",), _FLUSHED.format(_LOG)),
            (("HUP",), _REOPENED),
            (("HUP", "ALRM"), f"{_FLUSHED.format(f'{_LOG}.1')}; {_REOPENED}"),
            (("ALRM", "HUP"), f"{_FLUSHED.format(f'{_LOG}.1')}; {_REOPENED}"),
        )
    ),
    *(
        _stop("subnet-down", names)
        for names in (("HUP",), ("ALRM",), ("USR1",), ("USR2",), ("HUP", "ALRM"))
    ),
    _stop(
        "subnet-down",
        ("WINCH", "USR1"),
        ours=(
            (r"^(.*Executing script subnet-down\n(?:.*\n)*?)(.*\(MYSELF\)\n)", r"\2\1"),
        ),
        why="scripts run beside the rest",
    ),
    *(_stop("tinc-down", names) for names in (("HUP",), ("ALRM",), ("HUP", "ALRM"))),
    *(_end("tinc-down", name, 139, "", "C crashes") for name in ("USR1", "USR2")),
    *(
        _end(script, "TERM", 1, more, "what was begun is undone")
        for script, more in (
            ("tinc-up", " tinc-down"),
            ("subnet-up", " subnet-down tinc-down"),
            ("subnet-down", " tinc-down"),
            ("tinc-down", ""),
        )
    ),
    # C does not hear it while a script runs; ours hurries, which shows in no status.
    *(_end(script, "QUIT", 0, "", "") for script in ("subnet-down", "tinc-down")),
)

SCENARIO: Final = Scenario(
    name="signals",
    summary="signals while scripts of the start and of the stop run, as of C",
    placements=ONE,
    play=play,
    limit=400,
    seconds=30,
    needs_c=True,
)
