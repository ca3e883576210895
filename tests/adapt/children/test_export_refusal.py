"""What is told of an exporter's failure."""

import itertools

from freehold.adapt.children.export_refusal import depends_on_data, refusal


def chained(*errors: Exception) -> Exception:
    """The first error, caused by the second, and so on."""
    for error, cause in itertools.pairwise(errors):
        error.__cause__ = cause
    return errors[0]


def test_data_that_decides_the_way_is_told_as_such() -> None:
    """However deep in the chain it stands."""
    error = chained(RuntimeError("step 1/3 failed"), ValueError("Could not guard on data-dependent expression u0 > 0"))
    assert depends_on_data(error)
    assert refusal(error).code == "export_data_dependent"
    assert not depends_on_data(ValueError("no such size"))


def test_operators_without_a_form_in_onnx_are_named_once() -> None:
    """As torch writes them in either place."""
    text = "No function for OpOverload(op='aten.fft_fft', overload='default'), operator 'aten::fft_fft' to ONNX"
    error = refusal(chained(RuntimeError(text), RuntimeError(text)))
    assert error.code == "export_operator_missing"
    assert str(error.details["operators"]).count("aten.fft_fft") == 1


def test_anything_else_is_its_first_cause() -> None:
    """Class and first two lines with words."""
    error = refusal(chained(RuntimeError("step 1/3 failed"), ValueError("\n no such size \n more \n and more")))
    assert error.code == "export_refused"
    assert error.details["error"] == "ValueError: no such size more"
    assert error.details["where"] == "-"
