"""README and ``docs/`` name what the code has, and say nothing that is not so."""

from __future__ import annotations

import ast
import functools
import json
import re
import statistics
from pathlib import Path

import pytest

import tincd_compat
from tests.test_manual import items
from tincd_compat.config.check.names import LATER_VARIABLES
from tincd_compat.config.check.scripts import SCRIPTS
from tincd_compat.config.variables import HOST_VARIABLES, VARIABLES
from tincd_compat.meta.messages import Request
from tincd_compat.service import commandline, process, scripts

PACKAGE = Path(tincd_compat.__file__).parent
ROOT = PACKAGE.parent
DOCS = ROOT / "docs"
README, FIGURES = ROOT / "README.md", DOCS / "figures.md"
COMPATIBILITY, TROUBLE = DOCS / "compatibility.md", DOCS / "troubleshooting.md"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])


def section(document: Path, title: str) -> str:
    """Return what follows a heading, up to the next one of its level or above."""
    text = document.read_text()
    [(marks, start)] = [
        (found[1], found.end())
        for found in re.finditer(r"^(#+) (.+)\n", text, re.M)
        if found[2] == title
    ]
    end = re.search(rf"^#{{1,{len(marks)}}} ", text[start:], re.M)
    return text[start : start + end.start()] if end else text[start:]


def table(document: Path, title: str) -> list[list[str]]:
    """Return the cells of the first table of a section, its head among them."""
    found = re.search(r"(?:^\|.*\n)+", section(document, title), re.M)
    assert found, title
    lines = [line.strip().strip("|") for line in found[0].splitlines()]
    head, _, *rows = [[cell.strip() for cell in line.split(" | ")] for line in lines]
    return [head, *rows]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def rows(title: str) -> list[list[str]]:
    """Return what is named in the first cell of each row of docs/compatibility.md."""
    return [quoted(row[0]) for row in table(COMPATIBILITY, title)[1:]]


SERVER, HOST = "Variables of tinc.conf", "Variables of host files"


def test_every_variable_is_in_its_table() -> None:
    server = [name for [name] in rows(SERVER)]
    host = [name for [name] in rows(HOST)]
    assert set(server) == {"Name", *VARIABLES} - HOST_VARIABLES
    assert set(host) == HOST_VARIABLES
    assert server == sorted(server, key=str.lower)
    assert host == sorted(host, key=str.lower)


def test_every_variable_of_tinc_1_1_is_named() -> None:
    words = quoted(section(COMPATIBILITY, "Variables of tinc 1.1"))
    assert tuple(word for word in words if word.isalnum()) == LATER_VARIABLES


def test_every_option_is_in_its_table() -> None:
    assert {name for row in rows("Options") for name in row} == {
        *(f"--{option.long}" for option in commandline.OPTIONS),
        *(f"-{option.short}" for option in commandline.OPTIONS if option.short),
    }


def test_every_signal_is_in_its_table() -> None:
    names = [name for row in rows("Signals") for name in row]
    assert set(names) == {number.name for number in process.SIGNALS}
    [kill] = [row for row in table(COMPATIBILITY, "Options") if "`-k" in row[0]]
    listed = re.findall(r"\b[A-Z]{3,}\d?\b", kill[2])
    assert set(listed) == set(commandline.SIGNAL_NAMES)


def test_every_script_is_in_its_table() -> None:
    names = [name for row in rows("Scripts") for name in row]
    assert sorted(names) == sorted([*SCRIPTS, "hosts/NAME-up", "hosts/NAME-down"])


def test_every_variable_of_a_script_is_in_its_table() -> None:
    names = [name for row in rows("What scripts are told") for name in row]
    assert tuple(names) == scripts.VARIABLES


def test_every_variable_of_the_environment_is_in_its_table() -> None:
    """The manual page has all that the code knows, which is a test of its own."""
    names = [name for row in rows("Environment") for name in row]
    assert set(names) == set(items("tincd.8", "ENVIRONMENT", "Ev"))


def test_every_request_is_in_its_table() -> None:
    names = [name for row in rows("Requests") for name in row]
    assert names == [request.name for request in Request]


@pytest.mark.parametrize(
    "title",
    [SERVER, HOST, "Options", "Signals", "Scripts", "Environment", "Requests"],
)
def test_every_row_says_whether_it_is_as_in_c(title: str) -> None:
    for name, verdict, note in table(COMPATIBILITY, title)[1:]:
        assert verdict in {"same", "more", "differs", "new", "none"}, name
        assert note or verdict == "same", name


def test_what_is_new_is_what_the_manual_calls_so() -> None:
    new = {row[0].strip("`") for row in table(COMPATIBILITY, SERVER) if row[1] == "new"}
    page = (ROOT / "man/tinc.conf.5").read_text()
    [names] = re.findall(r"^\.It\n((?:\.Va .*|and)\n(?:.*\n)*?)are new,", page, re.M)
    assert new == set(re.findall(r"\b(?!Va\b|and\b)[A-Z]\w+", names))


def anchors(document: Path) -> set[str]:
    """Return the names that headings get where Markdown is shown."""
    titles = re.findall(r"^#+ (.+)$", document.read_text(), re.M)
    plain = [re.sub(r"[^\w\- ]", "", title.lower()) for title in titles]
    return {title.replace(" ", "-") for title in plain}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_something(document: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        path = document.parent / file if file else document
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


def test_the_readme_uses_no_word_of_this_house() -> None:
    words = re.findall(r"\b(pure|compiled half|lone|pumps?|half)\b", README.read_text())
    assert words == []


#: Columns and rows of tables, and what conformance/results calls them.
CONTENDERS = {
    "C tincd at both ends": "C - C",
    "this at both ends": "ours, fast",
    "this at one end": "ours - C",
    "C - C": "C - C",
    "ours - ours": "ours, fast",
    "ours - ours, Python code": "ours, pure",
    "ours - C": "ours - C",
    "C - ours": "C - ours",
}
MEASURES = {
    "idle round trip, ms": "idle RTT, median",
    "TCP, one stream, Mbit/s": "TCP, 1 stream",
    "the same the other way, Mbit/s": "TCP, 1 stream back",
    "TCP, four streams each way, Mbit/s": "TCP, 4 streams each way",
    "CPU of sender, µs per 1372 bytes": "CPU of its sender",
    "CPU of receiver, µs per 1372 bytes": "CPU of its receiver",
    "round trip beside the stream, ms": "RTT beside it, median",
    "UDP, 10 000 packets a second: CPU of sender, µs": (
        "UDP 1372 B at 10000/s: CPU of sender"
    ),
    "UDP, 10 000 packets a second: CPU of receiver, µs": (
        "UDP 1372 B at 10000/s: CPU of receiver"
    ),
    "memory, MiB": "resident memory",
    "IPv6": "TCP, 1 stream, IPv6",
    "`Mode = switch`": "TCP, 1 stream, Mode = switch",
    "`Compression = 1`": "TCP, 1 stream, Compression = 1",
    "`Cipher = blowfish`, `Digest = sha1`": "TCP, 1 stream, Cipher = blowfish",
    "`TCPOnly = yes`": "TCP, 1 stream, TCPOnly = yes",
    "through a third node": "TCP, 1 stream, relayed",
}


@pytest.mark.parametrize(
    ("document", "title", "results"),
    [
        (README, "What you get", "bench.json"),
        (FIGURES, "Two nodes", "bench.json"),
        (FIGURES, "Other modes", "bench-modes.json"),
    ],
)
def test_figures_are_those_that_were_measured(
    document: Path, title: str, results: str
) -> None:
    measured = json.loads((ROOT / "conformance/results" / results).read_text())
    head, *lines = table(document, title)
    for name, *cells in lines:
        for column, cell in zip(head[1:], cells, strict=True):
            contender = CONTENDERS[column.replace("\N{EN DASH}", "-")]
            measure = MEASURES[name]
            found = re.fullmatch(r"([\d.]+)(?: \(([\d.]+)x\))?", cell)
            assert found, cell
            rounds = measured["figures"][contender][measure]
            # Three digits of a figure, and two of a ratio.
            assert float(found[1]) == pytest.approx(statistics.median(rounds), 0.01)
            if found[2]:
                ratio = measured["ratios"][contender][measure]
                assert float(found[2]) == pytest.approx(ratio, 0.05)


def cases() -> list[tuple[str, str]]:
    """Return the symptoms of docs/troubleshooting.md and what is said about each."""
    _, *parts = re.split(r"^### (.+)\n", TROUBLE.read_text(), flags=re.M)
    texts = (re.split(r"^#", text, flags=re.M)[0] for text in parts[1::2])
    return list(zip(parts[::2], texts, strict=True))


def test_every_symptom_has_a_cause_a_way_to_confirm_it_and_a_remedy() -> None:
    assert len(cases()) > 20
    for symptom, text in cases():
        found = re.findall(r"^\* \*\*([A-Z][a-z ]+)\*\*: ", text, re.M)
        assert found == ["Cause", "Confirm", "Do"], symptom


@functools.cache
def words_of_the_code() -> str:
    """Return all texts in the package, those in pieces put together."""
    found: list[str] = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [
                    part.value if isinstance(part, ast.Constant) else "\0"
                    for part in node.values
                ]
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    shell = [path.read_text() for path in (PACKAGE / "service/shell").iterdir()]
    return "\n".join([*found, *shell])


def test_log_lines_that_are_quoted_are_those_of_the_code() -> None:
    """They stand in the headings; what varies in them is an ellipsis there."""
    lines = [line for symptom, _ in cases() for line in quoted(symptom)]
    assert len(lines) > 15
    text = words_of_the_code()
    for line in lines:
        for part in re.split(r"\s*…\s*", line):
            assert part in text, line


def test_the_module_for_nixos_is_of_this_version() -> None:
    text = (ROOT / "contrib/nix/tincd-compat.nix").read_text()
    assert re.findall(r' version = "(.+)";', text) == [tincd_compat.__version__]
