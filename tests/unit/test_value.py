"""Values behave like frozen dataclasses."""

from __future__ import annotations

import copy
import pickle
from typing import Any, ClassVar

import pytest

from cowl.value import Value


class Point(Value):
    x: int
    y: int = 0
    unit: ClassVar[str] = "mm"


class Named(Point):
    name: str = "p"


def test_fields_come_base_first_by_position_or_name() -> None:
    assert Point(1) == Point(x=1, y=0) == Point(1, y=0)
    assert Named(1, 2, "n").as_dict() == {"x": 1, "y": 2, "name": "n"}
    assert [*Named(1).as_dict()] == ["x", "y", "name"]
    assert repr(Named(1)) == "Named(x=1, y=0, name='p')"


@pytest.mark.parametrize(
    ("args", "kwargs", "complaint"),
    [
        ((), {}, "misses the field 'x'"),
        ((1, 2, 3), {}, "takes 2 fields, got 3"),
        ((1,), {"z": 1}, "no field 'z'"),
        ((1,), {"x": 1}, "given twice"),
        ((1,), {"unit": "m"}, "no field 'unit'"),
    ],
)
def test_wrong_fields(args: tuple[Any, ...], kwargs: dict[str, Any], complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint):
        Point(*args, **kwargs)


def test_equality_is_of_class_and_fields() -> None:
    assert Point(1) != Point(2)
    assert Point(1, 0) != Named(1, 0)
    assert Point(1) != (1, 0)
    assert len({Point(1), Point(1, 0), Point(2), Named(1)}) == 3
    with pytest.raises(TypeError):
        hash(Point([]))  # type: ignore[arg-type]


def test_values_are_frozen() -> None:
    point: Any = Point(1)
    with pytest.raises(AttributeError, match="frozen"):
        point.x = 2
    with pytest.raises(AttributeError, match="frozen"):
        del point.x
    assert point == Point(1)


def test_replace_makes_another() -> None:
    point = Point(1)
    assert point.replace(y=5) == Point(1, 5)
    assert point == Point(1)
    with pytest.raises(TypeError):
        point.replace(z=1)


def test_values_are_copied_and_pickled() -> None:
    named = Named(1, 2, "n")
    assert copy.copy(named) == copy.deepcopy(named) == named
    assert pickle.loads(pickle.dumps(named)) == named
