"""The table of ARCHITECTURE.md, enforced: who may import whom and from outside what."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

import tincd_compat

PACKAGE = "tincd_compat"
ROOT = Path(tincd_compat.__file__).parent
LONGEST_MODULE = 500

#: Everybody may import these; they import one another and the standard library.
SHARED = (
    "addresses",
    "checksums",
    "dataclass",
    "errors",
    "logs",
    "modes",
    "options",
    "roundtrip",
)

#: The parts of ``tunnel`` where packets meet the mesh.  The others know nothing of it.
MESH_SIDE = (
    "tunnel.answers",
    "tunnel.askedprobes",
    "tunnel.delivery",
    "tunnel.flows",
    "tunnel.lookup",
    "tunnel.nodeids",
    "tunnel.pipeline",
    "tunnel.plain",
    "tunnel.pumps",
    "tunnel.receiving",
    "tunnel.sessionpath",
    "tunnel.singlepath",
    "tunnel.singles",
    "tunnel.strangers",
    "tunnel.tables",
    "tunnel.tunnels",
)

#: Part of the package, longest name first where parts are nested, to the parts that it
#: may import besides itself and the shared modules.
LAYERS: dict[str, tuple[str, ...]] = {
    "__main__": ("cli",),
    "admin": (
        "service",
        "config.paths",
        "config.ed25519keygen",
        "observe.schemas",
        "observe.words",
    ),
    "probe": (),
    "cli": ("daemon", "service", "config"),
    "daemon": (
        "transport",
        "device",
        "service",
        "control",
        "routing",
        "tunnel",
        "segments",
        "mesh",
        "meta",
        "observe",
        "config",
        "crypto",
    ),
    "transport": ("meta",),
    "device": ("segments",),
    "service": ("config.parser",),
    "control": ("mesh", "meta.messages", "crypto.sptps"),
    **dict.fromkeys(
        MESH_SIDE,
        ("tunnel", "routing", "mesh", "segments", "crypto.sptps", "_fast"),
    ),
    "tunnel": ("crypto", "_fast"),
    "segments": ("_fast",),
    "routing": ("mesh",),
    "observe": ("mesh",),
    "mesh": (),
    "meta": ("crypto",),
    "config": ("crypto",),
    "crypto": (),
    "_fast": (),
}

#: Only these parts touch the world; the others get time and randomness as arguments.
SHELL = ("admin", "daemon", "transport", "device", "service")
WORLD = {"asyncio", "socket", "time", "random", "subprocess", "signal"}

#: The modules that know of the compiled half.
FAST_USERS = {
    "tunnel.codec",
    "tunnel.lzo",
    "segments.offload",
    "tunnel.pumps",
    "tunnel.sptpscodec",
    "tunnel.strangers",
    "tunnel.tables",
}


def module_name(path: Path) -> str:
    """Return ``meta.messages`` for its file, and ``meta`` for ``meta/__init__.py``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def absolute_names(
    node: ast.Import | ast.ImportFrom, package: str, modules: frozenset[str]
) -> Iterator[str]:
    """Yield the full names of what an import statement in ``package`` imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        parents = package.split(".")
        parents = parents[: len(parents) - node.level + 1]
        base = ".".join([*parents, *([base] if base else [])])
    for alias in node.names:
        name = f"{base}.{alias.name}"
        yield name if name in modules else base


def imported(source: str, package: str, modules: frozenset[str]) -> set[str]:
    """Return everything that a module of ``package`` imports, anywhere in its text."""
    nodes = ast.walk(ast.parse(source))
    return {
        name
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in absolute_names(node, package, modules)
    }


@functools.cache
def imports_of(module: str) -> frozenset[str]:
    path = FILES[module]
    package = f"{PACKAGE}.{module}" if module else PACKAGE
    if path.stem != "__init__":
        package = package.rpartition(".")[0]
    modules = frozenset(f"{PACKAGE}.{name}" for name in FILES)
    return frozenset(imported(path.read_text(), package, modules))


def ours(module: str) -> set[str]:
    """Return the modules of this package that ``module`` imports, without the prefix.

    The package itself, which holds only constants, is not counted.
    """
    prefix = f"{PACKAGE}."
    return {n.removeprefix(prefix) for n in imports_of(module) if n.startswith(prefix)}


def within(module: str, part: str) -> bool:
    return module == part or module.startswith(f"{part}.")


def layer_of(module: str) -> str | None:
    """Return the row of the table for a module; None for the shared ones."""
    if module == "" or module in SHARED:
        return None
    rows = [row for row in LAYERS if within(module, row)]
    assert rows, f"{module} has no place in the table"
    return max(rows, key=len)


def may_import(module: str, target: str) -> bool:
    if target in SHARED:
        return True
    row = layer_of(module)
    if row is None:
        return False
    if within(target, row):
        return row != "tunnel" or not any(within(target, part) for part in MESH_SIDE)
    return any(within(target, part) for part in LAYERS[row])


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """Return a path through ``graph`` that ends where it began, or an empty list."""
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for target in sorted(graph.get(node, ())):
            if found := visit(target, [*path, node]):
                return found
        done.add(node)
        return []

    for start in sorted(graph):
        if found := visit(start, []):
            return found
    return []


@pytest.mark.parametrize("module", FILES)
def test_imports_follow_the_table(module: str) -> None:
    wrong = {target for target in ours(module) if not may_import(module, target)}
    assert not wrong, f"{module or PACKAGE} must not import {sorted(wrong)}"


@pytest.mark.parametrize("module", FILES)
def test_only_the_shell_touches_the_world(module: str) -> None:
    if layer_of(module) in SHELL:
        return
    used = {name.partition(".")[0] for name in imports_of(module)} & WORLD
    assert not used, f"{module} must get {sorted(used)} as arguments"


@pytest.mark.parametrize("module", FILES)
def test_who_knows_the_compiled_half(module: str) -> None:
    if module in FAST_USERS or within(module, "_fast"):
        return
    assert not {target for target in ours(module) if within(target, "_fast")}


@pytest.mark.parametrize("module", FILES)
def test_modules_stay_readable(module: str) -> None:
    lines = len(FILES[module].read_text().splitlines())
    assert lines <= LONGEST_MODULE, f"{module} has {lines} lines: split it"


def arrows() -> list[tuple[tuple[str, ...], str]]:
    """Return the arrows of the table; those of ``tunnel``'s mesh side count once."""
    rows: list[tuple[str, ...]] = [(row,) for row in LAYERS if row not in MESH_SIDE]
    rows.append(MESH_SIDE)
    return [(row, target) for row in rows for target in LAYERS[row[0]]]


@pytest.mark.parametrize(("row", "target"), arrows())
def test_every_arrow_of_the_table_is_there(row: tuple[str, ...], target: str) -> None:
    used = [
        module
        for module in FILES
        if layer_of(module) in row
        and any(within(name, target) for name in ours(module))
    ]
    assert used, f"nothing in {row} imports {target}: the table allows too much"


@pytest.mark.parametrize("module", SHARED)
def test_every_shared_module_is_shared(module: str) -> None:
    users = {layer_of(user) for user in FILES if module in ours(user)} - {None}
    assert len(users) > 1, f"{module} belongs to {users}"


@pytest.mark.parametrize("module", sorted(FAST_USERS))
def test_who_is_said_to_know_the_compiled_half_does(module: str) -> None:
    assert {target for target in ours(module) if within(target, "_fast")}


@pytest.mark.parametrize("part", SHELL)
def test_each_part_of_the_shell_touches_the_world(part: str) -> None:
    used = {
        name.partition(".")[0]
        for module in FILES
        if layer_of(module) == part
        for name in imports_of(module)
    }
    assert used & WORLD, f"{part} need not be in the shell"


def test_no_cycles_even_for_type_checking() -> None:
    assert cycle({module: ours(module) for module in FILES}) == []


def test_a_cycle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": set[str](), "d": {"b"}}
    assert cycle(graph) == ["b", "d", "b"]


def test_imports_are_found_wherever_they_stand() -> None:
    source = """
import os.path
from typing import TYPE_CHECKING
from . import sibling
from ..top import name
if TYPE_CHECKING:
    from p.a import module, Class
def f():
    import asyncio
"""
    modules = frozenset({"p.a.module", "p.b.sibling", "p.top"})
    assert imported(source, "p.b", modules) == {
        "os.path",
        "typing",
        "p.b.sibling",
        "p.top",
        "p.a.module",
        "p.a",
        "asyncio",
    }


@pytest.mark.parametrize(
    ("module", "target", "allowed"),
    [
        ("cli", "daemon.run", True),
        ("daemon.run", "cli", False),
        ("daemon.run", "device.tun", True),
        ("device.tun", "addresses", True),
        ("device.tun", "service.log", False),
        ("service.start", "config.parser", True),
        ("service.start", "config.settings", False),
        ("service.start", "daemon.run", False),
        ("transport.tcp", "meta.connection", True),
        ("transport.udp", "tunnel.codec", False),
        ("transport.udp", "tunnel.tunnel", False),
        ("control.gossip", "meta.messages", True),
        ("control.gossip", "meta.connection", False),
        ("tunnel.codec", "tunnel.suites", True),
        ("tunnel.codec", "tunnel.pipeline", False),
        ("tunnel.codec", "mesh.node", False),
        ("tunnel.pipeline", "mesh.node", True),
        ("mesh.node", "meta.messages", False),
        ("observe.views", "mesh.node", True),
        ("observe.views", "daemon.links", False),
        ("observe.views", "tunnel.tunnel", False),
        ("admin.client", "errors", True),
        ("admin.nets", "config.paths", True),
        ("admin.status", "observe.records", False),
        ("admin.explain", "tunnel.tunnel", False),
        ("config.settings", "addresses", True),
        ("addresses", "logs", True),
        ("addresses", "mesh.node", False),
    ],
)
def test_the_table_means_what_it_says(module: str, target: str, allowed: bool) -> None:
    assert may_import(module, target) is allowed
