"""Records: every one fits its JSON Schema and can be read again."""

from __future__ import annotations

import dataclasses
import json
import types
from enum import StrEnum
from typing import Any, Union, get_args, get_origin, get_type_hints

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.observe.schemas import comments, files, validator
from tincd_compat.observe import answers, endpoints, records, schemas, summary, words
from tincd_compat.observe.codec import Facts, Record
from tincd_compat.observe.explain import FACTS
from tincd_compat.observe.times import Time
from tincd_compat.observe.wording import SHAPES

TIMES = st.integers(0, 4_000_000_000).map(float)
FACT = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.text(), max_size=3)
)
BASIC: dict[Any, st.SearchStrategy[Any]] = {
    Time: TIMES,
    str: st.text(max_size=20),
    int: st.integers(0, 2**60),
    bool: st.booleans(),
    float: st.integers(0, 10**12).map(lambda n: n / 1_000_000),
}


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Return values for a field of that type."""
    if hint in BASIC:
        return BASIC[hint]
    if hint == Facts:
        return st.dictionaries(st.text(max_size=9), FACT, max_size=3)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return st.sampled_from(hint)
    if hint is records.Event:
        return events()
    if hint is answers.Check:
        return checks()
    if isinstance(hint, type) and issubclass(hint, Record):
        return some(hint)
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (types.UnionType, Union):
        return st.none() | values(inner[0])
    if origin is tuple:
        return st.lists(values(inner[0]), max_size=2).map(tuple)
    assert origin is dict
    return st.dictionaries(values(inner[0]), values(inner[1]), max_size=2)


def some(record: type[Record]) -> st.SearchStrategy[Record]:
    hints = get_type_hints(record)
    return st.builds(record, **{name: values(hint) for name, hint in hints.items()})


def events() -> st.SearchStrategy[Record]:
    """Return events whose reason and facts are those of their kind."""

    def of_kind(kind: words.EventKind) -> st.SearchStrategy[Record]:
        shape = SHAPES[kind]
        reasons = st.none() if shape.reasons is None else st.sampled_from(shape.reasons)
        facts = st.fixed_dictionaries(dict.fromkeys(shape.facts, FACT))
        hints = get_type_hints(records.Event)
        rest = {key: values(hints[key]) for key in ("seq", "at", "node", "text")}
        return st.builds(
            records.Event, kind=st.just(kind), reason=reasons, facts=facts, **rest
        )

    return st.sampled_from(words.EventKind).flatmap(of_kind)


def checks() -> st.SearchStrategy[Record]:
    """Return checks with the facts that they have."""
    hints = get_type_hints(answers.Check)

    def called(name: words.CheckName) -> st.SearchStrategy[Record]:
        facts = st.fixed_dictionaries(dict.fromkeys(FACTS[name], FACT))
        rest = {key: values(hints[key]) for key in ("result", "text")}
        return st.builds(answers.Check, check=st.just(name), facts=facts, **rest)

    return st.sampled_from(words.CheckName).flatmap(called)


@pytest.mark.parametrize("record", schemas.RECORDS, ids=schemas.name)
@settings(max_examples=5)
@given(data=st.data())
def test_every_record_fits_its_schema_and_is_read_again(
    record: type[Record], data: st.DataObject
) -> None:
    value = data.draw(values(record))
    text = json.dumps(value.to_json())
    validator(schemas.name(record)).validate(json.loads(text))
    assert record.from_json(json.loads(text)) == value


@pytest.mark.parametrize("record", schemas.RECORDS, ids=schemas.name)
def test_the_schema_is_a_schema(record: type[Record]) -> None:
    schema = schemas.load(schemas.name(record))
    jsonschema.Draft202012Validator.check_schema(schema)


def test_the_files_are_what_the_records_say() -> None:
    for path, text in files():
        assert path.read_text() == text, "run python -m tests.observe.schemas"


def test_there_is_no_other_file() -> None:
    names = [path.stem for path, _ in files()]
    assert sorted(names) == schemas.names()


def every_record() -> list[type[Record]]:
    modules = records, summary, answers
    things = [thing for module in modules for thing in vars(module).values()]
    types = dict.fromkeys(thing for thing in things if isinstance(thing, type))
    return [t for t in types if issubclass(t, Record) and t is not Record]


@pytest.mark.parametrize("record", every_record(), ids=lambda record: record.__name__)
def test_every_field_is_described(record: type[Record]) -> None:
    said = comments(record)
    assert set(said) == {field.name for field in dataclasses.fields(record)}  # type: ignore[arg-type]
    assert all(text.endswith(".") for text in said.values())


def test_fields_of_a_newer_daemon_are_left_out() -> None:
    value = {"error": "too-many", "text": "16 clients", "schema": 1, "new": [1]}
    assert answers.Failure.from_json(value) == answers.Failure(
        error=words.FailureCode.TOO_MANY, text="16 clients"
    )


def test_fields_that_an_older_daemon_lacks_have_their_default() -> None:
    read = answers.AnswerRecord.from_json({"done": "purge", "text": "done"})
    assert read.node is None


@pytest.mark.parametrize(
    "value", [{}, {"error": "new-word", "text": ""}, {"error": None, "text": ""}, []]
)
def test_what_is_no_record_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError, match=r"Failure|new-word"):
        answers.Failure.from_json(value)


def test_a_keyword_of_python_can_be_a_key() -> None:
    address = records.Address(host="192.0.2.1", port=655, from_=words.AddressSource.UDP)
    assert address.to_json() == {"host": "192.0.2.1", "port": 655, "from": "udp"}


def test_a_path_has_one_endpoint() -> None:
    assert len(endpoints.BY_PATH) == len(endpoints.ENDPOINTS)
    assert {e.path for e in endpoints.ENDPOINTS if e.changes} == {
        "/v1/reload",
        "/v1/retry",
        "/v1/purge",
        "/v1/disconnect",
        "/v1/ping",
        "/v1/log-level",
    }
