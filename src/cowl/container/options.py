"""What a caller asks of a container, and what it becomes together with the image: pure."""

from __future__ import annotations

import os

from cowl.container import groups
from cowl.container.words import InvalidOptions, as_words, check_text, label_pairs, words
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from cowl.container.confinement import Confinement
    from cowl.container.fixtures import Fixtures
    from cowl.container.health import Health
    from cowl.container.limits import Limits
    from cowl.container.mounts import Mount
    from cowl.container.networking import Networking
    from cowl.oci.image_config import ContainerConfig

DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NETWORKS = ("none", "host")
STOP_SECONDS = 10.0  # Docker's
_LONGEST = 1 << 31  # seconds: 68 years
HOSTNAME_BYTES = 64  # sethostname(2)


class RunOptions(Value):
    """The caller's side of `run` and `start`; "" and () mean: as the image says.

    env         "KEY=value" words that override the image's
    binds       "source:target[:ro]" words, source an absolute path or the name of a volume; "target"
                alone is an anonymous volume
    entrypoint  replaces the image's and drops its CMD, as Docker does; None keeps it, () clears it
    network     "none", "host", "bridge", "container:NAME" or the name of a network; "" is the default
    networking  what else was asked of its networks, ports and names; None: nothing was
    fixtures    tmpfs, mounts in full, devices; None: nothing was asked
    confinement what it may more or less than others; None: nothing was asked
    limits      its share of the machine; None: nothing was asked
    health      how its health is looked at, where that is not as the image says; None: it is
    restart     "no", "on-failure", "on-failure:3", "always" or "unless-stopped"; for detached ones
    init        process 1 is an init that forwards signals and reaps, the command its child
    stdin_once    with open_stdin and a monitor: it ends when the one who is attached ends his, or leaves
    timeout       seconds that it may run before it is killed; 0: as long as it likes
    stop_timeout  seconds between the stop signal and SIGKILL, -1 for ever; None: 10
    log_options   max-size and max-file of the driver "json-file"; "none" has none
    runtime     "embedded", "crun", "runc" or an absolute path; "": as the engine's configuration says
    """

    name: str = ""
    env: tuple[str, ...] = ()
    user: str = ""
    workdir: str = ""
    hostname: str = ""
    network: str = ""
    entrypoint: tuple[str, ...] | None = None
    binds: tuple[str, ...] = ()
    read_only: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    tty: bool = False
    open_stdin: bool = False
    remove: bool = False
    confinement: Confinement | None = None
    networking: Networking | None = None
    limits: Limits | None = None
    health: Health | None = None
    fixtures: Fixtures | None = None
    restart: str = "no"
    stop_signal: str = ""
    stop_timeout: int | None = None
    log_driver: str = "json-file"
    log_options: tuple[tuple[str, str], ...] = ()
    runtime: str = ""
    stdin_once: bool = False
    timeout: float = 0
    init: bool = False


class Settings(Value):
    """A container's settings: image and options folded together, as stored with its row.

    binds   words as the caller gave them; mounts: what they and the image's volumes came to, in order
    exposed "80/tcp" words: of the image, of the caller, and what is published
    health  how its health is looked at; None: it is not
    """

    image: str
    args: tuple[str, ...]
    entrypoint: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    user: str
    hostname: str
    network: str
    binds: tuple[str, ...]
    read_only: bool
    labels: tuple[tuple[str, str], ...]
    tty: bool
    open_stdin: bool
    stop_signal: str
    mounts: tuple[Mount, ...] = ()
    confinement: Confinement | None = None
    networking: Networking | None = None
    fixtures: Fixtures | None = None
    exposed: tuple[str, ...] = ()
    limits: Limits | None = None
    health: Health | None = None
    restart: str = "no"
    stop_timeout: int | None = None
    log_driver: str = "json-file"
    log_options: tuple[tuple[str, str], ...] = ()
    runtime: str = "embedded"
    stdin_once: bool = False
    timeout: float = 0
    init: bool = False

    @property
    def stop_seconds(self) -> float:
        """Between the stop signal and SIGKILL; negative: SIGKILL never comes."""
        return STOP_SECONDS if self.stop_timeout is None else self.stop_timeout

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, for the store."""
        values = self.as_dict()
        mounts = [list(mount.as_dict().values()) for mount in self.mounts]
        return {**values, "mounts": mounts, **groups.written(values)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Settings:
        """The inverse of `to_json`; what a row is too old to have is as nobody asked for it."""
        apart = ("mounts", *groups.NAMES)
        plain = {name: stored[name] for name in cls._fields if name in stored and name not in apart}
        return cls(**groups.frozen(plain), mounts=_mounts(stored), **groups.read(stored))


def fold(image: str, config: ContainerConfig, command: Sequence[str], options: RunOptions) -> Settings:
    """Image config and options to settings, by Docker's rules. Raises InvalidOptions."""
    entrypoint = tuple(config.entrypoint or ()) if options.entrypoint is None else options.entrypoint
    from_image = () if options.entrypoint is not None else tuple(config.cmd or ())
    args = entrypoint + (as_words("the command", command) or from_image)
    if not args:
        raise InvalidOptions(
            f"no command to run in {image}", hint="the image has no CMD and no ENTRYPOINT: name a command"
        )
    workdir = options.workdir or config.working_dir or "/"
    check_process(args, options.env, workdir, options.user)
    check_hostname(options.hostname)
    network, exposed = _fold_networking(config, options)
    if options.confinement is not None:
        from cowl.container.confinement import check_confinement

        own_name = options.hostname or (options.networking.domainname if options.networking else "")
        check_confinement(options.confinement, network, own_name)
    if options.limits is not None:
        from cowl.container.limits import check_limits

        check_limits(options.limits, os.cpu_count() or 1)
    _check_life(options)
    mounts: tuple[Mount, ...] = ()
    if options.binds or config.volumes or options.fixtures:
        from cowl.container.mounts import fold_mounts

        mounts = fold_mounts(config.volumes, options.binds, options.fixtures)
    return Settings(
        image=image,
        args=args,
        entrypoint=entrypoint,
        env=merge_env((DEFAULT_PATH,), config.env, options.env),
        cwd=workdir,
        user=options.user or config.user,
        hostname=options.hostname,
        network=network,
        binds=options.binds,
        read_only=options.read_only,
        labels=tuple({**dict(config.labels), **dict(options.labels)}.items()),
        tty=options.tty,
        open_stdin=options.open_stdin,
        stop_signal=options.stop_signal or config.stop_signal,
        restart=options.restart,
        stop_timeout=options.stop_timeout,
        log_driver=options.log_driver,
        log_options=options.log_options,
        stdin_once=options.open_stdin and options.stdin_once,
        timeout=options.timeout,
        init=options.init,
        mounts=mounts,
        confinement=options.confinement,
        networking=options.networking,
        fixtures=options.fixtures,
        exposed=exposed,
        runtime=options.runtime or "embedded",
        limits=options.limits,
        health=_fold_health(config, options),
    )


def _fold_networking(config: ContainerConfig, options: RunOptions) -> tuple[str, tuple[str, ...]]:
    """Its main network and the ports that it exposes. The module is loaded only for who has any."""
    network, asked = options.network or NETWORKS[0], options.networking
    if asked is None and not config.exposed_ports and network in (*NETWORKS, "bridge"):
        return network, ()
    from cowl.container import networking

    network = networking.main_network(options.network, asked) or NETWORKS[0]
    if network == networking.CONTAINER:
        raise InvalidOptions("--network container: names no container", hint="write --network container:NAME")
    if asked is not None or network.startswith(networking.CONTAINER):
        networking.check_networking(network, asked or networking.Networking(), options.hostname)
    return network, networking.exposed_ports(config, asked)


def _fold_health(config: ContainerConfig, options: RunOptions) -> Health | None:
    if not config.healthcheck and options.health is None:
        return None
    from cowl.container.health import fold_health

    return fold_health(config, options.health)


def _check_life(options: RunOptions) -> None:
    """Raises InvalidOptions. The modules are loaded only for who asks for something."""
    if not 0 <= options.timeout < _LONGEST:
        raise InvalidOptions(f"invalid timeout {options.timeout:g}", hint="seconds, or 0 for no limit")
    if options.restart != "no":
        from cowl.container.restart import parse_policy

        if parse_policy(options.restart).name != "no" and options.remove:
            raise InvalidOptions("conflicting options: cannot specify both --restart and --rm")
    if options.log_options or options.log_driver != "json-file":
        from cowl.container.log_options import parse_log

        parse_log(options.log_driver, options.log_options)
    if options.runtime not in ("", "embedded"):
        from cowl.runtime.external.program import check_runtime

        check_runtime(options.runtime)
    if options.stop_signal:
        from cowl.container.signals import signal_number

        signal_number(options.stop_signal)


def check_process(args: Sequence[str], env: Sequence[str], workdir: str, user: str) -> None:
    """Raises InvalidOptions for what no process can be given."""
    if not args:
        raise InvalidOptions("no command to run")
    for word in (*args, *env, workdir, user):
        check_text(word)
    for word in env:
        if not word.partition("=")[0]:
            raise InvalidOptions(f"invalid environment variable: {word}", hint="write KEY=value")
    if not workdir.startswith("/"):
        raise InvalidOptions(f"the working directory {workdir!r} is not an absolute path")


def check_hostname(name: str) -> None:
    """Raises InvalidOptions for what the kernel or the lines of /etc/hosts can't hold. "" is none."""
    check_text(name)
    if len(name.encode()) > HOSTNAME_BYTES:
        raise InvalidOptions(f"the hostname {name!r} is longer than {HOSTNAME_BYTES} bytes")
    if "#" in name or any(character.isspace() or not character.isprintable() for character in name):
        raise InvalidOptions(f"invalid hostname {name!r}", hint="use letters, digits, '-' and '.'")


def run_options(
    *,
    env: Mapping[str, str] | Sequence[str] = (),
    labels: Mapping[str, str] | Sequence[str] = (),
    entrypoint: Sequence[str] | None = None,
    binds: Sequence[str] = (),
    log_options: Mapping[str, str] | Sequence[str] = (),
    **rest: Any,
) -> RunOptions:
    """The keyword arguments of `Engine.run` and `Engine.start` as a value."""
    return RunOptions(
        env=words(env),
        labels=label_pairs(labels),
        entrypoint=None if entrypoint is None else as_words("the entrypoint", entrypoint),
        binds=as_words("binds", binds),
        log_options=label_pairs(log_options),
        **groups.gather(rest),
    )


def merge_env(*lists: Iterable[str]) -> tuple[str, ...]:
    """Later "KEY=value" words override earlier ones in place; order of first appearance."""
    merged: dict[str, str] = {}
    for given in lists:
        for word in given:
            merged[word.partition("=")[0]] = word
    return tuple(merged.values())


def _mounts(stored: Mapping[str, Any]) -> tuple[Mount, ...]:
    rows, words = stored.get("mounts"), stored["binds"] if "mounts" not in stored else ()
    if not rows and not words:
        return ()
    from cowl.container.mounts import Mount, fold_mounts

    return tuple(Mount(*groups.tuples(row)) for row in rows) if rows else fold_mounts((), words)
