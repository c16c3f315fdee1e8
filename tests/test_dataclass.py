"""Classes whose methods are written late, held against the standard library's."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tincd_compat
from tincd_compat.dataclass import dataclass, late_dataclass

NAMES = ("a", "b", "c", "d")

Shape = dict[str, dict[str, Any]]


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """Return fields: what is said of each, as ``field`` takes it."""
    made: Shape = {}
    optional = False
    for name in NAMES[: draw(st.integers(0, len(NAMES)))]:
        said: dict[str, Any] = {
            "init": draw(st.booleans()),
            "repr": draw(st.booleans()),
            "compare": draw(st.booleans()),
            "hash": draw(st.sampled_from([None, True, False])),
            "kw_only": draw(st.booleans()),
        }
        # What may be left out comes last among what has a place.
        if draw(st.booleans()) or optional or not said["init"]:
            said |= draw(
                st.sampled_from([{"default": 7}, {"default_factory": lambda: (1, 2)}])
            )
            optional = optional or (said["init"] and not said["kw_only"])
        made[name] = said
    return made


OPTIONS = st.fixed_dictionaries(
    {name: st.booleans() for name in ("frozen", "slots", "eq", "repr", "kw_only")}
)


def make(
    decorator: Callable[..., Callable[[type[Any]], type[Any]]],
    shape: Shape,
    options: dict[str, bool],
) -> type[Any]:
    spaces: dict[str, Any] = {name: field(**said) for name, said in shape.items()}
    spaces |= {
        "__annotations__": dict.fromkeys(shape, "object"),
        "__module__": __name__,
    }
    return decorator(**options)(type("Thing", (), spaces))


def outcome(do: Callable[[], object]) -> object:
    """Return what comes of it: an answer, or the error and its text."""
    try:
        return do()
    except (TypeError, ValueError, AttributeError) as error:
        return type(error), str(error)


@given(shapes(), OPTIONS, st.lists(st.integers(0, 3), max_size=5), st.data())
def test_they_do_what_the_library_does(
    shape: Shape, options: dict[str, bool], words: list[int], data: st.DataObject
) -> None:
    named = data.draw(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 3)))
    classes = [
        make(decorator, shape, options)
        for decorator in (late_dataclass, dataclasses.dataclass)
    ]

    def look(cls: type[Any]) -> list[object]:
        def value() -> Any:
            return cls(*words, **named)

        seen = [outcome(lambda: repr(value()).partition(" at 0x")[0])]
        seen += [outcome(lambda: value() == value()), outcome(lambda: value() == 1)]
        # A hash by identity is another each time.
        if options["eq"]:
            seen.append(outcome(lambda: hash(value())))
        seen.append(outcome(lambda: [getattr(value(), name) for name in shape]))
        for name in shape:
            seen.append(outcome(lambda name=name: setattr(value(), name, 5)))  # type: ignore[misc]
            seen.append(outcome(lambda name=name: delattr(value(), name)))  # type: ignore[misc]
            seen.append(
                outcome(
                    lambda name=name: [  # type: ignore[misc]
                        getattr(dataclasses.replace(value(), **{name: 9}), each)
                        for each in shape
                    ]
                )
            )
        seen.append(cls.__match_args__)
        seen.append(hasattr(cls, "__dict__") and sorted(vars(cls).get("__slots__", ())))
        parameters = inspect.signature(cls.__init__).parameters.values()
        seen.append([(each.name, each.kind) for each in parameters])
        return seen

    late, library = map(look, classes)
    assert late == library


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 2
    secret: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Space(Point):
    z: list[int] = field(default_factory=list)


def test_the_first_call_puts_the_method_into_its_own_class() -> None:
    before = [vars(cls)["__init__"] for cls in (Point, Space)]
    space = Space(1, z=[3])
    assert (space.x, space.y, space.z) == (1, 2, [3])
    assert vars(Point)["__init__"] is before[0]
    written = vars(Space)["__init__"]
    assert written is not before[1]
    assert Space(1).z == []
    assert vars(Space)["__init__"] is written
    assert (written.__qualname__, written.__module__) == ("Space.__init__", __name__)


def test_a_class_and_the_one_it_comes_from_are_never_equal() -> None:
    assert Point(1) == Point(1, secret="else")
    assert hash(Point(1)) == hash(Point(1, secret="else"))
    assert Point(1) != Space(1)
    assert Space(1) == Space(1)


def test_a_secret_is_not_shown() -> None:
    assert repr(Point(1, secret="word")) == "Point(x=1, y=2)"


def test_what_is_frozen_stays() -> None:
    point = Point(1)
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'x'"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'x'"):
        del point.x
    assert point.x == 1


def test_a_wrong_call_names_the_class() -> None:
    with pytest.raises(TypeError, match=r"Point.__init__\(\) missing 1 required"):
        Point()  # type: ignore[call-arg]


def test_what_holds_itself_can_be_shown() -> None:
    @dataclass(slots=True)
    class Knot:
        of: object = None

        def __post_init__(self) -> None:
            self.of = self.of or [self]

    assert repr(Knot()).endswith("Knot(of=[...])")


def test_a_method_of_its_own_stays() -> None:
    @dataclass(slots=True, eq=False)
    class Named:
        name: str

        def __repr__(self) -> str:
            return f"<{self.name}>"

    assert repr(Named("alpha")) == "<alpha>"


def test_nothing_is_written_while_classes_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []

    def write(cls: type, frozen: bool) -> tuple[str, dict[str, Any]]:
        calls.append(cls.__name__)
        return "def __init__(self): pass", {}

    monkeypatch.setattr("tincd_compat.dataclass._init", write)

    @dataclass(slots=True)
    class Idle:
        pass

    assert calls == []
    Idle()
    Idle()
    assert calls == ["Idle"]


def test_the_package_has_no_others() -> None:
    root = Path(tincd_compat.__file__).parent
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(
            r"^from dataclasses import .*\bdataclass\b", path.read_text(), re.M
        )
    }
    assert found == set()
