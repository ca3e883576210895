"""What a Keras configuration asks for is known before Keras builds it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.adapt.children.keras_config import examined


def layer(kind: str, name: str = "mine", module: str = "keras.layers", **more: Any) -> dict[str, Any]:
    return {"module": module, "class_name": kind, "config": {"name": name}, **more}


def model(*layers: dict[str, Any]) -> str:
    functional = {"module": "keras", "class_name": "Functional", "config": {"name": "net", "layers": layers}}
    return json.dumps(functional)


def test_keras_own_parts_are_fine() -> None:
    """Layers, initializers and functions of Keras, also by the names that they had before Keras 3."""
    parts = [
        layer("Dense"),
        layer("Zeros", module="keras.initializers"),
        layer("function", module="builtins"),
        layer("Conv2D", module="tensorflow.keras.layers"),
        {"class_name": "Dense", "config": {"name": "old"}},
    ]
    assert examined(model(*parts)) == ((), ())


@pytest.mark.parametrize("kind", ["Lambda", "TFSMLayer", "TorchModuleWrapper"])
def test_parts_that_carry_code_are_found(kind: str) -> None:
    """Wherever they are, with the name of the layer."""
    nested = layer("TimeDistributed", "outer", config={"name": "outer", "layer": layer(kind, "inner")})
    assert examined(model(layer("Dense"), nested)).code == (f"inner ({kind})",)


def test_bytecode_has_the_name_of_the_layer_that_holds_it() -> None:
    """A bare lambda may stand where Keras expects a function; its layer is named."""
    hidden = layer(
        "Dense", config={"name": "dense", "activation": {"class_name": "__lambda__", "config": {"code": ""}}}
    )
    assert examined(model(hidden)).code == ("dense (__lambda__)",)


@pytest.mark.parametrize(
    "part",
    [
        layer("Discount", module="shop.layers"),
        layer("Discount", module="", registered_name="shop>Discount"),
        layer("system", module="os"),
        layer("Evil", module="kerasx.layers"),
    ],
)
def test_classes_of_others_are_found(part: dict[str, Any]) -> None:
    """By their module, or by the name under which they were registered."""
    assert examined(model(part)).custom == (f"mine ({part['class_name']})",)


@pytest.mark.parametrize("text", ["", "[]", "{}", '"Lambda"', "{"])
def test_no_configuration_at_all(text: str) -> None:
    """Whatever is no object with a class is an error of its own."""
    with pytest.raises(ValueError, match=r"Expecting|names no model class|property name"):
        examined(text)


@given(st.recursive(st.none() | st.text(max_size=5), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
@settings(max_examples=40)
def test_a_lambda_is_found_at_any_depth(noise: Any) -> None:
    """Nothing around it hides it."""
    around = {"class_name": "Functional", "config": {"noise": noise, "layers": [[{"deep": layer("Lambda")}], noise]}}
    assert examined(json.dumps(around)).code == ("mine (Lambda)",)
