"""Versions of OpenSSL that do not start a kept context again: Python does it all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tincd_compat._fast import core
from tincd_compat.crypto.suites import Suite
from tincd_compat.tunnel import codec
from tincd_compat.tunnel.codec import Opener, Sealer
from tincd_compat.tunnel.pure import PureOpener

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)

#: HMAC of OpenSSL 3.0.0 to 3.0.2: without a key nothing is done, and that is success.
_OLD: Final = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

typedef int function(void *, const unsigned char *, size_t, const void *);

int EVP_MAC_init(void *context, const unsigned char *key, size_t size, const void *rest)
{
    void *library = dlopen("libcrypto.so.3", RTLD_NOW);
    function *init = library ? (function *)dlsym(library, "EVP_MAC_init") : NULL;

    if (key == NULL || init == NULL)
        return init != NULL;
    return init(context, key, size, rest);
}
"""
_PROGRAM: Final = """
import logging, sys
from tests.tunnel.test_old_libraries import exchange
logging.basicConfig(format="%(message)s")
for digest in sys.argv[1:]:
    print(exchange(digest))
"""


def exchange(digest: str) -> tuple[str, list[bytes]]:
    """Return who seals with a digest, and what Python opens of three packets."""
    suite = Suite.configured("aes-256-cbc", digest, 8)
    key_block = bytes(range(suite.cipher.key_block_size))
    bodies = [b"one" * 9, b"two" * 9, b"three" * 9]
    sealer, opener = Sealer(suite, key_block), Opener(suite, key_block)
    train = sealer.seal_train(bodies[:1]) + sealer.seal_train(bodies[1:])
    by_python = PureOpener(suite, key_block, 16).open_train(train)
    assert opener.open_train(train) == by_python
    who = "Python" if sealer.compiled is None else "compiled code"
    return who, [opened.frame[:3] for opened in by_python]


@pytest.fixture(autouse=True)
def untold() -> Iterator[None]:
    codec.fall_back.cache_clear()
    yield
    codec.fall_back.cache_clear()


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no compiler")
@pytest.mark.skipif("LD_PRELOAD" in os.environ, reason="another library is preloaded")
def test_macs_of_an_openssl_that_forgets_to_start_again(tmp_path: Path) -> None:
    source, library = tmp_path / "old.c", tmp_path / "old.so"
    source.write_text(_OLD)
    command = ["cc", "-shared", "-fPIC", "-o", str(library), str(source)]
    subprocess.run(command, check=True)
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, "sha256", "sha512", "sha1"],
        env={**os.environ, "LD_PRELOAD": str(library)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    whole = [b"one", b"two", b"thr"]
    assert done.stdout.splitlines() == [
        str(("compiled code", whole)),
        str(("Python", whole)),
        str(("Python", whole)),
    ]
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    for line, digest in zip(lines, ("sha512", "sha1"), strict=True):
        assert line.startswith(
            f"Packets with aes-256-cbc and {digest} go the Python way: OpenSSL 3."
        )
        assert line.endswith(" does not start a kept context again")


@pytest.mark.parametrize("digest", ["sha256", "sha512", "sha1", "md5"])
def test_macs_of_this_openssl(digest: str) -> None:
    who, opened = exchange(digest)
    assert who == "compiled code"
    assert opened == [b"one", b"two", b"thr"]


def test_a_suite_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("OpenSSL 3.0.2 does not start a kept context again")

    monkeypatch.setattr(core, "Sealer", refuse)
    monkeypatch.setattr(core, "Opener", refuse)
    for digest in ("sha512", "sha512", "sha384"):
        exchange(digest)
    reason = "go the Python way: OpenSSL 3.0.2 does not start a kept context again"
    assert caplog.messages == [
        f"Packets with aes-256-cbc and sha512 {reason}",
        f"Packets with aes-256-cbc and sha384 {reason}",
    ]
