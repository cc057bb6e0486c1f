"""A command as called: its flags, arguments, and the engine it works on."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl import Engine
    from cowl.cli.grammar import Command, Parsed
    from cowl.events import Emit


class Call:
    """What a handler gets. Flags are read by their long name, by the kind they were declared with."""

    def __init__(self, command: Command, parsed: Parsed, root: str | None, runtime: str, debug: bool) -> None:
        self.command = command
        self.words = parsed.words
        self.root = root
        self.debug = debug
        self._runtime = runtime
        self._parsed = parsed

    def on(self, name: str) -> bool:
        """A BOOL flag."""
        value = self._parsed.flags[name]
        assert isinstance(value, bool)
        return value

    def text(self, name: str) -> str:
        """A TEXT flag."""
        value = self._parsed.flags[name]
        assert isinstance(value, str)
        return value

    def number(self, name: str) -> int:
        """An INT flag."""
        value = self._parsed.flags[name]
        assert isinstance(value, int)
        return value

    def many(self, name: str) -> tuple[str, ...]:
        """A LIST or WORDS flag, in the order given."""
        value = self._parsed.flags[name]
        assert isinstance(value, tuple)
        return value

    def has(self, name: str) -> bool:
        """Whether the command has such a flag."""
        return name in self._parsed.flags

    def given(self, name: str) -> bool:
        """Whether the flag was named at all, with whatever value."""
        return name in self._parsed.given

    def engine(self, on_event: Emit | None = None) -> Engine:
        """An engine on the store that --root, COWL_ROOT or the user's default names."""
        from cowl import Engine

        engine = Engine(self.root, on_event=on_event)
        if self._runtime:
            engine.config = engine.config.replace(runtime=self._runtime)
        return engine
