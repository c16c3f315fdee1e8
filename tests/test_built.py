"""How the compiled half was built: what it shows, and what bars an attacker's way."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from tests.elf import Library, read_library
from tincd_compat._fast import core

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)

#: What some linkers add by themselves.
LINKER = {"_init", "_fini", "_edata", "_end", "__bss_start"}


@pytest.fixture(scope="module")
def library() -> Library:
    assert core.__file__ is not None
    library = read_library(Path(core.__file__))
    if any("asan" in name or "ubsan" in name for name in library.wanted):
        pytest.skip("built for sanitizers")
    return library


def test_nothing_is_shown_but_the_module(library: Library) -> None:
    assert library.exported - LINKER == {"PyInit__core"}


def test_tables_of_functions_are_read_only(library: Library) -> None:
    assert library.has_relro
    assert library.binds_now


def test_no_code_on_the_stack(library: Library) -> None:
    assert not library.has_executable_stack


def test_functions_notice_a_stack_that_was_overrun(library: Library) -> None:
    assert {name for name in library.wanted if name.startswith("__stack_chk_fail")}


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc has the checks")
def test_lengths_that_the_compiler_knows_are_checked(library: Library) -> None:
    assert {name for name in library.wanted if name.endswith("_chk")}
