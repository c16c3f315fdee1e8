"""What is handed out: the source is complete, and a wheel says what is inside of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

import tincd_compat

ROOT = Path(tincd_compat.__file__).parent.parent
#: What a build is made from; tests and the like only travel.
NEEDED = (
    *("LICENSE", "MANIFEST.in", "README.md", "contrib", "man", "pyproject.toml"),
    *("setup.cfg", "setup.py", "tincd_compat"),
)
#: What only the place where the source is kept takes.
KEPT = (".ci/", ".git")
#: A compiler that knows everything, and makes nothing of it.
COMPILER = """#!/bin/sh
while [ $# -gt 1 ]; do
    [ "$1" != -o ] || : >"$2"
    shift
done
"""

pytestmark = [
    pytest.mark.skipif(
        not (ROOT / "MANIFEST.in").exists(), reason="not the tree of the source"
    ),
    # The hooks that a build calls; whoever has no setuptools calls none.
    pytest.mark.skipif(
        subprocess.run(
            [sys.executable, "-c", "import setuptools.command.bdist_wheel"],
            capture_output=True,
            check=False,
        ).returncode
        != 0,
        reason="no setuptools that makes wheels",
    ),
]


def build(
    tree: Path, what: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    script = f"from setuptools import build_meta; build_meta.build_{what}('dist')"
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=tree,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a copy of what a build takes, with an object of another day in it."""
    for name in NEEDED:
        source, place = ROOT / name, tmp_path / name
        if source.is_dir():
            left_out = shutil.ignore_patterns("__pycache__", "*.so")
            shutil.copytree(source, place, ignore=left_out)
        else:
            shutil.copy(source, place)
    (tmp_path / "tincd_compat/_fast/_core.abi3.so").touch()
    compiler = tmp_path / "compiler"
    compiler.write_text(COMPILER)
    compiler.chmod(0o755)
    return tmp_path


def wheel(tree: Path, environment: Mapping[str, str]) -> tuple[str, set[str]]:
    """Return the tag of a wheel and the names inside."""
    done = build(tree, "wheel", **environment)
    assert done.returncode == 0, done.stderr
    [path] = (tree / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    path.unlink()
    return path.stem.partition("-")[2].partition("-")[2], names


def objects(names: set[str]) -> set[str]:
    return {name for name in names if name.endswith(".so")}


@pytest.mark.parametrize(
    "environment",
    [
        {"CC": "/bin/false"},
        {"CC": "/bin/false", "TINCD_COMPAT_EXTENSION": "auto"},
        {"TINCD_COMPAT_EXTENSION": "no"},
    ],
    ids=str,
)
def test_a_wheel_without_compiled_code_is_for_every_system(
    tree: Path, environment: Mapping[str, str]
) -> None:
    tag, names = wheel(tree, environment)
    assert tag == "py3-none-any"
    assert not objects(names)


def test_a_wheel_with_compiled_code_is_for_one(tree: Path) -> None:
    compiler = str(tree / "compiler")
    tag, names = wheel(tree, {"CC": compiler, "TINCD_COMPAT_EXTENSION": "yes"})
    assert tag.startswith("cp311-abi3-linux_")
    assert objects(names) == {"tincd_compat/_fast/_core.abi3.so"}
    # What an earlier build has left is not what this one, of newer files, has made.
    source = tree / "tincd_compat/_fast/binding.c"
    later = (tree / "build").stat().st_mtime + 60
    os.utime(source, (later, later))
    tag, names = wheel(tree, {"CC": "/bin/false"})
    assert tag == "py3-none-any"
    assert not objects(names)


def test_a_compiler_that_fails_is_an_error_where_it_has_to_work(tree: Path) -> None:
    done = build(tree, "wheel", CC="/bin/false", TINCD_COMPAT_EXTENSION="yes")
    assert done.returncode != 0
    assert not list(tree.glob("dist/*.whl"))


def test_a_wheel_brings_pages_units_and_completions(tree: Path) -> None:
    _, names = wheel(tree, {"TINCD_COMPAT_EXTENSION": "no"})
    data = {name.partition(".data/data/")[2] for name in names if ".data/" in name}
    assert data == {
        *(f"share/man/man{page.suffix[1:]}/{page.name}" for page in ROOT.glob("man/*")),
        *below("contrib/systemd", "share/tincd-compat/systemd"),
        *below("contrib/prometheus", "share/tincd-compat/prometheus"),
        *below("contrib/grafana", "share/tincd-compat/grafana"),
        *below("contrib/completions/bash", "share/bash-completion/completions"),
        *below("contrib/completions/zsh", "share/zsh/site-functions"),
        *below("contrib/completions/fish", "share/fish/vendor_completions.d"),
    }


def below(source: str, place: str) -> set[str]:
    files = (path for path in (ROOT / source).rglob("*") if path.is_file())
    return {f"{place}/{path.relative_to(ROOT / source)}" for path in files}


def test_the_source_is_complete(tmp_path: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a clone")
    names = {
        name
        for name in listed.stdout.split("\0")
        if name and not name.startswith(KEPT) and (ROOT / name).exists()
    }
    tree = tmp_path / "tree"
    for name in names:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(ROOT / name, tree / name)
    done = build(tree, "sdist")
    assert done.returncode == 0, done.stderr
    [path] = (tree / "dist").glob("*.tar.gz")
    with tarfile.open(path) as archive:
        files = {each.name.partition("/")[2] for each in archive if each.isfile()}
    made = {name for name in files if ".egg-info/" in name or name == "PKG-INFO"}
    assert files - made == names
