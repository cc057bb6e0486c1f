"""events: what happens to containers, images, volumes and networks, as it happens."""

from __future__ import annotations

import json
import sys
import time

from cowl.cli.moments import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl import EventMessage
    from cowl.cli.call import Call


def events(call: Call) -> int:
    """`cowl events`: each in a line, at once, until it is interrupted or --until has come."""
    now = time.time_ns()
    since, until = parse("since", call.text("since"), now), parse("until", call.text("until"), now)
    line = _rendering(call.text("format"))
    with call.engine() as engine:
        stream = engine.events(
            since=None if since is None else since / 1e9,
            until=None if until is None else until / 1e9,
            filters=_filters(call.many("filter")),
        )
        with stream:
            for event in stream:
                sys.stdout.write(line(event) + "\n")
                sys.stdout.flush()
    return 0


def _filters(words: tuple[str, ...]) -> dict[str, list[str]]:
    if not words:
        return {}
    from cowl.cli.filters import EVENT_FILTERS
    from cowl.cli.filters import parse as parse_filters

    return parse_filters(words, EVENT_FILTERS)


def _rendering(template: str) -> Callable[[EventMessage], str]:
    """What makes a line of an event. Raises TemplateError before anything has happened."""
    if not template:
        return text
    if template in ("json", "{{json .}}"):
        return lambda event: json.dumps(event.attrs(), ensure_ascii=False, separators=(",", ":"))
    from cowl.cli.template import TEMPLATE_ERROR, TemplateError, render_rows

    try:
        render_rows(template, [template_fields(None)], {})
    except TemplateError as error:
        error.exit_status = TEMPLATE_ERROR
        raise
    return lambda event: render_rows(template, [template_fields(event)], {}).removesuffix("\n")


def template_fields(event: EventMessage | None) -> dict[str, object]:
    """The fields of Docker's Message; those of an empty one for None."""
    attrs = event.attrs() if event else {"Actor": {"ID": "", "Attributes": {}}}
    return {
        "Status": attrs.get("status", ""),
        "ID": attrs.get("id", ""),
        "From": attrs.get("from", ""),
        "Type": attrs.get("Type", ""),
        "Action": attrs.get("Action", ""),
        "Actor": attrs["Actor"],
        "Scope": "local",
        "Time": attrs.get("time", 0),
        "TimeNano": attrs.get("timeNano", 0),
    }


def text(event: EventMessage) -> str:
    """A line as `docker events` prints it: local time, type, action, ID and the attributes by name."""
    line = f"{_moment(event.time_ns)} {event.type} {event.action} {event.actor}"
    said = ", ".join(f"{key}={value}" for key, value in sorted(event.attributes.items()))
    return f"{line} ({said})" if said else line


def _moment(nanoseconds: int) -> str:
    """RFC 3339 with all nine digits, in local time."""
    seconds, rest = divmod(nanoseconds, 10**9)
    local = time.localtime(seconds)
    zone = time.strftime("%z", local)
    colon = "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}.{rest:09d}{colon}"
