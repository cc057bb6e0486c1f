"""The AST of a Dockerfile: frozen nodes, one class an instruction, each with its place in the source.

Nothing in a node is expanded: variables stand as written (see `expand`). Quotes and escapes of shell
words are kept too, because taking them off is a part of the expansion, as in BuildKit.
"""

from __future__ import annotations

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar, Self, TypeAlias


class SourceRange(Value):
    """Where an instruction stands: lines and columns count from 1, `last_line` is inside the range.

    `last_line` covers continuation lines and heredoc bodies.
    """

    path: str
    first_line: int
    last_line: int
    column: int = 1


class Word(str):
    """A piece of source text that knows where it stands: a plain `str` with `line` and `column`.

    Both count from 1; 0 means that the place is unknown. Equality and hash are those of `str`.
    `length` is how many characters a caret line should mark (0: the length of the text).
    """

    __slots__ = ("column", "length", "line")
    line: int
    column: int
    length: int

    def __new__(cls, text: str, line: int = 0, column: int = 0, length: int = 0) -> Self:
        word = super().__new__(cls, text)
        word.line = line
        word.column = column
        word.length = length or len(text)
        return word

    def with_text(self, text: str) -> Word:
        """Other text at the same place: the outcome of an expansion."""
        return Word(text, self.line, self.column, self.length)

    def __getnewargs__(self) -> tuple[str, int, int, int]:  # type: ignore[override]
        return str(self), self.line, self.column, self.length


class Heredoc(Value):
    """`<<NAME` and its body. `expand`: variables in the body are expanded (NAME was not quoted).

    `content` ends in a newline unless empty, with leading tabs removed already when `chomp` (`<<-`).
    `descriptor` is the number before `<<` (0: standard input).
    """

    name: str
    content: str
    expand: bool = True
    chomp: bool = False
    descriptor: int = 0
    source: SourceRange = SourceRange("", 0, 0)


class Mount(Value):
    """One `RUN --mount=`: the comma-separated options in order, as written and not expanded."""

    text: Word
    options: tuple[tuple[str, str], ...]

    def option(self, *names: str, default: str = "") -> str:
        """The last value given under any of these names, or `default`; a bare flag has the value "true"."""
        found = [value for name, value in self.options if name in names]
        return found[-1] if found else default

    @property
    def kind(self) -> str:
        return self.option("type", default="bind")


class KeyValue(Value):
    """One pair of ENV or LABEL, unexpanded. `legacy`: written `ENV key value`, without the equals sign."""

    key: Word
    value: Word
    legacy: bool = False


class ArgDeclaration(Value):
    """One name of ARG; `default` is None when none is written, else unexpanded text."""

    name: Word
    default: Word | None = None


class Instruction(Value):
    """Base of all instructions.

    source  the place in the file
    raw     the logical line: continuations joined, comment lines inside them dropped, no heredoc bodies
    """

    keyword: ClassVar[str] = ""
    source: SourceRange
    raw: str


# The command of RUN, CMD and ENTRYPOINT: a tuple in exec (JSON) form, a string in shell form.
Command: TypeAlias = "tuple[str, ...] | str"


class From(Instruction):
    """FROM [--platform=P] image [AS alias]. `alias` is lower case, "" if there is none."""

    keyword: ClassVar[str] = "FROM"
    image: Word
    alias: Word = Word("")
    platform: Word = Word("")


class Arg(Instruction):
    """ARG name[=default] ..."""

    keyword: ClassVar[str] = "ARG"
    arguments: tuple[ArgDeclaration, ...]


class Run(Instruction):
    """RUN. With heredocs `command` is the shell form text with the `<<NAME` words still in it.

    `command` may be the empty string, a shell with nothing to do, but never the empty tuple.
    `network` is "default", "none" or "host"; `security` is "sandbox" or "insecure"; "" when not written.
    """

    keyword: ClassVar[str] = "RUN"
    command: Command
    heredocs: tuple[Heredoc, ...] = ()
    mounts: tuple[Mount, ...] = ()
    network: Word = Word("")
    security: Word = Word("")
    devices: tuple[Word, ...] = ()


class Cmd(Instruction):
    """CMD."""

    keyword: ClassVar[str] = "CMD"
    command: Command


class Entrypoint(Instruction):
    """ENTRYPOINT. The empty tuple, for `[]` and for no command at all, clears it."""

    keyword: ClassVar[str] = "ENTRYPOINT"
    command: Command


class Label(Instruction):
    """LABEL key=value ..."""

    keyword: ClassVar[str] = "LABEL"
    pairs: tuple[KeyValue, ...]


class Maintainer(Instruction):
    """MAINTAINER name (deprecated)."""

    keyword: ClassVar[str] = "MAINTAINER"
    name: Word


class Expose(Instruction):
    """EXPOSE port[-port][/protocol] ..., in the order written."""

    keyword: ClassVar[str] = "EXPOSE"
    ports: tuple[Word, ...]


class Env(Instruction):
    """ENV key=value ... or ENV key value."""

    keyword: ClassVar[str] = "ENV"
    pairs: tuple[KeyValue, ...]


class Transfer(Instruction):
    """What COPY and ADD have in common: sources (heredocs apart, in order), and one destination.

    `json`: the paths were written as a JSON array, so blanks and `#` in them are meant.
    """

    sources: tuple[Word, ...]
    dest: Word
    heredocs: tuple[Heredoc, ...] = ()
    chown: Word = Word("")
    chmod: Word = Word("")
    link: bool = False
    exclude: tuple[Word, ...] = ()
    json: bool = False


class Copy(Transfer):
    """COPY. `from_` is a stage name or number, an image or a named context; "" is the build context."""

    keyword: ClassVar[str] = "COPY"
    from_: Word = Word("")
    parents: bool = False


class Add(Transfer):
    """ADD. `unpack` is None when not written: then local archives are unpacked and remote ones are not."""

    keyword: ClassVar[str] = "ADD"
    checksum: Word = Word("")
    keep_git_dir: bool | None = None
    unpack: bool | None = None


class Volume(Instruction):
    """VOLUME path ... or a JSON array."""

    keyword: ClassVar[str] = "VOLUME"
    paths: tuple[Word, ...]


class User(Instruction):
    """USER name[:group]."""

    keyword: ClassVar[str] = "USER"
    user: Word


class Workdir(Instruction):
    """WORKDIR path."""

    keyword: ClassVar[str] = "WORKDIR"
    path: Word


class Onbuild(Instruction):
    """ONBUILD instruction. `trigger` is the text that goes into the image config.

    `instruction` is its AST, None when it is malformed (with a warning: Docker does not look at it yet).
    """

    keyword: ClassVar[str] = "ONBUILD"
    trigger: str
    instruction: Instruction | None


class StopSignal(Instruction):
    """STOPSIGNAL signal."""

    keyword: ClassVar[str] = "STOPSIGNAL"
    signal: Word


class Healthcheck(Instruction):
    """HEALTHCHECK. `command` is None for NONE. Times are in nanoseconds, 0 when not written."""

    keyword: ClassVar[str] = "HEALTHCHECK"
    command: Command | None = None
    interval_ns: int = 0
    timeout_ns: int = 0
    start_period_ns: int = 0
    start_interval_ns: int = 0
    retries: int = 0


class Shell(Instruction):
    """SHELL, always in JSON form."""

    keyword: ClassVar[str] = "SHELL"
    command: tuple[str, ...]


class Directives(Value):
    """Parser directives. `syntax` and `check` are the values as written, "" if absent; never executed."""

    escape: str = "\\"
    syntax: str = ""
    check: str = ""


class Stage(Value):
    """One FROM and what follows it. `name` is the alias in lower case, or ""; `index` counts from 0."""

    index: int
    name: str
    base: From
    instructions: tuple[Instruction, ...]


class ParseWarning(Value):
    """Something odd that does not stop the build. `excerpt` is the rendered place (see `diagnostics`).

    `rule` is the check that it belongs to (see `checks.rules`), "" if none; `reason` is the bare statement.
    """

    message: str
    path: str
    line: int
    column: int
    excerpt: str = ""
    hint: str = ""
    rule: str = ""
    reason: str = ""
    length: int = 1


class Dockerfile(Value):
    """A whole Dockerfile: at least one stage; `global_args` are the ARGs before the first FROM.

    `lines` are those of `text`, so that many messages about a long file take no time each.
    """

    path: str
    text: str
    directives: Directives
    global_args: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    warnings: tuple[ParseWarning, ...] = ()
    lines: tuple[str, ...] = ()

    def line(self, number: int) -> str:
        """Line `number` (from 1) without its newline, "" if there is none."""
        lines = self.lines or self.text.split("\n")
        return lines[number - 1] if 1 <= number <= len(lines) else ""

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        """Every instruction in file order, FROMs included."""
        staged = (node for stage in self.stages for node in (stage.base, *stage.instructions))
        return (*self.global_args, *staged)
