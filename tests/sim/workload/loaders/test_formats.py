"""The public formats: what a reader makes of each, and what it says it did."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from sim.workload.loaders import FORMATS, load_workload
from tests.sim.workload.loaders.conftest import AZURE, BURSTGPT, BURSTGPT_2, VIDUR

SHARED = Path(__file__).parents[5] / "shared" / "data"


def test_azure_times_are_exact_and_begin_at_zero(written):
    trace = load_workload(
        written(f"{AZURE}2023-11-16 23:59:59.9999999,4808,10\r\n2023-11-17 00:00:01.0319600,3180,8\r\n")
    )
    assert (trace.format, trace.notes) == ("azure", ())
    assert trace.arrival_ns.tolist() == [0, 1_031_960_100]
    assert (trace.prompt_tokens.tolist(), trace.output_tokens.tolist()) == ([4808, 3180], [10, 8])


def test_azure_times_may_have_an_offset_or_no_fraction(written):
    rows = "2024-05-10 00:00:00.009930+00:00,5,6\n2024-05-10 00:00:01+00:00,7,8\n2024-05-10T00:00:02,1,2\n"
    assert load_workload(written(AZURE + rows)).arrival_ns.tolist() == [0, 990_070_000, 1_990_070_000]


def test_azures_multimodal_trace_says_that_images_are_not_modelled(written):
    trace = load_workload(
        written("TIMESTAMP,NumImages,ContextTokens,GeneratedTokens\n2025-01-01 00:00:00,2,50,6\n"), "azure"
    )
    assert (trace.prompt_tokens.tolist(), len(trace.notes)) == ([50], 1)


def test_burstgpt_failures_are_skipped_and_counted(written):
    rows = "5,ChatGPT,472,18,490,Conversation log\n45,ChatGPT,100,0,100,API log\n118,GPT-4,1087,230,1317,API log\n"
    trace = load_workload(written(BURSTGPT + rows))
    assert trace.format == "burstgpt"
    assert trace.arrival_ns.tolist() == [0, 113 * 10**9]
    assert trace.output_tokens.tolist() == [18, 230]
    assert trace.notes == ("skipped 1 failure with 0 response tokens",)
    again = load_workload(written(BURSTGPT + rows + "119,GPT-4,7,0,7,API log\n"))
    assert again.notes == ("skipped 2 failures with 0 response tokens",)


def test_burstgpts_second_version_has_sessions(written):
    rows = "5,a1,1.2,ChatGPT,4,8,12,Conversation log\n6,,1.2,GPT-4,4,8,12,API log\n7,a1,1.2,ChatGPT,4,8,12,x\n"
    assert load_workload(written(BURSTGPT_2 + rows)).session.tolist() == [0, -1, 0]


def test_vidurs_tables_have_times_or_not(written):
    trace = load_workload(written(f"{VIDUR}0.24001418524112966,395,112\n1e1,7,9\n"))
    assert (trace.format, trace.arrival_ns.tolist()) == ("vidur", [240_014_185, 10 * 10**9])
    lengths = load_workload(
        written("num_prefill_tokens,num_decode_tokens,num_total_tokens,pd_ratio\n74,918,992,0.08\n")
    )
    assert (lengths.arrival_ns, lengths.prompt_tokens.tolist()) == (None, [74])


def test_mooncakes_lines_keep_the_hashes_of_full_blocks(written):
    rows = [
        {"timestamp": 0, "input_length": 1024, "output_length": 5, "hash_ids": [0, 1]},
        {"timestamp": 3000, "input_length": 1025, "output_length": 500, "hash_ids": [0, 1, 2]},
    ]
    trace = load_workload(written("\n".join(map(json.dumps, rows))))
    assert (trace.format, trace.block_tokens) == ("mooncake", 512)
    assert trace.arrival_ns.tolist() == [0, 3 * 10**9]
    assert trace.blocks == ((0, 1), (0, 1))


def test_sharegpt_gives_the_first_exchange_of_every_conversation_in_estimated_tokens(written):
    talks = [
        {"id": "a", "conversations": [{"from": "human", "value": "x" * 40}, {"from": "gpt", "value": "y" * 9}]},
        {"id": "b", "conversations": [{"from": "gpt", "value": "hello"}]},
        {
            "id": "c",
            "conversations": [
                {"from": "system", "value": "s"},
                {"from": "human", "value": "é" * 4},
                {"from": "gpt", "value": "z"},
            ],
        },
    ]
    trace = load_workload(written(json.dumps(talks, indent=1)))
    assert (trace.format, trace.arrival_ns) == ("sharegpt", None)
    assert (trace.prompt_tokens.tolist(), trace.output_tokens.tolist()) == ([10, 1], [3, 1])
    assert trace.notes == (
        "token counts are estimated: one for every 4 characters",
        "skipped 1 conversation without a question and an answer",
    )


def test_a_conversation_may_straddle_what_is_read_at_once(written):
    talk = {"conversations": [{"from": "human", "value": "x" * 500_000}, {"from": "gpt", "value": "y, [{" * 50_000}]}
    assert load_workload(written(json.dumps([talk] * 5))).prompt_tokens.tolist() == [125_000] * 5


def test_unsorted_arrivals_are_sorted_with_their_rows_and_it_is_said(written):
    trace = load_workload(written(f"{VIDUR}2,1,1\n1,2,2\n3,3,3\n0.5,4,4\n"))
    assert trace.arrival_ns.tolist() == [500_000_000, 10**9, 2 * 10**9, 3 * 10**9]
    assert trace.prompt_tokens.tolist() == [4, 2, 1, 3]
    assert trace.notes == ("sorted 2 arrivals that came after a later one",)


def test_hashes_are_sorted_with_their_requests(written):
    rows = [
        {"timestamp": 5, "input_length": 512, "output_length": 1, "hash_ids": [7]},
        {"timestamp": 1, "input_length": 513, "output_length": 1, "hash_ids": [8, 9]},
    ]
    trace = load_workload(written("\n".join(map(json.dumps, rows))))
    assert (trace.blocks, trace.prompt_tokens.tolist()) == (((8,), (7,)), [513, 512])


def test_columns_may_come_in_any_order_in_quotes_with_spaces_and_a_byte_order_mark(written):
    text = '\ufeff"num_decode_tokens", num_prefill_tokens ,"x"\n"5", 6 ,"a,b"\n\n7.0,8,\n'
    trace = load_workload(written(text))
    assert (trace.prompt_tokens.tolist(), trace.output_tokens.tolist()) == ([6, 8], [5, 7])


def test_a_long_file_keeps_only_its_numbers_in_memory(written):
    path = written(VIDUR + "".join(f"{n / 100},{n % 900 + 1},{n % 90 + 1}\n" for n in range(30_000)))
    tracemalloc.start()
    try:
        trace = load_workload(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (len(trace), int(trace.arrival_ns[-1])) == (30_000, 299_990_000_000)
    assert peak < 100 * 30_000


@pytest.mark.parametrize(
    ("text", "ns"), [("1", 10**9), ("0.0000000005", 1), ("0.00000000049", 0), ("1.5e-9", 2), ("2.", 2 * 10**9)]
)
def test_seconds_become_the_nearest_nanosecond(written, text, ns):
    assert load_workload(written(f"{VIDUR}{text},1,1\n")).arrival_ns.tolist() == [ns]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the public traces aren't beside the repository")
@pytest.mark.parametrize(
    ("name", "format", "requests", "prompt", "output"),
    [
        ("traces/AzureLLMInferenceTrace_conv.csv", "azure", 19_366, 1154.7, 211.1),
        ("traces/AzureLLMInferenceTrace_code.csv", "azure", 8_819, 2047.8, 27.9),
        ("traces/mooncake_conversation_trace.jsonl", "mooncake", 12_031, 12_035.1, 342.6),
        ("traces/sharegpt_8k_filtered_stats_llama2_tokenizer.csv", "vidur", 30_731, 2340.0, 438.7),
        ("vidur/02_a100_l3-8b_conv_vllm_r1_70pct/requests.csv", "vidur", None, None, None),
    ],
)
def test_the_public_traces_have_their_published_statistics(name, format, requests, prompt, output):
    trace = load_workload(str(SHARED / name))
    assert (trace.format, trace.notes) == (format, ())
    if requests is not None:
        assert len(trace) == requests
        means = (np.mean(trace.prompt_tokens), np.mean(trace.output_tokens))
        assert means == (pytest.approx(prompt, abs=0.06), pytest.approx(output, abs=0.06))


def test_the_formats_are_those_of_the_command_line():
    assert FORMATS == ("azure", "burstgpt", "mooncake", "sharegpt", "vidur")
