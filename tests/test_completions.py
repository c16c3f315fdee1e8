"""What shells complete is what the programs take: options, commands and signals."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import tincd_compat
from tincd_compat import admin, cli
from tincd_compat.service import commandline

PLACE = Path(tincd_compat.__file__).parent.parent / "contrib/completions"
FILES = sorted(path for path in PLACE.glob("*/*") if path.is_file())

pytestmark = pytest.mark.skipif(not FILES, reason="the tree has no contrib here")

#: What --help names; --bypass-security is for old scripts alone.
SHOWN = [
    option for option in commandline.OPTIONS if f"--{option.long}" in cli.HELP_TEXT
]
OPTIONS = {
    "tincd": {f"--{option.long}" for option in SHOWN}
    | {f"-{option.short}" for option in SHOWN if option.short},
    "tincd-compat": {
        text
        for action in admin._parser()._actions
        for text in action.option_strings
        if text.startswith("--")
    },
}
SIGNALS = [name for name in commandline.SIGNAL_NAMES if name != "ABRT"]
COMMANDS = {"takeover", "release"}


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
    @pytest.mark.parametrize("program", OPTIONS)
    def test_options(self, program: str) -> None:
        assert set(bash(program, "-")) == OPTIONS[program]

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
        for words in (["tincd", "-c"], ["tincd-compat", "--root"]):
            assert bash(*words, f"{tmp_path}/") == [f"{tmp_path}/one"]

    def test_commands(self) -> None:
        assert set(bash("tincd-compat", "")) >= COMMANDS


@pytest.mark.parametrize("program", OPTIONS)
def test_zsh(program: str) -> None:
    text = (PLACE / f"zsh/_{program}").read_text()
    # {-k+,--kill=}, or '--check[...]' alone; what is excluded stands in parentheses.
    specs = re.findall(r"\{(-[^}]+)\}|^ +['\"](?:\([^)]*\))?(--[\w=-]+)\[", text, re.M)
    named = {word.rstrip("+=") for spec in specs for word in "".join(spec).split(",")}
    assert named == OPTIONS[program]
    for excluded in re.findall(r"\((-\w --[\w-]+)\)'\{(.+?)\}", text):
        assert excluded[0].split() == re.sub("[+=]", "", excluded[1]).split(",")
    hold_signals_and_commands(program, text)


@pytest.mark.parametrize("program", OPTIONS)
def test_fish(program: str) -> None:
    text = (PLACE / f"fish/{program}.fish").read_text()
    lines = [line for line in text.splitlines() if line.startswith("complete ")]
    assert all(line.startswith(f"complete -c {program} ") for line in lines)
    short = {f"-{word}" for line in lines for word in re.findall(r" -s (\w)", line)}
    long = {f"--{word}" for line in lines for word in re.findall(r" -l ([\w-]+)", line)}
    assert short | long == OPTIONS[program]
    hold_signals_and_commands(program, text)


def hold_signals_and_commands(program: str, text: str) -> None:
    if program == "tincd":
        assert " ".join(SIGNALS) in text
    else:
        assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_shell_can_read_it(path: Path) -> None:
    shell = path.parent.name
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}")
    done = subprocess.run([shell, "-n", path], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
