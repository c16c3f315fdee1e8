"""The launcher's scripts, run by this machine's shell in a directory of the test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tincd_compat import probe
from tincd_compat.service.launcher import Launcher

WORKS = f"echo '{probe.ANSWER}'"
#: What ours does, and C's: tell its name, its arguments and a part of the environment.
TELL = """
printf '%s\\n' "$(cat /proc/$$/comm)" "$@" "state=$state" "LISTEN_FDS=$LISTEN_FDS"
"""


class Place:
    """A launcher whose Python and whose C tincd are scripts of the test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.python = directory / "python"
        self.parked = directory / "tincd.distrib"
        self.here = directory / "here"
        self.log = directory / "log"
        script(self.parked, f"echo C; {TELL}")
        self.python_says(WORKS)
        # No test may write to the log of this machine.
        (directory / "bin").mkdir()
        script(directory / "bin/logger", f'printf "%s\\n" "$*" >>{self.log}')
        self.state = directory / "lib/compat"
        self.state.parent.mkdir()
        self.record = self.state / "seen"
        self.started_with(str(self.python), self.parked)

    def started_with(self, interpreter: str, parked: Path) -> None:
        launcher = Launcher(
            interpreter, parked, here=self.here, state=self.state, remedy="REMEDY"
        )
        launcher.write()

    def python_says(self, probing: str) -> None:
        """Let the interpreter do this when it is asked whether ours can be started."""
        ours = f"case $1 in -P) {probing} ;; *) shift; echo ours; {TELL} ;; esac"
        script(self.python, ours)

    def run(
        self, *arguments: str, environment: Mapping[str, str] = {}
    ) -> subprocess.CompletedProcess[str]:
        path = f"{self.directory}/bin:/usr/bin:/bin"
        return subprocess.run(
            [str(self.here / "tincd"), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": path, **environment},
        )


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_ours_gets_name_arguments_and_environment(place: Place) -> None:
    done = place.run(
        "-n", "a b", "", "*", environment={"state": "x", "LISTEN_FDS": "2"}
    )
    assert done.stdout.splitlines() == [
        "ours",
        # The interpreter is a script, too: the name is that of the first file.
        "tincd",
        str(place.here / "tincd"),
        *("-n", "a b", "", "*"),
        "state=x",
        "LISTEN_FDS=2",
    ]
    assert done.stderr == ""
    assert not place.log.exists()


def remember(place: Place) -> None:
    text = probe.describe([str(place.python)])
    assert text is not None
    probe.remember(place.record, text)


def test_what_has_not_changed_is_not_tried_again(place: Place) -> None:
    mark = place.directory / "tried"
    place.python_says(f"touch {mark}; {WORKS}")
    remember(place)
    assert place.run().stdout.startswith("ours")
    assert not mark.exists()
    place.python_says(f"touch {mark}; exit 1")
    assert place.run().stdout.startswith("C")
    assert mark.exists()


@pytest.mark.parametrize(
    ("probing", "reason"),
    [
        (
            "echo Traceback >&2; echo 'No module named x' >&2; exit 1",
            "No module named x",
        ),
        ("kill -SEGV $$", ""),
        ("exit 0", "no answer from"),
    ],
)
def test_c_tincd_runs_where_ours_cannot(
    place: Place, probing: str, reason: str
) -> None:
    place.python_says(probing)
    done = place.run(
        "-n", "a b", "", "*", environment={"state": "x", "LISTEN_FDS": "2"}
    )
    assert done.stdout.splitlines() == [
        *("C", "tincd"),
        *("-n", "a b", "", "*"),
        "state=x",
        "LISTEN_FDS=2",
    ]
    (line,) = done.stderr.splitlines()
    assert f"tincd: tincd-compat cannot be started ({reason}" in line
    assert "so C tincd runs instead" in line
    assert place.log.read_text().count("\n") == 1


@pytest.mark.parametrize("content", [None, "", "garbage\0", "#!/nowhere/python\n"])
def test_interpreter_that_is_gone_or_broken(place: Place, content: str | None) -> None:
    remember(place)
    place.python.unlink()
    if content is not None:
        place.python.write_text(content)
        place.python.chmod(0o755)
    assert place.run("-D").stdout.startswith("C\ntincd\n-D\n")


@pytest.mark.parametrize("probing", [WORKS, "exit 1"])
def test_descriptors_and_process_stay(place: Place, probing: str) -> None:
    """Those of socket activation, and the process that systemd waits for."""
    script(place.parked, 'echo $$; cat "/dev/fd/$FD"')
    script(place.python, f"case $1 in -P) {probing} ;; *) exec {place.parked} ;; esac")
    reader, writer = os.pipe()
    os.write(writer, b"what the starter left")
    os.close(writer)
    with subprocess.Popen(
        [str(place.here / "tincd")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=[reader],
        env={"PATH": f"{place.directory}/bin:/usr/bin:/bin", "FD": str(reader)},
    ) as process:
        os.close(reader)
        out, _ = process.communicate()
    assert out == b"%d\nwhat the starter left" % process.pid


@pytest.mark.skipif(shutil.which("perl") is None, reason="it takes Perl")
def test_c_tincd_is_called_as_the_launcher_was(place: Place) -> None:
    place.python_says("exit 1")
    # A program, since of a script the kernel changes the name.
    place.started_with(str(place.python), Path("/bin/sh"))
    done = place.run("-c", "head -z -n 1 /proc/$$/cmdline")
    assert done.stdout == f"{place.here}/tincd\0"


def test_interpreter_that_hangs(place: Place) -> None:
    """What ends it counts in minutes; here it is told another limit."""
    os.mkfifo(place.directory / "never")
    place.python_says(f"read line <{place.directory}/never")
    limit = 'echo "$@" >&2; shift 3; exec /usr/bin/timeout 0.05 "$@"'
    script(place.directory / "bin/timeout", limit)
    done = place.run("-D")
    assert done.stdout.startswith("C\ntincd\n-D\n")
    assert f"cannot be started (-k 2 45 {place.python} -P -m" in done.stderr


def test_without_a_program_that_knows_limits(place: Place) -> None:
    script(place.directory / "bin/timeout", "exit 127")
    (place.directory / "bin/timeout").chmod(0o644)
    for name in ("cat", "stat", "printf", "sh"):
        (place.directory / "bin" / name).symlink_to(f"/usr/bin/{name}")
    path = f"{place.directory}/bin"
    assert place.run(environment={"PATH": path}).stdout.startswith("ours")


@pytest.mark.parametrize(
    ("text", "reason"), [("a reason\n", "a reason"), ("", "it is switched off")]
)
def test_c_tincd_runs_where_ours_is_switched_off(
    place: Place, text: str, reason: str
) -> None:
    remember(place)
    (place.state / "off").write_text(text)
    done = place.run("-D")
    assert done.stdout.startswith("C\ntincd\n-D\n")
    assert f"cannot be started ({reason})" in done.stderr
    assert f"runs instead: until {place.state}/off is removed" in done.stderr
    (place.state / "off").unlink()
    assert place.run("-D").stdout.startswith("ours")


def test_broken_record_costs_nothing_but_time(place: Place) -> None:
    probe.remember(place.record, "tincd_compat_files='\n")
    assert place.run().stdout.startswith("ours")


def test_journal_is_told_once(place: Place) -> None:
    place.python_says("exit 1")
    done = place.run(environment={"JOURNAL_STREAM": "8:1"})
    assert done.stderr.count("\n") == 1
    assert not place.log.exists()


def test_without_c_tincd_the_remedy_is_named(place: Place) -> None:
    place.python_says("exit 1")
    place.parked.unlink()
    done = place.run()
    assert done.returncode == 1
    assert f"there is no {place.parked}: REMEDY" in done.stderr


def test_c_tincd_that_cannot_be_executed(place: Place) -> None:
    """A service manager starts it again for its status, by when it may be back."""
    place.python_says("exit 1")
    place.parked.write_text("#!/nowhere/at-all\n")
    done = place.run()
    assert done.returncode != 0
    assert f"{place.here}/c/tincd: " in done.stderr


def test_our_package_that_is_gone_in_between(place: Place, tmp_path: Path) -> None:
    """The record says that all is well, and still ours cannot be imported."""
    place.started_with(sys.executable, place.parked)
    (tmp_path / "broken/tincd_compat").mkdir(parents=True)
    (tmp_path / "broken/tincd_compat/__init__.py").write_text("import nothing_at_all")
    text = probe.describe([sys.executable])
    assert text is not None
    probe.remember(place.record, text)
    done = place.run("-D", environment={"PYTHONPATH": str(tmp_path / "broken")})
    assert done.stdout.startswith("C\ntincd\n-D\n")
    assert "ModuleNotFoundError: No module named 'nothing_at_all'" in done.stderr


def test_our_program(place: Place) -> None:
    """The whole way, with the Python that runs this."""
    place.started_with(sys.executable, place.parked)
    before = sorted(place.here.rglob("*"))
    done = place.run("--version")
    assert done.stdout.startswith("tinc version 1.0."), done.stderr
    # The files beside the launcher can be on a file system that is read-only.
    assert place.record.exists()
    assert sorted(place.here.rglob("*")) == before
    # A mistake is the caller's to see, and no reason for C.
    done = place.run("--nonsense")
    assert done.returncode == 1
    assert f"Try `{place.here}/tincd --help'" in done.stderr


def test_what_a_start_is_made_of() -> None:
    found = probe.made_of()
    assert sys.executable in found
    assert str(Path(probe.__file__).parent) in found
    text = probe.describe(found)
    assert text is not None
    said = subprocess.run(
        ["stat", "-L", "-c", "%i %s %Y %n", *found],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"tincd_compat_state='{said.stdout.rstrip()}'\n" in text


@pytest.mark.parametrize("name", ["/a'b", "/a\nb"])
def test_names_that_are_nothing_for_a_shell(name: str) -> None:
    assert probe.describe([name]) is None


def test_record_that_may_not_be_written(tmp_path: Path) -> None:
    probe.remember(tmp_path / "no/where/seen", "text")
    assert list(tmp_path.iterdir()) == []


def test_record_is_for_everybody_under_any_mask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        probe.remember(tmp_path / "compat" / "seen", "text")
    finally:
        os.umask(before)
    modes = [path.stat().st_mode & 0o777 for path in sorted(tmp_path.rglob("*"))]
    assert modes == [0o755, 0o644]
