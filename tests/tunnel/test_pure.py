"""The MAC of the Python half."""

from __future__ import annotations

import ast
import inspect

import pytest

from tests.tunnel import reference
from tincd_compat.crypto.suites import DIGESTS, Digest
from tincd_compat.tunnel import pure

HASHES = [digest for digest in DIGESTS[1:] if digest.usable]


class TestMac:
    @pytest.mark.parametrize("digest", HASHES, ids=lambda digest: str(digest.name))
    @pytest.mark.parametrize("size", [1, 48, 64, 65, 128, 129, 200])
    def test_like_hmac(self, digest: Digest, size: int) -> None:
        key, data = bytes(range(size)), b"message" * 30
        whole = reference.authenticate(digest, key, data)
        for length in (1, 4, digest.size):
            mac = pure.Mac(digest, key, length)
            tagged = data + whole[:length]
            assert mac.append([data, b"", data])[::2] == [tagged, tagged]
            wrong = tagged[:-1] + bytes([tagged[-1] ^ 1])
            assert mac.strip([tagged, wrong, tagged]) == [data, None, data]

    def test_macs_are_compared_in_constant_time_only(self) -> None:
        """No comparison by value in the module at all but those of small numbers."""
        tree = ast.parse(inspect.getsource(pure))
        equalities = [
            ast.unparse(node)
            for node in ast.walk(tree)
            if isinstance(node, ast.Compare)
            and any(
                isinstance(o, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for o in node.ops
            )
        ]
        assert equalities == []
        methods = {
            node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
        }
        assert "compare_digest" in methods
        assert not methods & {"endswith", "startswith", "find", "index", "__eq__"}
