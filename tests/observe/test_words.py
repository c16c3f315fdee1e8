"""The vocabularies cover what the daemon's own tables say."""

from __future__ import annotations

from pathlib import Path

import pytest

import tincd_compat
from tests.observe.test_records import every_record
from tincd_compat import options
from tincd_compat.observe import words
from tincd_compat.observe.words import CRITICAL, DropReason, ProblemCode, Severity
from tincd_compat.routing.verdicts import Reason
from tincd_compat.tunnel.drops import Drop, Loss
from tincd_compat.tunnel.pmtu import Phase

PACKAGE = Path(tincd_compat.__file__).parent


def test_every_reason_to_drop_a_packet_has_a_word() -> None:
    texts = {str(reason) for reason in (*Reason, *Drop, *Loss)}
    assert {DropReason.of(text) for text in texts} == set(DropReason)


def test_phases_of_discovery_are_those_of_the_tunnel() -> None:
    assert [*words.ProbePhase] == [phase.value for phase in Phase]


def test_four_problems_are_critical() -> None:
    critical = {code for code in ProblemCode if code.severity is Severity.CRITICAL}
    assert critical == CRITICAL
    assert len(critical) == 4
    assert len(ProblemCode) == 26


def test_every_option_bit_has_a_word() -> None:
    bits = [name for name in vars(options) if name.isupper() and name[0] != "_"]
    assert len(bits) == len(words.PathOption)


@pytest.mark.parametrize("record", every_record(), ids=lambda record: record.__name__)
def test_no_record_has_a_dictionary_of_its_own(record: type) -> None:
    assert "__dict__" not in dir(record), "a thousand of them are made at a time"
