"""What versions that run leave for those that come."""

import pytest

from freehold.deploy.fitting.beside import check_cards, left_beside
from freehold.deploy.fitting.fit import Machine
from freehold.deploy.fitting.needs import MIB
from freehold.errors import FreeholdError
from tests.deploy.configured import deployed, only

VLLM = "models: [{id: chat, source: /m/chat, engine: vllm, gpus: 1, context_length: %s, %s}]\ndeploy: {}\n"


def test_what_runs_may_still_take_what_it_was_promised() -> None:
    """What is free now is less only where others took it."""
    running = [only("models: [{id: a, source: 'a:1'}]\n", memory_mb=1000)]
    assert left_beside(Machine(9000 * MIB, 2, total=10000 * MIB), running).memory == 8900 * MIB
    assert left_beside(Machine(8000 * MIB, 2, total=10000 * MIB), running).memory == 8000 * MIB
    assert left_beside(Machine(9000 * MIB, 2, total=1000 * MIB), running).memory == 0


def test_bounds_of_a_user_are_no_promises() -> None:
    """Nobody said that all of it is needed; nor is a machine without a size refused."""
    machine = Machine(9000 * MIB, 2, total=10000 * MIB)
    bounded = only("models: [{id: a, source: 'a:1', resources: {memory_mb: 8000}}]\n", memory_mb=100)
    assert left_beside(machine, [bounded, only("models: [{id: a, source: 'a:1'}]\n")]) == machine
    assert left_beside(Machine(None, 2), [only("models: [{id: a, source: 'a:1'}]\n", memory_mb=9)]).memory is None


def test_a_version_in_vllm_must_fit_beside_the_one_before() -> None:
    """By the shares of their card, before anything is changed."""
    old, new = only(VLLM % (4096, "gpu_memory: 0.6")), only(VLLM % (8192, "gpu_memory: 0.6"))
    with pytest.raises(FreeholdError) as refused:
        check_cards([new], [old])
    error = refused.value
    assert (error.code, error.details["card"], error.details["free"]) == ("fit_card_taken", "0", "0.40")
    assert error.cause == (
        f"{new.host} takes 0.60 of GPU 0, and {old.host} has 0.60 of it until the new version has all requests."
    )
    check_cards([only(VLLM % (8192, "gpu_memory: 0.4"))], [old])
    check_cards([new], [])


def test_the_words_for_vllm_win_over_gpu_memory() -> None:
    """As they do on its command line; without any it takes nine tenths."""
    usual = only(VLLM % (4096, "upstream_model: a"))
    small = only(VLLM % (8192, "args: [--gpu-memory-utilization=0.1]"))
    check_cards([small], [usual])
    with pytest.raises(FreeholdError, match=r"takes 0\.90 of GPU 0"):
        check_cards([usual], [small, small])


def test_what_has_no_share_is_left_to_what_is_free() -> None:
    """Our engines on a card take what they need; on a cluster cards have no numbers here."""
    ours = only("models: [{id: e, source: 'e:1', gpus: 1}]\ndeploy: {}\n")
    old = only(VLLM % (4096, "gpu_memory: 1"))
    check_cards([ours], [old])
    check_cards([old], [ours])
    cluster = "models: [{id: e, source: /models/e, engine: vllm, gpus: 1}]\n"
    (there,) = deployed(f"{cluster}deploy: {{target: kubernetes, storage: {{claim: models}}}}\n").units
    check_cards([there], [there])
