"""The verb ``map``: the whole mesh as a tree, as a graph, or by its weak places."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tincd_compat.admin.client import Client
from tincd_compat.admin.graph import CutNode, Graph, cuts, graph_of, links, tree
from tincd_compat.admin.session import FINDING, FINE, Session
from tincd_compat.admin.status import round_trip, way
from tincd_compat.admin.text import Record, Style, clean, count, wrap

#: A tree deeper than this is not indented any further.
_DEEPEST: Final = 16


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """Add the options of the verb."""
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument(
        "--cuts",
        action="store_true",
        help="nodes that others need to be reached from here; 1 if there is one",
    )
    forms.add_argument("--dot", action="store_true", help="a graph for Graphviz")
    forms.add_argument("--mermaid", action="store_true", help="a graph for Mermaid")


def run(session: Session) -> int:
    """Draw the mesh of each net."""
    result = FINE
    for client in session.clients:
        name = str(client.one("status").get("name"))
        if session.options.json and not session.options.cuts:
            session.data(client.lines("edges"))
            continue
        graph = graph_of(client.many("edges"))
        if session.options.cuts:
            result = max(result, _tell_cuts(session, client, cuts(graph, name)))
            continue
        if session.options.dot:
            lines = dot(graph, client.net)
        elif session.options.mermaid:
            lines = mermaid(graph)
        else:
            nodes = {str(node.get("name")): node for node in client.many("nodes")}
            lines = drawn(graph, name, nodes, session.style)
        for line in lines:
            session.say(line)
    return result


def _tell_cuts(session: Session, client: Client, found: Sequence[CutNode]) -> int:
    if session.options.json:
        for cut in found:
            record = {"record": "cut", "node": cut.node, "count": cut.amount}
            session.say(Client.text({**record, "lost": list(cut.lost)}))
    else:
        for line in told(found, client.net, session.width):
            session.say(line)
    return FINDING if found else FINE


def told(found: Sequence[CutNode], net: str, width: int | None) -> list[str]:
    """Return the sentences about nodes that others need."""
    if not found:
        return [f"{clean(net or 'tinc')}: no node is the only way to another one."]
    lines = []
    for cut in found:
        head = f"{clean(cut.node)} is the only way to {count(cut.amount, 'node')}: "
        names = ", ".join(map(clean, cut.lost))
        more = cut.amount - len(cut.lost)
        lines += wrap(head + names + (f", {more} more" if more else ""), width, "  ")
    return lines


def drawn(
    graph: Graph, root: str, nodes: Mapping[str, Record], style: Style
) -> Iterator[str]:
    """Yield the tree of who is reached over whom, then who is not reached."""
    children = tree(graph, root)
    # Node, what stands before its name, and what stands before those below it.
    stack = [(root, "", "")]
    while stack:
        name, before, below = stack.pop()
        yield f"{before}{_label(name, nodes.get(name), style)}"
        others = children[name]
        deep = len(below) >= 4 * _DEEPEST
        rows = []
        for place, other in enumerate(others):
            is_last = place == len(others) - 1
            branch, line = ("└── ", "    ") if is_last else ("├── ", "│   ")
            rows.append((other, below + branch, below if deep else below + line))
        stack += reversed(rows)
    missing = sorted(set(nodes) - set(children))
    if missing:
        yield style.bad(f"not reached: {', '.join(map(clean, missing))}")


def _label(name: str, node: Record | None, style: Style) -> str:
    if node is None or node.get("self"):
        return style.bold(clean(name))
    path = way(node)
    if path not in ("udp", "idle"):
        path = style.warn(path)
    return f"{clean(name)}  {path} {round_trip(node)}"


def dot(graph: Graph, net: str) -> Iterator[str]:
    """Yield the graph in the language of Graphviz."""
    yield f"graph {_quoted(net or 'tinc')} {{"
    for node in graph:
        yield f"  {_quoted(node)};"
    for one, other, weight in links(graph):
        yield f"  {_quoted(one)} -- {_quoted(other)} [label={weight:.0f}];"
    yield "}"


def _quoted(name: str) -> str:
    """Return a name as a string of Graphviz, in which only these two are special."""
    return '"' + clean(name).replace("\\", "\\\\").replace('"', '\\"') + '"'


def mermaid(graph: Graph) -> Iterator[str]:
    """Yield the graph in the language of Mermaid; names stand in labels only."""
    numbers = {node: f"n{place}" for place, node in enumerate(graph)}
    yield "graph LR"
    for node, number in numbers.items():
        yield f'  {number}["{clean(node).replace(chr(34), "#quot;")}"]'
    for one, other, weight in links(graph):
        yield f"  {numbers[one]} ---|{weight:.0f}| {numbers[other]}"
