"""What only a played kernel, a broken library or a known secret brings about, in C."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests import checks

if not checks.POSSIBLE:
    pytest.skip("there is no compiler", allow_module_level=True)

#: All but the binding, which needs Python, and what is included in a check.
PARTS: Final = sorted(
    path.stem
    for path in checks.FAST.glob("*.c")
    if path.stem != "map" and not path.stem.startswith("binding")
)
#: What is looked into; the secrets are a promise, which has a test of its own.
CHECKS: Final = sorted(
    path.stem.removeprefix("check_")
    for path in checks.CHECKS.glob("check_*.c")
    if path.stem != "check_secrets"
)


def test_single_parts(tmp_path: Path) -> None:
    said = checks.said(tmp_path, CHECKS, PARTS, "-O0")
    assert said == [f"{name}: right" for name in CHECKS]
