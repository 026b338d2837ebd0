"""Readers of the JSON formats: Mooncake's lines and ShareGPT's list of conversations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from sim.errors import TraceFileError
from sim.workload.loaders.rows import (
    LATEST_NS,
    BadField,
    Requests,
    complaint,
    lines,
    place,
    utf8,
    whole_tokens,
)

MOONCAKE_BLOCK_TOKENS = 512
_NS_PER_MS = 1_000_000
_MAX_HASH = 2**63

CHARACTERS_PER_TOKEN = 4
"""A usual rule of thumb for English text; ShareGPT has text and no token counts."""
_CHUNK = 1 << 20
_MAX_CONVERSATION = 16 << 20
_ASKS = ("human", "user")
_ANSWERS = ("gpt", "chatgpt", "bing", "bard", "assistant")


def read_mooncake(path: Path) -> Requests:
    """Mooncake's: milliseconds, two lengths, and one hash for every 512 tokens of the prompt."""
    found = Requests(block_tokens=MOONCAKE_BLOCK_TOKENS)
    for line, text in lines(path):
        row = _object(text, path, line)
        name = "timestamp"
        try:
            found.arrival_ns.append(_milliseconds(_stated(row, name)))
            name = "input_length"
            prompt = _tokens(_stated(row, name))
            name = "output_length"
            found.output_tokens.append(_tokens(_stated(row, name)))
            name = "hash_ids"
            found.blocks.append(_hashes(_stated(row, name), prompt))
        except BadField as problem:
            raise complaint(path, line, name, row.get(name), problem) from None
        found.prompt_tokens.append(prompt)
    return found


def _object(text: bytes, path: Path, line: int) -> dict[str, object]:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        utf8(text, path, line)
        raise TraceFileError(f"{place(path, line)}: not a line of JSON; correct or remove it.") from None
    if not isinstance(row, dict):
        raise TraceFileError(f"{place(path, line)}: no JSON object with timestamp, input_length and output_length.")
    return row


def _stated(row: dict[str, object], name: str) -> object:
    if name not in row:
        raise BadField("is missing; complete or remove the line")
    return row[name]


def _milliseconds(value: object) -> int:
    if not isinstance(value, int | float) or isinstance(value, bool) or value != value:
        raise BadField("is no number of milliseconds; correct or remove the line")
    if value < 0:
        raise BadField("is negative; times count from 0 up: correct or remove the line")
    if value * _NS_PER_MS > LATEST_NS:
        raise BadField("is more than 31 years after the beginning; correct or remove the line")
    return round(value * _NS_PER_MS)


def _tokens(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadField("is no whole number of tokens; correct or remove the line")
    return whole_tokens(value)


def _hashes(value: object, prompt_tokens: int) -> tuple[int, ...]:
    ids = value if isinstance(value, list) else None
    if ids is None or not all(type(one) is int and abs(one) < _MAX_HASH for one in ids):
        raise BadField("is no list of whole numbers; correct or remove the line")
    full = prompt_tokens // MOONCAKE_BLOCK_TOKENS
    if not full <= len(ids) <= full + 1:
        raise BadField(
            f"are {len(ids)} ids for {prompt_tokens} tokens, and there is one for every {MOONCAKE_BLOCK_TOKENS}; "
            "correct or remove the line"
        )
    return tuple(ids[:full])


def read_sharegpt(path: Path) -> Requests:
    """ShareGPT's: the first question and answer of every conversation, without times."""
    found = Requests()
    for number, item in _elements(path):
        turns = item.get("conversations") if isinstance(item, dict) else None
        if not isinstance(turns, list):
            raise TraceFileError(
                f"{path}, conversation {number}: no object with a list 'conversations'; correct or remove it."
            )
        texts = _first_exchange(turns)
        if texts is None:
            found.skipped["conversation without a question and an answer"] += 1
            continue
        prompt, output = (-(-len(text) // CHARACTERS_PER_TOKEN) for text in texts)
        try:
            found.prompt_tokens.append(whole_tokens(prompt))
            found.output_tokens.append(whole_tokens(output))
        except BadField as problem:
            raise TraceFileError(f"{path}, conversation {number}: {problem}.") from None
    found.notes.append(f"token counts are estimated: one for every {CHARACTERS_PER_TOKEN} characters")
    return found


def _first_exchange(turns: list[object]) -> tuple[str, str] | None:
    pairs: list[tuple[object, object]] = [
        (turn.get("from", turn.get("role")), turn.get("value", turn.get("content")))
        for turn in turns[:3]
        if isinstance(turn, dict)
    ]
    for (asks, question), (answers, answer) in pairwise(pairs):
        both = isinstance(question, str) and isinstance(answer, str) and question and answer
        if asks in _ASKS and answers in _ANSWERS and both:
            return str(question), str(answer)
    return None


def _elements(path: Path) -> Iterator[tuple[int, object]]:
    """The elements of a JSON list with their numbers from 1 up, a chunk of the file in memory at a time."""
    decoder = json.JSONDecoder()
    number, at = 0, 0
    with path.open(encoding="utf-8-sig") as file:
        try:
            buffer = file.read(_CHUNK).lstrip()
            at = 1
            while True:
                at = _past_comma(buffer, at)
                if buffer[at : at + 1] == "]":
                    return
                try:
                    item, at = decoder.raw_decode(buffer, at)
                except (ValueError, RecursionError):
                    more = file.read(_CHUNK)
                    if not more or len(buffer) - at > _MAX_CONVERSATION:
                        raise TraceFileError(
                            f"{path}, conversation {number + 1}: not valid JSON, or cut off; correct or remove it."
                        ) from None
                    buffer, at = buffer[at:] + more, 0
                    continue
                number += 1
                yield number, item
        except UnicodeDecodeError:
            raise TraceFileError(
                f"{path}, after conversation {number}: not UTF-8 text; convert the file first."
            ) from None


def _past_comma(buffer: str, at: int) -> int:
    while buffer[at : at + 1] in {",", " ", "\n", "\r", "\t"}:
        at += 1
    return at
