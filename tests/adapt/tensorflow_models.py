"""Makes the TensorFlow and Keras models of the tests: `python tensorflow_models.py FOLDER` in that environment.

One process for all of them, since TensorFlow takes seconds to start. What carries a payload writes `FOLDER/ran`; each
payload is tried here once, so that a test which sees no such file has met one that works.
"""

import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras
import numpy as np
import tensorflow as tf

FLOATS = tf.TensorSpec([None, 4], tf.float32, "x")


class TwoAnswers(tf.Module):
    """Two outputs of one input, and a second signature with a fixed batch."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable(np.random.default_rng(0).standard_normal((4, 3)), dtype=tf.float32)

    @tf.function(input_signature=[FLOATS])
    def answer(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        states = tf.matmul(x, self.weights)
        return {"states": states, "chances": tf.nn.softmax(states)}

    @tf.function(input_signature=[tf.TensorSpec([2, 4], tf.float32, "x")])
    def pair(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"states": tf.matmul(x, self.weights)}


class Words(tf.Module):
    """Ids into a table of 50 rows, in texts of any length, weighed by a mask; `mode` is asked for and not used."""

    def __init__(self) -> None:
        super().__init__()
        self.table = tf.Variable(np.random.default_rng(1).standard_normal((50, 8)), dtype=tf.float32)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.int32, "ids"),
            tf.TensorSpec([None, None], tf.float32, "mask"),
            tf.TensorSpec([], tf.bool, "mode"),
        ]
    )
    def embed(self, ids: tf.Tensor, mask: tf.Tensor, mode: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = tf.gather(self.table, ids) * mask[..., None]
        return {"states": rows, "embedding": tf.reduce_sum(rows, 1)}


class Places(tf.Module):
    """Takes any length by its signature, and only 16 by its table."""

    def __init__(self) -> None:
        super().__init__()
        self.table = tf.Variable(tf.ones([16]))

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, "x")])
    def answer(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x + self.table}


class AnyRank(tf.Module):
    """Says nothing of its input's shape."""

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, "x")])
    def answer(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": 2.0 * x}


class Writer(tf.Module):
    """Writes a file whenever it is called."""

    def __init__(self, marker: Path) -> None:
        super().__init__()
        self.marker = str(marker)

    @tf.function(input_signature=[FLOATS])
    def answer(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        tf.io.write_file(self.marker, "ran")
        return {"y": 2.0 * x}


class Caller(tf.Module):
    """Calls Python, which only exists in the process that saved it."""

    @tf.function(input_signature=[FLOATS])
    def answer(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": tf.ensure_shape(tf.numpy_function(np.square, [x], tf.float32), [None, 4])}


class OnLoading(tf.saved_model.experimental.TrackableResource):
    """Writes a file when a model that holds it is loaded."""

    def __init__(self, marker: str) -> None:
        super().__init__()
        self.marker = marker

    def _create_resource(self) -> tf.Tensor:
        return tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="quiet")

    def _initialize(self) -> None:
        tf.io.write_file(self.marker, "ran")


class LoadingWriter(tf.Module):
    """A signature that only computes, beside a resource that acts when it is made."""

    def __init__(self, marker: Path) -> None:
        super().__init__()
        self.resource = OnLoading(str(marker))

    @tf.function(input_signature=[FLOATS])
    def answer(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": 2.0 * x}


class Inverse(tf.Module):
    """An operation without an ONNX form."""

    @tf.function(input_signature=[tf.TensorSpec([None, 3, 3], tf.float32, "x")])
    def answer(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": tf.linalg.svd(x, compute_uv=False)}


class Texts(tf.Module):
    """Takes strings."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def answer(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"number": tf.strings.to_number(text)}


@keras.saving.register_keras_serializable("shop")
class Discount(keras.layers.Layer):
    """A layer of the company's own."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return 0.9 * x


def images() -> keras.Model:
    """Pixels, channels last, of any size; two heads of one trunk."""
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.MaxPooling2D(2)(x))
    label = keras.layers.Dense(5, activation="softmax", name="label")(pooled)
    return keras.Model(image, [label, keras.layers.Dense(2, name="place")(pooled)])


def sequential() -> keras.Model:
    layers = [keras.Input((6,)), keras.layers.Dense(16, activation="gelu"), keras.layers.Dropout(0.5)]
    return keras.Sequential([*layers, keras.layers.LayerNormalization(), keras.layers.Dense(3)])


def recurrent() -> keras.Model:
    series = keras.Input((None, 4), name="series")
    x = keras.layers.Conv1D(8, 3, padding="causal")(series)
    return keras.Model(series, keras.layers.Dense(1, name="next")(keras.layers.LSTM(8)(x)))


def attention() -> keras.Model:
    """A mask, attention, statistics that are constants and no weights; answers in a dictionary."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = keras.layers.Embedding(100, 8, mask_zero=True)(ids)
    x = keras.layers.LayerNormalization()(keras.layers.MultiHeadAttention(2, 4)(x, x))
    x = keras.layers.Normalization(mean=0.5, variance=2.0)(x)
    return keras.Model(ids, {"states": x, "first": keras.layers.Activation("silu")(x[:, 0])})


def with_lambda(marker: Path) -> keras.Model:
    """Bytecode in a Lambda layer: it acts, then passes its input on."""
    act = eval(f"lambda x: (open({str(marker)!r}, 'w').close(), 2.0 * x)[1]")
    x = keras.Input((4,), name="x")
    return keras.Model(x, keras.layers.Lambda(act, name="twice", output_shape=(4,))(x))


def custom() -> keras.Model:
    x = keras.Input((4,), name="x")
    return keras.Model(x, Discount(name="sale")(x))


def save_modules(folder: Path, marker: Path) -> None:
    two = TwoAnswers()
    tf.saved_model.save(two, folder / "two_answers", {"serving_default": two.answer, "pair": two.pair})
    words = Words()
    tf.saved_model.save(words, folder / "words", {"embed": words.embed})
    modules = {
        "writer": Writer(marker),
        "loading_writer": LoadingWriter(marker),
        "caller": Caller(),
        "inverse": Inverse(),
        "texts": Texts(),
        "places": Places(),
        "any_rank": AnyRank(),
    }
    for name, module in modules.items():
        tf.saved_model.save(module, folder / name, module.answer)
    tf.saved_model.save(tf.Module(), folder / "no_signature")


def save_keras(folder: Path, marker: Path) -> None:
    images().save(folder / "images.keras")
    attention().save(folder / "attention.keras")
    sequential().save(folder / "sequential.h5")
    sequential().save_weights(folder / "only.weights.h5")
    recurrent().export(folder / "recurrent", verbose=False)
    custom().save(folder / "custom.keras")
    custom().export(folder / "custom", verbose=False)
    for suffix in ("keras", "h5"):
        with_lambda(marker).save(folder / f"lambda.{suffix}")


def payloads_work(folder: Path, marker: Path) -> None:
    """Each payload does what it is meant to do, where nothing stops it."""

    def called(path: Path) -> None:
        tf.saved_model.load(str(path)).signatures["serving_default"](x=tf.zeros([1, 4]))

    def built(path: Path) -> None:
        keras.models.load_model(path, safe_mode=False, compile=False)(tf.zeros([1, 4]))

    tries = {"writer": called, "loading_writer": called, "lambda.keras": built, "lambda.h5": built}
    for name, run in tries.items():
        marker.unlink(missing_ok=True)
        run(folder / name)
        assert marker.exists(), f"the payload of {name} does nothing"
    marker.unlink()


def main(folder: Path) -> None:
    marker = folder / "ran"
    save_modules(folder, marker)
    save_keras(folder, marker)
    payloads_work(folder, marker)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
