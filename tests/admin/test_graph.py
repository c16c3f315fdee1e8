"""Trees, weak places and drawings of a mesh, by its edges."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.admin import mesh
from tincd_compat.admin import meshmap
from tincd_compat.admin.graph import CutNode, cuts, graph_of, links, tree
from tincd_compat.admin.text import PLAIN


def edges(*pairs: str, both: bool = True) -> list[dict[str, Any]]:
    return [
        {"from": one, "to": other, "weight": 7, "both": both}
        for pair in pairs
        for one, other in (pair.split("-"), pair.split("-")[::-1])
    ]


CHAIN = graph_of(edges("a-b", "b-c", "c-d", "d-b"))


def test_an_edge_counts_with_its_reverse_only() -> None:
    assert graph_of(edges("a-b", both=False)) == {}
    assert list(links(CHAIN)) == [
        ("a", "b", 7),
        ("b", "c", 7),
        ("b", "d", 7),
        ("c", "d", 7),
    ]


def test_a_tree_has_each_node_once() -> None:
    assert tree(CHAIN, "a") == {"a": ["b"], "b": ["c", "d"], "c": [], "d": []}
    assert tree({}, "a") == {"a": []}


def test_who_cannot_be_done_without() -> None:
    assert cuts(CHAIN, "a") == [CutNode("b", 2, ["c", "d"])]
    assert cuts(CHAIN, "b") == []
    assert cuts({}, "a") == []


def test_a_long_chain_is_no_deep_recursion() -> None:
    names = [f"n{number:05}" for number in range(3000)]
    pairs = [f"{one}-{other}" for one, other in itertools.pairwise(names)]
    graph = graph_of(edges(*pairs))
    found = cuts(graph, names[0])
    assert (found[0].node, found[0].amount, len(found)) == (names[1], 2998, 2998)
    assert len(found[0].lost) == 100
    drawn = list(meshmap.drawn(graph, names[0], {}, PLAIN))
    assert len(drawn) == 3000
    assert max(map(len, drawn)) < 80


def without(graph: dict[str, dict[str, float]], root: str, gone: str) -> set[str]:
    seen, waiting = {root}, [root]
    while waiting:
        for other in graph.get(waiting.pop(), {}):
            if other != gone and other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen


@given(st.sets(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=14))
def test_what_is_lost_is_what_is_not_found_without_it(
    pairs: set[tuple[int, int]],
) -> None:
    graph = graph_of(edges(*(f"{one}-{other}" for one, other in pairs if one != other)))
    everybody = without(graph, "0", "")
    expected = {
        node: sorted(everybody - without(graph, "0", node) - {node})
        for node in everybody - {"0"}
    }
    assert {cut.node: list(cut.lost) for cut in cuts(graph, "0")} == {
        node: lost for node, lost in expected.items() if lost
    }


def test_the_tree_in_text() -> None:
    nodes = {
        "alpha": mesh.ALPHA,
        "bravo": mesh.BRAVO,
        "charlie": mesh.CHARLIE,
        "delta": mesh.DELTA,
        "echo": mesh.ECHO,
    }
    graph = graph_of(edges("alpha-bravo", "bravo-delta", "alpha-charlie"))
    assert list(meshmap.drawn(graph, "alpha", nodes, PLAIN)) == [
        "alpha",
        "├── bravo  udp 11.8ms",
        "│   └── delta  udp via bravo ~61ms",
        "└── charlie  tcp 48.0ms",
        "not reached: echo",
    ]


def test_graphs_for_other_programs() -> None:
    graph = graph_of(edges("a-b"))
    assert list(meshmap.dot(graph, 'v"p\\n')) == [
        'graph "v\\"p\\\\n" {',
        '  "a";',
        '  "b";',
        '  "a" -- "b" [label=7];',
        "}",
    ]
    assert list(meshmap.mermaid(graph)) == [
        "graph LR",
        '  n0["a"]',
        '  n1["b"]',
        "  n0 ---|7| n1",
    ]


def test_sentences_about_weak_places() -> None:
    assert meshmap.told([], "vpn", 80) == [
        "vpn: no node is the only way to another one."
    ]
    assert meshmap.told([CutNode("b", 2, ["c", "d"])], "vpn", 80) == [
        "b is the only way to 2 nodes: c, d"
    ]
    many = meshmap.told(
        [CutNode("b", 200, [f"n{number}" for number in range(90)])], "vpn", 80
    )
    assert max(map(len, many)) <= 80
    assert many[-1].endswith(" 110 more")
