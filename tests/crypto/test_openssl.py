"""The system's OpenSSL: found by name, and asked for functions that it may not have."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import pytest

from tincd_compat.crypto import openssl

VERSION: openssl.Declaration = ("OpenSSL_version_num", ctypes.c_ulong, [])


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Let each test look for the library anew, and those after it too."""
    openssl._library.cache_clear()
    yield
    openssl._library.cache_clear()


def test_declared_functions_can_be_called() -> None:
    library = openssl.declared(VERSION)
    assert library is not None
    assert library.OpenSSL_version_num() >= 0x10100000


def test_a_function_that_is_not_there() -> None:
    assert openssl.declared(VERSION, ("OpenSSL_rot13", ctypes.c_int, [])) is None


def test_a_machine_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssl, "_NAMES", ("libnothing.so.0",))
    assert openssl.declared(VERSION) is None


def test_a_name_that_is_not_there_leads_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(openssl, "_NAMES", ("libnothing.so.0", *openssl._NAMES))
    assert openssl.declared(VERSION) is not None
