from __future__ import annotations

import pytest

from tincd_compat.service.environment import without_coercion


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (b"PATH=/bin\0", {"PATH": "/bin"}),
        (b"", {"PATH": "/bin"}),
        (b"PATH=/bin\0LC_CTYPE=C.UTF-8\0", {"PATH": "/bin", "LC_CTYPE": "C.UTF-8"}),
        (b"XLC_CTYPE=C\0", {"PATH": "/bin"}),
    ],
)
def test_only_what_was_given_is_passed_on(
    given: bytes, expected: dict[str, str]
) -> None:
    environment = {"PATH": "/bin", "LC_CTYPE": "C.UTF-8"}
    assert without_coercion(environment, given) == expected
