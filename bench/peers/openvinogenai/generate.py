"""OpenVINO GenAI's continuous batching: its scheduler steps, we add requests and count."""

import time

import numpy as np
import openvino as ov
import openvino_genai as genai
from generation_job import Job, measured, read_job, write_answer


def settings(steps: int) -> genai.GenerationConfig:
    config = genai.GenerationConfig()
    config.max_new_tokens = steps
    config.min_new_tokens = steps
    config.ignore_eos = True
    config.do_sample = False
    return config


def opened(job: Job) -> genai.ContinuousBatchingPipeline:
    scheduler = genai.SchedulerConfig()
    scheduler.cache_size = 2
    scheduler.max_num_seqs = 16
    scheduler.max_num_batched_tokens = max(512, job.prefill)
    scheduler.enable_prefix_caching = False
    properties = {"INFERENCE_NUM_THREADS": job.threads}
    return genai.ContinuousBatchingPipeline(job.model, scheduler, "CPU", properties)


def add(pipe: genai.ContinuousBatchingPipeline, number: int, prompt: list[int], steps: int) -> object:
    return pipe.add_request(number, ov.Tensor(np.array([prompt], np.int64)), settings(steps))


def prefill(pipe: genai.ContinuousBatchingPipeline, job: Job) -> float:
    began = time.perf_counter()
    handle = add(pipe, 0, job.prompts(1, job.prefill)[0], 1)  # a request without a handle is dropped
    while pipe.has_non_finished_requests():
        pipe.step()
    del handle
    return job.prefill / (time.perf_counter() - began)


def decode(pipe: genai.ContinuousBatchingPipeline, job: Job, streams: int) -> float:
    prompts = job.prompts(streams, job.prompt)
    handles = [add(pipe, number, prompt, job.steps + 1) for number, prompt in enumerate(prompts)]
    pipe.step()  # every prompt enters, each gets its first token
    began = time.perf_counter()
    while pipe.has_non_finished_requests():
        pipe.step()
    seconds = time.perf_counter() - began
    del handles
    return streams * job.steps / seconds


def main() -> None:
    job = read_job()
    pipe = opened(job)
    write_answer(measured(job, lambda streams: decode(pipe, job, streams), lambda: prefill(pipe, job)))


if __name__ == "__main__":
    main()
