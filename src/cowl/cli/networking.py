"""The flags about networks as keywords of Engine.start."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.cli.call import Call

_LISTS = ("add-host", "dns", "dns-option", "dns-search", "expose", "network-alias", "publish")
_NAMES = {"dns-option": "dns_options"}  # as the API says it, where that is another word


def networking(call: Call) -> dict[str, Any]:
    """Those that were given; none is what most containers have."""
    given: dict[str, Any] = {
        _NAMES.get(flag, flag.replace("-", "_")): call.many(flag) for flag in _LISTS if call.given(flag)
    }
    given.update((name, call.text(name)) for name in ("domainname", "ip") if call.given(name))
    if call.on("publish-all"):
        given["publish_all"] = True
    words = (*call.many("network"), *call.many("net"))
    if len(words) > 1 or "=" in "".join(words):
        return {**given, "networks": words}
    return {**given, "network": "".join(words) or "default"}
