"""What shells complete is what the programs take: options, commands and signals."""

from __future__ import annotations

import argparse
import re
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

import tincd_compat
from tincd_compat import cli
from tincd_compat.admin import main
from tincd_compat.admin.verbs import VERBS
from tincd_compat.service import commandline

PLACE = Path(tincd_compat.__file__).parent.parent / "contrib/completions"
FILES = sorted(path for path in PLACE.glob("*/*") if path.is_file())

pytestmark = pytest.mark.skipif(not FILES, reason="the tree has no contrib here")

#: What --help names; --bypass-security is for old scripts alone.
SHOWN = [
    option for option in commandline.OPTIONS if f"--{option.long}" in cli.HELP_TEXT
]
OPTIONS = {f"--{option.long}" for option in SHOWN} | {
    f"-{option.short}" for option in SHOWN if option.short
}
SIGNALS = [name for name in commandline.SIGNAL_NAMES if name != "ABRT"]


def options_of(verb: str) -> set[str]:
    """Return the options of a verb of tincd-compat; of the program itself for ""."""
    parser = main.parser([verb])
    [verbs] = [
        action
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
    ]
    parser = verbs.choices[verb] if verb else parser
    return {text for action in parser._actions for text in action.option_strings}


def test_all_shells_complete_both_programs() -> None:
    names = {str(path.relative_to(PLACE)) for path in FILES}
    assert names == {
        *("bash/tincd", "bash/tincd-compat"),
        *("fish/tincd.fish", "fish/tincd-compat.fish"),
        *("zsh/_tincd", "zsh/_tincd-compat"),
    }


def bash(*words: str) -> list[str]:
    """Return what bash offers for the last of the words, the program's name first."""
    name = words[0]
    script = """
        compopt() { :; }
        . "$1"; function=$2; shift 2
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        "$function" && printf '%s\\n' "${COMPREPLY[@]}"
    """
    function = f"_{name.replace('-', '_')}"
    argv = ["bash", "-uc", script, "bash", str(PLACE / "bash" / name), function, *words]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    assert not done.stderr
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
class TestBash:
    def test_options(self) -> None:
        assert set(bash("tincd", "-")) == OPTIONS

    @pytest.mark.parametrize("verb", ["", *VERBS])
    def test_options_of_a_verb(self, verb: str) -> None:
        words = [verb] if verb else []
        assert set(bash("tincd-compat", *words, "-")) == options_of(verb)
        assert set(bash("tincd-compat", "-n", "vpn", *words, "-")) == options_of(verb)

    def test_words_after_an_option(self) -> None:
        assert bash("tincd", "-k", "") == SIGNALS
        assert bash("tincd", "-n", "vpn", "-k", "US") == ["USR1", "USR2"]

    def test_words_behind_an_equals_sign(self) -> None:
        assert bash("tincd", "--kill", "=") == SIGNALS
        assert bash("tincd", "--kill", "=", "W") == ["WINCH"]

    def test_an_option_may_follow_one_whose_argument_is_optional(self) -> None:
        assert bash("tincd", "-k", "--pid") == ["--pidfile"]

    def test_what_cannot_be_known_is_not_guessed(self) -> None:
        assert bash("tincd", "-o", "") == []

    def test_directories(self, tmp_path: Path) -> None:
        (tmp_path / "one").mkdir()
        (tmp_path / "two").touch()
        for words in (["tincd", "-c"], ["tincd-compat", "takeover", "--root"]):
            assert bash(*words, f"{tmp_path}/") == [f"{tmp_path}/one"]

    def test_verbs_and_their_words(self) -> None:
        assert set(bash("tincd-compat", "")) >= set(VERBS)
        assert bash("tincd-compat", "st") == ["status"]
        assert bash("tincd-compat", "health", "--check", "") == ["live", "ready"]
        assert bash("tincd-compat", "health", "--check", "=", "r") == ["ready"]
        assert bash("tincd-compat", "log-level", "5") == ["5"]
        assert bash("tincd-compat", "explain", "--socket", "/dev/nul") == ["/dev/null"]


def test_zsh() -> None:
    text = (PLACE / "zsh/_tincd").read_text()
    # {-k+,--kill=}, or '--check[...]' alone; what is excluded stands in parentheses.
    specs = re.findall(r"\{(-[^}]+)\}|^ +['\"](?:\([^)]*\))?(--[\w=-]+)\[", text, re.M)
    named = {word.rstrip("+=") for spec in specs for word in "".join(spec).split(",")}
    assert named == OPTIONS
    for excluded in re.findall(r"\((-\w --[\w-]+)\)'\{(.+?)\}", text):
        assert excluded[0].split() == re.sub("[+=]", "", excluded[1]).split(",")
    assert " ".join(SIGNALS) in text


def test_fish() -> None:
    text = (PLACE / "fish/tincd.fish").read_text()
    lines = [line for line in text.splitlines() if line.startswith("complete ")]
    assert all(line.startswith("complete -c tincd ") for line in lines)
    short = {f"-{word}" for line in lines for word in re.findall(r" -s (\w)", line)}
    long = {f"--{word}" for line in lines for word in re.findall(r" -l ([\w-]+)", line)}
    assert short | long == OPTIONS
    assert " ".join(SIGNALS) in text


GENERATOR = runpy.run_path(str(PLACE / "generate.py")) if FILES else {"FILES": {}}


@pytest.mark.parametrize("name", GENERATOR["FILES"])
def test_files_of_the_other_program_are_those_that_are_generated(name: str) -> None:
    """Say ``python contrib/completions/generate.py`` after a change of the options."""
    assert (PLACE / name).read_text() == GENERATOR["FILES"][name]()


@pytest.mark.parametrize("verb", VERBS)
def test_fish_and_zsh_know_each_verb_and_its_options(verb: str) -> None:
    fish = (PLACE / "fish/tincd-compat.fish").read_text()
    assert f"-n __fish_use_subcommand -a {verb} -d " in fish
    lines = [line for line in fish.splitlines() if f"_from {verb}'" in line]
    long = {f"--{word}" for line in lines for word in re.findall(r" -l ([\w-]+)", line)}
    assert long == {word for word in options_of(verb) if word.startswith("--")}
    zsh = (PLACE / "zsh/_tincd-compat").read_text()
    assert f"    '{verb}:" in zsh
    [case] = re.findall(rf"^    {verb}\)\n(.*?)^        ;;$", zsh, re.M | re.S)
    assert all(f"{word}" in case for word in options_of(verb))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_shell_can_read_it(path: Path) -> None:
    shell = path.parent.name
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}")
    done = subprocess.run([shell, "-n", path], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
