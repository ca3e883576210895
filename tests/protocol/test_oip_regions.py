"""What the parameters of a tensor say of shared memory."""

import pytest

from freehold.errors import FreeholdError
from freehold.protocol.oip_regions import Part, part_of


def test_a_region_comes_with_its_size_and_maybe_an_offset() -> None:
    """Without an offset the tensor lies at the beginning; other parameters are not looked at."""
    assert part_of({"binary_data": True}) is None
    assert part_of({"shared_memory_region": "r", "shared_memory_byte_size": 4}) == Part("r", 0, 4)
    parameters = {"shared_memory_region": "r", "shared_memory_byte_size": 0, "shared_memory_offset": 8}
    assert part_of(parameters) == Part("r", 8, 0)


@pytest.mark.parametrize(
    "parameters",
    [
        {"shared_memory_region": "r"},
        {"shared_memory_byte_size": 4},
        {"shared_memory_offset": 4},
        {"shared_memory_region": "", "shared_memory_byte_size": 4},
        {"shared_memory_region": 3, "shared_memory_byte_size": 4},
        {"shared_memory_region": "r", "shared_memory_byte_size": -1},
        {"shared_memory_region": "r", "shared_memory_byte_size": True},
        {"shared_memory_region": "r", "shared_memory_byte_size": 4, "shared_memory_offset": "1"},
        {"shared_memory_region": "r", "shared_memory_byte_size": 4, "shared_memory_offset": 1.0},
    ],
)
def test_half_a_region_is_refused(parameters: dict[str, object]) -> None:
    """A region without its size, a size without its region, and what is no byte count."""
    with pytest.raises(FreeholdError) as caught:
        part_of(parameters)
    assert caught.value.code == "parameter_invalid"
