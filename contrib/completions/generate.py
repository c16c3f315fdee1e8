"""Completions of tincd-compat(8), made from what the program takes.

``python contrib/completions/generate.py`` writes the files beside this one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tincd_compat.admin import main
from tincd_compat.admin.verbs import VERBS

PLACE: Final = Path(__file__).resolve().parent

#: What an option's argument is, by the word that --help has for it.
_FILES: Final = frozenset({"FILE"})
_DIRECTORIES: Final = frozenset({"DIR"})
_NETS: Final = frozenset({"NET"})


class Option(NamedTuple):
    """An option, or an argument without one if it has no names."""

    names: tuple[str, ...]
    metavar: str | None
    choices: tuple[str, ...]
    help: str

    @property
    def takes_argument(self) -> bool:
        return self.metavar is not None or bool(self.choices)

    @property
    def long(self) -> str:
        return self.names[-1]


def _options(parser: argparse.ArgumentParser) -> list[Option]:
    return [
        Option(
            tuple(action.option_strings),
            None if action.nargs == 0 else str(action.metavar or action.dest),
            tuple(map(str, action.choices or ())),
            (action.help or "") % {"default": action.default, "prog": parser.prog},
        )
        for action in parser._actions
        if not isinstance(action, argparse._SubParsersAction)
    ]


def verbs() -> dict[str, list[Option]]:
    """Return verb to its options and arguments; "" has those of the program itself."""
    top = main.parser()
    [below] = [
        action
        for action in top._actions
        if isinstance(action, argparse._SubParsersAction)
    ]
    return {"": _options(top), **{v: _options(below.choices[v]) for v in VERBS}}


def _words(options: list[Option]) -> list[str]:
    """Return what may stand next: names of options and choices of arguments."""
    return [word for option in options for word in (option.names or option.choices)]


def bash() -> str:
    """Return the completion for bash."""
    found = verbs()
    lines = [
        "# Completion of tincd-compat(8) for bash, made by generate.py.",
        "",
        "_tincd_compat() {",
        "    local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}",
        '    local verb="" words="" word',
        "    # To bash `--root=/srv' is three words.",
        "    if [[ $cur == = ]]; then",
        "        cur=",
        "    elif [[ $before == = ]]; then",
        "        before=${COMP_WORDS[COMP_CWORD - 2]}",
        "    fi",
        "    COMPREPLY=()",
        "    case $before in",
        *_bash_arguments(found),
        "    esac",
        '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
        "        case $word in",
        f"        {' | '.join(VERBS)})",
        "            verb=$word",
        "            break",
        "            ;;",
        "        esac",
        "    done",
        "    case $verb in",
    ]
    for verb, options in found.items():
        words = " ".join([*(() if verb else VERBS), *_words(options)])
        pattern = verb or '""'
        lines.append(f'    {pattern}) words="{words}" ;;')
    lines += [
        "    esac",
        '    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")',
        "}",
        "complete -F _tincd_compat tincd-compat",
    ]
    return "\n".join(lines) + "\n"


def _bash_arguments(found: dict[str, list[Option]]) -> Iterator[str]:
    """Yield the cases for what follows an option that takes an argument."""
    seen: set[tuple[str, ...]] = set()
    for options in found.values():
        for option in options:
            if not option.names or not option.takes_argument or option.names in seen:
                continue
            seen.add(option.names)
            yield f"    {' | '.join(option.names)})"
            yield from (f"        {line}" for line in _bash_argument(option))
            yield "        return"
            yield "        ;;"


def _bash_argument(option: Option) -> list[str]:
    if option.choices:
        choices = " ".join(option.choices)
        return [f'mapfile -t COMPREPLY < <(compgen -W "{choices}" -- "$cur")']
    if option.metavar in _NETS:
        return [
            "for word in /run/tinc.*.sock; do",
            "    word=${word#/run/tinc.} word=${word%.sock}",
            '    [[ $word == "*" ]] || words+=" $word"',
            "done",
            'mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")',
        ]
    if option.metavar in _FILES | _DIRECTORIES:
        kind = "-d" if option.metavar in _DIRECTORIES else "-f"
        return [
            "compopt -o filenames",
            f'mapfile -t COMPREPLY < <(compgen {kind} -- "$cur")',
        ]
    return []


def zsh() -> str:
    """Return the completion for zsh."""
    found = verbs()
    lines = [
        "#compdef tincd-compat",
        "# Completion of tincd-compat(8) for zsh, made by generate.py.",
        "",
        "local -a verbs",
        "verbs=(",
        *(f"    {_single(f'{verb}:{text}')}" for verb, (_, text) in VERBS.items()),
        ")",
        "local curcontext=$curcontext state line",
        "_arguments -C \\",
        *(f"    {_zsh_option(option)} \\" for option in found[""]),
        "    '1: :->verb' \\",
        "    '*:: :->rest'",
        "case $state in",
        "verb) _describe verb verbs ;;",
        "rest)",
        "    case $words[1] in",
    ]
    for verb in VERBS:
        specs = [_zsh_option(option) for option in found[verb]]
        lines.append(f"    {verb})")
        lines.append("        _arguments \\")
        lines += [f"            {spec} \\" for spec in specs[:-1]]
        lines += [f"            {specs[-1]}", "        ;;"]
    lines += ["    esac", "    ;;", "esac"]
    return "\n".join(lines) + "\n"


def _zsh_option(option: Option) -> str:
    text = option.help.replace("[", "(").replace("]", ")").replace(":", "\\:")
    if not option.names:
        action = (
            f"({' '.join(option.choices)})" if option.choices else _zsh_kind(option)
        )
        return _single(f"*:{option.metavar or option.long}:{action}")
    argument = ""
    if option.takes_argument:
        metavar = (option.metavar or "").lower()
        action = (
            f"({' '.join(option.choices)})" if option.choices else _zsh_kind(option)
        )
        argument = f":{metavar}:{action}"
    if len(option.names) == 1:
        equals = "=" if option.takes_argument else ""
        return _single(f"{option.long}{equals}[{text}]{argument}")
    short, long = option.names
    plus, equals = ("+", "=") if option.takes_argument else ("", "")
    names = f"{{{short}{plus},{long}{equals}}}"
    return f"'({short} {long})'{names}{_single(f'[{text}]{argument}')}"


def _zsh_kind(option: Option) -> str:
    if option.metavar in _FILES:
        return "_files"
    return "_files -/" if option.metavar in _DIRECTORIES else ""


def _single(text: str) -> str:
    """Return a word in quotes, whatever is in it."""
    return "'" + text.replace("'", "'\\''") + "'"


def fish() -> str:
    """Return the completion for fish."""
    found = verbs()
    begin = "complete -c tincd-compat"
    lines = [
        "# Completion of tincd-compat(8) for fish, made by generate.py.",
        "",
        f"{begin} -f",
    ]
    for verb, (_, text) in VERBS.items():
        lines.append(f"{begin} -n __fish_use_subcommand -a {verb} -d {_fish(text)}")
    for verb, options in found.items():
        condition = f"'__fish_seen_subcommand_from {verb}'"
        where = f" -n {condition}" if verb else " -n __fish_use_subcommand"
        for option in options:
            words = _fish_option(option)
            if words:
                lines.append(f"{begin}{where}{words}")
    return "\n".join(lines) + "\n"


def _fish_option(option: Option) -> str:
    if not option.names:
        if not option.choices:
            return " -F" if option.metavar in _FILES else ""
        return f" -a {_fish(' '.join(option.choices))}"
    words = "".join(
        f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}"
        for name in option.names
    )
    if option.choices:
        words += f" -x -a {_fish(' '.join(option.choices))}"
    elif option.metavar in _FILES:
        words += " -r -F"
    elif option.metavar in _DIRECTORIES:
        words += " -x -a '(__fish_complete_directories)'"
    elif option.takes_argument:
        words += " -x"
    return f"{words} -d {_fish(option.help)}"


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


#: File to its text.
FILES: Final = {
    "bash/tincd-compat": bash,
    "zsh/_tincd-compat": zsh,
    "fish/tincd-compat.fish": fish,
}

if __name__ == "__main__":
    for name, make in FILES.items():
        (PLACE / name).write_text(make())
