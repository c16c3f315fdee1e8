"""``make install`` and ``make uninstall``, with a Python and an apt that are played."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import tincd_compat

PLACE = Path(tincd_compat.__file__).parent.parent / "contrib/install"

pytestmark = pytest.mark.skipif(not PLACE.exists(), reason="the tree has no contrib")

#: ``-m venv DIR`` makes an environment, and pip in there one page and one completion.
PYTHON = """#!/bin/sh
case "$*" in
"-m venv "*)
    mkdir -p "$3/bin" "$3/share/man/man8" "$3/share/zsh/site-functions"
    touch "$3/pyvenv.cfg" "$3/bin/tincd-compat"
    cp "$0" "$3/bin/python"
    ;;
"-m pip install "*)
    here=${0%/bin/python}
    touch "$here/share/man/man8/tincd.8" "$here/share/zsh/site-functions/_tincd"
    ;;
*_core*) exit "${CORE-0}" ;;
esac
"""
#: Simulates what the file ``plan`` says, and fails where there is none.
APT_GET = """#!/bin/sh
here=${0%/*}
echo "$*" >>"$here/asked"
for word in "$@"; do
    case $word in
    Dir::Etc::Preferences=*) cp "${word#*=}" "$here/pins" ;;
    -s) exec cat "$here/plan" ;;
    esac
done
"""
DPKG_QUERY = """#!/bin/sh
printf '%s\\n' 'installed openssl 3.0.15-1' 'installed openssl 3.0.15-1' \\
    'config-files gone 1.0' 'installed expat 2.5.0-1+b1'
"""
PINS = """\
Package: src:expat
Pin: version 2.5.0-1+b1
Pin-Priority: 1001

Package: src:openssl
Pin: version 3.0.15-1
Pin-Priority: 1001

"""


def tree(root: Path) -> dict[str, str]:
    """Return the names of all that is there, and where links lead."""
    return {
        str(path.relative_to(root)): str(path.readlink()) if path.is_symlink() else ""
        for path in root.rglob("*")
    }


class Machine:
    """A directory with programs of its own, and one to install into."""

    def __init__(self, directory: Path) -> None:
        self.programs, self.root = directory / "programs", directory / "root"
        self.prefix = self.root / "opt/ours"
        self.share = self.root / "usr/share"
        self.root.mkdir()
        self.programs.mkdir()
        self.program("python", PYTHON)
        self.program("apt-get", APT_GET)
        self.program("dpkg-query", DPKG_QUERY)

    def program(self, name: str, text: str) -> None:
        path = self.programs / name
        path.write_text(text)
        path.chmod(0o755)

    def run(self, script: str, *words: str, **environment: str) -> str:
        """Run a script and return what it says; a failure is in brackets."""
        variables = {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "PREFIX": str(self.prefix),
            "SHAREDIR": str(self.share),
            "PYTHON": "python",
            "BUILD": "sh:dash",
            **environment,
        }
        done = subprocess.run(
            ["sh", str(PLACE / script), *words],
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return f"[{done.stdout}]" if done.returncode else done.stdout


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


class TestUninstall:
    def test_leaves_what_was_there_before(self, machine: Machine) -> None:
        (machine.share / "man").mkdir(parents=True)
        before = tree(machine.root)
        for _ in range(2):
            assert machine.run("local.sh", "install").startswith("Installed.")
            page = machine.share / "man/man8/tincd.8"
            assert page.readlink() == machine.prefix / "share/man/man8/tincd.8"
            assert (machine.share / "zsh/site-functions/_tincd").is_symlink()
        assert machine.run("local.sh", "uninstall") == "Uninstalled.\n"
        assert tree(machine.root) == before
        assert machine.run("local.sh", "uninstall") == "Uninstalled.\n"

    def test_leaves_what_others_have(self, machine: Machine) -> None:
        page = machine.share / "man/man8/tincd.8"
        page.parent.mkdir(parents=True)
        page.write_text("of C tincd, made from its source")
        (page.parent / "other.8").symlink_to("/elsewhere/other.8")
        machine.prefix.mkdir(parents=True)
        before = tree(machine.root)
        said = machine.run("local.sh", "install")
        assert f"{page} is there already" in said
        assert page.read_text().startswith("of C")
        machine.run("local.sh", "uninstall")
        assert tree(machine.root) == before

    def test_tells_that_there_is_no_compiled_code(self, machine: Machine) -> None:
        said = machine.run("local.sh", "install", CORE="1")
        assert said.startswith("The part in C was not built")

    def test_takes_links_of_an_installation_that_is_gone(
        self, machine: Machine
    ) -> None:
        machine.run("local.sh", "install")
        subprocess.run(["rm", "-r", machine.prefix], check=True)
        machine.run("local.sh", "uninstall")
        assert not [name for name, link in tree(machine.root).items() if link]

    def test_takes_an_installation_of_copied_pages(self, machine: Machine) -> None:
        machine.run("local.sh", "install")
        page = machine.share / "man/man8/tincd.8"
        page.unlink()
        page.write_text(".Os tincd-compat\n")
        machine.run("local.sh", "install")
        assert page.is_symlink()

    def test_names_packages_that_came(self, machine: Machine) -> None:
        (machine.programs / "plan").write_text("Inst new (1.0)\nConf new (1.0)\n")
        machine.run("local.sh", "install", BUILD="no-such-command:new")
        assert "apt-get purge new \n" in machine.run("local.sh", "uninstall")


@pytest.mark.parametrize("word", ["install", "uninstall"])
class TestRefusals:
    def test_a_directory_of_something_else(self, machine: Machine, word: str) -> None:
        machine.prefix.mkdir(parents=True)
        (machine.prefix / "file").touch()
        before = tree(machine.root)
        said = machine.run("local.sh", word)
        assert said.startswith("[")
        assert "no installation of tincd-compat" in said
        assert tree(machine.root) == before

    @pytest.mark.parametrize(
        "prefix", ["/usr/local", "relative", "/", "/with blank", "/opt/", "/opt//x"]
    )
    def test_a_place_that_cannot_be_given_back(
        self, machine: Machine, word: str, prefix: str
    ) -> None:
        assert machine.run("local.sh", word, PREFIX=prefix).startswith("[")


class TestPackages:
    def run(self, machine: Machine, plan: str | None, *words: str) -> str:
        if plan is not None:
            (machine.programs / "plan").write_text(plan)
        return machine.run("packages.sh", *words, "no-such-command:new", "sh:dash")

    def asked(self, machine: Machine) -> list[str]:
        lines = (machine.programs / "asked").read_text().splitlines()
        return [line for line in lines if line.endswith(" install new")]

    def test_what_comes_with_nothing_else_changed(self, machine: Machine) -> None:
        names = machine.root / "names"
        plan = "Inst needed (2.0)\nInst new (1.0)\nConf needed (2.0)\nConf new (1.0)\n"
        assert not self.run(machine, plan, "--keep", str(names))
        assert names.read_text() == "package needed\npackage new\n"
        simulated, done = self.asked(machine)
        assert " -s " in simulated
        assert " -s " not in done
        assert " --no-remove " in done
        # The file of pins goes, so its name differs.
        assert (machine.programs / "pins").read_text().startswith(PINS)

    @pytest.mark.parametrize("plan", ["Inst libssl3 [1] (2)\nInst new (1)\n", None])
    def test_what_would_change_something_is_left_out(
        self, machine: Machine, plan: str | None
    ) -> None:
        names = machine.root / "names"
        said = self.run(machine, plan, "--keep", str(names))
        assert "new was left out" in said
        assert "apt-get install new" in said
        assert not names.exists()
        [simulated] = self.asked(machine)
        assert " -s " in simulated

    def test_tests_may_change_the_machine(self, machine: Machine) -> None:
        assert not self.run(machine, None)
        assert self.asked(machine)

    def test_nothing_is_asked_where_nothing_is_missing(self, machine: Machine) -> None:
        if not Path("/usr/include/openssl/evp.h").exists():
            pytest.skip("the headers of OpenSSL are not installed")
        assert not machine.run("packages.sh", "sh:dash")
        assert not (machine.programs / "asked").exists()
