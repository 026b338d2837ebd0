"""Trace files that hold no workload: one sentence with the file, the line, the field and what to do."""

from __future__ import annotations

import json
import os

import pytest

from sim.errors import TraceFileError
from sim.workload.loaders import load_workload
from sim.workload.loaders.rows import MAX_LINE_BYTES
from tests.sim.workload.loaders.conftest import AZURE, BURSTGPT, VIDUR

ROW = {"timestamp": 0, "input_length": 1024, "output_length": 5, "hash_ids": [0, 1]}


def mooncake(**changed: object) -> str:
    return "\n".join([json.dumps(ROW), json.dumps(ROW | changed)])


BAD_ROWS = [
    (f"{AZURE}2023-11-16 18:17:03.9,5,6\n2023-11-16 18:17,5,6\n", "line 3: TIMESTAMP: '2023-11-16 18:17' is no time"),
    (f"{AZURE}2023-13-16 18:17:03.9,5,6\n", "line 2: TIMESTAMP: "),
    (f"{AZURE}2023-11-16 25:17:03.9,5,6\n", "line 2: TIMESTAMP: "),
    (f"{AZURE}2023-11-16 -1:-1:03.9,5,6\n", "line 2: TIMESTAMP: '2023-11-16 -1:-1:03.9' is no time"),
    (
        f"{AZURE}9999-11-16 18:17:03.9,5,6\n",
        "line 2: TIMESTAMP: '9999-11-16 18:17:03.9' isn't in the years 1970 to 2200",
    ),
    (f"{AZURE}0001-01-01 00:00:00.0,5,6\n", "line 2: TIMESTAMP: '0001-01-01 00:00:00.0' isn't in the years"),
    (
        f"{AZURE}2150-01-01 00:00:00.0,5,6\n1971-01-01 00:00:00.0,5,6\n",
        "its last TIMESTAMP is more than 31 years after",
    ),
    (f'{AZURE}"{"9" * 140_000}",5,6\n', "line 2: no CSV (field larger than field limit"),
    (f'{AZURE}"2023-11-16\r18:17:03.9",5,6\n', "line 2: a carriage return inside of the line"),
    (f"{AZURE}2023-11-16 18:17:03.9,5,6\n".replace("\n", "\r"), "line 1: a carriage return inside of the line"),
    (f"{AZURE}2023-11-16 18:17:03.9,5.5,6\n", "line 2: ContextTokens: '5.5' is no whole number"),
    (f"{AZURE}2023-11-16 18:17:03.9,5\n", "line 2: 2 fields where the first line has 3 columns"),
    (f"{AZURE}2023-11-16 18:17:03.9,0,6\n", "line 2: ContextTokens: '0' means no tokens"),
    (f"{AZURE}2023-11-16 18:17:03.9,5,0\n", "line 2: GeneratedTokens: '0' means no tokens"),
    (f"{BURSTGPT}5,x,472,18,490,y\n-1,x,5,5,10,y\n", "line 3: Timestamp: '-1' is negative"),
    (f"{BURSTGPT}5,x,0,18,490,y\n", "line 2: Request tokens: '0' means no tokens"),
    (f"{VIDUR}nan,5,6\n", "line 2: arrived_at: 'nan' is no number"),
    (f"{VIDUR}inf,5,6\n", "line 2: arrived_at: 'inf' is no number"),
    (f"{VIDUR}-0.5,5,6\n", "line 2: arrived_at: '-0.5' is negative"),
    (f"{VIDUR}1e30,5,6\n", "line 2: arrived_at: '1e30' is more than 31 years"),
    (f"{VIDUR}1e99999999,5,6\n", "line 2: arrived_at: '1e99999999' is absurdly large"),
    (f"{VIDUR}0,NaN,6\n", "line 2: num_prefill_tokens: 'NaN' is no number"),
    (f"{VIDUR}0,-5,6\n", "line 2: num_prefill_tokens: '-5' is negative"),
    (f"{VIDUR}0,5,{10**30}\n", "line 2: num_decode_tokens: '1000000000000000000000000000000' is more than"),
    (f"{VIDUR}0,{'9' * 5000},6\n", "line 2: num_prefill_tokens: '9999"),
    (f"{VIDUR}0,,6\n", "line 2: num_prefill_tokens: '' is empty"),
    (f"{VIDUR}0,many,6\n", "line 2: num_prefill_tokens: 'many' is no number"),
    (f"{VIDUR}0,1_000,6\n", "line 2: num_prefill_tokens: '1_000' is no number"),
    (f"{VIDUR}0,٣,6\n", "line 2: num_prefill_tokens: '٣' is no number"),
    (mooncake(timestamp=-1), "line 2: timestamp: -1 is negative"),
    (mooncake(timestamp=float("nan")), "line 2: timestamp: nan is no number"),
    (mooncake(timestamp=float("inf")), "line 2: timestamp: inf is more than 31 years"),
    (mooncake(timestamp="0"), "line 2: timestamp: '0' is no number of milliseconds"),
    (mooncake(input_length=0, hash_ids=[]), "line 2: input_length: 0 means no tokens"),
    (mooncake(output_length=10**30), "line 2: output_length: 1000000000000000000000000000000 is more than"),
    (mooncake(output_length=True), "line 2: output_length: True is no whole number"),
    (mooncake(hash_ids=[0]), "line 2: hash_ids: [0] are 1 ids for 1024 tokens"),
    (mooncake(hash_ids=[0, "a"]), "line 2: hash_ids: [0, 'a'] is no list of whole numbers"),
    (mooncake(hash_ids=3), "line 2: hash_ids: 3 is no list"),
    (json.dumps(ROW) + '\n{"timestamp": 0}', "line 2: input_length is missing"),
    (json.dumps(ROW) + '\n{"timestamp": 0,', "line 2: not a line of JSON"),
    (json.dumps(ROW) + "\n[1, 2]", "line 2: no JSON object"),
    ('{"a": ' + "[" * 100_000, "line 1: not a line of JSON"),
    ('[{"conversations": []}, {"id": 3}]', "conversation 2: no object with a list 'conversations'"),
    ('[{"conversations": []}, {"conv', "conversation 2: not valid JSON, or cut off"),
    ("[" * 100_000, "conversation 1: not valid JSON"),
]


@pytest.mark.parametrize(("text", "words"), BAD_ROWS, ids=[words[:50] for _, words in BAD_ROWS])
def test_a_bad_row_is_named_with_its_line_field_and_value(written, text, words):
    path = written(text)
    with pytest.raises(TraceFileError) as caught:
        load_workload(path)
    sentence = str(caught.value)
    assert sentence.startswith(path)
    assert words in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < len(path) + 250


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (VIDUR.encode(), "holds no request"),
        (b"[]", "holds no request"),
        (b"a,b,c\n1,2,3\n", "its first line is of no known format; azure has TIMESTAMP,ContextTokens,GeneratedTokens"),
        (b"num_prefill_tokens\n1\n", "has no column 'num_decode_tokens'"),
        (VIDUR.encode("utf-16"), "isn't UTF-8 text"),
        (b"\x1f\x8b\x08\x00", "is compressed; unpack it first"),
        (VIDUR.encode() + b"0,\xff\xfe,3\n", "is no number"),
        (b"num_prefill_tokens,num_decode_tokens,caf\xe9\n1,2,3\n", "line 1: not UTF-8 text"),
        (json.dumps(ROW).encode() + b'\n{"a": "\xff"}', "line 2: not UTF-8 text"),
        (b'[{"conversations": []}, {"a": "\xff"}]', "not UTF-8 text"),
        (VIDUR.encode() + b"0,1,1\n" + b"1" * (MAX_LINE_BYTES + 5), f"line 3: longer than {MAX_LINE_BYTES:,} bytes"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "file",
)
def test_a_file_that_is_no_trace_is_named_with_what_to_do(written, content, words):
    path = written(content)
    with pytest.raises(TraceFileError) as caught:
        load_workload(path)
    assert path in str(caught.value)
    assert words in str(caught.value)


def test_an_unknown_format_names_the_nearest(written):
    with pytest.raises(TraceFileError, match="no trace format 'mooncakes'; did you mean 'mooncake'"):
        load_workload(written(VIDUR), "mooncakes")


def test_a_stated_format_is_not_guessed(written):
    with pytest.raises(TraceFileError, match="has no column 'TIMESTAMP' in its first line; its columns are arrived_at"):
        load_workload(written(VIDUR + "0,1,1\n"), "azure")


@pytest.mark.parametrize("what", ["missing", "folder", "pipe", "device"])
def test_what_is_not_a_file_is_not_read(tmp_path, what):
    path = tmp_path / "trace"
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    with pytest.raises(TraceFileError, match="Can't read the trace"):
        load_workload(str(path))
