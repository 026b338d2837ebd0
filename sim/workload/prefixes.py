"""Content ids from recorded hashes of prompt blocks: what two requests share, in small numbers."""

from __future__ import annotations

from collections.abc import Sequence


class PrefixNames:
    """Numbers prefixes from 0 in order of appearance.

    A number stands for a block and all before it, whatever the recorded hash stands for: equal hashes after
    different beginnings get different numbers.
    """

    def __init__(self, block_tokens: int) -> None:
        self.block_tokens = block_tokens
        self._numbers: dict[tuple[int, int], int] = {}
        self._count = 0

    def content(self, hashes: Sequence[int], prompt_tokens: int, output_tokens: int) -> tuple[int, ...]:
        """One number for every full block of prompt and output. ``hashes``: of the prompt's blocks, at least the full
        ones; what is behind them is nobody else's."""
        whole_prompt = prompt_tokens // self.block_tokens
        whole = (prompt_tokens + output_tokens) // self.block_tokens
        ids, parent = [], -1
        for block in hashes[:whole_prompt]:
            number = self._numbers.get((parent, block))
            if number is None:
                number = self._numbers[parent, block] = self._count
                self._count += 1
            ids.append(number)
            parent = number
        rest = whole - len(ids)
        ids.extend(range(self._count, self._count + rest))
        self._count += rest
        return tuple(ids)
