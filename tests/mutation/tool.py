"""What runs in the copy: mutmut, with changes of our own, or a list of its results.

This is a script, not a module: were it imported as part of ``tests``, so would be the
tests, and not those of the copy.
"""

from __future__ import annotations

import ast
import json
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from difflib import unified_diff
from typing import Any

import libcst as cst
from mutmut.__main__ import cli
from mutmut.mutation import diff_apply, mutators
from mutmut.mutation.data import SourceFileMutationData
from mutmut.runners.harness import PytestRunner
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files
from mutmut.workers import isolation

UNNOTICED = ("survived", "no tests", "suspicious")
#: Seconds for the tests of one change; what is broken may make them wait.
PATIENCE = 300


#: Changes of mutmut's that mypy notices mostly: None where something is to be, and
#: arguments that are missing.  One change of a text is enough.
LEFT_OUT = (
    mutators.operator_arg_removal,
    mutators.operator_assignment,
    mutators.operator_lambda,
    mutators.operator_string,
)


# Changes that mutmut does not make: what is left out, and what is done regardless.


def leave_out(statement: cst.Expr) -> Iterator[cst.Pass]:
    """Do not do what a statement does that is nothing but a call, say."""
    if isinstance(statement.value, cst.Call | cst.Await | cst.Yield):
        yield cst.Pass()


def decide(statement: cst.If | cst.While) -> Iterator[cst.If | cst.While]:
    """Take one branch always; a loop is not made endless."""
    test = statement.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    outcomes = [(cst.And(), "False")]
    if isinstance(statement, cst.If):
        outcomes.append((cst.Or(), "True"))
    for operator, outcome in outcomes:
        decided = cst.BooleanOperation(test, operator, cst.Name(outcome))
        yield statement.with_changes(test=decided)


def decide_filter(condition: cst.CompIf) -> Iterator[cst.CompIf]:
    """Take all that a comprehension could."""
    yield condition.with_changes(test=cst.Name("True"))


def leave_out_keyword(call: cst.Call) -> Iterator[cst.Call]:
    """Take what is the default of an argument."""
    for number, argument in enumerate(call.args):
        if argument.keyword is not None:
            args = (*call.args[:number], *call.args[number + 1 :])
            yield call.with_changes(args=args)


def spoil(text: cst.SimpleString) -> Iterable[cst.BaseString]:
    """Change a string once; another case of it would be noticed by the same test."""
    return list(mutators.operator_string(text))[:1]


def extend() -> None:
    """Have mutmut make the changes above, and of its own not those left out."""
    operators: list[Any] = mutators.mutation_operators
    operators[:] = [each for each in operators if each[1] not in LEFT_OUT]
    operators += [
        (cst.Expr, leave_out),
        (cst.If, decide),
        (cst.While, decide),
        (cst.CompIf, decide_filter),
        (cst.Call, leave_out_keyword),
        (cst.SimpleString, spoil),
    ]


# How the tests of a change are run.


class Runner(PytestRunner):  # type: ignore[misc]
    """Ends what does not end by itself.

    mutmut sends a signal to a process by its number, a while after that may have become
    another's.
    """

    def run_tests(self, *, mutant_name: str | None, tests: Iterable[str]) -> int:
        if mutant_name is not None:
            signal.alarm(PATIENCE)
        return int(super().run_tests(mutant_name=mutant_name, tests=tests))


def take_the_place_of_mutmut_s() -> None:
    """Let mutmut use the runner above, and send no signals."""
    isolation.PytestRunner = Runner
    isolation.register_timeout = lambda **_: None
    status_by_exit_code[-signal.SIGALRM] = "timeout"


# Results.


def results() -> dict[str, Any]:
    """Return how many changes had which fate, and those that no test noticed."""
    counts: Counter[str] = Counter()
    survivors = []
    for path in sorted(walk_mutatable_files()):
        data = SourceFileMutationData(path=path)
        data.load()
        for name, code in data.exit_code_by_key.items():
            status = status_by_exit_code[code]
            counts[status] += 1
            if status in UNNOTICED:
                survivors.append({"status": status, **describe(name, str(path))})
    return {"counts": dict(counts), "survivors": survivors}


def describe(name: str, path: str) -> dict[str, Any]:
    """Return place and difference of a change."""
    functions = diff_apply.read_functions_from_index(name, path)
    assert functions is not None, name
    before, after = (cst.Module([each]).code.split("\n") for each in functions)
    diff = list(unified_diff(before, after, n=2, lineterm=""))[2:]
    function, owner = diff_apply.orig_function_and_class_names_from_key(name)
    pairs = enumerate(zip(before, after, strict=False))
    first = next(number for number, (old, new) in pairs if old != new)
    head = next(i for i, line in enumerate(before) if f"def {function}(" in line)
    line = line_of(path, function, owner) + first - head
    text = "\n".join(each for each in diff if not each.startswith("@@"))
    return {"file": path, "line": line, "name": name.rpartition(".")[2], "diff": text}


def line_of(path: str, function: str, owner: str | None) -> int:
    """Return in which line of a file a function or method begins."""
    with open(path) as file:
        tree = ast.parse(file.read())
    for node in tree.body:
        within = node.body if isinstance(node, ast.ClassDef) else [node]
        for each in within if getattr(node, "name", None) in (owner, function) else ():
            if getattr(each, "name", None) == function:
                return each.lineno
    raise LookupError(function)


if __name__ == "__main__":
    take_the_place_of_mutmut_s()
    if sys.argv[1:] == ["report"]:
        json.dump(results(), sys.stdout)
    else:
        extend()
        cli()
