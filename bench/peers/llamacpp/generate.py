"""llama.cpp through its C API: one context, a sequence a stream, greedy by numpy."""

import time

import llama_cpp as ll
import numpy as np
from generation_job import Job, measured, read_job, write_answer

SEQUENCES = 16


class Model:
    """One loaded GGUF with room for 16 sequences."""

    def __init__(self, job: Job) -> None:
        ll.llama_backend_init()
        self.vocab = job.vocab
        self.model = ll.llama_model_load_from_file(job.model.encode(), ll.llama_model_default_params())
        given = ll.llama_context_default_params()
        given.n_ctx = SEQUENCES * (job.prefill + 128)
        given.n_batch = given.n_ubatch = max(512, job.prefill)
        given.n_seq_max = SEQUENCES
        given.n_threads = given.n_threads_batch = job.threads
        self.context = ll.llama_init_from_model(self.model, given)
        if not self.model or not self.context:
            raise RuntimeError("llama.cpp did not load the model")
        self.batch = ll.llama_batch_init(max(512, job.prefill), 0, 1)

    def clear(self) -> None:
        ll.llama_memory_clear(ll.llama_get_memory(self.context), True)

    def decode(self, rows: list[tuple[int, int, int, bool]]) -> None:
        """Run (token, position, sequence, wants logits) rows in one call."""
        batch = self.batch
        batch.n_tokens = len(rows)
        for place, (token, position, sequence, wanted) in enumerate(rows):
            batch.token[place] = token
            batch.pos[place] = position
            batch.n_seq_id[place] = 1
            batch.seq_id[place][0] = sequence
            batch.logits[place] = wanted
        if ll.llama_decode(self.context, batch) != 0:
            raise RuntimeError("llama_decode failed")

    def best(self, place: int) -> int:
        logits = np.ctypeslib.as_array(ll.llama_get_logits_ith(self.context, place), (self.vocab,))
        return int(logits.argmax())

    def enter(self, prompt: list[int], sequence: int) -> int:
        last = len(prompt) - 1
        self.decode([(token, place, sequence, place == last) for place, token in enumerate(prompt)])
        return self.best(last)


def prefill(model: Model, job: Job) -> float:
    prompt = job.prompts(1, job.prefill)[0]
    model.clear()
    began = time.perf_counter()
    model.enter(prompt, 0)
    return job.prefill / (time.perf_counter() - began)


def decode(model: Model, job: Job, streams: int) -> float:
    model.clear()
    tokens = [model.enter(prompt, place) for place, prompt in enumerate(job.prompts(streams, job.prompt))]
    began = time.perf_counter()
    for step in range(job.steps):
        model.decode([(token, job.prompt + step, place, True) for place, token in enumerate(tokens)])
        tokens = [model.best(place) for place in range(streams)]
    return streams * job.steps / (time.perf_counter() - began)


def main() -> None:
    job = read_job()
    model = Model(job)
    write_answer(measured(job, lambda streams: decode(model, job, streams), lambda: prefill(model, job)))


if __name__ == "__main__":
    main()
