"""Scripts: ones that cannot run, that run otherwise than meant, and that never do."""

from __future__ import annotations

import os
import re
import shutil
import stat
from pathlib import Path
from typing import Final

from tincd_compat.addresses import valid_name
from tincd_compat.config.check.files import check_writable, file_mode
from tincd_compat.config.check.findings import Report
from tincd_compat.config.parser import Entry
from tincd_compat.dataclass import dataclass

SCRIPTS: Final = (
    "tinc-up",
    "tinc-down",
    "host-up",
    "host-down",
    "subnet-up",
    "subnet-down",
)

_EXECUTABLE: Final = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
_MARK: Final = b"\xef\xbb\xbf"
#: How much of a script is looked at: its first line, and enough of its line ends.
_HEAD: Final = 65536
#: Where a command without a path is looked for, if the environment does not say.
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What looks like a script; ends that mark a copy are none of these.
_LIKE: Final = re.compile(r"([a-z0-9_]+)[-_ ](up|down)(\.(?:sh|bash|py|pl|txt))?")
#: An interpreter that is no more than a command, which the shell does not change.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./+-]+")
#: A command as `env` is given it, not one of its options.
_COMMAND: Final = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./+-]*")


@dataclass(frozen=True, slots=True)
class Runner:
    """How scripts are run: ScriptsInterpreter, where that is said, and our PATH."""

    interpreter: str | None
    entry: Entry | None
    path: str | None

    def finds(self, command: str, directory: Path) -> bool:
        """Tell whether a shell in ``directory`` finds a program of that name."""
        if "/" in command:
            return _is_program(directory / command)
        return shutil.which(command, path=self.path or _PATH) is not None


def _is_program(path: Path) -> bool:
    mode = file_mode(path)
    return mode is not None and stat.S_ISREG(mode) and bool(mode & _EXECUTABLE)


def script_node(name: str) -> str | None:
    """Return the node whose script a file in hosts/ is; None if it is none."""
    node, dash, word = name.rpartition("-")
    return node if dash and word in ("up", "down") and valid_name(node) else None


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def present_scripts(directory: Path) -> list[Path]:
    """Return the scripts that there are; none of them has to be."""
    hosts = directory / "hosts"
    found = [directory / name for name in SCRIPTS]
    found += [hosts / name for name in _names(hosts) if script_node(name)]
    return [path for path in found if file_mode(path) is not None]


def check_scripts(
    directory: Path, runner: Runner, chroot: bool, report: Report
) -> None:
    """Look at the scripts that there are, and at what is only like one."""
    present = present_scripts(directory)
    for path in present:
        check_writable(path, report)
        mode = file_mode(path) or 0
        if stat.S_ISDIR(mode):
            report.error(path, "a script is expected here, not a directory")
            continue
        if not runner.interpreter and not mode & _EXECUTABLE:
            report.error(path, "the script is not executable; `chmod +x' makes it so")
        _check_content(path, directory, runner, report)
    if present:
        _check_interpreter(directory, runner, report)
    if chroot and present and file_mode(directory / "bin" / "sh") is None:
        text = "with --chroot scripts after the start need bin/sh in here"
        report.warning(directory, text)
    _check_likes(directory, report)


def check_setup(directory: Path, report: Report) -> None:
    """Say that no script of ours sets up the interface; something else may do that."""
    if file_mode(directory / "tinc-up") is None:
        text = "there is no tinc-up: the interface stays down and without address"
        report.info(directory, f"{text}, unless something else sees to that")


def _check_interpreter(directory: Path, runner: Runner, report: Report) -> None:
    command, *_ = [*(runner.interpreter or "").split(), ""]
    if _PLAIN.fullmatch(command) and not runner.finds(command, directory):
        text = f"no script can run: there is no program {command}"
        report.error(runner.entry, text)


def _check_content(path: Path, directory: Path, runner: Runner, report: Report) -> None:
    """Look at the first line and the line ends of a script."""
    try:
        with path.open("rb") as file:
            data = file.read(_HEAD)
    except OSError:
        # Whoever checks may not read what the daemon runs.
        return
    if b"\0" in data:
        return
    if data.startswith(_MARK):
        text = "a byte order mark hides the first line; save the file without it"
        report.warning((path, 1), text)
    first = data.partition(b"\n")[0]
    shell = (runner.interpreter or "sh").split()
    mended = f'`sed -i "s/\\r$//" {path}\' makes it LF'
    if first.startswith(b"#!") and not runner.interpreter:
        shell = first[2:].decode("utf-8", "surrogateescape").split()
        if first.endswith(b"\r"):
            text = "no program is found with this line, which ends with CR LF"
            report.error((path, 1), f"{text}; {mended}")
            return
        _check_program(path, shell, directory, runner, report)
    ends = data.find(b"\r\n")
    if ends >= 0 and any(os.path.basename(word).endswith("sh") for word in shell):
        text = "the shell takes CR for a part of the line, which ends with CR LF"
        report.warning((path, data.count(b"\n", 0, ends) + 1), f"{text}; {mended}")


def _check_program(
    path: Path, words: list[str], directory: Path, runner: Runner, report: Report
) -> None:
    """Look for what the first line of a script names."""
    program, *arguments = words or [""]
    if program and not _is_program(directory / program):
        text = f"the script cannot run: there is no program {program}"
        report.error((path, 1), text)
        return
    if os.path.basename(program) == "env" and arguments:
        _check_env(path, arguments, directory, runner, report)


def _check_env(
    path: Path, words: list[str], directory: Path, runner: Runner, report: Report
) -> None:
    """Look at what the first line gives `env`, which the kernel does not divide."""
    if words[0] == "-S":
        words = words[1:2]
    elif len(words) > 1 and not words[0].startswith("-"):
        text = f"the script cannot run: `{' '.join(words)}' is one word to env"
        report.error((path, 1), f"{text}; `env -S' divides it")
        return
    if words and _COMMAND.fullmatch(words[0]) and not runner.finds(words[0], directory):
        text = f"the script cannot run: there is no program {words[0]} in PATH"
        report.warning((path, 1), text)


def like_script(name: str) -> tuple[str, str] | None:
    """Return node and word of a name that is nearly that of a script in hosts/."""
    match = _LIKE.fullmatch(name.lower())
    if match is None or script_node(name) or valid_name(name):
        return None
    return name[: len(match[1])], match[2]


def _check_likes(directory: Path, report: Report) -> None:
    """Find names of files that are nearly those of scripts."""
    hosts = directory / "hosts"
    for name in _names(directory):
        match = _LIKE.fullmatch(name.lower())
        if match is None or name in SCRIPTS:
            continue
        meant = f"{match[1]}-{match[2]}"
        if meant in SCRIPTS:
            _warn(directory / name, meant, report)
        elif (node := script_node(name)) and file_mode(hosts / node) is not None:
            _warn(directory / name, f"hosts/{name}", report)
    for name in _names(hosts):
        like = like_script(name)
        if like and file_mode(hosts / like[0]) is not None:
            _warn(hosts / name, "-".join(like), report)


def _warn(path: Path, meant: str, report: Report) -> None:
    report.warning(path, f"this never runs: the name of the script is {meant}")
