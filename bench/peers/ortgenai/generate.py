"""onnxruntime-genai: its Generator on one static batch (the kinder job), and its Engine (BENCH_MODE=engine)."""

import os
import time

import numpy as np
import onnxruntime_genai as og
from generation_job import Answer, Job, read_job, write_answer

ROOM = 64


def opened(job: Job, engine: bool) -> og.Model:
    config = og.Config(job.model)
    if engine:
        config.overlay('{"engine": {"static_batching": {"max_batch_size": 16}}}')
    return og.Model(config)


def generator(model: og.Model, prompts: list[list[int]], job: Job) -> og.Generator:
    length = len(prompts[0]) + job.steps + ROOM
    params = og.GeneratorParams(model)
    params.set_search_options(max_length=length, min_length=length, batch_size=len(prompts), do_sample=False)
    made = og.Generator(model, params)
    made.append_tokens(np.array(prompts, np.int32))
    return made


def prefill(model: og.Model, job: Job) -> float:
    prompts = job.prompts(1, job.prefill)
    began = time.perf_counter()
    generator(model, prompts, job).generate_next_token()
    return job.prefill / (time.perf_counter() - began)


def decode(model: og.Model, job: Job, streams: int) -> float:
    made = generator(model, job.prompts(streams, job.prompt), job)
    made.generate_next_token()
    began = time.perf_counter()
    for _ in range(job.steps):
        made.generate_next_token()
    return streams * job.steps / (time.perf_counter() - began)


def decode_by_engine(model: og.Model, job: Job, streams: int) -> float:
    engine = og.Engine(model)
    requests = []
    for prompt in job.prompts(streams, job.prompt):
        params = og.GeneratorParams(model)
        length = job.prompt + job.steps + 1
        params.set_search_options(max_length=length, min_length=length, do_sample=False)
        request = og.Request(params)
        request.add_tokens(np.array(prompt, np.int32))
        engine.add_request(request)
        requests.append(request)
    seen: dict[int, int] = {}
    began = 0.0
    while engine.has_pending_requests():
        ready = engine.step()
        if ready is None:
            continue
        while ready.has_unseen_tokens():
            ready.get_unseen_token()
            place = id(ready)
            seen[place] = seen.get(place, 0) + 1
        if not began and sum(seen.values()) >= streams:
            began, first = time.perf_counter(), sum(seen.values())
    return (sum(seen.values()) - first) / (time.perf_counter() - began)


def main() -> None:
    job = read_job()
    engine = os.environ.get("BENCH_MODE") == "engine"
    model = opened(job, engine)
    run = decode_by_engine if engine else decode
    run(model, job, 1)
    answer = Answer()
    if not engine:
        answer.prefill = max(prefill(model, job) for _ in range(job.repeats))
    for streams in job.streams:
        answer.decode[streams] = max(run(model, job, streams) for _ in range(job.repeats))
    write_answer(answer)


if __name__ == "__main__":
    main()
