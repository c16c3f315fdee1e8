"""Tests that need a tool are skipped without it; where CI is set it has to be there."""

from __future__ import annotations

import os
import shutil

import pytest

from tincd_compat.segments import offload

pytestmark = pytest.mark.skipif(
    not os.environ.get("CI"), reason="only CI has to have everything"
)


@pytest.mark.skipif(
    bool(os.environ.get("TINCD_COMPAT_PURE")), reason="it was asked to be left out"
)
def test_the_compiled_half_is_built() -> None:
    assert offload.COMPILED


def test_the_manual_can_be_checked() -> None:
    assert shutil.which("mandoc")
