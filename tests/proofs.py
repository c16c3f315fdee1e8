"""Tables of what proves what: names of tests and checks that must be there."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import tincd_compat

ROOT = Path(tincd_compat.__file__).parent.parent


@functools.cache
def _tree(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text())


@functools.cache
def functions(file: str) -> frozenset[str]:
    """Return the functions of a file, those of classes as ``CLASS::FUNCTION``."""
    tree = _tree(file)
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            inside = (each for each in node.body if isinstance(each, ast.FunctionDef))
            found |= {f"{node.name}::{each.name}" for each in inside}
    return frozenset(found)


@functools.cache
def texts(file: str) -> frozenset[str]:
    """Return the string literals of a file: names of rows are among them."""
    return frozenset(
        node.value
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def exists(proof: str) -> bool:
    """Tell whether ``FILE::[CLASS::]FUNCTION`` or ``FILE: row`` is there."""
    file, colons, function = proof.partition("::")
    if colons:
        return function in functions(file)
    file, _, row = proof.partition(": ")
    return row in texts(file)
