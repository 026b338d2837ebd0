"""The process of one sealed design: loads its source, then answers decisions over a pipe until the pipe closes.

Started by :mod:`sessions.experiments.sealed` as ``python -P -s -S design_host.py READ_FD WRITE_FD PARENT_PID`` with
nothing but a hash seed in its environment. Standard library only: this folder's few stdlib-only files and the
simulator's contract (``sim.api``, ``sim.errors``, ``sim.adapt``) are loaded by path, and no other module of the product
can be imported here.
Invariants: it is locked down before the design arrives; a failure of the design leaves as one FAILED frame, or as the
end of this process.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import types
from collections.abc import Iterable
from pathlib import Path


def _bootstrap() -> None:
    """Gives the imports below, and only these, something to find: the flags leave nothing but the standard library."""
    root = Path(__file__).resolve().parents[2]
    for package, files in (
        ("sim", ("api", "errors", "hooks")),
        ("sim.adapt", ("loading", "overlay", "router")),
        ("sessions", ()),
        ("sessions.experiments", ("wire", "processes", "lockdown", "design_source", "design_views")),
    ):
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
from sessions.experiments.design_source import ALLOWED_IMPORTS, DesignError, compile_source, describe  # noqa: E402
from sessions.experiments.design_views import ClusterView, HeldQueue, ReplicaView  # noqa: E402
from sim.adapt.router import load_router  # noqa: E402
from sim.api import HeldRequest, ReplicaRequest, Router  # noqa: E402
from sim.errors import SimError  # noqa: E402


class Host:
    """One design, its mirror of the held queue, and its end of the wire."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._queue = HeldQueue()
        self._cluster = ClusterView()
        self._replicas: dict[int, ReplicaView] = {}

    def run(self) -> None:
        """Loads the design, then answers until the pipe closes or the design fails."""
        source = b""
        try:
            seed, source = self._receive_design()
            router = _build(source, seed)
            wire.send_bytes(self._write_fd, wire.LOADED, b"")
            while True:
                kind, payload = wire.receive(self._read_fd, wire.MAX_FRAME)
                if kind != wire.DECIDE:
                    raise wire.WireError("expected a decision")
                self._decide(router, wire.numbers_of(payload, 1))
        except wire.WireError:
            return
        except DesignError as error:
            self._fail(error)
        except BaseException as error:
            self._fail(describe(error, source))

    def _receive_design(self) -> tuple[int, bytes]:
        kind, payload = wire.receive(self._read_fd, wire.MAX_FRAME)
        if kind != wire.LOAD:
            raise wire.WireError("expected a design")
        seed, memory_bytes, cpu_s = wire.LOAD_HEAD.unpack_from(payload)
        processes.limit_resources(memory_bytes, cpu_s)
        return seed, payload[wire.LOAD_HEAD.size :]

    def _decide(self, router: Router, numbers: list[int]) -> None:
        now_ns, block_tokens, new, replicas = numbers[: wire.DECIDE_HEAD]
        at, step = wire.DECIDE_HEAD, wire.NEW_FIELDS
        end = at + new * step
        self._queue._add(tuple(HeldRequest(*numbers[i : i + step]) for i in range(at, end, step)))
        step = wire.REPLICA_FIELDS
        views = tuple(self._replica(*numbers[i : i + step]) for i in range(end, end + replicas * step, step))
        self._cluster._at(now_ns, block_tokens, views)
        answer = router.route(self._queue, self._cluster)
        ids = self._assignments(answer)
        for request_id in ids[::2]:
            self._queue._remove(request_id)
        wire.send_numbers(self._write_fd, wire.ASSIGN, ids)

    def _replica(self, id: int, accepts: int, waiting: int, running: int, used: int, total: int) -> ReplicaView:
        view = self._replicas.get(id)
        if view is None:
            view = self._replicas[id] = ReplicaView(self._fetch)
        view._at(id, accepts, waiting, running, used, total)
        return view

    def _assignments(self, answer: Iterable[object]) -> list[int]:
        """Request and replica ids, one after the other. More pairs than held requests are cut off: they are illegal
        already, and an endless generator must not fill the memory."""
        ids: list[int] = []
        most = len(self._queue) + 1
        try:
            pairs = iter(answer)
        except TypeError as error:
            words = f"route must return (request, replica) pairs, but it returned {type(answer).__name__}."
            raise DesignError("interface", words) from error
        for pair in pairs:
            ids.extend(_ids_of(pair))
            if len(ids) >= wire.ASSIGN_FIELDS * most:
                break
        return ids

    def _fetch(self, replica: int, which: int) -> tuple[ReplicaRequest, ...]:
        wire.send_numbers(self._write_fd, wire.WANT, [replica, which])
        kind, payload = wire.receive(self._read_fd, wire.MAX_FRAME)
        if kind != wire.LIST:
            raise wire.WireError("expected a list")
        numbers, step = wire.numbers_of(payload, wire.LIST_FIELDS), wire.LIST_FIELDS
        return tuple(ReplicaRequest(*numbers[i : i + step]) for i in range(0, len(numbers), step))

    def _fail(self, error: DesignError) -> None:
        text = f"{error.outcome}\n{error}".encode("utf-8", "replace")[: wire.MAX_TEXT]
        try:
            wire.send_bytes(self._write_fd, wire.FAILED, text)
        except wire.WireError:
            return


def _ids_of(pair: object) -> list[int]:
    ids = [getattr(part, "id", None) for part in pair] if isinstance(pair, tuple | list) else []
    numbers = [number for number in ids if type(number) is int and abs(number) <= wire.INT64_MAX]
    if len(ids) != wire.ASSIGN_FIELDS or len(numbers) != len(ids):
        raise DesignError(
            "illegal", f"The design answered with a {type(pair).__name__} that is no (request, replica) pair."
        )
    return numbers


def _build(source: bytes, seed: int) -> Router:
    """The policy that the source defines; raises :class:`DesignError` or whatever the source raises."""
    code = compile_source(source)
    module = types.ModuleType("policy")
    sys.modules["policy"] = module  # dataclasses look their module up by name
    exec(code, module.__dict__)
    try:
        return load_router(module.__dict__, seed)
    except SimError as error:
        raise DesignError("interface", str(error)) from error


def main(arguments: list[str]) -> None:
    read_fd, write_fd, parent = map(int, arguments)
    processes.die_with_parent(parent)
    os.environ.clear()
    os.chdir("/")
    lockdown.lock_down(ALLOWED_IMPORTS)
    Host(read_fd, write_fd).run()


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)  # a design's threads, atexit handlers and finalizers get no turn
