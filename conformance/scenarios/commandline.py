"""The command line: every option and getopt's quirks, ``-k`` in all its forms."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Final

from conformance.harness.kinds import ONE, Placement
from conformance.harness.lab import Lab
from conformance.harness.outputs import Row, compare
from conformance.harness.scenario import Scenario

#: Words behind /usr/sbin/tincd that are complained about, or answered at once.
_COMPLAINTS: Final = (
    "-x",
    "-Dx",
    "-xD",
    "-h",
    "-V",
    "--foo",
    "--foo=bar",
    "-n",
    "-c",
    "-o",
    "-U",
    "-Dn",
    "--net",
    "--config",
    "--option",
    "--user",
    "--pidfile",
    "--no-detach=yes",
    "--mlock=1",
    "--n",
    "--n=vpn",
    "--c",
    "--lo",
    "--log=a --log=b",
    "--p",
    "--",
    "-- stray",
    "stray",
    "stray -x",
    "-D stray",
    "-",
    "-n a -n b",
    "-n . -n a -n b",
    "-n a -n .",
    "-c a -c b",
    "--pidfile=a --pidfile=b",
    "--logfile=a --logfile=b",
    "--logfile a --logfile b",
    "-kFOO",
    "-k FOO",
    "-k0",
    "-kSIGHUP",
    "-kQUIT",
    "-k=9",
    "--kill=",
    "--kill=bar -x",
    "-K511",
    "-K 0",
    "-Kbig",
    "--generate-keys=12",
    "--generate-keys=",
    "-o",
    "-oName",
    "-o Name=",
    "-o Name",
    "-o =",
    "-o a.b=1 -oX",
    "-o ''",
    "--option=Key",
    "-n vpn --no-such -K",
    "-dd stray",
    "-d stray -x",
)

#: With no net of that name there is nothing to start.
_NOTHING_THERE: Final = (
    "-n none",
    "-n none -D",
    "-D -n none -d3 --mlock --chroot -U nobody",
    "-n .",
    "",
    "-D",
    "-c /nowhere",
    "-c /nowhere -D",
    "-c /nowhere -n none -D",
    "--config /nowhere -n none",
    "--con=/nowhere --no-d",
    "-n none -o Name=alpha",
    "-n none -d -d -d",
    "-n none -d 3",
    "-n none -dd",
    "--de=2 --ne=none",
    "-Dnnone",
    "-Dn none",
    "-D -d -n none",
    "-n none --logfile",
    "-n none --logfile /var/log/other.log",
    "-n none -k",
    "-n none -kHUP",
    "-n none -k HUP",
    "-n none -khup",
    "-n none -k hup",
    "-n none -k1",
    "-n none --kill",
    "-n none --kill=USR1",
    "-n none --kill USR1",
    "-n none --ki=Usr2",
    "-n none -k -K",
    "-k",
    "-n . -k",
    "-k -n none",
    "-n none -k --pidfile=/run/other.pid",
    "-n none -c /nowhere -k",
    "-n none -kABRT",
    "-n none -k -9",
    "-k 15 -n none",
)


def play(lab: Lab, placement: Placement) -> None:
    rows = [*_words(), *_refused(), *_ANSWERS, *_KILLS, *_foreign()]
    compare(lab, placement, rows)


def _words() -> Iterator[Row]:
    for words in (*_COMPLAINTS, *_NOTHING_THERE):
        command = f"/usr/sbin/tincd {words}".rstrip()
        yield Row(name=words or "nothing", script=f"run {command}")
    yield Row(
        name="POSIXLY_CORRECT",
        script="export POSIXLY_CORRECT=1; run /usr/sbin/tincd stray -x",
    )


def _refused() -> Iterator[Row]:
    """Names of nets that mean files elsewhere."""
    for netname, shown in (("", ""), ("..", ".."), ("a/b", "a/b")):
        complaint = f"Invalid netname `{shown}': it must be a plain file name"
        yield Row(
            name=f"netname {netname!r}",
            script=f"run /usr/sbin/tincd -D --net={netname}",
            ours=((r"^Cannot open config file .*\n.*$", complaint),),
            why="a netname becomes part of file names",
        )


_OPTIONS_OF_HELP: Final = "grep -o -- '--[a-z][a-z-]*' | sort -u"
_VERSION: Final = "echo $(/usr/sbin/tincd {} | head -n 1); echo $?"

_ANSWERS: Final = (
    Row(name="--version", script=_VERSION.format("--version")),
    Row(name="--vers", script=_VERSION.format("--vers")),
    Row(name="--version first", script=_VERSION.format("--help -k -K --version")),
    Row(name="--version, an error later", script=_VERSION.format("--version -x")),
    Row(
        name="--help",
        script=f"/usr/sbin/tincd --help | {_OPTIONS_OF_HELP}",
        ours=(
            (r"^(--chroot)$", r"--check\n\1"),
            (r"^(--kill)$", r"--json\n\1"),
        ),
        why="C cannot look a configuration through",
    ),
    Row(name="--h, usage line", script="/usr/sbin/tincd --h -k | head -n 1"),
    Row(name="--help, status", script="run /usr/sbin/tincd --help > /dev/null"),
)

_KILL_FORMS: Final = ("-k", "-kHUP", "-k usr1", "--kill=15", "-k 12", "--kill")


def _kill(name: str, content: str, words: str = "-k", before: str = ":") -> Row:
    script = f"""
{before}
printf '{content}' > /run/tinc.vpn.pid
run /usr/sbin/tincd -n vpn {words}
"""
    return Row(name=f"{words}, pid file: {name}", script=script)


_KILLS: Final = (
    _kill("empty", ""),
    _kill("garbage", "hello\\n"),
    _kill("blank first", "  4194000\\n"),
    _kill("zero", "0\\n"),
    *(_kill("stale", "4194000\\n", words) for words in _KILL_FORMS),
    _kill("stale, rest", "4194000 and more\\nlines\\n"),
    _kill("stale, no newline", "4194000", "-k --pidfile=/run/tinc.vpn.pid"),
    Row(
        name="-k, pid file of no net",
        script="echo 4194000 > /run/tinc.pid; run /usr/sbin/tincd -k",
    ),
    Row(
        name="-k, pid file a directory",
        script="mkdir /run/tinc.vpn.pid; run /usr/sbin/tincd -n vpn -k",
    ),
)


def _foreign() -> Iterator[Row]:
    """A process that is no tincd is signalled like one; its status tells by what."""
    for words in ("-k", "-kKILL", "-k 10", "-kALRM", "--kill=abrt", "-kint", "-kWinch"):
        quoted = shlex.quote(words)
        script = f"""
sleep 60 & echo $! > /run/tinc.vpn.pid
run /usr/sbin/tincd -n vpn {words}
kill $! 2> /dev/null
{{ wait $!; }} 2> /dev/null; echo {quoted} ended it with $?
"""
        yield Row(name=f"{words}, a process", script=script)
    script = """
sleep 60 & pid=$!; echo $pid > /run/tinc.vpn.pid
run setpriv --reuid=65534 --clear-groups /usr/sbin/tincd -n vpn -k
kill $pid; { wait $pid; } 2> /dev/null; echo $?
"""
    yield Row(name="-k without the right to", script=script)


SCENARIO: Final = Scenario(
    name="commandline",
    summary="options, getopt's quirks, statuses and messages of tincd as of C",
    placements=ONE,
    play=play,
    needs_c=True,
    limit=600,
    seconds=25,
)
