"""State: what holds at one point of a stage: the config so far, the variables, the layers."""

from __future__ import annotations

from cowl.oci.image_config import ContainerConfig, ImageConfig
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cowl.dockerfile.nodes import Instruction
    from cowl.oci.platform import Platform
    from cowl.store.layers import Layer

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SCRATCH = "scratch"  # the state of no files at all, as `keys.below` names it
DEFAULT_SHELL = ("/bin/sh", "-c")


class State(Value):
    """One point of a stage. Every step gives a new one.

    image         config and history so far; `diff_ids` is filled in by `assemble`
    layers        the layers so far, base first
    base_layers   how many of them are the base image's
    base_image    the ID of the base image, "" for none
    made_by       the instructions that made the others
    numbers       the numbers of those steps
    base_history  how many history entries are the base image's
    variables     name to value: ENV and ARG as they overlay each other, what RUN sees and words expand to
    arguments     the ARGs declared in this stage, in order, with the values that history tells
    command_set   this stage has had a CMD: ENTRYPOINT then leaves it alone
    """

    image: ImageConfig
    layers: tuple[Layer, ...] = ()
    base_layers: int = 0
    base_history: int = 0
    variables: tuple[tuple[str, str], ...] = ()
    arguments: tuple[tuple[str, str], ...] = ()
    command_set: bool = False
    made_by: tuple[Instruction, ...] = ()
    numbers: tuple[int, ...] = ()
    base_image: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """`variables` as a mapping."""
        return dict(self.variables)

    @property
    def working_dir(self) -> str:
        return self.image.config.working_dir or "/"

    @property
    def shell(self) -> tuple[str, ...]:
        return self.image.config.shell or DEFAULT_SHELL

    @property
    def layer_keys(self) -> tuple[str, ...]:
        return tuple(layer.key for layer in self.layers)

    @property
    def chain(self) -> str:
        """The state of the files, for cache keys."""
        from cowl.build.keys import below

        return below([layer.diff_id for layer in self.layers])


def begin(image: ImageConfig, layers: tuple[Layer, ...]) -> State:
    """The state behind FROM an image: its ENV in force, its layers below.

    An image without a PATH gets one, as BuildKit does it, so that `ENV PATH=$PATH:/x` keeps the usual places.
    Its triggers do not hold on: whoever begins a stage carries them out.
    """
    if image.config.onbuild:
        image = image.replace(config=image.config.replace(onbuild=()))
    if not any(word.startswith("PATH=") for word in image.config.env):
        config = image.config.replace(env=(*image.config.env, f"PATH={DEFAULT_PATH}"))
        image = image.replace(config=config)
    pairs = (word.partition("=") for word in image.config.env)
    return State(
        image=image,
        layers=layers,
        base_layers=len(layers),
        base_history=len(image.history),
        variables=tuple((name, value) for name, _, value in pairs),
    )


def from_scratch(platform: Platform) -> State:
    """The state behind FROM scratch: no files, no variable but PATH."""
    return begin(
        ImageConfig(
            architecture=platform.architecture,
            os=platform.os,
            variant=platform.variant,
            config=ContainerConfig(working_dir="/"),
        ),
        (),
    )


def go_on(state: State) -> State:
    """The state behind FROM another stage: all of it holds on, its ARGs included, but for its triggers."""
    config = state.image.config.replace(onbuild=())
    return state.replace(command_set=False, image=state.image.replace(config=config))


def with_pair(pairs: Iterable[tuple[str, str]], name: str, value: str) -> tuple[tuple[str, str], ...]:
    """`pairs` with one more, which takes the place of an older one of that name."""
    merged = dict(pairs)
    merged[name] = value
    return tuple(merged.items())
