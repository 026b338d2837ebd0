"""Who takes part in an iteration: the four rules of ``docs/simulator-rules.md``, as they are written there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.sim.reference.request import Request

if TYPE_CHECKING:
    from tests.sim.reference.replica import Replica


def compose(replica: Replica, now_ns: int) -> None:
    """Fills ``replica.parts``."""
    composers = {"sarathi": _sarathi, "vllm-v1": _vllm_v1, "vllm": _vllm, "orca": _orca}
    composers[replica.engine.rules](replica, now_ns)


def _sarathi(replica: Replica, now_ns: int) -> None:
    def budget() -> int:
        return replica.spec.chunk_tokens - sum(part.tokens for part in replica.parts)

    def place_chunk(request: Request) -> None:
        tokens = replica.chunk(request, budget(), now_ns)
        if tokens > 0:
            replica.place(request, tokens, is_decode=False)

    def try_to_admit(request: Request) -> bool:
        if budget() <= 0 or not _fits(replica, request):
            return False
        _admit_whole(replica, request, now_ns)
        _sort_by_age(replica)
        place_chunk(request)
        return True

    _place_decodes(replica, now_ns)
    for request in list(replica.running):
        if not request.decodes:
            place_chunk(request)
    if replica.engine.vidur_compat:
        unreached = [request for request in replica.running if not replica.is_placed(request)]
        replica.running[:] = sorted(unreached, key=lambda r: r.id) + [part.request for part in replica.parts]
    _admission(replica, try_to_admit, budget, now_ns)


def _vllm_v1(replica: Replica, now_ns: int) -> None:
    def budget() -> int:
        return replica.spec.chunk_tokens - sum(part.tokens for part in replica.parts)

    def take_for(request: Request, tokens: int) -> None:
        replica.blocks.take(request, _lacking(replica, request, tokens))
        replica.place(request, tokens, is_decode=request.decodes)

    def try_to_admit(request: Request) -> bool:
        if budget() <= 0 or not _fits(replica, request):
            return False
        replica.admit(request, now_ns)
        tokens = replica.chunk(request, budget(), now_ns)
        if tokens > 0:
            take_for(request, tokens)
        return True

    preemptions = replica.preemptions
    for request in list(replica.running):
        if request not in replica.running:  # a victim by now
            continue
        need = min(1, budget()) if request.decodes else replica.chunk(request, budget(), now_ns)
        if need > 0 and replica.make_room(request, _lacking(replica, request, need), now_ns):
            take_for(request, need)
    if replica.preemptions == preemptions:
        _admission(replica, try_to_admit, budget, now_ns)


def _vllm(replica: Replica, now_ns: int) -> None:
    budget = replica.spec.chunk_tokens
    targets: list[int] = []

    def try_to_admit(request: Request) -> bool:
        batch = [*targets, request.prefill_target]
        alone = not targets and not replica.engine.vidur_compat
        if len(batch) * max(batch) > budget and not alone:
            return False
        if not _fits(replica, request):
            return False
        targets.append(request.prefill_target)
        _admit_whole(replica, request, now_ns)
        replica.place(request, request.prefill_target - request.kv_tokens, is_decode=False)
        _sort_by_age(replica)
        return True

    _admission(replica, try_to_admit, lambda: budget, now_ns)
    if not replica.parts:
        _place_decodes(replica, now_ns)


def _orca(replica: Replica, now_ns: int) -> None:
    def try_to_admit(request: Request) -> bool:
        reservation = replica.reservation(request)
        if replica.blocks.needed_free(request, reservation) > replica.blocks.free:
            return False
        replica.admit(request, now_ns)
        replica.blocks.take(request, reservation - request.blocks)
        replica.place(request, request.prefill_target - request.kv_tokens, is_decode=False)
        return True

    for request in replica.running:
        replica.place(request, 1, is_decode=True)
    _admission(replica, try_to_admit, lambda: replica.spec.chunk_tokens, now_ns)


def _place_decodes(replica: Replica, now_ns: int) -> None:
    for request in list(replica.running):
        if request not in replica.running or not request.decodes:  # a victim by now, or a prefill
            continue
        lacking = _lacking(replica, request, 1)
        asked = 1 if replica.engine.vidur_compat else lacking
        if replica.make_room(request, asked, now_ns):
            replica.blocks.take(request, lacking)
            replica.place(request, 1, is_decode=True)


def _admission(
    replica: Replica, try_to_admit: Callable[[Request], bool], budget: Callable[[], int], now_ns: int
) -> None:
    """Tries the waiting requests in order, or those that a policy names, up to the first that can't be admitted."""

    def may_go_on() -> bool:
        return bool(replica.waiting) and len(replica.running) < replica.spec.max_num_seqs and budget() > 0

    if not may_go_on():
        return
    order = list(replica.waiting)
    if replica.scheduler is not None and replica.scheduler.hooks.admit is not None:
        asks = replica.scheduler.wants_to_admit() and _somebody_fits(replica)
        order = replica.scheduler.admit(now_ns) if asks else []
    for request in order:
        if not may_go_on() or not try_to_admit(request):
            return


def _fits(replica: Replica, request: Request) -> bool:
    """Whether the blocks of the whole prefill fit and leave the watermark free."""
    whole = replica.blocks.needed_free(request, replica.blocks.needed(request.prefill_target))
    return replica.blocks.free - whole >= replica.spec.watermark_blocks


def _somebody_fits(replica: Replica) -> bool:
    """Whether there are blocks for one of those that wait; with a prefix cache that is left to the trial."""
    if replica.engine.prefix_caching and replica.waiting[0].content_block_tokens:
        return True
    free = replica.blocks.free
    if replica.engine.rules == "orca":
        return any(replica.reservation(request) <= free for request in replica.waiting)
    free -= replica.spec.watermark_blocks
    return any(replica.blocks.needed(request.prefill_target) <= free for request in replica.waiting)


def _admit_whole(replica: Replica, request: Request, now_ns: int) -> None:
    """Admits with all blocks of the prefill."""
    replica.admit(request, now_ns)
    replica.blocks.take(request, replica.blocks.needed(request.prefill_target) - request.blocks)


def _lacking(replica: Replica, request: Request, tokens: int) -> int:
    """Blocks that the request needs for so many more tokens, less those it has."""
    return max(0, replica.blocks.needed(request.kv_tokens + tokens) - request.blocks)


def _sort_by_age(replica: Replica) -> None:
    """Under ``vidur_compat`` ``sarathi`` keeps another order."""
    if not (replica.engine.vidur_compat and replica.engine.rules == "sarathi"):
        replica.running.sort(key=lambda request: request.id)
