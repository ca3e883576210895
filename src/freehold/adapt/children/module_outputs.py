"""What goes into and comes out of every module of a torch network while it runs."""

from typing import Any, NamedTuple

import torch


class Call(NamedTuple):
    """The first run of one module: its path in the network, its class, and its tensors as float32 copies.

    `calls` counts all its runs; of a module that is run again only the first run is known.
    """

    name: str
    kind: str
    given: torch.Tensor | None
    made: torch.Tensor
    calls: int


class ModuleOutputs:
    """Hooks on every module while the block runs; `calls` are in the order in which the modules finished, inner ones
    before outer ones."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = model
        self._seen: dict[str, Call] = {}
        self._hooks: list[Any] = []

    def __enter__(self) -> "ModuleOutputs":
        for name, module in self._model.named_modules():
            if name:
                self._hooks.append(module.register_forward_hook(self._hook(name), with_kwargs=True))
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    @property
    def calls(self) -> list[Call]:
        """Of modules that made a tensor of floats."""
        return list(self._seen.values())

    def _hook(self, name: str) -> Any:
        def hook(module: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            known = self._seen.get(name)
            if known is not None:
                self._seen[name] = known._replace(calls=known.calls + 1)
                return
            made = first_floats(output)
            if made is not None:
                # Copies, since what comes next may write into them.
                self._seen[name] = Call(
                    name, type(module).__name__, _kept(first_floats((args, kwargs))), _copy(made), 1
                )

        return hook


def first_floats(value: Any) -> torch.Tensor | None:
    """The first tensor of floats in an argument or an answer, whatever it is wrapped in."""
    if isinstance(value, torch.Tensor):
        return value if value.is_floating_point() and value.numel() else None
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return next((found for each in value if (found := first_floats(each)) is not None), None)
    return None


def _kept(tensor: torch.Tensor | None) -> torch.Tensor | None:
    return None if tensor is None else _copy(tensor)


def _copy(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to(torch.float32, copy=True)
