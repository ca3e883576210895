"""What every module of a network is given and makes."""

from typing import Any

import torch

from freehold.adapt.children.module_outputs import ModuleOutputs, first_floats


class Block(torch.nn.Module):
    """Two layers, the second run twice, with an answer in a dict and an operation in place."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
        self.cut = torch.nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> dict[str, Any]:
        return {"ids": torch.arange(2), "states": self.second(self.second(self.cut(self.first(x))))}


class Whole(torch.nn.Module):
    """A block inside."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Block()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = self.block(x=x)["states"]
        return states


def test_modules_come_in_the_order_in_which_they_finish() -> None:
    """Inner before outer, each once, with how often it ran, its class, and what it was given by name or place."""
    torch.manual_seed(0)
    whole = Whole()
    with ModuleOutputs(whole) as outputs, torch.inference_mode():
        answer = whole(torch.ones(1, 2))
        again = whole.block.second(torch.ones(1, 2))
    calls = {call.name: call for call in outputs.calls}
    assert list(calls) == ["block.first", "block.cut", "block.second", "block"]
    assert [call.calls for call in calls.values()] == [1, 1, 3, 1]
    assert calls["block.first"].kind == "Linear"
    given = calls["block"].given
    assert given is not None
    assert torch.equal(given, torch.ones(1, 2))
    assert torch.equal(calls["block"].made, answer)
    assert not torch.equal(calls["block.second"].made, again)


def test_what_is_overwritten_later_is_kept_as_it_was() -> None:
    """An activation in place does not change what the layer before it is said to have made."""
    whole = Whole()
    with torch.no_grad():
        whole.block.first.bias.copy_(torch.tensor([-5.0, 5.0]))
    with ModuleOutputs(whole) as outputs, torch.inference_mode():
        whole(torch.zeros(1, 2))
    calls = {call.name: call for call in outputs.calls}
    assert calls["block.first"].made.tolist() == [[-5.0, 5.0]]
    assert calls["block.cut"].made.tolist() == [[0.0, 5.0]]


def test_nothing_is_left_behind() -> None:
    """After the block a network runs as before."""
    whole = Whole()
    with ModuleOutputs(whole) as outputs:
        pass
    whole(torch.ones(1, 2))
    assert outputs.calls == []


def test_the_first_tensor_of_floats_is_found_wherever_it_lies() -> None:
    """In tuples, lists and dicts; ids and empty tensors are none."""
    wanted = torch.ones(1)
    assert first_floats((None, [torch.arange(3)], {"a": torch.empty(0), "b": wanted})) is wanted
    assert first_floats((None, "text", 3)) is None
