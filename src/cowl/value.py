"""Frozen values that read like dataclasses and cost nothing to import.

`dataclasses` adds 15 to 25 ms to every start of the command line (it imports `inspect` and
compiles a method per class); a container start takes about 4 ms. `Value` gives the part of it
that cowl needs. Type checkers see it through `dataclass_transform` (PEP 681), so fields,
keyword arguments and immutability are checked as for a frozen dataclass.
See docs/decisions/0001-values.md.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self, dataclass_transform
else:

    def dataclass_transform(**_options):
        return lambda cls: cls


_MISSING = object()


@dataclass_transform(frozen_default=True, eq_default=True)
class Value:
    """Base of all frozen values: fields are the annotations of the class, in order, base first.

    Equal when of the same class with equal fields; hashable when the fields are. Defaults must be
    immutable, since they are shared. Setting or deleting a field raises AttributeError.
    """

    _fields: ClassVar[tuple[str, ...]] = ()
    _names: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        own = cls.__dict__.get("__annotations__", {})
        names = [name for name, kind in own.items() if not str(kind).startswith("ClassVar")]
        cls._fields = (*(field for field in cls._fields if field not in names), *names)
        cls._names = frozenset(cls._fields)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        fields = self._fields
        state = self.__dict__
        state.update(zip(fields, args))  # noqa: B905  # the keyword costs a tenth of all
        if kwargs:
            state.update(kwargs)
        elif len(args) == len(fields):
            return
        if len(args) + len(kwargs) != len(state) or (kwargs and not kwargs.keys() <= self._names):
            raise self._misfit(args, kwargs)
        if len(state) < len(fields):
            kind = type(self)
            for name in fields:
                if name not in state:
                    state[name] = value = getattr(kind, name, _MISSING)
                    if value is _MISSING:
                        raise TypeError(f"{kind.__name__} misses the field {name!r}")

    def _misfit(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> TypeError:
        """What is wrong with arguments that are not the fields."""
        fields, name = self._fields, type(self).__name__
        if len(args) > len(fields):
            return TypeError(f"{name} takes {len(fields)} fields, got {len(args)}")
        free = fields[len(args) :]
        wrong = next(field for field in kwargs if field not in free)
        return TypeError(f"{name} has no field {wrong!r}, or it was given twice")

    def replace(self, **changes: Any) -> Self:
        """The same value with some fields changed; the original stays as it is."""
        return type(self)(**{**self.__dict__, **changes})

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, in order; nested values are not converted."""
        return {name: self.__dict__[name] for name in self._fields}

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: can't set {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: can't delete {name!r}")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *(self.__dict__[name] for name in self._fields)))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self._fields)
        return f"{type(self).__name__}({shown})"
