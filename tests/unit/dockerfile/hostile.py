"""Hostile inputs by size, for tests that count work or bound it; as a program it runs the huge ones.

Each maker gives an input of a size that its argument says; what is done with it must take time in
proportion, whatever the input means.
"""

from __future__ import annotations

import resource
from collections.abc import Callable
from functools import partial

from cowl.dockerfile import nodes
from cowl.dockerfile.checks.check import check
from cowl.dockerfile.checks.subject import Surroundings
from cowl.dockerfile.expand import Expander
from cowl.dockerfile.globs import compile_glob
from cowl.dockerfile.ignore import parse_ignore
from cowl.dockerfile.parser import parse
from cowl.dockerfile.rescue import comment_rescue
from cowl.dockerfile.scope import expand_node
from cowl.errors import CowlError
from cowl.oci.platform import Platform

CPU_SECONDS = 300  # for all the huge ones; they take some seconds


def examine(text: str | bytes) -> None:
    """Everything that the front end does with a Dockerfile."""
    try:
        file = parse(text)
    except CowlError:
        return
    for node in file.instructions:
        if isinstance(node, nodes.Copy | nodes.Add):
            comment_rescue(file, node)
        try:
            expand_node(file, node, {"A": "x y", "B": ""})
        except CowlError:
            pass
    check(file, Surroundings({}, {}, dict, Platform("linux", "amd64"), lambda _name: None), advice=True)


def expand(text: str) -> None:
    try:
        Expander({"A": "x y", "V": "a" * 1000}).words(text)
    except CowlError:
        pass


def ignore(text: str) -> None:
    """The files of a small tree against a .dockerignore."""
    matcher = parse_ignore(text)
    for number in range(20):
        matcher.excluded(f"src/folder{number % 3}/" + "ab/" * 5 + f"file{number}.c")
        matcher.prunable(f"src/folder{number % 3}")


def glob(text: str) -> None:
    compile_glob(text).matches("dir/" + "ab" * 100)


DOCKERFILES: dict[str, Callable[[int], str | bytes]] = {
    "empty": lambda n: "",
    "newlines": lambda n: "\n" * n,
    "comments": lambda n: "# a\n" * n,
    "lines": lambda n: "FROM a\n" + "RUN true\n" * n,
    "stages": lambda n: "".join(f"FROM s{i - 1} AS s{i}\nCOPY --from=s{i - 1} a b\n" for i in range(n)),
    "one stage's name": lambda n: "FROM a AS b\n" * n,
    "a long line": lambda n: "FROM a\nRUN " + "x" * n,
    "a long word": lambda n: "FROM " + "a" * n,
    "many words": lambda n: "FROM a\nCOPY " + "a " * n + "b/",
    "many ports": lambda n: "FROM a\nEXPOSE " + "80 " * n,
    "many pairs": lambda n: "FROM a\nENV " + "A=$A " * n,
    "many variables": lambda n: "FROM a\n" + "".join(f"ENV A{i}=$A{i - 1}$Z{i}\n" for i in range(n)),
    "many arguments": lambda n: "".join(f"ARG A{i}=$A{i - 1}\n" for i in range(n)) + "FROM $B$C",
    "continuations": lambda n: "FROM a\nRUN a" + " \\\n b" * n,
    "empty continuations": lambda n: "FROM a\nRUN a \\\n" + "\n" * n + "b",
    "commented continuations": lambda n: "FROM a\nRUN a \\\n" + "# c\n" * n + "b",
    "no end of continuations": lambda n: "FROM a\nRUN a" + " \\\n" * n,
    "escapes": lambda n: "FROM a\nENV A=" + "\\" * n,
    "quotes": lambda n: "FROM a\nENV A=" + "'\"" * n,
    "open quotes": lambda n: "FROM a\nENV " + "A=' " * n,
    "flags": lambda n: "FROM a\nRUN " + "--mount=type=cache,target=/a " * n + "x",
    "options of a mount": lambda n: "FROM a\nRUN --mount=type=cache" + ",ro" * n + " x",
    "quoted flags": lambda n: "FROM a\nRUN --mount='" + "\\'" * n + " x",
    "json": lambda n: "FROM a\nRUN [" + '"a",' * n + '"b"]',
    "deep json": lambda n: "FROM a\nRUN " + "[" * n,
    "broken json": lambda n: 'FROM a\nRUN ["' + "\\" * n,
    "heredocs": lambda n: "FROM a\n" + "RUN <<E\nx\nE\n" * n,
    "a long heredoc": lambda n: "FROM a\nCOPY <<E /x\n" + "$A\n" * n + "E\n",
    "many heredocs in a line": lambda n: (
        "FROM a\nCOPY "
        + "".join(f"<<E{i} " for i in range(n))
        + "/x\n"
        + "".join(f"E{i}\n" for i in range(n))
    ),
    "heredocs that never end": lambda n: "FROM a\n" + "RUN << 2\n" * n,
    "a heredoc that never ends": lambda n: "FROM a\nRUN <<E\n" + "x\n" * n,
    "less-than signs": lambda n: "FROM a\nRUN " + "<" * n,
    "dollars": lambda n: "FROM a\nCOPY " + "$" * n + " b",
    "open braces": lambda n: "FROM a\nENV A=" + "${A:-" * n,
    "closed braces": lambda n: "FROM a\nENV A=" + "${A:-" * n + "}" * n,
    "many substitutions": lambda n: "FROM a\nENV A=" + "${B:-${A}}" * n,
    "many patterns": lambda n: "FROM a\nENV A=" + "${A//*x*/y}" * n,
    "triggers": lambda n: "FROM a\n" + "ONBUILD RUN x\n" * n,
    "a trigger in a trigger": lambda n: "FROM a\n" + "ONBUILD " * n + "RUN x",
    "directives": lambda n: "# escape=`\n" + "# syntax=x\n" * n,
    "shell commands": lambda n: "FROM a\nCOPY a /b\nRUN chmod 1 /b" + " && chmod 1 /c" * n,
    "files and chmods": lambda n: "FROM a\n" + "COPY a /b\n" * n + "RUN chmod 1 /z /y /x\n" * 3,
    "comments after copies": lambda n: "FROM a\n" + "COPY a b # c\n" * n,
    "not utf-8": lambda n: b"FROM a\n# " + b"\xff" * n + b"\nRUN \xff",
    "nul bytes": lambda n: b"FROM a\n" + b"\0" * n,
    "blanks": lambda n: "FROM a\nRUN" + " \t" * n + "x" + " " * n,
    "wide characters": lambda n: "FROM a\nRUNN " + "\u4e2d" * n,
}
WORDS: dict[str, Callable[[int], str]] = {
    "braces": lambda n: "${A:-" * min(n, 60) + "}" * min(n, 60),
    "too many braces": lambda n: "${A:-" * n,
    "a prefix with stars": lambda n: "${V#" + "*a" * n + "b}",
    "a suffix with stars": lambda n: "${V%%b" + "*a" * n + "}",
    "a replacement with stars": lambda n: "${V//" + "*a" * n + "b/c}",
    "quotes in quotes": lambda n: "\"'" * n,
    "variables": lambda n: "$A " * n,
}
IGNORES: dict[str, Callable[[int], str]] = {
    "patterns": lambda n: "".join(f"dir{i}/*.o\n" for i in range(n)),
    "literals": lambda n: "".join(f"dir{i}/file\n" for i in range(n)),
    "negations": lambda n: "*\n" + "".join(f"!dir{i}/**\n" for i in range(n)),
    "stars": lambda n: "*a" * n + "b",
    "folders": lambda n: "**/" * n + "*a*b*c",
    "a long class": lambda n: "[" + "a-b" * n + "]",
    "dots": lambda n: "../" * n + "a/" * n,
}
GLOBS: dict[str, Callable[[int], str]] = {
    "stars": lambda n: "*a" * n + "c",
    "questions": lambda n: "*?" * n + "c",
    "classes": lambda n: "*[ab]" * n + "c",
}


def every(size: int) -> list[tuple[str, Callable[[], None]]]:
    """(name, work) of each input at that size."""
    found: list[tuple[str, Callable[[], None]]] = []
    found += ((f"Dockerfile: {name}", partial(examine, make(size))) for name, make in DOCKERFILES.items())
    found += ((f"word: {name}", partial(expand, make(size))) for name, make in WORDS.items())
    found += ((f"ignore: {name}", partial(ignore, make(size))) for name, make in IGNORES.items())
    found += ((f"glob: {name}", partial(glob, make(size))) for name, make in GLOBS.items())
    return found


# What an issue or a wicked repository may hold: 100,000 lines, lines of 10 MB, 10,000 patterns.
HUGE: tuple[tuple[str, int], ...] = (
    *((name, 100_000) for name in ("newlines", "comments", "lines", "continuations")),
    *((name, 100_000) for name in ("empty continuations", "a long heredoc", "a heredoc that never ends")),
    *((name, 100_000) for name in ("open braces", "deep json", "json", "many words", "quoted flags")),
    *((name, 10_000_000) for name in ("a long line", "a long word", "not utf-8")),
    *(
        (name, 1_000_000)
        for name in ("nul bytes", "quotes", "dollars", "blanks", "escapes", "less-than signs")
    ),
    *((name, 20_000) for name in ("one stage's name", "comments after copies", "many variables")),
)


def main() -> None:
    """The huge ones, in a process whose processor time is bounded."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    for name, size in HUGE:
        print(name, flush=True)
        examine(DOCKERFILES[name](size))
    for name in ("patterns", "literals", "negations", "folders"):
        print(name, flush=True)
        ignore(IGNORES[name](10_000))


if __name__ == "__main__":
    main()
