"""The limit: ONNX Runtime alone, in one process. No HTTP, no queue, no tokenizer: ids lie ready in memory.

First come, first packed: texts in their order fill batches of at most 256 tokens (one longer text alone), two threads
take batches in turn and run them on one session of one thread. `python -m bench.raw` reads a msgpack `Task` on
standard input and writes an `Answer`.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from bench.client import hand_over
from bench.places import ROOT

BUDGET_TOKENS = 256
THREADS = 2


class Task(msgspec.Struct, frozen=True):
    """Token ids of every text, and a packed graph as `freehold.adapt.graphs` writes it."""

    graph: str
    texts: list[list[int]]


class Answer(msgspec.Struct, frozen=True):
    """What it took, after a warm-up."""

    seconds: float
    cpu_seconds: float


def measure(task: Task) -> Answer:
    """Run `task` in a process of its own."""
    command = [sys.executable, "-m", "bench.raw"]
    sent = msgspec.msgpack.encode(task)
    done = subprocess.run(command, cwd=ROOT, input=sent, stdout=subprocess.PIPE, check=True)
    return msgspec.msgpack.decode(done.stdout, type=Answer)


def batches(texts: Sequence[list[int]], budget: int = BUDGET_TOKENS) -> Iterator[list[list[int]]]:
    """Texts in their order, in groups of at most `budget` tokens."""
    group: list[list[int]] = []
    size = 0
    for text in texts:
        if group and size + len(text) > budget:
            yield group
            group, size = [], 0
        group.append(text)
        size += len(text)
    if group:
        yield group


def feeds(group: Sequence[list[int]], with_types: bool) -> dict[str, np.ndarray]:
    """A packed batch: the tokens end to end, which sequence each belongs to, and where each sequence starts."""
    lengths = np.array([len(text) for text in group], np.int64)
    packed = {
        "input_ids": np.concatenate([np.array(text, np.int64) for text in group]),
        "sequence_ids": np.repeat(np.arange(len(group), dtype=np.int64), lengths),
        "sequence_starts": np.cumsum(lengths) - lengths,
    }
    if with_types:
        packed["token_type_ids"] = np.zeros(int(lengths.sum()), np.int64)
    return packed


def _run(task: Task) -> Answer:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(task.graph, options, providers=["CPUExecutionProvider"])
    with_types = "token_type_ids" in {given.name for given in session.get_inputs()}
    ready = [feeds(group, with_types) for group in batches(task.texts)]
    for packed in ready[: 2 + len(ready) // 4]:
        session.run(None, packed)
    queue = iter(ready)
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                packed = next(queue, None)
            if packed is None:
                return
            session.run(None, packed)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    began, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Answer(time.perf_counter() - began, time.process_time() - cpu)


if __name__ == "__main__":
    hand_over(msgspec.msgpack.encode(_run(msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Task))))
