"""What the parameters of a tensor say of shared memory."""

import json

import numpy as np
import pytest

from freehold.artifact import TensorSpec
from freehold.errors import FreeholdError
from freehold.protocol import oip
from freehold.protocol.oip_regions import BYTE_SIZE, OFFSET, REGION, Part, part_of


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


class Memory:
    """Regions in a dictionary."""

    def __init__(self, **regions: bytearray) -> None:
        self.regions = regions
        self.reserved: list[tuple[str, int, int]] = []

    def read(self, name: str, offset: int, size: int) -> bytes:
        return bytes(self.regions[name][offset : offset + size])

    def reserve(self, name: str, offset: int, size: int) -> None:
        self.reserved.append((name, offset, size))

    def write(self, name: str, offset: int, data: memoryview) -> None:
        self.regions[name][offset : offset + data.nbytes] = data.tobytes()


SPECS = (TensorSpec("x", "FP32", (-1, 3)),)


def message(**parameters: object) -> bytes:
    put = {"name": "x", "shape": [1, 3], "datatype": "FP32", "parameters": parameters}
    wanted = {"name": "x", "parameters": {REGION: "out", BYTE_SIZE: 16, OFFSET: 4}}
    return json.dumps({"inputs": [put], "outputs": [wanted]}).encode()


def test_inputs_are_read_from_regions_and_outputs_written_there() -> None:
    """The request's room is looked for when it is read; the answer carries no data, and where it lies."""
    row = np.array([[1, 2, 3]], "<f4")
    memory = Memory(given=bytearray(b"1234" + row.tobytes()), out=bytearray(20))
    request = oip.parse_infer(message(**{REGION: "given", BYTE_SIZE: 12, OFFSET: 4}), None, SPECS, SPECS, memory)
    assert np.array_equal(request.inputs["x"], row)
    assert memory.reserved == [("out", 4, 16)]
    encoded = oip.encode_infer(request, request.inputs, "m", "1", memory)
    (output,) = json.loads(encoded.body)["outputs"]
    assert output["parameters"] == {REGION: "out", OFFSET: 4, BYTE_SIZE: 12}
    assert "data" not in output
    assert memory.regions["out"] == bytes(4) + row.tobytes() + bytes(4)


def test_an_output_that_is_larger_than_its_part_is_refused() -> None:
    """Nothing of it is written."""
    memory = Memory(given=bytearray(12), out=bytearray(b"x" * 20))
    request = oip.parse_infer(message(**{REGION: "given", BYTE_SIZE: 12}), None, SPECS, SPECS, memory)
    with pytest.raises(FreeholdError) as caught:
        oip.encode_infer(request, {"x": np.zeros((2, 3), "<f4")}, "m", "1", memory)
    assert caught.value.code == "shared_memory_room_short"
    assert memory.regions["out"] == b"x" * 20


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({REGION: "given", BYTE_SIZE: 8}, "binary_size_wrong"),
        ({REGION: "given", BYTE_SIZE: 12, "binary_data_size": 12}, "data_twice"),
        ({REGION: "given"}, "parameter_invalid"),
    ],
)
def test_an_input_in_a_region_has_the_size_of_its_shape_and_comes_once(
    parameters: dict[str, object], code: str
) -> None:
    """Neither shorter nor also behind the JSON."""
    with pytest.raises(FreeholdError) as caught:
        oip.parse_infer(message(**parameters), None, SPECS, SPECS, Memory(given=bytearray(12)))
    assert caught.value.code == code


def test_a_server_without_regions_says_so() -> None:
    """For an input, an output, and one that is both data and region."""
    with pytest.raises(FreeholdError) as caught:
        oip.parse_infer(message(**{REGION: "given", BYTE_SIZE: 12}), None, SPECS, SPECS)
    assert caught.value.code == "parameter_unsupported"
