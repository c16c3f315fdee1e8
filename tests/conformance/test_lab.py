"""Names of what a case makes on the machine."""

from __future__ import annotations

from conformance.harness.lab import new_tag


def test_no_two_cases_of_a_run_have_the_same_names() -> None:
    tags = {new_tag() for _ in range(1000)}
    assert len(tags) == 1000
    # None is the beginning of another one.
    assert len({len(tag) for tag in tags}) == 1
