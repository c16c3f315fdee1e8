"""The manual pages and the code name the same things."""

from __future__ import annotations

import argparse
import dataclasses
import re
import shutil
import subprocess
from enum import Enum
from pathlib import Path

import pytest

import tincd_compat
from tests.admin import pages
from tincd_compat import logs
from tincd_compat.admin import main
from tincd_compat.admin.verbs import VERBS
from tincd_compat.config.check.scripts import SCRIPTS
from tincd_compat.config.settings import Settings
from tincd_compat.config.variables import (
    DEVICE_TYPES,
    HOST_VARIABLES,
    VARIABLES,
    Scope,
    Variable,
)
from tincd_compat.observe.words import ProblemCode
from tincd_compat.service import commandline, process, scripts
from tincd_compat.service.getopt import Argument

PACKAGE = Path(tincd_compat.__file__).parent
PAGES = {page.name: page for page in (PACKAGE.parent / "man").glob("*.[58]")}

#: Variables of the environment that a user of the C library or of ``Name`` sets.
ELSEWHERE = {"HOST", "TZ"}

pytestmark = pytest.mark.skipif(not PAGES, reason="the tree has no man directory here")


def section(page: str, title: str) -> str:
    """Return a section of a page, by its title as it is written there."""
    text = PAGES[page].read_text()
    [found] = re.findall(
        rf"^\.S[hs] {title}\n(.*?)(?=^\.Sh |^\.Ss |\Z)", text, re.DOTALL | re.MULTILINE
    )
    return str(found)


def items(page: str, title: str, macro: str) -> dict[str, str]:
    """Return the list items of a section that begin with ``macro``: head to text.

    Lists within an item are part of it.
    """
    found: dict[str, str] = {}
    head, depth = "", 0
    for line in section(page, title).splitlines():
        depth += line.startswith(".Bl") - line.startswith(".El")
        if depth == 1 and line.startswith(".It"):
            head = line.removeprefix(".It ")
            found[head] = ""
        elif depth:
            found[head] = found.get(head, "") + f"{line}\n"
    return {
        head.removeprefix(f"{macro} "): text
        for head, text in found.items()
        if head.startswith(f"{macro} ")
    }


def variables(title: str) -> dict[str, str]:
    """Return variable to the rest of its head."""
    heads = [head.split(" ", 1) for head in items("tinc.conf.5", title, "Va")]
    return dict(heads)


SERVER, HOST = ("SERVER VARIABLES", "HOST VARIABLES") if PAGES else ("", "")


def marks(name: str, title: str) -> list[str]:
    """Return what stands in parentheses: the default, then the marks."""
    return variables(title)[name].rpartition(" Pq ")[2].split("; ")


def test_every_variable_is_in_its_list() -> None:
    assert set(variables(SERVER)) == {"Name", *VARIABLES} - HOST_VARIABLES
    assert set(variables(HOST)) == HOST_VARIABLES


@pytest.mark.parametrize("title", [SERVER, HOST])
def test_variables_are_in_alphabetical_order(title: str) -> None:
    names = list(variables(title))
    assert names == sorted(names, key=str.lower)


def default(variable: Variable) -> str | None:
    """Return the default in the words of the configuration, None if there is none."""
    [found] = [
        field for field in dataclasses.fields(Settings) if field.name == variable.field
    ]
    match found.default:
        case bool() as value:
            return "yes" if value else "no"
        case Enum() as value:
            return str(value.value)
        case int() | str() as value:
            return str(value)
    return None


@pytest.mark.parametrize("name", VARIABLES)
def test_defaults_and_marks_are_those_of_the_code(name: str) -> None:
    variable = VARIABLES[name]
    title = HOST if name in HOST_VARIABLES else SERVER
    shown, *words = marks(name, title)
    expected = default(variable) if Scope.OWN in variable.scope else None
    assert expected in (None, shown)
    assert ("multiple" in words) is variable.multiple
    # Own subnets are looked up at a reload in a way of their own.
    assert ("reload" in words) is (variable.reload or name == "Subnet")
    assert ("peers" in words) is (variable.scope is Scope.PEER)
    own = name in HOST_VARIABLES and variable.scope is Scope.OWN
    assert ("own" in words) is own


@pytest.mark.parametrize("name", VARIABLES)
def test_choices_are_those_of_the_code(name: str) -> None:
    title = HOST if name in HOST_VARIABLES else SERVER
    head = variables(title)[name].rpartition(" Pq ")[0]
    words = set(re.findall(r"Cm (\S+)", head))
    kind = Settings.__dataclass_fields__.get(VARIABLES[name].field)
    match kind.default if kind else None:
        case bool():
            assert words == {"yes", "no"}
        case Enum() as value:
            assert words == {member.value for member in type(value)}
        case _ if name == "DeviceType":
            assert words == set(DEVICE_TYPES)


def test_every_option_is_in_the_page() -> None:
    heads = list(items("tincd.8", "Options", "Fl"))
    found = {}
    for head in heads:
        [long] = re.findall(r"(?<!\S)-([a-z-]+)", head.rpartition(" , ")[2])
        short = head.split()[0] if " , " in head else ""
        found[long] = short, head
    assert {long: short for long, (short, _) in found.items()} == {
        option.long: option.short for option in commandline.OPTIONS
    }
    for option in commandline.OPTIONS:
        _, _, form = found[option.long][1].rpartition(" , ")
        argument = form.split(f"-{option.long}")[1]
        assert {
            Argument.NONE: argument == "",
            Argument.OPTIONAL: argument.startswith(" Ns Op = Ns Ar "),
            Argument.REQUIRED: argument.startswith((" Ns = Ns Ar ", " Ns = Ns Oo ")),
        }[option.argument], option


def verb_heads() -> dict[str, str]:
    """Return each verb of the other program to the head of its section."""
    text = PAGES["tincd-compat.8"].read_text()
    heads = re.findall(r"^\.Ss (.*)$", text.partition(".Sh VERBS")[2], re.M)
    found: dict[str, str] = {}
    for head in heads:
        verbs = re.match(r"[\w-]+(?: , [\w-]+)*", head)
        assert verbs, head
        found |= dict.fromkeys(verbs[0].split(" , "), head)
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_of_the_other_program_is_in_its_page(verb: str) -> None:
    parser = main.parser([verb])
    [verbs] = [
        action
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
    ]
    actions = verbs.choices[verb]._actions
    options = {action.option_strings[-1] for action in actions if action.option_strings}
    head = verb_heads()[verb]
    common = set(items("tincd-compat.8", "DESCRIPTION", "Fl"))
    listed = set(re.findall(r"-([a-z][a-z-]+)", " ".join(common)))
    if verb in ("takeover", "release"):
        heads = items("tincd-compat.8", "takeover , release", "Fl")
        listed |= {name.split()[0].removeprefix("-") for name in heads}
    # A letter stands for itself: Fl a is --all.
    letters = set(re.findall(r"Fl (\w)\b", head))
    for action in actions:
        short = {text[1:] for text in action.option_strings if len(text) == 2}
        if short & letters:
            listed |= {text[2:] for text in action.option_strings}
    named = listed | set(re.findall(r"Fl -([a-z][a-z-]+)", head))
    assert {option.removeprefix("--") for option in options} <= named
    for action in actions:
        if not action.option_strings and verb not in ("takeover", "release"):
            words = re.split(r"\W", str(action.metavar or (action.choices or "")))
            assert all(word in head for word in words if word), words


def test_no_verb_is_in_the_page_alone() -> None:
    assert list(verb_heads()) == list(VERBS)


def test_every_problem_has_a_paragraph_by_its_severity() -> None:
    text = section("tincd-compat.8", "PROBLEMS")
    critical, _, warnings = text.partition(".El\n")
    for part, severity in ((critical, "critical"), (warnings, "warning")):
        found = re.findall(r"^\.It Cm ([\w-]+)$", part, re.M)
        assert set(found) == {
            str(code) for code in ProblemCode if code.severity == severity
        }
    for paragraph in re.split(r"^\.It ", text, flags=re.M)[1:]:
        assert paragraph.count("\n") > 5, paragraph


def test_records_are_described_as_their_schemas_do() -> None:
    """Say ``python -m tests.admin.pages`` after a change of a record."""
    assert pages.PAGE.read_text() == pages.page()


def test_every_signal_is_in_the_page() -> None:
    heads = items("tincd.8", "SIGNALS", "Dv")
    names = {name for head in heads for name in head.split(" , ")}
    assert names == {number.name for number in process.SIGNALS}
    [kill] = [
        text
        for head, text in items("tincd.8", "Options", "Fl").items()
        if "-kill" in head
    ]
    listed = re.findall(r"\b[A-Z]{3,}[12]?\b", kill.partition(";")[0])
    assert listed[0] == "SIGNAL"
    assert set(listed[1:]) == set(commandline.SIGNAL_NAMES)


def test_every_debug_level_is_in_the_page() -> None:
    levels = re.findall(r"^\.It (\d+)$", section("tincd.8", "DEBUG LEVELS"), re.M)
    assert [int(level) for level in levels] == sorted(logs.THRESHOLDS.values())


def test_every_variable_of_the_environment_is_in_the_page() -> None:
    pattern = re.compile(
        r"\b(?:TINCD_COMPAT_[A-Z_]*[A-Z]|LISTEN_[A-Z]+|NOTIFY_SOCKET|WATCHDOG_[A-Z]+"
        r"|POSIXLY_CORRECT)\b"
    )
    used = {
        name
        for path in PACKAGE.rglob("*.py")
        for name in re.findall(rf'"({pattern.pattern})"', path.read_text())
    }
    # A constant of ours, not a variable.
    used -= {"WATCHDOG_SHARE"}
    assert set(items("tincd.8", "ENVIRONMENT", "Ev")) == used | ELSEWHERE


def test_every_script_and_its_variables_are_in_the_page() -> None:
    text = section("tinc.conf.5", "SCRIPTS")
    for name in SCRIPTS:
        assert f".It Pa {name}" in text
    for word in ("up", "down"):
        assert f"Pa hosts/ Ns Ar NAME Ns Pa -{word}" in text
    assert tuple(re.findall(r"^\.It Ev (\S+)$", text, re.M)) == scripts.VARIABLES


@pytest.mark.parametrize("status", [0, 1, 2])
def test_exit_statuses_are_in_the_page(status: int) -> None:
    assert f".It {status}\n" in section("tincd.8", "EXIT STATUS")


@pytest.mark.parametrize("page", ["tincd.8", "tinc.conf.5"])
def test_differences_have_a_section_of_their_own(page: str) -> None:
    assert section(page, "DIFFERENCES FROM C TINCD").count(".It") > 5


@pytest.mark.parametrize("page", PAGES)
def test_the_page_is_in_order(page: str) -> None:
    mandoc = shutil.which("mandoc")
    if mandoc is None:
        pytest.skip("mandoc is not installed")
    done = subprocess.run(
        [mandoc, "-T", "lint", "-W", "style", str(PAGES[page])],
        capture_output=True,
        text=True,
        check=False,
    )
    # What other pages this machine has does not matter.
    complaints = [
        line
        for line in done.stdout.splitlines()
        if "referenced manual not found" not in line
    ]
    assert complaints == []
