"""Prunes: a plan that is shown, asked for and applied; --dry-run only shows it."""

from __future__ import annotations

import sys

from cowl import Invalid
from cowl.cli import human

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cowl import Engine, Receipt, RemovalPlan
    from cowl.cli.call import Call

    Plan = Callable[[Engine, bool], RemovalPlan]

CACHE_MOUNTS = "type=exec.cachemount"
QUESTION = "Are you sure you want to continue? [y/N] "
CONTAINERS, IMAGES, VOLUMES, BUILD_CACHE = "containers", "images", "volumes", "build-cache"
_TITLES = (
    ("Deleted Containers:", ("container",)),
    ("Deleted Volumes:", ("volume",)),
    ("Deleted build cache objects:", ("step", "failed", "cache")),
)


def prune_containers(call: Call) -> int:
    """`cowl container prune`."""
    return _prune(call, (CONTAINERS,), "WARNING! This will remove all stopped containers.\n")


def prune_images(call: Call) -> int:
    """`cowl image prune`."""
    what = "images without at least one container associated to them" if call.on("all") else "dangling images"
    return _prune(call, (IMAGES,), f"WARNING! This will remove all {what}.\n")


def prune_volumes(call: Call) -> int:
    """`cowl volume prune`."""
    what = "all" if call.on("all") else "anonymous"
    return _prune(
        call,
        (VOLUMES,),
        f"WARNING! This will remove {what} local volumes not used by at least one container.\n",
    )


def prune_build_cache(call: Call) -> int:
    """`cowl builder prune`."""
    what = "all build cache" if call.on("all") else "all dangling build cache"
    return _prune(call, (BUILD_CACHE,), f"WARNING! This will remove {what}. ")


def prune_system(call: Call) -> int:
    """`cowl system prune`."""
    every = call.on("all")
    what = [
        "all stopped containers",
        "all networks not used by at least one container",
        *["all anonymous volumes not used by at least one container"] * call.on("volumes"),
        "all images without at least one container associated to them" if every else "all dangling images",
        "all build cache" if every else "unused build cache",
    ]
    warning = "".join(("WARNING! This will remove:\n", *(f"  - {each}\n" for each in what)))
    if call.many("filter"):
        filters = "".join(f"  - {each}\n" for each in sorted(call.many("filter")))
        warning += f"\n  Items to be pruned will be filtered with:\n{filters}"
    volumes = (VOLUMES,) if call.on("volumes") else ()
    kinds = (CONTAINERS, *volumes, IMAGES, BUILD_CACHE)
    return _prune(call, kinds, f"{warning}\n", Networks(call.many("filter")))


class Networks:
    """Networks beside a plan, which is about bytes: they have none."""

    def __init__(self, filters: Sequence[str]) -> None:
        self._filters = filters
        self._gone: list[str] = []

    def has_some(self, engine: Engine) -> bool:
        """Whether there are any to be removed."""
        from cowl.cli.networks import unused

        return bool(unused(engine, self._filters))

    def remove(self, engine: Engine) -> None:
        """Removes them."""
        from cowl.cli.networks import unused

        going = {network.id for network in unused(engine, self._filters)}
        self._gone = engine.prune_networks(lambda network: network.id not in going)

    def tell(self, receipt: Receipt) -> None:
        """What was removed of all kinds."""
        _tell(receipt, self._gone)


def _prune(call: Call, kinds: Sequence[str], warning: str, networks: Networks | None = None) -> int:
    def plan(engine: Engine, exact: bool) -> RemovalPlan:
        return engine.plan_prune(
            *kinds,
            all=call.has("all") and call.on("all"),
            filters=call.many("filter"),
            keep_bytes=_kept(call),
            exact=exact,
        )

    return perform(call, plan, warning, networks.tell if networks else None, networks)


def _kept(call: Call) -> int | None:
    """Of --reserved-space, or of --keep-storage as it was called before."""
    from cowl.cli.sizes import binary

    given = [name for name in ("reserved-space", "keep-storage") if call.given(name)]
    return binary(call.text(given[0]), given[0]) if given else None


def collect_garbage(call: Call) -> int:
    """`cowl gc`."""
    from cowl.cli.sizes import decimal

    if not (call.given("keep") or call.given("older")):
        raise Invalid(
            "say how much may stay (--keep 10GB) or how old is too old (--older 7d)",
            hint="`cowl system prune -a` removes all that nothing uses.",
        )
    keep = decimal(call.text("keep"), "keep") if call.given("keep") else None

    def plan(engine: Engine, exact: bool) -> RemovalPlan:
        return engine.plan_gc(
            keep_bytes=keep,
            older=call.text("older"),
            protect=call.many("protect"),
            filters=call.many("filter"),
            volumes=call.on("volumes"),
            exact=exact,
        )

    return perform(call, plan, "")


def perform(
    call: Call,
    plan: Plan,
    warning: str | None,
    tell: Callable[[Receipt], None] | None = None,
    networks: Networks | None = None,
) -> int:
    """Shows what would go, asks and does it; with --force at once, with --dry-run no more than the first.

    What was shown is what is done: if the store changes between the two, nothing is. With --force it is
    planned again then. Without a `warning` nobody is asked either. `tell` prints the receipt.
    """
    with call.engine() as engine:
        if call.on("dry-run"):
            from cowl.cli.removal import dry_run

            return dry_run(call, plan(engine, True))
        if call.on("force") or warning is None:
            receipt = engine.at_once(lambda: plan(engine, False))
        else:
            shown = plan(engine, True)
            asks = not shown.is_empty or (networks is not None and networks.has_some(engine))
            if asks and not confirm(shown, warning):
                return 0
            receipt = shown.apply()
        if networks is not None:
            networks.remove(engine)
    if call.on("json"):
        from cowl.cli.removal_plan import to_json

        print(to_json(receipt))
    else:
        (tell or _tell)(receipt)
    return 0


def confirm(plan: RemovalPlan, warning: str) -> bool:
    """Shows the plan and asks, on standard error. Anything but a yes is a no, and as in Docker no failure."""
    from cowl.cli.removal_plan import to_text

    print(f"{to_text(plan, 2)}\n{warning}{QUESTION}", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):  # nobody's Enter ended the line
        print(file=sys.stderr)
    return answer.strip().lower() in ("y", "yes")


def _tell(receipt: Receipt, networks: Sequence[str] = ()) -> None:
    for title, kinds in _TITLES:
        _section(title, [identity for kind in kinds for identity in receipt.of(kind)])
        if kinds == ("container",):
            _section("Deleted Networks:", networks)
        if kinds == ("volume",):
            _section("Deleted Images:", [f"{what}: {text}" for what, text in receipt.told])
    print(f"Total reclaimed space: {human.size(receipt.freed_bytes)}")


def _section(title: str, lines: Sequence[str]) -> None:
    if lines:
        print("\n".join((title, *lines, "")))
