"""What the compiled half leaves of keys in memory, which a program in C looks for."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests import checks

if not checks.POSSIBLE:
    pytest.skip("there is no compiler", allow_module_level=True)

#: All that has to do with keys.
PARTS: Final = (
    *("open", "replay", "seal", "sha256", "suite", "train", "x86"),
    *("recordcipher", "sptpsopen", "sptpsseal", "x86chacha"),
)


def test_no_trace_of_a_key_is_left(tmp_path: Path) -> None:
    """As the compiler makes it, and not as sanitizers do (make check-core)."""
    assert checks.said(tmp_path, ["secrets"], PARTS, "-O3") == ["secrets: right"]
