"""Every promise has proofs, and a mutant that one of them kills."""

from __future__ import annotations

import pytest

from tests.promises.document import (
    DOCUMENT,
    PROMISING,
    other_than_promises,
    promises,
    sections,
    sentences,
)
from tests.promises.mutants import MUTANTS, Mutant, parse
from tests.promises.proofs import HOST, MEMBERS, PROOFS, STRANGERS
from tests.proofs import exists

TEXT = DOCUMENT.read_text()
SECTIONS = sections(TEXT)


@pytest.mark.parametrize(
    ("heading", "proofs"),
    list(zip(PROMISING, (STRANGERS, MEMBERS, HOST), strict=True)),
)
def test_promises_and_proofs_are_in_the_same_order(
    heading: str, proofs: dict[str, tuple[str, ...]]
) -> None:
    assert [name for name, _ in promises(SECTIONS[heading])] == list(proofs)


def test_no_promise_is_elsewhere() -> None:
    assert [name for name, _ in promises(TEXT)] == list(PROOFS)


@pytest.mark.parametrize("sentence", list(dict(promises(TEXT)).values()))
def test_a_promise_is_one_sentence(sentence: str) -> None:
    assert sentences(sentence) == 1
    assert sentence.endswith(".")


@pytest.mark.parametrize("heading", PROMISING)
def test_reasons_stand_behind_all_promises(heading: str) -> None:
    """What is no item promises nothing, so it may not stand where it looks like one."""
    rest = other_than_promises(SECTIONS[heading])
    assert SECTIONS[heading].rstrip().endswith(rest)
    assert "*" not in rest


@pytest.mark.parametrize("proof", [each for all_ in PROOFS.values() for each in all_])
def test_every_proof_is_there(proof: str) -> None:
    assert exists(proof)


@pytest.mark.parametrize("name", PROOFS)
def test_every_promise_is_broken_once(name: str) -> None:
    """By a change that fails a unit test: it is no proof if it cannot."""
    killers = [mutant.proof for mutant in MUTANTS if mutant.promise == name]
    assert killers
    assert set(killers) <= set(PROOFS[name])
    assert all(killer.startswith("tests/") for killer in killers)


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_every_mutant_is_a_change_of_one_place(mutant: Mutant) -> None:
    assert mutant.path.read_text().count(mutant.old) == 1
    assert mutant.old != mutant.new


def test_how_promises_are_read() -> None:
    text = """\
# Title

* **before**: Not in a section.

## First

* **one**: A sentence that
  goes on.
* **two-words**: Another; with `tinc.conf` in it.

A reason.  Two.

## Second

* no promise
"""
    first = sections(text)["First"]
    assert promises(first) == [
        ("one", "A sentence that goes on."),
        ("two-words", "Another; with `tinc.conf` in it."),
    ]
    assert other_than_promises(first) == "A reason.  Two."
    assert [sentences(each) for _, each in promises(first)] == [1, 1]
    assert sentences("One.  Two.") == 2
    assert [name for name, _ in promises(text)] == ["before", "one", "two-words"]
    assert promises(sections(text)["Second"]) == []


def test_how_mutants_are_read() -> None:
    text = """\
@ one here/stream.py
@ tests/a.py::test
 stays
-goes
+comes

@ two link.py
@ tests/b.py::test
-goes
"""
    assert list(parse(text)) == [
        Mutant(
            "one",
            "here/stream.py",
            "tests/a.py::test",
            "stays\ngoes\n",
            "stays\ncomes\n",
        ),
        Mutant("two", "link.py", "tests/b.py::test", "goes\n", ""),
    ]
    with pytest.raises(ValueError, match="no mutant"):
        list(parse("@ one here/stream.py\n-goes\n"))
