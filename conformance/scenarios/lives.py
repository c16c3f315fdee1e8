"""A life detached: statuses, syslog, log and pid files, signals, a second start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from conformance.harness.kinds import ONE, Placement
from conformance.harness.lab import Lab
from conformance.harness.outputs import Row, compare
from conformance.harness.scenario import Scenario

_LOG: Final = "/var/log/tinc.vpn.log"
#: Options after which the log is there.
_LOGGED: Final = "-n vpn --logfile "
_SCRIPT: Final = '#!/bin/sh\necho "$0 $NAME $NETNAME $SUBNET $(pwd)" >> /run/scripts\n'
_SCRIPTS: Final[Mapping[str, str | None]] = {
    f"vpn/{name}": _SCRIPT
    for name in ("tinc-up", "tinc-down", "subnet-up", "subnet-down")
}

#: At debug level 4 and above a log tells the keys of packets.
_PRIVATE: Final = ((r"^log/tinc\.vpn\.log, mode 644:$", "log/tinc.vpn.log, mode 600:"),)
_WHY_PRIVATE: Final = "a log file that tells keys is for its owner alone"

#: Complaints, and those that a count stands for.
_FLOOD: Final = r"""
/usr/sbin/tincd -n vpn --logfile
await said ': Ready$'; await idle
end
awk '/subnet-up exited with non-zero status 3/ { said++ }
  /last line repeated/ { counted += $(NF - 1) == "repeated" ? 1 : $(NF - 1) }
  END { print said + counted; print said < 60 ? "counted" : "one line each" }' \
  /var/log/tinc.vpn.log
rm /var/log/tinc.vpn.log
"""


def play(lab: Lab, placement: Placement) -> None:
    compare(lab, placement, _ROWS)


def _life(
    name: str,
    options: str,
    meanwhile: str = "",
    *,
    files: Mapping[str, str | None] | None = None,
    pidfile: str = "/run/tinc.vpn.pid",
    before: str = "",
    ours: tuple[tuple[str, str], ...] = (),
    why: str = "",
) -> Row:
    """Detached with some options; ``meanwhile`` is run while it is at rest."""
    ready = "await said ': Ready$'" if f"{options} ".startswith(_LOGGED) else ""
    script = f"""
{before}
run /usr/sbin/tincd {options}
{ready}
await idle {pidfile}
{meanwhile}
end {pidfile}
"""
    return Row(name=name, script=script, files=files or {}, ours=ours, why=why)


def _signals(*names: str) -> str:
    """Signals one after the other, each when the last was dealt with."""
    commands = [
        f"run /usr/sbin/tincd -n vpn -k{name}; sleep 0.1; await idle" for name in names
    ]
    return "\n".join(commands)


def _failure(name: str, options: str, files: Mapping[str, str | None]) -> Row:
    """What C fails in the background, where its caller does not see it."""
    return Row(
        name=name,
        script=f"run /usr/sbin/tincd {options}; await gone",
        files=files,
        ours=(
            (r"^stdout:\nstatus 0", "stdout:\nstatus 1"),
            (
                r"^stderr:\n((?:.*\n)*<27>TIME tinc.vpn\[PID\]: (.*)\n)",
                r"stderr:\n\2\n\1",
            ),
        ),
        why="who starts it in the background sees that it fails, and why",
    )


def _refused(name: str, script: str) -> Row:
    return Row(name=name, script=script)


_FOREIGN: Final = """
sleep 60 & printf "{}" $! > /run/tinc.vpn.pid
/usr/sbin/tincd -n vpn {} 2>&1 | sed "s/$!/PID/"
kill $!; {{ wait $!; }} 2> /dev/null
rm /run/tinc.vpn.pid
"""

_ROWS: Final = (
    _life("syslog", "-n vpn"),
    _life("syslog, more", "-n vpn -d5", _signals("USR1", "USR2", "INT", "INT")),
    _life("syslog, rest", "-n vpn -d 2", _signals("HUP", "ALRM", "WINCH")),
    _life(
        "no net",
        "",
        pidfile="/run/tinc.pid",
        before="cp -R $net/. /etc/tinc/; rm -R $net",
    ),
    _life(
        "-n .",
        "-n . --logfile",
        pidfile="/run/tinc.pid",
        before="cp -R $net/. /etc/tinc/",
    ),
    _life("-c alone", "-c $net", pidfile="/run/tinc.pid"),
    _life("-c and -n", "-c /etc/tinc/vpn -n net", pidfile="/run/tinc.net.pid"),
    _life("a log file", "-n vpn --logfile"),
    _life("a log file, said twice", "--logfile -n vpn --logfile=/var/log/x"),
    _life("a log file of some name", "-n vpn -d --logfile /var/log/x"),
    _life(
        "a log file that cannot be",
        "-n vpn --logfile=/nowhere/x",
        ours=(
            (
                r"^syslog:$",
                "syslog:\n"
                "<29>TIME tinc.vpn[PID]: tincd 1.0.36 starting, debug level 0\n"
                "<30>TIME tinc.vpn[PID]: dummy (dummy) is a dummy device\n"
                "<29>TIME tinc.vpn[PID]: Ready\n"
                "<29>TIME tinc.vpn[PID]: Got TERM signal\n"
                "<29>TIME tinc.vpn[PID]: Terminating",
            ),
        ),
        why="what cannot be logged to the file goes where it went without one",
    ),
    _life(
        "level -1",
        "-n vpn --logfile -d-1",
        ours=(
            (r"^TIME \S+ Listening on .*\n", ""),
            (r"^(TIME \S+ )Statistics (?:.*\n)*?.*\(MYSELF\)\n", ""),
        ),
        why="less than level 0 is not all there is",
    ),
    _life("a pid file", "-n vpn --pidfile /run/x", pidfile="/run/x"),
    _life("umask", "-n vpn --logfile", before="umask 077"),
    *(
        _life(f"level {level}", f"-n vpn --logfile -d{level}", _signals("USR1", "USR2"))
        for level in ("0", "1", "2", "3")
    ),
    *(
        _life(
            f"level {level}",
            f"-n vpn --logfile -d{level}",
            _signals("USR1", "USR2"),
            ours=_PRIVATE,
            why=_WHY_PRIVATE,
        )
        for level in ("4", "5", "6")
    ),
    _life("-d -d -d", "-n vpn --logfile -d -d -d"),
    _life("-dd", "-n vpn --logfile -dd -d"),
    _life("-d 3 -d", "-n vpn --logfile -d 3 -d", ours=_PRIVATE, why=_WHY_PRIVATE),
    *(
        _life(f"SIG{name}", "-n vpn --logfile -d1", _signals(name))
        for name in ("HUP", "ALRM", "USR1", "USR2", "WINCH", "INT")
    ),
    _life("INT and more", "-n vpn --logfile -d3", _signals("INT", "ALRM", "INT")),
    _life(
        "INT twice from above",
        "-n vpn --logfile -d9",
        _signals("INT", "INT"),
        ours=_PRIVATE,
        why=_WHY_PRIVATE,
    ),
    _life(
        "rotation",
        "-n vpn --logfile",
        f"mv {_LOG} {_LOG}.1; {_signals('ALRM', 'HUP', 'ALRM')}",
    ),
    _life(
        "a rotation that fails",
        "-n vpn --logfile=/var/log/d/x",
        f"mkdir /var/log/d2; mv /var/log/d/x /var/log/d2; rmdir /var/log/d; "
        f"{_signals('HUP')}",
        before="mkdir /var/log/d",
    ),
    _life(
        "scripts",
        "-n vpn --logfile -d2",
        files=_SCRIPTS,
        ours=((r"^(TIME .*subnet-down\n)(TIME .*\(MYSELF\)\n)", r"\2\1"),),
        why="scripts run beside the rest",
    ),
    _life(
        "scripts that fail",
        "-n vpn --logfile",
        files={"vpn/tinc-up": "#!/bin/sh\nexit 3\n", "vpn/tinc-down": "exit 4\n"},
    ),
    Row(
        name="a flood of complaints",
        script=_FLOOD,
        files={
            "vpn/hosts/alpha": "".join(f"Subnet = 10.{n}.0.0/16\n" for n in range(60)),
            "vpn/subnet-up": "#!/bin/sh\nexit 3\n",
        },
        ours=((r"^one line each$", "counted"),),
        why="a line that is repeated without end becomes a count",
    ),
    _life(
        "a script killed",
        "-n vpn --logfile",
        files={"vpn/tinc-up": "#!/bin/sh\nkill -9 $$\n"},
    ),
    _life(
        "a script of no interpreter",
        "-n vpn --logfile",
        files={"vpn/tinc-up": "#!/no/such/shell\n"},
    ),
    _life(
        "a stale pid file",
        "-n vpn",
        before="echo 4194000 > /run/tinc.vpn.pid",
    ),
    _life("a pid file of garbage", "-n vpn", before="echo rubbish > /run/tinc.vpn.pid"),
    _life(
        "options of -o", "-n vpn --logfile -o alpha.Subnet=10.7.0.0/16 -oPort=700 -d1"
    ),
    _life("-o with blanks", "-n vpn --logfile -o 'Port 701' -o 'alpha.Port = 9' -d1"),
    _life("-L", "-n vpn -L --logfile"),
    Row(
        name="QUIT",
        script="""
run /usr/sbin/tincd -n vpn --logfile
await idle
kill -QUIT $(cat /run/tinc.vpn.pid)
await gone
""",
    ),
    Row(
        name="a second start",
        script="""
run /usr/sbin/tincd -n vpn
await idle
/usr/sbin/tincd -n vpn 2>&1 | sed "s/ $(cat /run/tinc.vpn.pid)/ PID/"
/usr/sbin/tincd -n vpn -D 2>&1 | sed "s/ $(cat /run/tinc.vpn.pid)/ PID/"
run /usr/sbin/tincd -n vpn -k
await gone
""",
    ),
    _refused("a foreign process", _FOREIGN.format("%d\\n", "")),
    _refused("a foreign process, -D", _FOREIGN.format(" %d more\\nlines", "-D")),
    _refused("no directory", "run /usr/sbin/tincd -n vpn --pidfile=/nowhere/pid"),
    _refused("a directory", "run /usr/sbin/tincd -n vpn --pidfile=/run -D"),
    _failure("no key, detached", "-n vpn", {"vpn/rsa_key.priv": None}),
    _failure("no name, detached", "-n vpn", {"vpn/tinc.conf": "DeviceType = dummy\n"}),
    Row(
        name="a broken tinc.conf, a log file",
        script="run /usr/sbin/tincd -n vpn --logfile",
        files={"vpn/tinc.conf": "Name = alpha\nPort\n"},
    ),
)

SCENARIO: Final = Scenario(
    name="lives",
    summary="a life detached: syslog, log and pid files, signals, scripts as of C",
    placements=ONE,
    play=play,
    limit=400,
    seconds=25,
    needs_c=True,
)
