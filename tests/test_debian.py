"""The Debian package says what it brings, and why it is not as lintian wants it."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import pytest

import tincd_compat

ROOT = Path(tincd_compat.__file__).parent.parent
DEBIAN = ROOT / "contrib/debian"
SCRIPTS = ("build.sh", "preinst", "postinst", "prerm", "postrm", "rtupdate")


def stanzas() -> list[dict[str, str]]:
    """Return the fields of each paragraph of the copyright file."""
    found = []
    for paragraph in re.split(r"\n\n+", (DEBIAN / "copyright").read_text().strip()):
        fields = re.split(r"\n(?=\S)", paragraph)
        found.append(dict(field.split(":", 1) for field in fields))
    return found


def test_each_library_has_its_copyright() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    wanted = re.findall(r"^\w+", setup["options"]["install_requires"], re.M)
    assert len(wanted) > 3
    files = " ".join(stanza.get("Files", "") for stanza in stanzas())
    assert set(wanted) <= set(re.findall(r"site-packages/(\w+)-\*", files))


def test_each_licence_has_its_text() -> None:
    told = {
        stanza["License"].split("\n")[0].strip()
        for stanza in stanzas()
        if "Files" not in stanza and "License" in stanza
    }
    for stanza in stanzas():
        if "Files" in stanza:
            words = re.split(r" (?:and|or) ", stanza["License"].strip())
            assert set(words) <= told, stanza["Files"]


def test_each_word_to_lintian_has_its_reason() -> None:
    before = ""
    for line in (DEBIAN / "lintian-overrides").read_text().splitlines():
        if not line.startswith("#"):
            assert before.startswith("#") or line.split()[1] == before.split()[1], line
        before = line


def test_what_setup_installs_is_there_when_the_package_is_made() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    wanted = set(
        re.findall(r"contrib/(\w+)/", " ".join(setup["options.data_files"].values()))
    )
    build = (DEBIAN / "build.sh").read_text()
    copied = re.search(r"^for name in ([\w ]+); do\n    cp -r .*/contrib/", build, re.M)
    assert copied is not None
    assert set(copied[1].split()) == wanted


def test_the_unit_of_the_package_runs_its_program() -> None:
    unit = (ROOT / "contrib/systemd/tincd-compat-exporter.service").read_text()
    assert "\n[Unit]\n" in unit
    # What stands before that is about installations by hand, and is left out.
    assert unit.count("/opt/tincd-compat/bin/") == 1
    assert "s|/opt/tincd-compat/bin/|/usr/bin/|" in (DEBIAN / "build.sh").read_text()


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_written_for_a_shell(name: str) -> None:
    subprocess.run(["sh", "-n", str(DEBIAN / name)], check=True)


def test_a_removal_that_would_cut_the_host_off_is_refused(tmp_path: Path) -> None:
    """It is asked before anything is switched off."""
    text = (DEBIAN / "prerm").read_text()
    for place in ("/usr/lib/tincd-compat", "/var/lib/tincd-compat"):
        text = text.replace(place, f"{tmp_path}{place}")
    launcher = tmp_path / "usr/lib/tincd-compat/launcher"
    launcher.mkdir(parents=True)
    asked = launcher / "refused-by"
    asked.write_text("#!/bin/sh\necho beta refuses it\nexit 1\n")
    asked.chmod(0o755)
    words = ["sh", "-c", text, "prerm"]
    done = subprocess.run(
        [*words, "remove"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("beta refuses it\ntincd-compat: not removed")
    assert not (tmp_path / "var").exists()
    # An upgrade changes nothing about who runs.
    subprocess.run([*words, "upgrade"], check=True)
