"""The process of one sealed design: loads its source, then answers decisions over a pipe until the pipe closes.

Started by :mod:`sessions.experiments.sealed` as ``python -P -s -S design_host.py READ_FD WRITE_FD PARENT_PID``, or
forked from one that was started with ``--zygote SOCKET_FD PARENT_PID`` (:mod:`sessions.experiments.zygote`), with
nothing but a hash seed in its environment. Standard library only: this folder's few stdlib-only files and the
simulator's contract (``sim.api``, ``sim.errors``, ``sim.hooks``, ``sim.adapt``) are loaded by path, and no other module
of the product can be imported here.
Invariants: it is locked down before the design arrives; a failure of the design leaves as one FAILED frame, or as the
end of this process.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import types
from pathlib import Path

SLOTS = ("router", "scheduler", "autoscaler")


def _bootstrap() -> None:
    """Gives the imports below, and only these, something to find: the flags leave nothing but the standard library."""
    root = Path(__file__).resolve().parents[2]
    for package, files in (
        ("sim", ("api", "errors", "hooks")),
        ("sim.adapt", ("loading", "overlay", *SLOTS)),
        ("sessions", ()),
        ("sessions.experiments", ("wire", "processes", "lockdown", "design_source", "design_views")),
        ("sessions.experiments", tuple(f"design_{slot}" for slot in SLOTS)),
    ):
        if package not in sys.modules:
            sys.modules[package] = types.ModuleType(package)
            sys.modules[package].__path__ = []
        for file in files:
            name = f"{package}.{file}"
            spec = importlib.util.spec_from_file_location(name, root / package.replace(".", "/") / f"{file}.py")
            if spec is None or spec.loader is None:
                raise ImportError(name)
            module = sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            setattr(sys.modules[package], file, module)


if __name__ == "__main__":
    _bootstrap()

from sessions.experiments import lockdown, processes, wire  # noqa: E402
from sessions.experiments.design_autoscaler import AutoscalerDesk  # noqa: E402
from sessions.experiments.design_router import RouterDesk  # noqa: E402
from sessions.experiments.design_scheduler import SchedulerDesk  # noqa: E402
from sessions.experiments.design_source import ALLOWED_IMPORTS, DesignError, compile_source, describe  # noqa: E402
from sim.errors import SimError  # noqa: E402

_DESKS: dict[str, type[RouterDesk] | type[SchedulerDesk] | type[AutoscalerDesk]] = {
    "router": RouterDesk,
    "scheduler": SchedulerDesk,
    "autoscaler": AutoscalerDesk,
}


class Host:
    """One design and its end of the wire."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._wire = wire.Wire(read_fd, write_fd)

    def run(self) -> None:
        """Loads the design, then answers until the pipe closes or the design fails."""
        source = b""
        try:
            slot, seed, source = self._receive_design()
            desk = _DESKS[slot](_namespace(source), seed, self)
            self._wire.send(wire.DONE, desk.loaded())
            while True:
                kind, frame = self._wire.receive(wire.MAX_FRAME)
                if kind == wire.FLEET:
                    for line in frame[wire.HEAD :].decode("utf-8", "surrogatepass").split("\n"):
                        desk.describe(line.split("\t"))
                    self._wire.send(wire.DONE, ())
                else:
                    self._wire.send(wire.DONE, desk.answer(kind, self._wire.numbers(frame)))
        except wire.WireError:
            return
        except DesignError as error:
            self._fail(error)
        except SimError as error:
            self._fail(DesignError("interface", str(error)))
        except BaseException as error:
            self._fail(describe(error, source))

    def want(self, *wanted: int) -> tuple[int, ...]:
        """A look at something that the question didn't tell."""
        self._wire.send(wire.WANT, list(wanted))
        kind, frame = self._wire.receive(wire.MAX_FRAME)
        if kind != wire.NUMBERS:
            raise wire.WireError("expected numbers")
        return self._wire.numbers(frame)

    def _receive_design(self) -> tuple[str, int, bytes]:
        kind, frame = self._wire.receive(wire.MAX_FRAME)
        if kind != wire.LOAD:
            raise wire.WireError("expected a design")
        payload = frame[wire.HEAD :]
        seed, memory_bytes, cpu_s, slot = wire.LOAD_HEAD.unpack_from(payload)
        processes.limit_resources(memory_bytes, cpu_s)
        return wire.SLOTS[slot], seed, payload[wire.LOAD_HEAD.size :]

    def _fail(self, error: DesignError) -> None:
        text = f"{error.outcome}\n{error}".encode("utf-8", "replace")[: wire.MAX_TEXT]
        try:
            self._wire.send_bytes(wire.FAILED, text)
        except wire.WireError:
            return


def _namespace(source: bytes) -> dict[str, object]:
    """The globals of the module that the source is; raises :class:`DesignError` or whatever the source raises."""
    code = compile_source(source)
    module = types.ModuleType("policy")
    sys.modules["policy"] = module  # dataclasses look their module up by name
    exec(code, module.__dict__)
    return module.__dict__


def main(arguments: list[str]) -> None:
    if arguments[0] == "--zygote":
        read_fd, write_fd = _forked(*map(int, arguments[1:]))
    else:
        read_fd, write_fd, parent = map(int, arguments)
        processes.die_with_parent(parent)
        os.environ.clear()
        os.chdir("/")
    lockdown.lock_down(ALLOWED_IMPORTS)
    Host(read_fd, write_fd).run()


def _forked(socket_fd: int, parent: int) -> tuple[int, int]:
    """Forks whenever it is asked to, and only returns in what it forked: with the descriptors of its wire."""
    import gc
    import socket

    processes.die_with_parent(parent)
    os.environ.clear()
    os.chdir("/")
    lockdown.warm_up(ALLOWED_IMPORTS)
    gc.collect()
    gc.freeze()
    me, asks = os.getpid(), socket.socket(fileno=socket_fd)
    while True:
        question, descriptors, _, _ = socket.recv_fds(asks, 16, 2)
        if not question:
            os._exit(0)
        if question[:1] == b"F":
            answer = os.fork()
            if not answer:
                processes.die_with_parent(me)
                os.setsid()
                asks.close()
                return descriptors[0], descriptors[1]
            for descriptor in descriptors:
                os.close(descriptor)
        else:
            answer = _exit_code(int.from_bytes(question[1:], "little"), os.WNOHANG if question[:1] == b"P" else 0)
        asks.send(answer.to_bytes(4, "little", signed=True))


def _exit_code(pid: int, options: int) -> int:
    try:
        found, status = os.waitpid(pid, options)
    except ChildProcessError:
        return 0
    return os.waitstatus_to_exitcode(status) if found else -(2**31)


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)  # a design's threads, atexit handlers and finalizers get no turn
