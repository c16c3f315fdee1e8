"""What others rely on beyond the manual, numbered, and where each point is proved.

Distributions, appliances and scripts parse, signal and look for a tincd in their own
ways.  The table names tests, checks of scenarios, and rows of those that compare with C
(``FILE: row``); it is checked to name none that is gone.
"""

from __future__ import annotations

import configparser

import pytest

from tests.proofs import ROOT, exists

_SCENARIOS = "conformance/scenarios"
_COMMANDLINE = f"{_SCENARIOS}/commandline.py"
_KEYGEN = f"{_SCENARIOS}/keygen.py"
_STARTS = f"{_SCENARIOS}/starts.py"
_LIVES = f"{_SCENARIOS}/lives.py"
_HABITS = f"{_SCENARIOS}/habits.py"

CHECKLIST: dict[int, tuple[str, ...]] = {
    # The first line of --version; -K whatever its standard input is, with a Name and
    # without; PKCS#1; rsa_key.pub of who has no name.
    1: (
        f"{_COMMANDLINE}: --version",
        f"{_COMMANDLINE}: --version first",
        f"{_KEYGEN}: stdin is /dev/null",
        f"{_KEYGEN}: stdin is closed",
        f"{_KEYGEN}: all is closed",
        f"{_KEYGEN}: yes",
        f"{_KEYGEN}: one newline",
        f"{_KEYGEN}: a terminal",
        f"{_KEYGEN}: nameless",
        f"{_KEYGEN}: old keys",
        f"{_HABITS}: chef",
        f"{_HABITS}: OpenWrt, keys",
        "tests/config/test_keygen.py::test_without_a_name",
    ),
    # Statuses of -k; -k alone is TERM; -kUSR1 and --kill=USR1; the pid file.
    2: (
        f"{_COMMANDLINE}::_kill",
        f"{_COMMANDLINE}::_foreign",
        f"{_COMMANDLINE}: -n none --kill=USR1",
        f"{_HABITS}: puppet",
        f"{_HABITS}: ifupdown",
        f"{_LIVES}: a stale pid file",
        f"{_LIVES}: a second start",
        "tests/service/test_pidfile.py::test_life_of_a_pid_file",
    ),
    # Dumps byte for byte, at once and whole, to syslog, file and stderr.
    3: (
        f"{_HABITS}: pfSense",
        f"{_HABITS}: pfSense, 1000 subnets",
        f"{_HABITS}: vyatta",
        f"{_HABITS}: vyatta, 1000 subnets",
        f"{_HABITS}: 1000 subnets in a log file",
        f"{_LIVES}: syslog, more",
        f"{_SCENARIOS}/dump.py::play",
        "tests/mesh/test_dump.py::test_nodes",
    ),
    # Lines that scripts wait for, at their levels.
    4: (
        f"{_SCENARIOS}/loglines.py::play",
        f"{_HABITS}: tinc-boot",
        f"{_LIVES}: scripts",
        f"{_LIVES}: a flood of complaints",
        "tests/service/test_floods.py::test_lines_that_differ_are_written_at_once",
    ),
    # Who it is to pidof, pgrep, killall, pkill -f and start-stop-daemon; -c with -n;
    # repeated -d; -o for ever.
    5: (
        f"{_HABITS}: identity",
        f"{_HABITS}: lvpn",
        f"{_HABITS}: OpenWrt",
        f"{_HABITS}: -o after HUP",
        f"{_COMMANDLINE}: -c /nowhere -n none -D",
        f"{_LIVES}: -c and -n",
        f"{_LIVES}: -d -d -d",
        f"{_LIVES}: -d 3 -d",
    ),
    # -R, -L and -U, with everything loaded before; scripts in the chroot.
    6: (
        f"{_HABITS}: NixOS",
        f"{_HABITS}: debops",
        f"{_HABITS}: SmartOS",
        f"{_HABITS}: chroot, a shell in it",
        f"{_HABITS}: chroot, no shell in it",
        f"{_SCENARIOS}/privileges.py::play",
        "tests/service/test_privileges.py::test_locked_memory_can_grow_as_somebody_else",
    ),
    # Variables of tinc 1.1 and of nobody; no `='; any case; $HOST; NAME.d; conf.d.
    7: (
        f"{_STARTS}::_configurations",
        f"{_STARTS}: a directory beside host files",
        f"{_STARTS}: conf.d",
        f"{_STARTS}::_name",
        f"{_HABITS}: ChaosVPN",
        f"{_HABITS}: OpenWrt",
    ),
    # GraphDumpFile: to a file, to a command, and under a chroot.
    8: (
        f"{_SCENARIOS}/graphdump.py::play",
        "tests/mesh/test_dump.py::test_graphviz_sorts_edges_by_weight",
    ),
    # LISTEN_FDS.
    9: (f"{_SCENARIOS}/activation.py::play",),
    # No program is called tinc, which would have to speak as that of 1.1.
    10: ("tests/test_checklist.py::test_no_program_is_called_tinc",),
    # Peers of all versions and with all suites.
    11: (
        "tests/meta/test_handshake.py::test_a_daemon_before_1_0_30",
        f"{_SCENARIOS}/suites.py::play",
        f"{_SCENARIOS}/oddsuites.py::play",
        f"{_SCENARIOS}/compress.py::play",
    ),
}


@pytest.mark.parametrize(
    "proof", [each for proofs in CHECKLIST.values() for each in proofs]
)
def test_every_point_is_proved(proof: str) -> None:
    assert exists(proof)


def test_every_point_has_a_proof() -> None:
    assert sorted(CHECKLIST) == list(range(1, 12))


def test_no_program_is_called_tinc() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    scripts = setup["options.entry_points"]["console_scripts"].split("\n")
    names = {line.partition("=")[0].strip() for line in scripts if line}
    assert "tincd" in names
    assert "tinc" not in names
