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


@dataclass_transform(frozen_default=True, eq_default=True)
class Value:
    """Base of all frozen values: fields are the annotations of the class, in order, base first.

    Equal when of the same class with equal fields; hashable when the fields are. Defaults must be
    immutable, since they are shared. Setting or deleting a field raises AttributeError.
    """

    _fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        own = cls.__dict__.get("__annotations__", {})
        names = [name for name, kind in own.items() if not str(kind).startswith("ClassVar")]
        cls._fields = (*(field for field in cls._fields if field not in names), *names)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        fields = self._fields
        state = self.__dict__
        if len(args) > len(fields):
            raise TypeError(f"{type(self).__name__} takes {len(fields)} fields, got {len(args)}")
        state.update(zip(fields, args, strict=False))
        for name in fields[len(args) :]:
            if name in kwargs:
                state[name] = kwargs.pop(name)
            elif not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} misses the field {name!r}")
            else:
                state[name] = getattr(type(self), name)
        if kwargs:
            raise TypeError(
                f"{type(self).__name__} has no field {next(iter(kwargs))!r}, or it was given twice"
            )

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
