"""``python -m conformance.probes``: what attacks and accidents cost, beside C tincd.

The exit status is 1 if our daemon broke a promise or did not survive.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import pkgutil
import shutil
import sys
from collections.abc import Iterator, Sequence

import conformance.probes
from conformance.harness.kinds import Kind, c_tincd_problem, own_tincd_problem
from conformance.harness.lab import temporary_lab
from conformance.harness.waits import Failed
from conformance.probes.probe import CONTENDERS, Contender, Figure, Probe
from conformance.requirements import machine_problem, strict


def probes() -> dict[str, Probe]:
    """Find all probes, by name in the order of the alphabet."""
    names = [each.name for each in pkgutil.iter_modules(conformance.probes.__path__)]
    modules = (importlib.import_module(f"conformance.probes.{name}") for name in names)
    found = [each.PROBE for each in modules if hasattr(each, "PROBE")]
    return {probe.name: probe for probe in sorted(found, key=lambda probe: probe.name)}


def main(arguments: Sequence[str]) -> int:
    """Measure and print; the answer is the exit status."""
    known = probes()
    options = _parser(known).parse_args(arguments)
    if options.list:
        for probe in known.values():
            print(f"{probe.name:<20}{probe.summary}")
        return 0
    missing = machine_problem() or own_tincd_problem()
    if missing is not None:
        print(f"Nothing can be measured here: {missing}.")
        return 1 if strict() else 0
    problem = c_tincd_problem()
    if problem is not None:
        print(f"C is left out: {problem}.")
    wanted = options.contender or [each.name for each in CONTENDERS]
    good = True
    for name in options.names or known:
        contenders = [
            each
            for each in known[name].contenders
            if each.name in wanted and (each.kind is Kind.OURS or problem is None)
        ]
        good = _play(known[name], contenders, verbose=options.verbose) and good
    return 0 if good else 1


def _parser(known: dict[str, Probe]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m conformance.probes")
    parser.add_argument("names", nargs="*", choices=[[], *known], metavar="NAME")
    parser.add_argument("--list", action="store_true", help="name them and end")
    parser.add_argument("--verbose", action="store_true", help="show each step")
    parser.add_argument(
        "--contender",
        action="append",
        choices=[each.name for each in CONTENDERS],
        help="only these (default: all)",
    )
    return parser


def _play(probe: Probe, contenders: Sequence[Contender], *, verbose: bool) -> bool:
    """Measure all contenders and print a table; False if a promise was broken."""
    print(f"\n{probe.name}: {probe.summary}", flush=True)
    absent = [tool for tool in probe.tools if shutil.which(tool) is None]
    if absent:
        print(f"  left out: no {', '.join(absent)}")
        return not strict()
    figures: dict[str, list[Figure]] = {}
    complaints: list[str] = []
    for contender in contenders:
        try:
            with temporary_lab("probe") as lab, _silence(verbose=verbose):
                figures[contender.name] = list(probe.measure(lab, contender))
        except Failed as error:
            print(f"  {contender.name}: {error}", flush=True)
            if contender.kind is Kind.OURS:
                complaints.append(contender.name)
            continue
        for each in figures[contender.name]:
            if not each.kept(contender):
                most = f"{_number(each.most or 0.0)} {each.unit}"
                complaints.append(f"{contender.name}: {each.what} is over {most}")
    for line in _table(figures):
        print(f"  {line}")
    if probe.note:
        print(f"  {probe.note}")
    for text in complaints:
        print(f"  BROKEN {text}")
    sys.stdout.flush()
    return not complaints


@contextlib.contextmanager
def _silence(*, verbose: bool) -> Iterator[None]:
    with (
        contextlib.nullcontext()
        if verbose
        else contextlib.redirect_stdout(io.StringIO())
    ):
        yield


def _table(figures: dict[str, list[Figure]]) -> Iterator[str]:
    if not figures:
        return
    rows: dict[tuple[str, str], dict[str, Figure]] = {}
    for name, each in figures.items():
        for figure in each:
            rows.setdefault((figure.what, figure.unit), {})[name] = figure
    yield f"{'':<46}" + "".join(f"{name:>14}" for name in figures) + f"{'most':>10}"
    for (what, unit), row in rows.items():
        cells = "".join(
            f"{_number(row[name].value) if name in row else '':>14}" for name in figures
        )
        most = next((each.most for each in row.values() if each.most is not None), None)
        bound = "" if most is None else _number(most)
        yield f"{f'{what}, {unit}':<46}{cells}{bound:>10}"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
