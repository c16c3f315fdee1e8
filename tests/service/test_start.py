from __future__ import annotations

import pytest

from tincd_compat.service.start import take_listen_fds


@pytest.mark.parametrize(
    ("variables", "detach", "expected", "left"),
    [
        ({}, True, (True, None), {}),
        ({}, False, (False, None), {}),
        ({"LISTEN_PID": "7"}, True, (False, None), {}),
        ({"LISTEN_PID": "8"}, True, (True, None), {}),
        (
            {"LISTEN_PID": "7", "LISTEN_FDS": "2"},
            True,
            (False, 2),
            {"LISTEN_FDS": "2"},
        ),
        (
            {"LISTEN_PID": "8", "LISTEN_FDS": "2"},
            False,
            (False, 2),
            {"LISTEN_FDS": "2"},
        ),
        ({"LISTEN_FDS": "0"}, False, (False, 0), {"LISTEN_FDS": "0"}),
        ({"LISTEN_FDS": "junk"}, False, (False, 0), {"LISTEN_FDS": "junk"}),
        # In the background the sockets are not ours.
        (
            {"LISTEN_PID": "8", "LISTEN_FDS": "2"},
            True,
            (True, None),
            {"LISTEN_FDS": "2"},
        ),
    ],
)
def test_sockets_handed_over(
    variables: dict[str, str],
    detach: bool,
    expected: tuple[bool, int | None],
    left: dict[str, str],
) -> None:
    environment = {**variables, "PATH": "/bin"}
    assert take_listen_fds(environment, 7, detach) == expected
    assert environment == {**left, "PATH": "/bin"}
