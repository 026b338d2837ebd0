"""The check of a design can't hurt who asks for it: it is made in a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sessions.experiments.pool import Pool
from sessions.playground import find_playground
from tests.sessions.experiments.test_pool import BACK_DOOR, STUCK, smoke


@pytest_asyncio.fixture
async def pool() -> AsyncIterator[Pool]:
    pool = Pool(1)
    yield pool
    await pool.close()


async def test_a_check_is_made_in_a_worker_and_says_what_the_playgrounds_own_says(pool: Pool) -> None:
    for line, outcome in (("pass", "ok"), ("1 / 0", "exception")):
        source = BACK_DOOR.format(line=line)
        checked = await pool.check("router", source, "serving")
        assert checked == find_playground().check("router", source)
        assert checked.outcome == outcome


async def test_a_check_of_a_design_that_ends_who_started_it_is_an_outcome(pool: Pool) -> None:
    checked = await pool.check("router", BACK_DOOR.format(line="os.kill(os.getppid(), 9)"), "serving")
    assert checked.outcome == "exception"
    assert (await pool.run([smoke(1)]))[0].outcome == "ok"


async def test_a_check_that_does_not_come_back_is_given_up_and_can_be_cancelled(pool: Pool) -> None:
    stop = BACK_DOOR.format(line="os.kill(os.getppid(), 19)")
    assert (await pool.check("router", stop, "serving", deadline_s=0.5)).outcome in ("timeout", "exception")
    checking = asyncio.create_task(pool.check("router", STUCK.source or "", "serving"))
    await asyncio.sleep(0)
    checking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await checking
    assert (await pool.run([smoke(1)]))[0].outcome == "ok"
