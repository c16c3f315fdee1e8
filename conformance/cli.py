"""The command line of the suite."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from conformance import runner
from conformance.harness.kinds import Kind, placement_text
from conformance.harness.scenario import Case
from conformance.scenarios import SCENARIOS


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments ask for; the answer is the exit status."""
    options = _parser().parse_args(arguments)
    cases = _cases(options.names, options.placement)
    if options.list:
        _print_list()
        return 0
    if not cases:
        print("no scenario has that name and placement", file=sys.stderr)
        return 2
    return runner.run(cases, jobs=options.jobs, keep=options.keep, times=options.times)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m conformance",
        description="Real daemons against each other in network namespaces.",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="scenario; all if none"
    )
    parser.add_argument("--list", action="store_true", help="list the scenarios")
    parser.add_argument(
        "--placement",
        metavar="KINDS",
        help="only this placement, as in `c,ours,c'; `c' or `ours' alone stands for "
        "all nodes of that kind, `mixed' for the rest",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="cases at a time, at most; else as many as leave processors idle",
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the logs of cases that pass, too"
    )
    parser.add_argument(
        "--times", action="store_true", help="print what each case took in the end"
    )
    return parser


def _cases(names: Sequence[str], wanted: str | None) -> list[Case]:
    known = {scenario.name for scenario in SCENARIOS}
    for name in names:
        if name not in known:
            raise SystemExit(f"no scenario `{name}'; --list shows them")
    return [
        case
        for scenario in SCENARIOS
        if not names or scenario.name in names
        for case in (Case(scenario, placement) for placement in scenario.placements)
        if wanted is None or _matches(case, wanted)
    ]


def _matches(case: Case, wanted: str) -> bool:
    kinds = set(case.placement)
    if wanted == "mixed":
        return kinds == set(Kind)
    if wanted in set(Kind):
        return kinds == {Kind(wanted)}
    return placement_text(case.placement) == wanted.replace(" ", "")


def _print_list() -> None:
    for scenario in SCENARIOS:
        print(f"{scenario.name:<24}{scenario.summary}")
        placements = "  ".join(placement_text(each) for each in scenario.placements)
        print(f"{'':<24}{placements}")
