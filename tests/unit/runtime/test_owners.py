"""Recorded owners, in a real user namespace of one id over a real overlay."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import stat
import struct
import subprocess
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.caller import ORDINARY_ID

from cowl.linux import channel, credentials, namespaces, seccomp
from cowl.linux.override_stat import XATTR, OverrideStat
from cowl.linux.syscall_numbers import numbers
from cowl.runtime import owners
from cowl.runtime.seccomp_profile import default_profile

TABLE = numbers(os.uname().machine)
LIBC = ctypes.CDLL(None, use_errno=True)


class Box:
    """A root file system of one lower layer for containers of a single id."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lower, self.upper = path / "lower", path / "upper"
        for name in ("lower", "upper", "work", "merged", "outside"):
            (path / name).mkdir()
        for name in ("proc", "dir/sub", "tmp"):
            (self.lower / name).mkdir(parents=True)
        for name in ("file", "other", "dir/inner", "readonly", "closed"):
            (self.lower / name).write_text(name)
        (self.lower / "readonly").chmod(0o444)
        (self.lower / "closed").chmod(0)
        (path / "outside/secret").write_text("host")
        os.mkfifo(self.lower / "fifo")
        (self.lower / "link").symlink_to("file")
        (self.lower / "absolute").symlink_to("/dir/inner")
        (self.lower / "escape").symlink_to("../../../../.." + str(path / "outside/secret"))
        subprocess.run(["chown", "-hR", f"{ORDINARY_ID}:{ORDINARY_ID}", str(path)], check=True)

    def run(self, body: Callable[[], Any], *, capabilities: int = -1) -> Any:
        """What `body` returns inside, as the container's root; JSON-able."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.close(reader)
                self._outside(body, capabilities, writer)
                status = 0
            except BaseException:  # noqa: BLE001  # a child has nobody above it to tell
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(writer)
        with os.fdopen(reader) as result:
            text = result.read()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert status == 0, text
        return json.loads(text)

    def _outside(self, body: Callable[[], Any], capabilities: int, writer: int) -> None:
        """An ordinary user's process: the container's parent, and its supervisor's."""
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID)
            os.setresuid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID)
            LIBC.prctl(4, 1, 0, 0, 0)  # dumpable again, as any process that did not change ids
        ours, theirs = channel.pair()
        pid, pidfd = namespaces.clone(namespaces.USER | namespaces.MOUNT)
        if pid == 0:
            status = 1
            try:
                os.close(ours)
                self._inside(body, capabilities, theirs, writer)
                status = 0
            except BaseException:  # noqa: BLE001  # a child has nobody above it to tell
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(theirs)
        one_id = ((0, os.getuid(), 1),), ((0, os.getgid(), 1),)
        namespaces.map_ids(pid, *one_id, deny_setgroups=True)
        channel.send(ours, b"mapped")
        _, fds = channel.receive(ours)
        supervisor = os.fork()
        if supervisor == 0:
            try:
                namespaces.enter(pidfd, namespaces.USER)
                owners.serve(fds[0])
            finally:
                os._exit(0)
        os.close(fds[0])
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert os.waitstatus_to_exitcode(os.waitpid(supervisor, 0)[1]) == 0  # it ends by itself

    def _inside(self, body: Callable[[], Any], capabilities: int, theirs: int, writer: int) -> None:
        channel.receive(theirs)
        options = f"lowerdir={self.lower},upperdir={self.upper},workdir={self.path}/work,userxattr"
        merged = str(self.path / "merged").encode()
        assert LIBC.mount(b"overlay", merged, b"overlay", 0, options.encode()) == 0
        assert LIBC.mount(b"tmpfs", merged + b"/tmp", b"tmpfs", 0, b"") == 0
        os.chroot(merged)
        os.chdir("/")
        credentials.forbid_new_privileges()
        if capabilities != -1:
            credentials.set_capabilities(capabilities)
        profile = default_profile(("CAP_SYS_CHROOT",))
        listener = seccomp.install(seccomp.compile_profile(profile, owners.NOTIFIED), listener=True)
        channel.send(theirs, b"listener", (listener,))
        os.close(listener)
        os.write(writer, json.dumps(body()).encode())

    def record(self, name: str) -> OverrideStat | None:
        """What is recorded in the upper."""
        try:
            return OverrideStat.parse(os.getxattr(self.upper / name, XATTR, follow_symlinks=False))
        except OSError as error:
            assert error.errno in (errno.ENODATA, errno.ENOENT), error
            return None


@pytest.fixture
def box(shared_dir: Path) -> Iterator[Box]:
    if os.geteuid() != 0:
        pytest.skip("needs root to become an ordinary user of a known id")
    path = shared_dir / f"box-{os.urandom(4).hex()}"
    path.mkdir(mode=0o755)
    yield Box(path)
    shutil.rmtree(path)


def failure(action: Callable[[], object]) -> int:
    """The errno that `action` fails with, or 0."""
    try:
        action()
    except OSError as error:
        return error.errno or -1
    return 0


def raw(name: str, *arguments: int | bytes) -> int:
    """The errno of a system call, or 0."""
    words = [ctypes.c_long(each) if isinstance(each, int) else ctypes.c_char_p(each) for each in arguments]
    return ctypes.get_errno() if LIBC.syscall(ctypes.c_long(TABLE[name]), *words) == -1 else 0


def test_every_chown_call_is_recorded(box: Box) -> None:
    def body() -> None:
        os.chown("/file", 5, 6)
        os.chown("other", 7, -1)
        os.chown("inner", 8, 9, dir_fd=os.open("/dir", os.O_RDONLY))
        os.fchown(os.open("/dir", os.O_RDONLY), 10, 11)
        os.chown("/readonly", 12, 13, follow_symlinks=False)
        os.lchown("/closed", 14, 15)

    box.run(body)
    assert box.record("file") == OverrideStat(5, 6, 0o644)
    assert box.record("other") == OverrideStat(7, 0, 0o644)
    assert box.record("dir/inner") == OverrideStat(8, 9, 0o644)
    assert box.record("dir") == OverrideStat(10, 11, 0o755)
    assert box.record("readonly") == OverrideStat(12, 13, 0o444)
    assert box.record("closed") == OverrideStat(14, 15, 0)
    assert (box.upper / "file").read_text() == "file"
    assert XATTR not in os.listxattr(box.lower / "file")


def test_records_merge_and_follow_chmod(box: Box) -> None:
    def body() -> None:
        os.chown("/file", 5, -1)
        os.chown("/file", -1, 6)
        os.chmod("/file", 0o750)
        os.chown("/other", 1, 1)
        os.chown("/other", 0, 0)
        os.chown("/file", -1, 7)

    box.run(body)
    assert box.record("file") == OverrideStat(5, 7, 0o750)
    assert box.record("other") == OverrideStat(0, 0, 0o644)


def test_links_lead_where_the_container_would_go(box: Box) -> None:
    def body() -> list[int]:
        os.chown("/link", 5, 5)
        os.chown("/absolute", 6, 6)
        os.chdir("/dir/sub")
        os.chown("../../other", 7, 7)
        os.chown("../../../../../readonly", 8, 8)
        return [
            failure(lambda: os.chown("/link", 9, 9, follow_symlinks=False)),
            failure(lambda: os.chown("/escape", 9, 9)),
            failure(lambda: os.chown("../../../../escape", 9, 9)),
        ]

    assert box.run(body) == [0, errno.ENOENT, errno.ENOENT]
    found = [box.record(name) for name in ("file", "dir/inner", "other", "readonly")]
    assert [record and record.uid for record in found] == [5, 6, 7, 8]
    assert os.listxattr(box.path / "outside/secret") == []


def test_the_caller_s_chroot_is_its_root(box: Box) -> None:
    def body() -> None:
        os.chroot("/dir")
        os.chdir("/sub")
        os.chown("/inner", 3, 3)
        os.chown("../../../file", 4, 4) if os.path.exists("../../../file") else None
        os.chown("../inner", -1, 5)

    box.run(body)
    assert box.record("dir/inner") == OverrideStat(3, 5, 0o644)
    assert box.record("file") is None


def test_errors_are_the_kernel_s(box: Box) -> None:
    def body() -> list[int]:
        deep = b"/" + b"x" * 5000
        readable = os.open("/file", os.O_RDONLY)
        return [
            failure(lambda: os.chown("/missing", 5, 5)),
            failure(lambda: os.chown("/file/x", 5, 5)),
            failure(lambda: os.chown("", 5, 5)),
            raw("fchown", 77, 5, 5),
            raw("fchown", -1, 5, 5),
            raw("fchownat", 77, b"file", 5, 5, 0),
            raw("fchownat", readable, b"file", 5, 5, 0),
            raw("fchownat", 77, b"/file", 5, 5, 0),
            raw("fchownat", readable, b"", 5, 6, 0x1000),
            raw("fchownat", -100, b"file", 5, 5, 0x40000),
            raw("fchownat", -100, 0, 5, 5, 0),
            raw("fchownat", -100, 1 << 62, 5, 5, 0),
            raw("fchownat", -100, -1, 5, 5, 0),
            raw("fchownat", -100, deep, 5, 5, 0),
        ]

    E = errno
    expected = [E.ENOENT, E.ENOTDIR, E.ENOENT, E.EBADF, E.EBADF, E.EBADF, E.ENOTDIR, 0, 0]
    assert box.run(body) == [*expected, E.EINVAL, E.EFAULT, E.EFAULT, E.EFAULT, E.ENAMETOOLONG]


def test_a_path_that_ends_at_the_edge_of_memory_is_read(box: Box) -> None:
    def body() -> list[int]:
        import mmap

        area = mmap.mmap(-1, 2 * 4096)
        start = ctypes.addressof(ctypes.c_char.from_buffer(area))
        LIBC.mprotect(ctypes.c_void_p(start + 4096), 4096, 0)
        area[4096 - 6 : 4096] = b"/file\0"
        whole = raw("fchownat", -100, start + 4096 - 6, 5, 5, 0)
        area[4095:4096] = b"x"
        return [whole, raw("fchownat", -100, start + 4096 - 6, 6, 6, 0)]

    pytest.importorskip("mmap")
    assert box.run(body)[0] == 0
    assert box.record("file") is not None


def test_what_can_not_be_recorded_succeeds(box: Box) -> None:
    def body() -> list[int]:
        os.mkfifo("/newfifo")
        with open("/tmp/file", "w"):
            pass
        reader, _ = os.pipe()
        return [
            failure(lambda: os.chown("/fifo", 5, 5)),
            failure(lambda: os.chown("/newfifo", 5, 5)),
            failure(lambda: os.lchown("/link", 5, 5)),
            failure(lambda: os.chown("/tmp/file", 5, 5)),
            failure(lambda: os.fchown(reader, 5, 5)),
        ]

    assert box.run(body) == [0] * 5
    assert stat.S_ISFIFO(os.stat(box.upper / "newfifo").st_mode)


def test_stat_goes_on_showing_the_one_id(box: Box) -> None:
    def body() -> list[int]:
        os.chown("/file", 5, 6)
        found = os.stat("/file")
        return [found.st_uid, found.st_gid]

    assert box.run(body) == [0, 0]


def test_given_up_ids_are_told_and_stay_given_up(box: Box) -> None:
    def body() -> list[Any]:
        os.setgroups([1, 2, 3])
        os.setresgid(33, 34, 35)
        os.setresuid(33, 33, 33)
        answers = [os.getresuid(), os.getresgid(), sorted(os.getgroups()), os.getuid(), os.geteuid()]
        answers += [os.getgid(), os.getegid()]
        answers += [failure(lambda: os.setuid(0)), failure(lambda: os.seteuid(0))]
        answers += [failure(lambda: os.setgid(0)), os.getuid(), failure(lambda: os.setgid(44)), os.getgid()]
        return answers

    dropped = [[33, 33, 33], [33, 34, 35], [1, 2, 3], 33, 33, 33, 34]
    E = errno.EPERM
    assert box.run(body) == [*dropped, E, E, E, 33, 0, 44]  # the last as setpriv does it
    assert box.record("file") is None


def test_saved_ids_come_back(box: Box) -> None:
    def body() -> list[Any]:
        os.setegid(5)
        os.seteuid(5)
        middle = [os.getresuid(), os.getresgid()]
        os.seteuid(0)
        os.setegid(0)
        return [*middle, os.getresuid(), os.getresgid()]

    assert box.run(body) == [[0, 5, 0], [0, 5, 0], [0, 0, 0], [0, 0, 0]]


def test_children_and_what_they_execute_inherit_the_ids(box: Box) -> None:
    def asked_in_child(levels: int) -> int:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(writer, b"%d" % (asked_in_child(levels - 1) if levels else os.getuid()))
            os._exit(0)
        os.waitpid(pid, 0)
        return int(os.read(reader, 16))

    def body() -> list[int]:
        reader, writer = os.pipe()
        elder = os.fork()
        if elder == 0:
            os.read(reader, 1)
            os._exit(os.getuid())
        import time

        time.sleep(0.05)  # start times are told in hundredths of a second
        os.setuid(44)
        os.write(writer, b"x")
        elder_s = os.waitstatus_to_exitcode(os.waitpid(elder, 0)[1])
        return [os.getuid(), asked_in_child(0), asked_in_child(2), elder_s]

    assert box.run(body) == [44, 44, 44, 0]


def test_other_processes_keep_theirs(box: Box) -> None:
    def body() -> list[int]:
        pid = os.fork()
        if pid == 0:
            os.setuid(7)
            os._exit(os.getuid())
        theirs = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return [theirs, os.getuid()]

    assert box.run(body) == [7, 0]


def test_bad_pointers_fail_as_in_the_kernel(box: Box) -> None:
    def body() -> list[int]:
        os.setgroups([1, 2, 3])
        return [
            raw("getresuid", 0, 0, 0),
            raw("getgroups", 3, 0),
            raw("getgroups", 2, 0),
            raw("setgroups", 3, 0),
            raw("setgroups", 65537, 0),
            raw("setgroups", -1, 0),
            raw("setuid", -1),
        ]

    E = errno
    assert box.run(body) == [E.EFAULT, E.EFAULT, E.EINVAL, E.EFAULT, E.EINVAL, E.EINVAL, E.EINVAL]


def test_without_the_capability_the_kernel_answers(box: Box) -> None:
    def body() -> list[int]:
        return [
            failure(lambda: os.chown("/file", 5, 5)),
            failure(lambda: os.setuid(5)),
            failure(lambda: os.setgid(5)),
            failure(lambda: os.setgroups([5])),
            failure(lambda: os.chown("/file", 0, 0)),
            failure(lambda: os.setuid(0)),
        ]

    assert box.run(lambda: [os.getuid()], capabilities=0) == [0]
    answers = box.run(body, capabilities=0)
    assert all(each in (errno.EINVAL, errno.EPERM) for each in answers[:4]), answers
    assert answers[4:] == [0, 0]
    assert box.record("file") is None


def test_a_dead_supervisor_leaves_no_call_hanging(box: Box) -> None:
    """The listener is closed before it answers: ENOSYS, at once."""

    def serve_nothing(listener: int, guarded: tuple[int, int] | None = None) -> None:
        os.close(listener)

    original, owners.serve = owners.serve, serve_nothing
    try:
        assert box.run(lambda: [failure(lambda: os.chown("/file", 5, 5))]) == [errno.ENOSYS]
    finally:
        owners.serve = original


def test_a_path_that_changes_all_the_time_never_leads_out(box: Box) -> None:
    """Another thread swaps the name and the link under the supervisor's eyes."""

    def body() -> int:
        import threading

        name = ctypes.create_string_buffer(b"/swap\0", 64)
        stop = threading.Event()

        def swap() -> None:
            while not stop.is_set():
                name.raw = b"/escape\0".ljust(64, b"\0")
                name.raw = b"/file\0".ljust(64, b"\0")
                for target in ("/../../" + str(box.path / "outside/secret"), "file"):
                    os.symlink(target, "/next")
                    os.rename("/next", "/swap")

        os.symlink("file", "/swap")
        thread = threading.Thread(target=swap)
        thread.start()
        for _ in range(300):
            raw("fchownat", -100, ctypes.addressof(name), 5, 5, 0)
            raw("fchownat", -100, b"/swap", 5, 5, 0)
        stop.set()
        thread.join()
        return 1

    assert box.run(body) == 1
    assert os.listxattr(box.path / "outside/secret") == []


def test_a_killed_caller_does_not_stop_the_supervisor(box: Box) -> None:
    def body() -> int:
        for _ in range(20):
            pid = os.fork()
            if pid == 0:
                while True:
                    raw("fchownat", -100, b"/file", 5, 5, 0)
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        os.chown("/other", 5, 5)
        return 1

    assert box.run(body) == 1
    assert box.record("other") == OverrideStat(5, 5, 0o644)


def test_a_foreign_record_is_written_over(box: Box) -> None:
    def body() -> None:
        os.setxattr("/file", XATTR, b"what?")
        os.setxattr("/other", XATTR, b"1:2:0640:file")
        os.chown("/file", 5, 5)
        os.chown("/other", -1, 5)

    box.run(body)
    assert box.record("file") == OverrideStat(5, 5, 0o644)
    assert box.record("other") == OverrideStat(1, 5, 0o644, "file")


def test_requests_read_ints_as_the_kernel_does() -> None:
    from cowl.linux.notification import Request

    request = Request(
        1, 2, 3, (0xFFFFFF9C, 1 << 40 | 5, struct.unpack("Q", struct.pack("q", -1))[0], 0, 0, 0)
    )
    assert request.signed(0) == -100
    assert request.signed(1) == 5
    assert request.unsigned(2) == 0xFFFFFFFF
