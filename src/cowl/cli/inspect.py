"""inspect, for images, containers, networks, snapshots and volumes."""

from __future__ import annotations

import json
import sys

from cowl import CowlError, Invalid, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl import Engine
    from cowl.cli.call import Call

# In the order in which a bare name is looked up.
KINDS = ("container", "image", "network", "volume", "snapshot")


class UnknownType(Invalid):
    """--type names something that cowl does not have."""


class NoSuchObject(NotFound):
    """No container, image, network, volume or snapshot has that name."""


def inspect(call: Call) -> int:
    """`cowl inspect`."""
    kind = call.text("type")
    if kind and kind not in KINDS:
        raise UnknownType(f"unknown type: {kind!r}", hint=f"The types are {', '.join(KINDS)}.")
    return _inspect(call, (kind,) if kind else KINDS, size=call.on("size"))


def inspect_images(call: Call) -> int:
    """`cowl image inspect`."""
    return _inspect(call, ("image",), size=False)


def inspect_containers(call: Call) -> int:
    """`cowl container inspect`."""
    return _inspect(call, ("container",), size=call.on("size"))


def inspect_volumes(call: Call) -> int:
    """`cowl volume inspect`."""
    return _inspect(call, ("volume",), size=False)


def inspect_networks(call: Call) -> int:
    """`cowl network inspect`."""
    return _inspect(call, ("network",), size=False)


def inspect_snapshots(call: Call) -> int:
    """`cowl snapshot inspect`."""
    return _inspect(call, ("snapshot",), size=False)


def _inspect(call: Call, kinds: tuple[str, ...], *, size: bool) -> int:
    """Prints all that is found, complains of the rest."""
    found: list[dict[str, Any]] = []
    errors: list[CowlError] = []
    with call.engine() as engine:
        for name in call.words:
            try:
                found.append(_attrs(engine, name, kinds, size=size))
            except CowlError as error:
                errors.append(error)
    if found or not call.text("format"):
        print(render(found, call.text("format")))
    sys.stdout.flush()
    for failure in errors:
        from cowl.cli.failure import describe

        print(describe(failure), file=sys.stderr)
    return 1 if errors else 0


def _attrs(engine: Engine, name: str, kinds: tuple[str, ...], *, size: bool) -> dict[str, Any]:
    for kind in kinds:
        try:
            if kind == "image":
                return engine.image(name).attrs()
            if kind == "volume":
                return engine.volume(name).attrs()
            if kind == "network":
                return engine.network(name).attrs()
            if kind == "snapshot":
                return engine.snapshot(name).attrs()
            box = engine.container(name)
            written, virtual = box.size() if size else (0, 0)
            return {**box.attrs(), **({"SizeRw": written, "SizeRootFs": virtual} if size else {})}
        except NotFound:
            if len(kinds) == 1:
                raise
    raise NoSuchObject(f"No such object: {name}")


def render(found: list[dict[str, Any]], template: str) -> str:
    """The objects as Docker prints them: a JSON array of 4 spaces, or a line of the template each."""
    if not template:
        return json.dumps(found, indent=4, ensure_ascii=False)
    from cowl.cli.template import TEMPLATE_ERROR, TemplateSyntaxError, render_object

    try:
        return "\n".join(render_object(template, attrs) for attrs in found)
    except TemplateSyntaxError as error:
        error.exit_status = TEMPLATE_ERROR
        raise
