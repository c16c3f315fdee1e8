"""What the source has to look like where no behaviour shows it."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

import tincd_compat

PACKAGE = Path(tincd_compat.__file__).parent


@functools.cache
def modules() -> Sequence[tuple[str, ast.Module]]:
    return [
        (str(path.relative_to(PACKAGE)), ast.parse(path.read_text()))
        for path in sorted(PACKAGE.rglob("*.py"))
    ]


_MACS = re.compile(r"(^|_)(macs?|tags?|hmac|reply|expected|signature)$")
_COMPARING = ast.Eq | ast.NotEq | ast.In | ast.NotIn


def test_macs_are_compared_in_constant_time() -> None:
    for name, tree in modules():
        # Elsewhere a MAC is an address, and a reply what a proxy says.
        if name.startswith(("tunnel", "meta")) and name != "meta/proxydialogues.py":
            for node in ast.walk(tree):
                if isinstance(node, ast.Compare) and _touches_a_mac(node):
                    pytest.fail(f"{name}:{node.lineno}: {ast.unparse(node)}")


def _touches_a_mac(compare: ast.Compare) -> bool:
    if not any(isinstance(each, _COMPARING) for each in compare.ops):
        return False
    for operand in (compare.left, *compare.comparators):
        # Its length, or whether there is one at all, is no secret.
        while isinstance(operand, ast.Subscript):
            operand = operand.value
        name = getattr(operand, "id", getattr(operand, "attr", ""))
        if isinstance(operand, ast.Call):
            called = operand.func
            name = getattr(called, "id", getattr(called, "attr", ""))
            if name in ("digest", "hexdigest"):
                return True
        if _MACS.search(name):
            return True
    return False


@pytest.mark.parametrize(
    ("text", "touches"),
    [
        ("mac == tag", True),
        ("datagram[-4:] == mac.tag(sealed)", True),
        ("self._expected != answer", True),
        ("sha.digest() == other", True),
        ("reply in seen", True),
        ("mac is None", False),
        ("len(mac) == 4", False),
        ("mac.length == 4", False),
        ("self.maclength != 4", False),
    ],
)
def test_how_a_comparison_is_found(text: str, touches: bool) -> None:
    [statement] = ast.parse(text).body
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Compare)
    assert _touches_a_mac(statement.value) is touches


def test_macs_are_compared_in_constant_time_by_the_compiled_half() -> None:
    sources = [*(PACKAGE / "_fast").glob("*.[ch]")]
    plain = re.compile(r"(?<!CRYPTO_)\b(?:mem|str|strn)cmp\s*\((.*)")
    for path in sources:
        for arguments in plain.findall(path.read_text()):
            assert not re.search(r"tag|mac|digest", arguments), path
    compared = [path.name for path in sources if "CRYPTO_memcmp(" in path.read_text()]
    assert sorted(compared) == ["open.c", "recordcipher.c"]


def test_no_command_is_text_for_a_shell() -> None:
    """But for the owner's own: GraphDumpFile may be a pipe."""
    for name, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                words = {word.arg for word in node.keywords}
                called = ast.unparse(node.func)
                shell = called.endswith(("create_subprocess_shell", "os.popen"))
                shell = shell or called == "os.system" or "shell" in words
                assert not shell or name == "daemon/graphdump.py", (name, node.lineno)


def test_no_interval_is_taken_from_the_wall_clock() -> None:
    found = [
        (name, ast.unparse(node))
        for name, tree in modules()
        # The command says how old facts are, of which it has the wall clock's time.
        if not name.startswith("admin/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name)
        and ast.unparse(node) in ("time.time", "wall_time")
    ]
    # What operators are told has times of the wall clock, by way of one Clock.
    assert sorted(found) == [
        ("daemon/daemon.py", "time.time"),
        ("daemon/daemon.py", "wall_time"),
    ]
    daemon = (PACKAGE / "daemon" / "daemon.py").read_text()
    assert "clock = Clock(self._loop.time, wall_time, boot_time)" in daemon
