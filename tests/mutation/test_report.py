"""What mutmut is told, and what is told of its results."""

from __future__ import annotations

import tomllib

import pytest

from tests.mutation.__main__ import PACKAGES, configuration, report
from tests.promises.mutants import MUTANTS
from tests.proofs import ROOT


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_and_tests_are_there(package: str) -> None:
    told = tomllib.loads(configuration(package))["tool"]["mutmut"]
    assert told["only_mutate"] == [f"tincd_compat/{package}/*"]
    assert (ROOT / "tincd_compat" / package).is_dir()
    tests = told["pytest_add_cli_args_test_selection"]
    assert tests[0] == f"tests/{package}"
    assert all((ROOT / path).is_dir() for path in (*tests, *told["also_copy"][:5]))


def test_no_name_means_both_a_package_and_a_promise() -> None:
    assert PACKAGES.keys().isdisjoint(mutant.promise for mutant in MUTANTS)


def test_what_went_unnoticed_is_listed() -> None:
    left = {
        "file": "tincd_compat/mesh/node.py",
        "line": 7,
        "status": "survived",
        "name": "x_f__mutmut_1",
        "diff": "-    g()\n+    pass",
    }
    found = {"counts": {"killed": 2, "survived": 1}, "survivors": [left]}
    assert report("mesh", found).splitlines() == [
        "mesh: 3 changes: 2 killed, 1 survived",
        "",
        "tincd_compat/mesh/node.py:7: survived (x_f__mutmut_1)",
        "-    g()",
        "+    pass",
    ]
