"""``dataclass`` of the standard library, with methods that are written when called.

The library writes the methods of a class as text and compiles them while the class is
made.  For all classes of the daemon that was two fifths of the processor time until
Ready, and a megabyte: for records that nobody asks for, messages that nobody sends, and
comparisons that only tests make.  Here the first call of a method writes it, into the
class, where it is found from then on like any other.  No file is read for it, so it may
come after the root directory has changed.

The fields are the library's, and so are ``field``, ``fields`` and ``replace``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from reprlib import recursive_repr
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias, TypeVar

if TYPE_CHECKING:
    from dataclasses import dataclass

__all__ = ["dataclass"]

_T = TypeVar("_T")
#: What is behind the names in a method's text that are not its own.
_Scope: TypeAlias = dict[str, Any]
#: Makes a method's text for a class, frozen or not.
_Writer: TypeAlias = Callable[[type, bool], tuple[str, _Scope]]

_EQUAL: Final = """\
def __eq__(self, other):
    if other.__class__ is not self.__class__:
        return NotImplemented
    return {} == {}
"""
_HASH: Final = """\
def __hash__(self):
    return hash({})
"""


def late_dataclass(
    *,
    frozen: bool = False,
    slots: bool = False,
    kw_only: bool = False,
    eq: bool = True,
    repr: bool = True,
) -> Callable[[type[_T]], type[_T]]:
    """Return a decorator that does what ``dataclasses.dataclass`` does, but later.

    A method that the class has itself stays.  It is not for classes with ``InitVar`` or
    with an ``__eq__`` of their own.  Before the first call ``__init__`` does not say
    what it takes.
    """

    def decorate(cls: type[_T]) -> type[_T]:
        made: type[_T]

        def later(name: str, write: _Writer) -> Callable[..., object]:
            def method(self: object, *words: object, **named: object) -> object:
                written = _written(made, name, write(made, frozen))
                setattr(made, name, written)
                return written(self, *words, **named)

            return method

        methods: dict[str, object] = {"__init__": later("__init__", _init)}
        if repr:
            methods["__repr__"] = _repr
        if eq:
            methods["__eq__"] = later("__eq__", _equal)
            methods["__hash__"] = later("__hash__", _hash) if frozen else None
        if frozen:
            methods["__setattr__"] = _refuse_to_set
            methods["__delattr__"] = _refuse_to_delete
        own = cls.__dict__
        for name, method in methods.items():
            if name not in own:
                setattr(cls, name, method)
        plain = dataclasses.dataclass(
            init=False, repr=False, eq=False, slots=slots, kw_only=kw_only
        )
        made = plain(cls)
        return made

    return decorate


if not TYPE_CHECKING:
    dataclass = late_dataclass


def _written(cls: type, name: str, text_and_scope: tuple[str, _Scope]) -> Any:
    text, scope = text_and_scope
    exec(text, scope)
    method = scope[name]
    method.__qualname__ = f"{cls.__qualname__}.{name}"
    method.__module__ = cls.__module__
    return method


def _init(cls: type, frozen: bool) -> tuple[str, _Scope]:
    """Return ``__init__`` as text, and the names in it.

    What is assigned in a frozen object goes to where its slots are.  By way of
    ``object.__setattr__``, as the library does it, takes two thirds longer.
    """
    scope: _Scope = {"_MISSING": MISSING}
    words = ["self"]
    named: list[str] = []
    body = []
    for field in fields(cls):
        name = field.name
        value = name
        parameter = name
        if field.default_factory is not MISSING:
            scope[f"_make_{name}"] = field.default_factory
            value = f"_make_{name}()"
            if field.init:
                value = f"{value} if {name} is _MISSING else {name}"
                parameter = f"{name}=_MISSING"
        elif field.default is not MISSING:
            scope[f"_default_{name}"] = field.default
            parameter = f"{name}=_default_{name}"
            if not field.init:
                if _slot(cls, name) is None:
                    continue
                value = f"_default_{name}"
        elif not field.init:
            continue
        if field.init:
            (named if field.kw_only else words).append(parameter)
        body.append(_assignment(cls, name, value, scope, frozen))
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    if named:
        words += ["*", *named]
    lines = "".join(f"    {line}\n" for line in body or ["pass"])
    return f"def __init__({', '.join(words)}):\n{lines}", scope


def _assignment(cls: type, name: str, value: str, scope: _Scope, frozen: bool) -> str:
    if not frozen:
        return f"self.{name} = {value}"
    slot = _slot(cls, name)
    if slot is not None:
        scope[f"_set_{name}"] = slot
        return f"_set_{name}(self, {value})"
    scope["_set"] = object.__setattr__
    return f"_set(self, {name!r}, {value})"


def _slot(cls: type, name: str) -> Callable[[object, object], None] | None:
    """Return what sets the slot of that name; None for a class without it."""
    slot = getattr(cls, name, None)
    return slot.__set__ if isinstance(slot, MemberDescriptorType) else None


def _equal(cls: type, frozen: bool) -> tuple[str, _Scope]:
    compared = [field.name for field in fields(cls) if field.compare]
    return _EQUAL.format(_tuple("self", compared), _tuple("other", compared)), {}


def _hash(cls: type, frozen: bool) -> tuple[str, _Scope]:
    hashed = [field.name for field in fields(cls) if _is_hashed(field)]
    return _HASH.format(_tuple("self", hashed)), {}


def _is_hashed(field: Field[Any]) -> bool:
    return field.compare if field.hash is None else field.hash


def _tuple(owner: str, names: list[str]) -> str:
    return "(" + "".join(f"{owner}.{name}, " for name in names) + ")"


@recursive_repr()
def _repr(self: Any) -> str:
    shown = (field.name for field in fields(self) if field.repr)
    values = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
    return f"{self.__class__.__qualname__}({values})"


def _refuse_to_set(self: object, name: str, value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: object, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")
