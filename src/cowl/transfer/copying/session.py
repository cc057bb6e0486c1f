"""One copy's conversation with the process among the container's files; see `inside`."""

from __future__ import annotations

import json
import os
from stat import S_ISDIR, S_ISLNK, S_ISREG

from cowl.errors import Unavailable
from cowl.linux import channel
from cowl.transfer.copying import failures
from cowl.transfer.copying.failures import NoSuchFile
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_CHUNK = 1 << 20


class Found(Value):
    """What is at a path of the container. `link` is where a symlink leads, inside the container."""

    mode: int
    size: int
    link: str = ""

    @property
    def is_directory(self) -> bool:
        return S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        return S_ISLNK(self.mode)

    @property
    def is_file(self) -> bool:
        return S_ISREG(self.mode)


class Session:
    """Asks; every call raises what went wrong in there.

    end        of the channel
    container  its name, for messages
    recorded   owners are on record only (linux.override_stat)
    mapped     it has a user namespace of its own
    """

    def __init__(self, end: int, container: str, *, recorded: bool, mapped: bool) -> None:
        self.container = container
        self._end = end
        self._always = {"container": container, "recorded": recorded, "mapped": mapped}

    def stat(self, path: str) -> Found:
        """Raises NoSuchFile."""
        try:
            answer = self._ask("stat", path)
        except NoSuchFile:
            raise NoSuchFile(f"Could not find the file {path} in container {self.container}") from None
        return Found(**answer)

    def get(self, path: str, name: str, take: Callable[[Pipe], object]) -> int:
        """Has `take` read the tar of what is at `path`, called `name` there; the bytes of its files."""
        answer = self._fetch("get", path, take, name=name)
        return int(answer["file_bytes"])

    def read(self, path: str, limit: int, take: Callable[[Pipe], object]) -> None:
        """Has `take` read a file of at most `limit` bytes."""
        self._fetch("read", path, take, limit=limit)

    def put(self, path: str, fill: Callable[[Pipe], object], *, archive: bool) -> None:
        """Has `fill` write a tar that is made into files in the directory `path`."""
        self._bring("put", path, fill, archive=archive)

    def write(
        self, path: str, fill: Callable[[Pipe], object], *, mode: int | None, owner: tuple[int, int] | None
    ) -> None:
        """Has `fill` write what becomes the file at `path`."""
        self._bring("write", path, fill, mode=mode, owner=owner)

    def _fetch(self, call: str, path: str, take: Callable[[Pipe], object], **more: Any) -> dict[str, Any]:
        reader, writer = os.pipe()
        pipe = Pipe(reader)
        try:
            try:
                self._send(call, path, (writer,), more)
            finally:
                os.close(writer)
            take(pipe)
            pipe.drain()
        except BaseException:
            pipe.close()
            self._learn()
            raise
        pipe.close()
        return self._answer()

    def _bring(self, call: str, path: str, fill: Callable[[Pipe], object], **more: Any) -> None:
        reader, writer = os.pipe()
        pipe = Pipe(writer)
        try:
            try:
                self._send(call, path, (reader,), more)
            finally:
                os.close(reader)
            fill(pipe)
        except BrokenPipeError:
            pass  # the answer says why nobody reads any more
        except BaseException:
            pipe.close()
            channel.receive(self._end)  # that the tar is cut off
            raise
        pipe.close()
        self._answer()

    def _ask(self, call: str, path: str, **more: Any) -> dict[str, Any]:
        self._send(call, path, (), more)
        return self._answer()

    def _send(self, call: str, path: str, fds: tuple[int, ...], more: dict[str, Any]) -> None:
        request = {"call": call, "path": path, **self._always, **more}
        channel.send(self._end, json.dumps(request).encode(), fds)

    def _answer(self) -> dict[str, Any]:
        data, _ = channel.receive(self._end)
        if not data:
            raise Unavailable(f"the process that copies from and to {self.container} has died")
        answer: dict[str, Any] = json.loads(data)
        if "error" in answer:
            raise failures.read(answer)
        return answer

    def _learn(self) -> None:
        """What it says about our giving up; raised if that was its own failure, which cut the tar off."""
        answer, _ = channel.receive(self._end)
        if answer and "error" in (told := json.loads(answer)) and "Broken pipe" not in told["message"]:
            raise failures.read(told)


class Pipe:
    """Our end of a pipe, as a stream. `count` are the bytes so far."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, at most a chunk at once; b"" at the end."""
        data = os.read(self._fd, _CHUNK if size < 0 else min(size, _CHUNK))
        self.count += len(data)
        return data

    def write(self, data: bytes) -> None:
        """All of it. Raises BrokenPipeError."""
        rest = memoryview(data)
        while rest:
            done = os.write(self._fd, rest)
            self.count += done
            rest = rest[done:]

    def drain(self) -> None:
        """Reads what is left."""
        while self.read():
            pass

    def close(self) -> None:
        """Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
