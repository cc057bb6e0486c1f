"""build: from a request to an image in the store."""

from __future__ import annotations

from cowl.build.assemble import INTO_STORE, assemble
from cowl.build.check import warn
from cowl.build.config_steps import with_labels
from cowl.build.definition import read_definition
from cowl.build.entitlements import check_entitlements
from cowl.build.epoch import NAME as EPOCH
from cowl.build.epoch import epoch_of
from cowl.build.executor import Executor
from cowl.build.named_contexts import NamedContexts
from cowl.build.opening import open_context, remotes_for
from cowl.build.plan import make_plan
from cowl.build.request import NETWORKS
from cowl.build.task import Ground
from cowl.dockerfile.parser import parse
from cowl.errors import Invalid
from cowl.events import BuildFinished, Warned
from cowl.oci.platform import Platform
from cowl.oci.reference import Reference
from cowl.outputs import image_names
from cowl.store.leases import NoSuchLayer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.build.context import Context
    from cowl.build.delivery import Delivery
    from cowl.build.named_contexts import ResolveLayout
    from cowl.build.plan import BuildPlan
    from cowl.build.request import BuildRequest
    from cowl.build.state import State
    from cowl.config import Config
    from cowl.dockerfile.nodes import Dockerfile
    from cowl.events import Emit
    from cowl.runtime.protocol import Runtime
    from cowl.store.images import ImageRecord
    from cowl.store.store import Store

_ATTEMPTS = 3


class InvalidRequest(Invalid):
    """The request itself makes no sense."""


def build(
    request: BuildRequest,
    *,
    store: Store,
    runtime: Callable[[], Runtime],
    resolve_base: Callable[[str, Platform | None, Emit], ImageRecord],
    emit: Emit,
    clock: Callable[[], float],
    config: Config | None = None,
    resolve_layout: ResolveLayout | None = None,
    delivery: Delivery = INTO_STORE,
) -> ImageRecord:
    """Builds what `request` says and gives the image, which then carries the tags.

    A build of which every step is cached runs nothing, writes nothing but changed tags, and gives the
    identical image. A build that fails or is interrupted leaves only the cached steps that succeeded.
    Stages that do not need each other are built side by side, in threads; `emit` is never called by two at
    a time.
    `runtime` is called at the first RUN that is not cached; `resolve_base` finds the images of FROM, and
    tells how that goes to the Emit that it is given;
    `resolve_layout` (directory, tag or digest, platform) those of named contexts that are OCI layouts;
    `delivery` makes of the image what `request.outputs` and `cache_to` say, and knows `cache_from`;
    `config` has the proxies and the PATH with which remote sources are fetched.
    Raises DockerfileError, SourceNotFound, RunFailed, NoContext, NoDockerfile and what `resolve_base`
    raises.
    """
    tags = _tags(request)
    _check_network(request)
    _check_squash(request)
    epoch = epoch_of(request)
    given = {name: value for name, value in request.build_args if value is not None}
    if epoch is not None:
        given[EPOCH] = str(epoch)
    host = Platform.host()
    platform = Platform.parse(request.platform) if request.platform else host
    named = NamedContexts(request.build_contexts, resolve_layout)
    with (
        remotes_for(request, store, config, clock) as remotes,
        open_context(request, remotes) as context,
        named,
    ):
        context.epoch = named.epoch = epoch
        named.remotes = remotes
        file = _load(context, request.dockerfile)
        plan = _checked_plan(file, given, request, named, platform, host, emit)
        warn(file, plan, given, platform, store, context.ignore, emit)
        _warn_unfiltered(file, request.no_cache_filter, emit)
        ground = Ground(
            file,
            context,
            given,
            platform,
            platform if request.platform else None,
            request.network,
            emit,
            named,
            _origin(request),
            epoch=epoch,
            remotes=remotes,
            settings=request.settings,
        )
        try:
            record = _execute(request, plan, ground, tags, store, runtime, resolve_base, clock, delivery)
        finally:
            delivery.close()
    emit(BuildFinished(str(record.id), tuple(tag.familiar for tag in tags), delivery.keeps_image))
    return record


def _tags(request: BuildRequest) -> list[Reference]:
    """The names that the image gets, those of its outputs too."""
    names = dict.fromkeys((*request.tags, *image_names(request.outputs)))
    return [Reference.parse(name).with_default_tag() for name in names]


def _check_network(request: BuildRequest) -> None:
    if request.network not in NETWORKS:
        raise InvalidRequest(
            f"network {request.network!r} is not supported", hint="RUN can have the network host or none"
        )


def _checked_plan(
    file: Dockerfile,
    given: dict[str, str],
    request: BuildRequest,
    named: NamedContexts,
    platform: Platform,
    host: Platform,
    emit: Emit,
) -> BuildPlan:
    """The plan of what was asked for, once nothing in it needs a right that was not given."""
    plan = make_plan(
        file,
        given,
        target=request.target,
        platform=platform,
        host=host,
        network=request.network,
        contexts=named,
    )
    _warn_unused(plan, emit)
    _check_entitlements(plan, file, request)
    return plan


def _check_squash(request: BuildRequest) -> None:
    if not (request.squash or request.squash_from) or not request.cache_to:
        return
    from cowl.caches import InlineCacheTarget

    if any(isinstance(target, InlineCacheTarget) for target in request.cache_to):
        raise InvalidRequest(
            "a squashed image can't be a cache: it does not have the layers of its steps",
            hint="Leave out the inline cache, or export the cache to a directory or registry.",
        )


def _origin(request: BuildRequest) -> str:
    """Streams and texts are all alike: what came before from one is the earlier form of what comes now."""
    context = request.context if isinstance(request.context, str) else ""
    return f"{context}\0{request.dockerfile if isinstance(request.dockerfile, str) else ''}"


def _load(context: Context, dockerfile: str | bytes) -> Dockerfile:
    """The parsed Dockerfile; from now on the context hides what .dockerignore excludes."""
    definition = read_definition(context, dockerfile)
    file = parse(definition.text, definition.name)
    if definition.ignored is not None:
        from cowl.dockerfile.ignore import parse_ignore

        context.ignore = parse_ignore(definition.ignored[1], definition.ignored[0])
    return file


def _check_entitlements(plan: BuildPlan, file: Dockerfile, request: BuildRequest) -> None:
    """Before anything runs; what a base image's triggers bring along is looked at when it is there."""
    for stage in plan.stages:
        for step in stage.steps:
            check_entitlements(step.file or file, step.node, request.network, request.settings.allow)


def _warn_unused(plan: BuildPlan, emit: Emit) -> None:
    if plan.unused:
        emit(Warned(f"one or more build-args [{' '.join(plan.unused)}] were not consumed"))


def _explain_bytes(state: State, store: Store, emit: Emit, *, whole: bool) -> None:
    """The image stands by now: that its layers can't be read back is worth a warning, no more."""
    from cowl.build.explain_bytes import explain_bytes

    try:
        emit(explain_bytes(state, store, whole=whole))
    except OSError as problem:
        emit(Warned(f"the layers can't be read to explain their bytes: {problem.strerror or problem}"))


def _warn_unfiltered(file: Dockerfile, names: tuple[str, ...], emit: Emit) -> None:
    """Docker lets a filter that means no stage pass in silence; it is always a slip."""
    known = [stage.name for stage in file.stages if stage.name]
    for name in names:
        if name.lower() not in known:
            from cowl.dockerfile.diagnostics import quoted, suggestion

            near = suggestion(name.lower(), known)
            hint = f"\nDid you mean {near}?" if near else ""
            emit(Warned(f"--no-cache-filter {quoted(name)}: no stage is called so{hint}"))


def _execute(
    request: BuildRequest,
    plan: BuildPlan,
    ground: Ground,
    tags: list[Reference],
    store: Store,
    runtime: Callable[[], Runtime],
    resolve_base: Callable[[str, Platform | None, Emit], ImageRecord],
    clock: Callable[[], float],
    delivery: Delivery,
) -> ImageRecord:
    """Carries out the plan; once more when a prune by somebody else took a cached layer away in between."""
    for attempt in range(_ATTEMPTS):
        executor = Executor(
            plan,
            ground,
            store=store,
            runtime=runtime,
            resolve_base=resolve_base,
            no_cache=request.no_cache,
            no_cache_filter=request.no_cache_filter,
            jobs=request.jobs,
            clock=clock,
            delivery=delivery,
        )
        try:
            with executor:
                state = with_labels(executor.run(), request.labels)
                if delivery.wants_layers:
                    executor.hold(state)
                image = _squashed(state, request, executor, clock, ground.epoch)
                record = assemble(store, image, tags, clock, delivery, executor.steps, ground.epoch)
                if request.explain or executor.carried_out:
                    _explain_bytes(state, store, ground.emit, whole=request.explain)
                return record
        except NoSuchLayer:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _squashed(
    state: State, request: BuildRequest, executor: Executor, clock: Callable[[], float], epoch: int | None
) -> State:
    """The state with its layers squashed as the request says."""
    if not (request.squash or request.squash_from):
        return state
    from cowl.build.assemble import finished
    from cowl.oci.digest import Digest

    def name(of: State) -> str:
        return str(Digest.of(finished(of, clock, epoch).serialize()))

    return executor.squash(state, request.squash_from, name)
