"""The script of the page, in an engine without a browser: rows, words and the map."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_mini_racer import MiniRacer

from tests.admin import mesh
from tests.admin.exported import FULL
from tincd_compat.admin import pagesite, schema, status, text, webpage
from tincd_compat.observe.words import CheckResult, EventKind, PathKind, Severity

NODES: Final[list[Any]] = mesh.NODES
#: The time of the tests in milliseconds, as JavaScript has it.
NOW = 1796009682000
#: What the page shows of what is not known.
DASH = "\N{EN DASH}"
#: Names that mean something to objects of JavaScript; tinc takes them for nodes.
ODD = ("__proto__", "constructor", "toString", "hasOwnProperty")


class Engine:
    """The parts of the script that know no document."""

    def __init__(self) -> None:
        self._context = MiniRacer()
        for name in ("words.js", "mesh.js"):
            self._context.eval(webpage.part(name))

    def close(self) -> None:
        self._context.close()

    def call(self, expression: str, *values: Any) -> Any:
        """Return what a function makes of values, all as JSON."""
        words = json.dumps(json.dumps(values))
        return json.loads(
            str(
                self._context.eval(
                    f"JSON.stringify(({expression})(...JSON.parse({words})) ?? null)"
                )
            )
        )


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Have one engine, which has threads of its own: they end before the process."""
    made = Engine()
    yield made
    made.close()


def edges(*pairs: tuple[str, str]) -> list[dict[str, Any]]:
    both = [
        (start, end)
        for one, other in pairs
        for start, end in ((one, other), (other, one))
    ]
    return [
        {"from": start, "to": end, "both": True, "weight": 1} for start, end in both
    ]


class TestWords:
    """The page says of a node what the command says of it."""

    @pytest.mark.parametrize("node", NODES[:6], ids=lambda node: str(node["name"]))
    def test_are_those_of_the_command(self, engine: Engine, node: Any) -> None:
        assert engine.call("wayOf", node) == status.way(node)
        found = engine.call("roundTripText", node).replace(" ", "")
        assert found == status.round_trip(node).replace(text.UNKNOWN, DASH)

    @given(
        st.sampled_from([("size", text.size), ("duration", text.duration)]),
        st.floats(0, 1e9) | st.none() | st.integers(0, 1 << 40),
    )
    @settings(deadline=None)
    def test_figures_are_those_of_the_command(
        self,
        engine: Engine,
        made: tuple[str, Callable[[object], str]],
        value: float | None,
    ) -> None:
        expression, make = made
        wanted = make(value).replace(text.UNKNOWN, DASH)
        assert alike(engine.call(expression, value), wanted)

    @pytest.mark.parametrize("power", range(0, 64, 5))
    def test_all_units(self, engine: Engine, power: int) -> None:
        assert engine.call("size", 1 << power) == text.size(1 << power)

    def test_every_word_has_its_place(self, engine: Engine) -> None:
        paths = set(engine.call("() => [...PATHS.keys()]"))
        assert paths == {*PathKind, "idle"}
        kinds = set(engine.call("() => [...LOSSES, ...GAINS, ...MAP_KINDS]"))
        assert kinds <= set(EventKind)
        assert f'"{Severity.CRITICAL}"' in webpage.part("parts.js")
        checks = re.search(
            r"CHECK_WORDS = new Map\((.*)\);", webpage.part("explain.js")
        )
        assert checks is not None
        assert {word for word, _ in json.loads(checks[1])} == set(CheckResult)

    @pytest.mark.parametrize("path", [None, "something-new", *ODD])
    def test_a_path_that_is_not_known(self, engine: Engine, path: str | None) -> None:
        assert engine.call("pathOf", {"path": path}) == "idle"

    def test_the_summary(self, engine: Engine) -> None:
        assert engine.call("summaryOf", mesh.STATUS, NOW) == (
            "alpha, router mode, up 12 d · 42 of 45 nodes reachable · "
            "3 links, 118 edges, 61 subnets · reloaded 2 d ago"
        )

    def test_what_is_not_listed_is_counted(self, engine: Engine) -> None:
        counts = {**mesh.STATUS["problem_counts"], "data-over-tcp": 70}
        found = {**mesh.STATUS, "problem_counts": counts}
        assert engine.call("hiddenProblems", found) == ["69 more of data-over-tcp"]


def alike(one: str, other: str) -> bool:
    """Return whether units are the same and figures nearly.

    Halves are rounded up in JavaScript, and to an even figure in Python.
    """
    (figure, _, unit), (second, _, further) = one.partition(" "), other.partition(" ")
    if not unit:
        return one == other
    return unit == further and abs(float(figure) - float(second)) <= 1


class TestTable:
    def names(self, engine: Engine, nodes: Any, column: str, is_down: bool) -> Any:
        found = engine.call("sorted", nodes, column, is_down)
        return [node["name"] for node in found]

    def test_is_sorted_by_each_column(self, engine: Engine) -> None:
        some = NODES[:5]
        assert self.names(engine, some, "name", True)[0] == "echo"
        assert self.names(engine, some, "path", False)[0] == "alpha"
        assert self.names(engine, some, "path", True)[0] == "echo"
        assert self.names(engine, some, "rtt", True)[:3] == [
            "delta",
            "charlie",
            "bravo",
        ]
        assert self.names(engine, some, "sent", True)[:2] == ["bravo", "delta"]
        assert self.names(engine, some, "mtu", False)[:2] == ["delta", "bravo"]

    @pytest.mark.parametrize("is_down", [False, True])
    def test_what_is_not_known_comes_last(self, engine: Engine, is_down: bool) -> None:
        for column in ("rtt", "mtu", "sent", "received", "last_packet"):
            names = self.names(engine, NODES[:5], column, is_down)
            assert names[-1] in ("alpha", "echo"), column

    def test_figures_in_names_are_figures(self, engine: Engine) -> None:
        nodes = [mesh.node(name) for name in ("n10", "n9", "N1")]
        assert self.names(engine, nodes, "name", False) == ["N1", "n9", "n10"]

    @pytest.mark.parametrize(
        ("filter", "names"),
        [
            ("", ["alpha", "bravo", "charlie", "delta", "echo"]),
            ("  ", ["alpha", "bravo", "charlie", "delta", "echo"]),
            ("CHAR", ["charlie"]),
            ("via bravo", ["delta"]),
            ("10.0.3.", ["charlie"]),
            ("tcp 10.0.3.", ["charlie"]),
            ("udp 10.0.3.", []),
            ("<b>", []),
        ],
    )
    def test_a_filter(self, engine: Engine, filter: str, names: list[str]) -> None:
        found = engine.call("filtered", NODES[:5], filter)
        assert [node["name"] for node in found] == names

    def test_links_are_added(self, engine: Engine) -> None:
        links = [
            {"name": "echo", "active": True, "sent": mesh.way(7000), "received": None},
            {"name": "delta", "active": False, "sent": mesh.way(1), "received": None},
            {"name": "bravo", "active": True, "sent": mesh.way(1000), "received": None},
        ]
        found = engine.call("withLinks", NODES[:5], links)
        assert found == status.with_links(NODES[:5], links)


class TestMap:
    def drawn(self, engine: Engine, root: str, nodes: Any, edges: Any) -> Any:
        shape = """(root, nodes, edges) => {
          const { shown, lines, isFolded, box } = mapOf(root, nodes, edges);
          const flat = ({ element, children, ...each }) => each;
          return { shown: shown.map(flat), isFolded, box,
            lines: lines.map(({ from, to, isTree }) => [from.name, to.name, isTree]) };
        }"""
        return engine.call(shape, root, nodes, edges)

    def test_of_a_few(self, engine: Engine) -> None:
        found = self.drawn(
            *(engine, "alpha", NODES[:5]),
            edges(("alpha", "bravo"), ("alpha", "charlie"), ("bravo", "delta"))
            + edges(("bravo", "charlie")),
        )
        places = {each["name"]: each for each in found["shown"]}
        assert set(places) == {"alpha", "bravo", "charlie", "delta", "echo"}
        assert (places["alpha"]["x"], places["alpha"]["y"]) == (0, 0)
        assert places["delta"]["parent"] == "bravo"
        assert not found["isFolded"]
        assert sorted(found["lines"]) == [
            *(["alpha", "bravo", True], ["alpha", "charlie", True]),
            *(["bravo", "charlie", False], ["bravo", "delta", True]),
        ]
        x, y, width, height = found["box"]
        for each in places.values():
            assert x < each["x"] < x + width, each
            assert y < each["y"] < y + height, each

    def test_an_edge_without_its_reverse_is_no_way(self, engine: Engine) -> None:
        [edge, _] = edges(("alpha", "bravo"))
        found = self.drawn(engine, "alpha", NODES[:2], [{**edge, "both": False}])
        assert found["lines"] == []
        assert [each["parent"] for each in found["shown"]] == [None, None]

    def test_no_two_are_at_one_place(self, engine: Engine) -> None:
        for amount in (2, 24, 79, 81, 300):
            names = [f"n{number}" for number in range(1, amount)]
            nodes = [mesh.node("n0", "self"), *(mesh.node(name) for name in names)]
            found = self.drawn(engine, "n0", nodes, edges(*(("n0", n) for n in names)))
            places = {(round(each["x"]), round(each["y"])) for each in found["shown"]}
            assert len(places) == amount

    @pytest.mark.parametrize("amount", [301, 1000, 5000])
    def test_of_many_is_folded(self, engine: Engine, amount: int) -> None:
        names = [f"n{number}" for number in range(amount)]
        pairs = [
            (names[max(0, number // 40)], names[number]) for number in range(1, amount)
        ]
        nodes = [mesh.node(name) for name in names]
        found = self.drawn(engine, "n0", nodes, edges(*pairs))
        assert found["isFolded"]
        assert len(found["shown"]) <= 2 * 60
        single = [each["name"] for each in found["shown"] if each["name"]]
        bundled = [name for each in found["shown"] for name in each["names"] or ()]
        assert sorted([*single, *bundled]) == sorted(names)

    def test_a_chain_is_no_matter_of_depth(self, engine: Engine) -> None:
        names = [f"n{number}" for number in range(20_000)]
        nodes = [{"name": name, "path": "udp"} for name in names]
        found = self.drawn(engine, "n0", nodes, edges(*itertools.pairwise(names)))
        [bundle] = [each for each in found["shown"] if each["names"]]
        assert bundle["parent"] == "n59"
        assert len(bundle["names"]) == 20_000 - 60

    def test_a_bundle_has_the_worst_path(self, engine: Engine) -> None:
        names = [f"n{number}" for number in range(400)]
        nodes = [mesh.node(name) for name in names]
        nodes[399]["path"] = "tcp"
        found = self.drawn(engine, "n0", nodes, edges(*(("n0", n) for n in names[1:])))
        [bundle] = [each for each in found["shown"] if each["names"]]
        assert (bundle["path"], len(bundle["names"])) == ("tcp", 399)

    def test_who_is_not_reached_has_a_place(self, engine: Engine) -> None:
        for amount, things in ((12, 13), (13, 2)):
            lost = [mesh.node(f"n{number}", "none") for number in range(amount)]
            found = self.drawn(engine, "alpha", [NODES[0], *lost], [])
            assert len(found["shown"]) == things

    @given(
        st.lists(st.tuples(*[st.sampled_from(["a", "b", "c", "d", *ODD])] * 2)),
        st.lists(st.sampled_from(["b", "c", "d", *ODD]), unique=True),
    )
    @settings(deadline=None)
    def test_of_any_mesh(self, engine: Engine, pairs: Any, names: list[str]) -> None:
        nodes = [mesh.node(name) for name in ("a", *names)]
        pairs = [(one, other) for one, other in pairs if one != other]
        found = self.drawn(engine, "a", nodes, edges(*pairs))
        shown = [each["name"] for each in found["shown"]]
        assert len(shown) == len(set(shown))
        assert set(names) <= set(shown)

    def test_arrow_keys_find_the_next(self, engine: Engine) -> None:
        here = {"x": 0, "y": 0}
        others = [here, {"x": 10, "y": 1}, {"x": 30, "y": 0}, {"x": -5, "y": 40}]
        assert engine.call("nearest", here, others, 1, 0) == others[1]
        assert engine.call("nearest", here, others, 0, 1) == others[3]
        assert engine.call("nearest", here, others, 0, -1) is None


class Document(HTMLParser):
    """What the HTML has: ids, elements, and what other elements refer to."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.references: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.feed(webpage.part("page.html"))

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.append((name, value or ""))
            if name == "id":
                self.ids.append(value)
            if name in ("aria-labelledby", "aria-describedby", "for"):
                self.references |= set(value.split())


class TestParts:
    def test_what_the_script_uses_is_there(self) -> None:
        document, code = Document(), webpage.script()
        assert len(document.ids) == len(set(document.ids))
        used = set(re.findall(r'\$\("([\w-]+)"\)', code))
        assert used <= set(document.ids)
        assert document.references <= set(document.ids)
        unused = set(document.ids) - used - document.references
        assert {each for each in unused if not each.startswith("shape-")} == set()
        shapes = {each[6:] for each in document.ids if each.startswith("shape-")}
        assert shapes == {*PathKind, "idle"}

    def test_it_has_landmarks_and_no_markup_out_of_texts(self) -> None:
        document = Document()
        for tag in ("header", "main", "footer", "dialog", "h1", "noscript"):
            assert document.tags.count(tag) == 1
        assert dict(document.attributes)["lang"] == "en"
        names = {name for name, _ in document.attributes}
        assert not {name for name in names if name.startswith("on")} | names & {"style"}
        for way in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "write(",
            "eval(",
            "Function(",
            "srcdoc",
            "createContextualFragment",
            "DOMParser",
        ):
            assert way not in webpage.script(), way

    def test_nothing_comes_from_elsewhere(self) -> None:
        code = webpage.made().body.decode()
        places = set(re.findall(r"\w+://[\w./]+", code))
        assert places == {"http://www.w3.org/2000/svg"}
        assert "@import" not in code
        assert "url(" not in code
        tags = Document().tags
        assert (tags.count("link"), tags.count("script"), tags.count("style")) == (
            *(1, 1, 1),
        )
        assert not {"img", "iframe", "object", "base"} & set(tags)

    def test_colours_are_no_more_than_a_help(self) -> None:
        """Each path has a colour of its kind, in light and dark, and a shape."""
        style = webpage.part(webpage.STYLE)
        light, dark = style.split("@media (prefers-color-scheme: dark)")[:2]
        for name in ("udp", "relay", "tcp", "none", "idle", "self", "text", "quiet"):
            for half in (light, dark):
                assert contrast(colour(half, name), colour(half, "back")) >= 4.5, name
                assert contrast(colour(half, name), colour(half, "panel")) >= 4.5, name

    def test_fields_are_those_of_the_schemas(self) -> None:
        """What is named like a record is one, and has no field that is not there."""
        records = {
            "status": fields("status"),
            "problem": definition("status", "Problem"),
            "node": fields("node"),
            "link": fields("link"),
            "edge": fields("edge"),
            "event": fields("event"),
            "explanation": fields("explanation"),
            "check": definition("explanation", "Check"),
            "fallback": definition("explanation", "Fallback"),
            "cause": definition("explanation", "Finding"),
        }
        code = webpage.script()
        for name, known in records.items():
            used = set(re.findall(rf"(?<![\w.]){name}\??\.(\w+)", code))
            assert used, name
            assert used <= known, name

    def test_lists_are_those_that_are_passed(self) -> None:
        asked = re.findall(r'\.(?:one|many)\("(\w+)"(, )?', webpage.part("main.js"))
        assert {name for name, _ in asked} == set(pagesite.PASSED)
        for name, query in asked:
            assert bool(query) is (pagesite.PASSED[name] is not None)

    def test_the_mesh_of_the_tests_is_one_of_records(self) -> None:
        for node in FULL["nodes"]:
            assert set(node) <= fields("node")


class TestPolicy:
    def test_allows_what_is_in_the_page(self) -> None:
        made = webpage.made()
        body = made.body.decode()
        for tag in ("script", "style"):
            [inner] = re.findall(rf"<{tag}>(.*?)</{tag}>", body, re.S)
            assert len(inner) > 2000
            wanted = webpage.policy("" if tag == "script" else inner, inner)
            [rule] = [
                each for each in wanted.split("; ") if each.startswith(f"{tag}-src")
            ]
            assert rule in made.policy.split("; ")

    def test_and_nothing_else(self) -> None:
        rules = dict(rule.split(" ", 1) for rule in webpage.made().policy.split("; "))
        assert rules["default-src"] == "'none'"
        assert rules["connect-src"] == "'self'"
        assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"
        assert rules["require-trusted-types-for"] == "'script'"
        assert "unsafe" not in webpage.made().policy
        assert "*" not in webpage.made().policy

    def test_no_part_ends_its_element(self) -> None:
        assert "</" not in webpage.script()
        assert "</" not in webpage.part(webpage.STYLE)
        assert "<!--" not in webpage.script()


def fields(name: str) -> set[str]:
    return set(schema.load(name)["properties"])


def definition(name: str, inner: str) -> set[str]:
    return set(schema.load(name)["$defs"][inner]["properties"])


def colour(style: str, name: str) -> str:
    found = re.search(rf"--{name}: (#\w{{6}});", style)
    assert found is not None, name
    return found[1]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours (WCAG 2.2, 1.4.3)."""
    dark, light = sorted(map(_luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    return sum(
        part * weight
        for part, weight in zip(_linear(colour), (0.2126, 0.7152, 0.0722), strict=True)
    )


def _linear(colour: str) -> Iterator[float]:
    for place in (1, 3, 5):
        value = int(colour[place : place + 2], 16) / 255
        yield value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
