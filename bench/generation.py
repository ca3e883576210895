"""Text generation: our server over HTTP, and the peers' own best way, on the same random weights."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench import environments, streams
from bench.decoders import Decoder
from bench.places import PEERS as SCRIPTS
from bench.places import WORK
from bench.processes import Command, ServerProcess, free_port
from bench.results import Sample

PROMPT, STEPS, PREFILL = 32, 64, 512
STREAMS = (1, 4, 8, 16)
LOOKED_UP = 256
PROMPT_IDS = range(1_000, 150_000)
"""Ids that are plain text in the tokenizer of `bench.decoders`."""
PROGRAM = Path(sys.prefix) / "bin" / "freehold"
VARIABLES = {"FREEHOLD_HOME": str(WORK / "home")}


@dataclass(frozen=True)
class Peer:
    """A runtime that generates: `prepared` writes its form of the weights, once, and gives the path."""

    name: str
    environment: str
    prepared: Callable[[Decoder], Path]
    variables: Mapping[str, str] = field(default_factory=dict)


def prompts(count: int, length: int, seed: int = 11) -> list[list[int]]:
    """Seeded random prompts."""
    generator = np.random.default_rng(seed)
    return generator.integers(PROMPT_IDS.start, PROMPT_IDS.stop, (count, length)).tolist()


def serve(decoder: Decoder, precision: str, **options: Any) -> ServerProcess:
    """`freehold serve` with `decoder`; `options` go into its configuration. Raises ServerFailedError."""
    folder = _configured(decoder, precision, **options)
    port = free_port()
    argv = [str(PROGRAM), "serve", str(folder / "freehold.yaml"), "--port", str(port)]
    command = Command(argv, VARIABLES, folder)
    return ServerProcess(command, port, "/readyz", WORK / "logs" / f"{folder.name}-{decoder.name}.log", 900)


def ask(prompt: Sequence[int], tokens: int, at_s: float = 0.0, **more: Any) -> streams.Ask:
    """A greedy, streamed completion of exactly `tokens` tokens."""
    fields = {"model": "bench", "prompt": list(prompt), "max_tokens": tokens, "temperature": 0, "stream": True}
    return streams.Ask(json.dumps({**fields, "ignore_eos": True, **more}).encode(), at_s)


def read(process: ServerProcess, asks: list[streams.Ask]) -> list[streams.Stream]:
    """Send `asks` and read all answers to their end."""
    return streams.read(streams.Job(process.port, "/v1/completions", asks))


def ours(decoder: Decoder, precision: str, name: str, workload: str, turn: int) -> list[Sample]:
    """Decode at 1, 4, 8 and 16 streams, then the prefill of 512 tokens; the better of two, as the peers do."""
    room = {"slots": max(STREAMS), "prompt_lookup": False, "prefix_cache_mb": 0}
    with serve(decoder, precision, generation=room) as process:
        read(process, [ask(prompts(1, PROMPT)[0], 8)])
        samples = []
        for count in STREAMS:
            cpu = process.cpu_seconds()
            runs = [read(process, [ask(prompt, STEPS) for prompt in prompts(count, PROMPT)]) for _ in range(2)]
            spent = (process.cpu_seconds() - cpu) / 2
            rate = max(map(streams.steady_rate, runs))
            tokens = count * STEPS
            samples.append(_sample(workload, name, count, turn, tokens, tokens / rate, process, cpu_seconds=spent))
        times = [streams.first_s(*read(process, [ask(prompts(1, PREFILL, seed)[0], 1)])) for seed in (1, 2, 3)]
        samples.append(_sample(f"{workload}-prefill", name, 1, turn, PREFILL, min(times), process))
        return samples


def inside(decoder: Decoder, precision: str, name: str, workload: str, turn: int) -> list[Sample]:
    """Decode at 1, 4, 8 and 16 streams without HTTP: what `freehold bench` says. Raises CalledProcessError."""
    room = {"prompt_lookup": False, "prefix_cache_mb": 0}
    folder = _configured(decoder, precision, generation=room)
    argv = [str(PROGRAM), "--json", "bench", "bench", "--seconds", "3"]
    done = subprocess.run(
        argv, env={**os.environ, **VARIABLES}, cwd=folder, stdout=subprocess.PIPE, check=True, timeout=1800
    )
    return [
        Sample(
            workload=workload,
            server=name,
            concurrency=level["streams"],
            round=turn,
            items=level["tokens"],
            tokens=level["tokens"],
            seconds=level["tokens"] / level["tokens_per_s"],
            cpu_seconds=level["tokens"] * level["cpu_ms_per_token"] / 1e3,
        )
        for level in json.loads(done.stdout)["levels"]
    ]


def theirs(peer: Peer, decoder: Decoder, workload: str, turn: int) -> list[Sample]:
    """The same in a process of the peer's own. Raises CalledProcessError."""
    python = environments.ensure(peer.environment)
    job = {
        "model": str(peer.prepared(decoder)),
        "vocab": decoder.config["vocab_size"],
        "prompt": PROMPT,
        "steps": STEPS,
        "prefill": PREFILL,
        "streams": STREAMS,
    }
    answer = json.loads(_run(python, peer, job).strip().splitlines()[-1])
    samples = [
        Sample(
            workload=workload,
            server=peer.name,
            concurrency=int(count),
            round=turn,
            items=int(count) * STEPS,
            seconds=int(count) * STEPS / rate,
            cpu_seconds=0.0,
        )
        for count, rate in answer["decode"].items()
    ]
    if answer["prefill"]:
        seconds = PREFILL / answer["prefill"]
        fields = {"concurrency": 1, "round": turn, "items": PREFILL, "seconds": seconds, "cpu_seconds": 0.0}
        samples.append(Sample(workload=f"{workload}-prefill", server=peer.name, **fields))
    return samples


def prefix(decoder: Decoder, cached: bool, name: str, turn: int) -> list[Sample]:
    """Time to the first token of 8 chats that share 512 tokens, one after another; the first of all warms the cache."""
    shared = prompts(1, PREFILL, seed=5)[0]
    room = {"slots": 8, "prefix_cache_mb": 256 if cached else 0}
    with serve(decoder, "fast", generation=room) as process:
        read(process, [ask([*shared, *prompts(1, 16, seed=6)[0]], 2)])
        chats = [[*shared, *own] for own in prompts(8, 16, seed=7)]
        times = [streams.first_s(*read(process, [ask(chat, 2)])) for chat in chats]
        p50, p99 = (float(value) for value in np.percentile(times, [50, 99]))
        return [_sample("generate-prefix", name, 1, turn, len(times), sum(times), process, p50_s=p50, p99_s=p99)]


def lookup(decoder: Decoder, drafts: bool, name: str, turn: int) -> list[Sample]:
    """One stream over repetitive text: a greedy answer of random weights soon repeats itself too."""
    phrase = prompts(1, 24, seed=8)[0]
    with serve(decoder, "fast", generation={"slots": 1, "prompt_lookup": drafts}) as process:
        runs = [read(process, [ask(phrase * 8, LOOKED_UP)]) for _ in range(2)]
        # A frame may hold several tokens: counted is what was asked for.
        rate = max((LOOKED_UP - 1) / (one.frames_s[-1] - one.frames_s[0]) for (one,) in runs)
        return [_sample("generate-lookup", name, 1, turn, LOOKED_UP, LOOKED_UP / rate, process)]


def beside(decoder: Decoder, slice_ms: int, name: str, turn: int) -> list[Sample]:
    """8 streams decode, then a prompt of 2,000 tokens enters: the gaps between tokens meanwhile, and its own time.

    `p50_s` is the usual gap, `p99_s` the 95th percentile while the prompt enters; `seconds` is its prefill beside the
    streams and `cpu_seconds` its prefill alone.
    """
    room = {"slots": 9, "prompt_lookup": False, "prefix_cache_mb": 0, "prefill_slice_ms": slice_ms}
    long = prompts(1, 2000, seed=9)[0]
    with serve(decoder, "fast", generation=room) as process:
        alone = min(streams.first_s(*read(process, [ask(long, 1)])) for _ in range(2))
        asks = [ask(prompt, 400) for prompt in prompts(8, PROMPT)]
        *eight, guest = read(process, [*asks, ask(long, 1, at_s=4.0)])
        begin, end = guest.sent_s, guest.frames_s[0]
        usual = [gap for one in eight for gap in streams.gaps_s(one, 1.0, begin)]
        during = [gap for one in eight for gap in streams.gaps_s(one, begin, end)]
        sample = Sample(
            workload="generate-beside",
            server=name,
            concurrency=8,
            round=turn,
            items=2000,
            seconds=end - begin,
            cpu_seconds=alone,
            p50_s=float(np.median(usual)),
            p99_s=float(np.percentile(during, 95)),
        )
        return [sample]


def _configured(decoder: Decoder, precision: str, **options: Any) -> Path:
    """A folder with a `freehold.yaml` of one model, `bench`."""
    folder = WORK / "running" / f"freehold-{precision}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = {"id": "bench", "source": str(decoder.folder), "precision": precision, **options}
    config = {"models": [model], "observe": {"log_level": "warning"}}
    (folder / "freehold.yaml").write_text(json.dumps(config, indent=1))
    return folder


def _sample(
    workload: str,
    name: str,
    count: int,
    turn: int,
    items: int,
    seconds: float,
    process: ServerProcess,
    cpu_seconds: float = 0.0,
    **more: float,
) -> Sample:
    fields = {"concurrency": count, "round": turn, "items": items, "tokens": items, "seconds": seconds, **more}
    return Sample(workload=workload, server=name, cpu_seconds=cpu_seconds, pss_bytes=process.pss_bytes(), **fields)


def _run(python: Path, peer: Peer, job: Mapping[str, Any]) -> str:
    variables = {**os.environ, "PYTHONPATH": str(SCRIPTS / "shared"), "OMP_NUM_THREADS": "2", **peer.variables}
    argv = [str(python), str(SCRIPTS / peer.environment / "generate.py")]
    done = subprocess.run(
        argv, env=variables, input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True, timeout=1800
    )
    return done.stdout


def _gguf(decoder: Decoder) -> Path:
    """q4_0, blocks of 32: the form that llama.cpp is fastest with, and that OpenVINO GenAI reads too."""
    file = WORK / "generation" / f"{decoder.name}.q4_0.gguf"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        python = environments.ensure("llamacpp")
        subprocess.run([python, SCRIPTS / "llamacpp" / "convert.py", decoder.folder, file], check=True)
    return file


def _genai(decoder: Decoder) -> Path:
    """onnxruntime-genai's own builder: int4, blocks of 32, accuracy level 4."""
    target = WORK / "generation" / f"{decoder.name}-ortgenai"
    if not target.is_dir():
        aside = target.with_name(f"{target.name}.part")
        shutil.rmtree(aside, ignore_errors=True)
        options = ["int4_block_size=32", "int4_accuracy_level=4"]
        argv = [environments.ensure("ortgenai"), "-m", "onnxruntime_genai.models.builder", "-i", decoder.folder]
        argv += ["-o", aside, "-p", "int4", "-e", "cpu", "-c", WORK / "generation", "--extra_options", *options]
        subprocess.run([str(word) for word in argv], check=True)
        aside.rename(target)
    return target


LLAMACPP = Peer("llama.cpp (q4_0, blocks of 32)", "llamacpp", _gguf)
OPENVINO = Peer("OpenVINO GenAI (q4_0 GGUF)", "openvinogenai", _gguf)
GENAI = Peer("onnxruntime-genai Generator (int4, 32)", "ortgenai", _genai)
GENAI_ENGINE = Peer("onnxruntime-genai Engine (int4, 32)", "ortgenai", _genai, {"BENCH_MODE": "engine"})
PEERS = (LLAMACPP, OPENVINO, GENAI, GENAI_ENGINE)
