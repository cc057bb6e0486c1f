"""What an image made of a container says about how to start one: pure."""

from __future__ import annotations

from cowl.container.options import DEFAULT_PATH, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.oci.image_config import ContainerConfig


def committed_config(settings: Settings, base: ContainerConfig) -> ContainerConfig:
    """The config that `docker commit` writes: the container's, whose ports are its image's.

    base  the config of the container's image. Its SHELL and ONBUILD are not inherited, as with Docker
    """
    command = settings.args[len(settings.entrypoint) :]
    anonymous = (mount.target for mount in settings.mounts if mount.kind == "volume" and not mount.named)
    return base.replace(
        user=settings.user,
        env=_environment(settings, base),
        entrypoint=settings.entrypoint or None,
        cmd=command or None,
        working_dir=settings.cwd if settings.cwd != "/" else base.working_dir and "/",
        labels=tuple(sorted(settings.labels)),
        healthcheck=_healthcheck(settings),
        volumes=tuple(sorted({*base.volumes, *anonymous})),
        stop_signal=settings.stop_signal or base.stop_signal,
        shell=None,
        onbuild=(),
        args_escaped=False,
        stop_timeout=None,
    )


def _healthcheck(settings: Settings) -> str:
    if settings.health is None:
        return ""
    import json

    return json.dumps(settings.health.attrs(), separators=(",", ":"))


def _environment(settings: Settings, base: ContainerConfig) -> tuple[str, ...]:
    """Without the PATH that every container gets, where neither its image nor its caller set one."""
    own = any(word.startswith("PATH=") for word in base.env)
    return tuple(word for word in settings.env if own or word != DEFAULT_PATH)


def command_line(settings: Settings) -> str:
    """What ran in the container, as Docker's history tells it: CMD without the entrypoint."""
    return " ".join(settings.args[len(settings.entrypoint) :])
