"""Which cards of one machine each service gets."""

from freehold.config import Gpus
from freehold.config.shapes import NVIDIA_GPU

WHOLE = 1.0
_ROUNDING = 1e-9


class Devices:
    """Hands out the NVIDIA cards of one machine, lowest numbers first. How many there are, only the machine knows."""

    def __init__(self) -> None:
        self._free: list[float] = []

    def take(self, request: Gpus | None, share: float | None = None) -> tuple[str, ...]:
        """The numbers of `request.count` cards, on each of which `share` of its memory is taken; None: all of it.

        () for accelerators of other vendors, which their own plugins hand out.
        """
        if request is None or request.resource != NVIDIA_GPU:
            return ()
        wanted = WHOLE if share is None else share
        fitting = [number for number, free in enumerate(self._free) if free + _ROUNDING >= wanted]
        lacking = range(len(self._free), len(self._free) + max(0, request.count - len(fitting)))
        self._free += [WHOLE] * len(lacking)
        numbers = [*fitting, *lacking][: request.count]
        for number in numbers:
            self._free[number] -= wanted
        return tuple(map(str, numbers))
