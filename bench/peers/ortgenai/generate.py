"""onnxruntime-genai: its Generator on one static batch (the kinder job), and its Engine (BENCH_MODE=engine)."""

import os
import time

import numpy as np
import onnxruntime_genai as og
from generation_job import Job, measured, read_job, write_answer

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
    """From the moment when every request has a token; the engine's batch is static, so all begin together."""
    engine = og.Engine(model)
    requests = [begun(engine, prompt, job) for prompt in job.prompts(streams, job.prompt)]
    buffer = engine.create_event_buffer(4 * streams)
    tokens, first, began = 0, 0, 0.0
    while engine.has_pending_requests():
        tokens += sum(event.token is not None for event in engine.run(buffer))
        if not began and tokens >= streams:
            began, first = time.perf_counter(), tokens
    seconds = time.perf_counter() - began
    for request in requests:
        request.close()
    return (tokens - first) / seconds


def begun(engine: og.Engine, prompt: list[int], job: Job) -> og.Request:
    session = og.RequestOptions()
    session.set_max_session_tokens(job.prompt + job.steps + ROOM)
    request = engine.create_request(options=session)
    turn = og.TurnOptions(request)
    turn.set_do_sample(False)
    turn.set_min_generated_tokens(job.steps + 1)
    turn.set_max_generated_tokens(job.steps + 1)
    request.begin_turn(np.array(prompt, np.int32), turn)
    return request


def main() -> None:
    job = read_job()
    engine = os.environ.get("BENCH_MODE") == "engine"
    model = opened(job, engine)
    if engine:
        write_answer(measured(job, lambda streams: decode_by_engine(model, job, streams)))
    else:
        write_answer(measured(job, lambda streams: decode(model, job, streams), lambda: prefill(model, job)))


if __name__ == "__main__":
    main()
