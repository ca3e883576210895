"""The tensor engine: any ONNX graph, batched over dimension 0 where the graph is seen to allow it."""

import asyncio
import logging
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from freehold.artifact import Golden, Manifest, TensorSpec, Tolerance, compare
from freehold.engine.base import Answer, Array, Capacity, Proof, Request, TensorRequest
from freehold.engine.batcher import Batch, Batcher, Item
from freehold.engine.brain_float import brain_floats
from freehold.engine.declared import check_declared
from freehold.engine.providers import Session, SessionOptions, open_session, runtime_version
from freehold.engine.settings import DEFAULT_BUDGET_ROWS, EngineSettings
from freehold.engine.tuner import Tuning, choose, remembered
from freehold.engine.verify import held_in, replay
from freehold.errors import FreeholdError

log = logging.getLogger(__name__)

AT_ONCE_S = 0.0002
"""A graph whose one row runs within this is run by the call itself: a queue, a thread and a wake-up cost more than the
batch could save, and no other request is held up for longer than reading its socket takes."""
AT_ONCE_ROWS = 16
AT_ONCE_MOST_S = 0.01
"""One run that takes this much processor time ends the shortcut: what such a graph costs depends on its inputs' values
(loops, filters), and no other request is answered meanwhile."""

BUDGETS_ROWS = (1, 4, 16, 64)
FREE_DIMENSION = 8
"""What a free dimension other than the batch is given in probes when `input_shape` says nothing."""

DTYPES = {
    "BOOL": np.dtype("bool"),
    "UINT8": np.dtype("uint8"),
    "UINT16": np.dtype("uint16"),
    "UINT32": np.dtype("uint32"),
    "UINT64": np.dtype("uint64"),
    "INT8": np.dtype("int8"),
    "INT16": np.dtype("int16"),
    "INT32": np.dtype("int32"),
    "INT64": np.dtype("int64"),
    "FP16": np.dtype("float16"),
    "BF16": np.dtype("uint16"),  # its bits
    "FP32": np.dtype("float32"),
    "FP64": np.dtype("float64"),
    "BYTES": np.dtype(object),
}


@dataclass(frozen=True)
class TensorModel:
    """A graph and what is known of it before it is loaded."""

    graph: Path
    manifest: Manifest
    digest: str
    goldens: tuple[Golden, ...] = ()


class TensorEngine:
    """One ONNX graph of any inputs and outputs.

    Requests share a batch when their inputs agree in all dimensions but the first; the budget counts rows. A graph is
    batched only when every input and output has a free first dimension and a probe at load shows that rows do not
    influence one another (1e-5); all other graphs run request by request. A request of a few rows to a graph cheaper
    than `AT_ONCE_S` is run without the queue.
    """

    def __init__(self, model: TensorModel, settings: EngineSettings) -> None:
        self.manifest = model.manifest
        self.digest = model.digest
        self.precision = "fp32" if settings.precision == "auto" else settings.precision
        self.proof = Proof("none")
        self.max_tokens = 0
        self.batched = False
        self._at_once_bytes = 0
        self._model = model
        self._settings = settings
        self._names: list[str] = []
        self.tuning: Tuning | None = None  # after `load`
        self._session: Session | None = None
        self._batcher: Batcher | None = None

    async def load(self) -> None:
        """Open the session, see whether it batches, tune, replay the goldens. Raises FreeholdError."""
        tuning = self.tuning = await asyncio.to_thread(self._open)
        self._batcher = Batcher(
            self._run_batch if self.batched else self._run_each,
            budget=tuning.budget,
            threads=tuning.threads,
            unit="rows",
            name=self.manifest.name,
            on_batch=self._settings.on_batch,
            speed=tuning.per_second / max(1, tuning.threads),
        )
        self._batcher.start()

    def ready(self) -> bool:
        """True after `load` and until `close`."""
        return self._batcher is not None

    def capacity(self) -> Capacity:
        """Rows that wait and run, and rows per second."""
        return self._batcher.capacity() if self._batcher else Capacity("rows", 0, 0, 0.0)

    async def close(self, grace_s: float) -> None:
        """Finish what is queued within `grace_s` seconds, then stop."""
        batcher, self._batcher = self._batcher, None
        if batcher is not None:
            await batcher.close(grace_s)

    def answer(self, request: Request) -> Answer:
        """One request alone, on the calling thread."""
        return self._answer(_tensors(request), self._run_alone(_tensors(request).inputs))

    def at_once(self, request: Request) -> Answer | None:
        """The answer of a cheap graph to a small request; None for all others, and after `close`."""
        if not self._at_once_bytes or self._batcher is None:
            return None
        tensors = _tensors(request)
        if sum([array.nbytes for array in tensors.inputs.values()]) > self._at_once_bytes:
            return None
        begun, computed = time.perf_counter(), time.thread_time()
        outputs = self._run_alone(tensors.inputs)
        took = time.perf_counter() - begun
        if took > AT_ONCE_MOST_S and time.thread_time() - computed > AT_ONCE_MOST_S:
            log.info("%s goes through the queue from now on: its time depends on its inputs", self.manifest.name)
            self._at_once_bytes = 0
        if self._settings.on_batch is not None:
            rows = len(next(iter(tensors.inputs.values()))) if self.batched else 1
            self._settings.on_batch(Batch((0.0,), took, 1, rows, "rows"))
        return self._answer(tensors, outputs)

    async def infer(self, request: Request, deadline: float, later: bool = False) -> Answer:
        """Queue the request's rows as one item: they stay together and in order."""
        batcher = self._batcher
        if batcher is None:
            raise FreeholdError("shutting_down")
        tensors = _tensors(request)
        inputs = tensors.inputs
        if self.batched:
            shapes = [array.shape for array in inputs.values()]
            rows = shapes[0][0]
            alike = all(shape[0] == rows for shape in shapes)
            key = tuple([shape[1:] for shape in shapes]) if alike and rows else object()
            item = Item(inputs, max(1, rows), key)
        else:
            item = Item(inputs, 1)
        results = await batcher.submit((item,), deadline, later)
        return self._answer(tensors, results[0])

    def _answer(self, request: TensorRequest, arrays: Sequence[Array]) -> Answer:
        outputs = dict(zip(self._names, arrays, strict=True))
        if request.outputs:
            outputs = {name: outputs[name] for name in request.outputs}
        return Answer(outputs)

    def _run_alone(self, inputs: dict[str, Array]) -> list[Array]:
        assert self._session is not None
        return self._session.run(self._names, inputs)

    def _run_each(self, payloads: Sequence[dict[str, Array]]) -> list[list[Array]]:
        return [self._run_alone(inputs) for inputs in payloads]

    def _run_batch(self, payloads: Sequence[dict[str, Array]]) -> list[list[Array]]:
        if len(payloads) == 1:
            return [self._run_alone(payloads[0])]
        joined = {name: np.concatenate([inputs[name] for inputs in payloads]) for name in payloads[0]}
        outputs = self._run_alone(joined)
        first = next(iter(payloads[0]))
        results, begin = [], 0
        for inputs in payloads:
            end = begin + inputs[first].shape[0]
            results.append([array[begin:end] for array in outputs])
            begin = end
        return results

    def _open(self) -> Tuning:
        settings = self._settings
        options = SessionOptions(settings.device, self.precision, settings.state, settings.cpu_key, self.digest)
        self._session = open_session(self._model.graph, options, self.manifest.name)
        self.manifest = msgspec.structs.replace(
            self.manifest, inputs=self._session.inputs, outputs=self._session.outputs
        )
        self._names = [spec.name for spec in self.manifest.outputs]
        check_declared(self.manifest, settings.inputs, settings.outputs)
        self._check_input_shape()
        self.batched = self._rows_are_independent()
        self.proof = replay(self.answer, self.manifest, self._model.goldens, self.precision)
        self.precision = held_in(self.manifest, self.precision)
        return self._tune()

    def _seconds(self, inputs: dict[str, Array]) -> float:
        """What one run of `inputs` takes: the median of many, in seconds."""
        times = []
        for _ in range(50):
            begun = time.perf_counter()
            self._run_alone(inputs)
            times.append(time.perf_counter() - begun)
            if sum(times) > 0.1:
                break
        return statistics.median(times)

    def _check_input_shape(self) -> None:
        """`input_shape` describes the graph's first input: rank and static dimensions must be the same."""
        wanted = self._settings.input_shape
        if wanted is None:
            return
        first = self.manifest.inputs[0]
        fits = len(first.shape) == len(wanted) and all(
            graph in (-1, dim) or dim == -1 for graph, dim in zip(first.shape, wanted, strict=True)
        )
        if not fits:
            raise FreeholdError(
                "input_shape_mismatch", configured=list(wanted), name=first.name, graph=list(first.shape)
            )

    def _rows_are_independent(self) -> bool:
        """Two different rows give the same together as alone, in every output."""
        specs = (*self.manifest.inputs, *self.manifest.outputs)
        if not all(spec.shape and spec.shape[0] == -1 for spec in specs):
            return False
        one, two = self._sample(seed=1), self._sample(seed=2)
        try:
            alone = [self._run_alone(one), self._run_alone(two)]
            together = self._run_alone({name: np.concatenate([one[name], two[name]]) for name in one})
        except FreeholdError as error:
            log.info("%s is run request by request: a probe batch was refused: %s", self.manifest.name, error.cause)
            return False
        tolerance = Tolerance(max_abs=1e-5)
        for place, name in enumerate(self._names):
            separate = [rows[place] for rows in alone]
            if any(array.shape[:1] != (1,) for array in separate):
                return False
            if compare(name, np.concatenate(separate), together[place], tolerance) is not None:
                log.info("%s is run request by request: its rows influence one another", self.manifest.name)
                return False
        return True

    def _sample(self, seed: int) -> dict[str, Array]:
        return sample_row(self.manifest.inputs, self._settings.input_shape, seed)

    def _tune(self) -> Tuning:
        settings = self._settings
        sample = self._sample(seed=0)

        def trial(rows: int) -> int:
            self._run_alone({name: np.concatenate([array] * rows) for name, array in sample.items()})
            return rows

        # One by one, a budget of several would only make one thread run what two could.
        usual = (settings.budget or DEFAULT_BUDGET_ROWS) if self.batched else 1
        if not settings.tune:
            return Tuning(settings.threads or settings.cores, usual, 0.0)
        try:
            row_s = self._seconds(sample)
        except FreeholdError as error:
            log.info("%s is not tuned: a probe was refused: %s", self.manifest.name, error.cause)
            return Tuning(settings.threads or settings.cores, usual, 0.0)
        if row_s < AT_ONCE_S and settings.device == "cpu" and not settings.threads:
            self._at_once_bytes = AT_ONCE_ROWS * sum(array.nbytes for array in sample.values())
            return Tuning(settings.cores, usual, 1 / row_s)
        threads = settings.threads or settings.cores
        budgets = ((settings.budget,) if settings.budget else BUDGETS_ROWS) if self.batched else (1,)
        key = (settings.cpu_key, str(settings.cores), *runtime_version(settings.device), self.digest, str(budgets))
        return remembered(
            settings.state and settings.state / "tuning", key, lambda: choose(trial, threads, budgets, 1.0)
        )


def sample_row(specs: Sequence[TensorSpec], hint: tuple[int, ...] | None, seed: int = 0) -> dict[str, Array]:
    """One row of seeded values for every input: normal floats, and zeros and ones, which are valid indices nearly
    everywhere.
    """
    rng = np.random.default_rng(seed)
    arrays: dict[str, Array] = {}
    for spec in specs:
        dims, dtype = dimensions(spec, hint, FREE_DIMENSION), DTYPES[spec.datatype]
        if spec.datatype == "BF16":
            arrays[spec.name] = brain_floats(rng.standard_normal(dims))
        elif dtype.kind == "f":
            arrays[spec.name] = rng.standard_normal(dims).astype(dtype)
        elif dtype.kind == "O":
            arrays[spec.name] = np.full(dims, "freehold", dtype=object)
        else:
            arrays[spec.name] = rng.integers(0, 2, dims).astype(dtype)
    return arrays


def dimensions(spec: TensorSpec, hint: tuple[int, ...] | None, free: int) -> tuple[int, ...]:
    """The shape of one row: a free first dimension is 1, others are as `hint` (`input_shape`) says, else `free`."""
    suits = hint is not None and len(hint) == len(spec.shape)
    dims = []
    for place, dim in enumerate(spec.shape):
        hinted = hint[place] if hint is not None and suits else -1
        dims.append(dim if dim != -1 else 1 if place == 0 else hinted if hinted > 0 else free)
    return tuple(dims)


def _tensors(request: Request) -> TensorRequest:
    if not isinstance(request, TensorRequest):
        raise TypeError(f"a tensor engine reads TensorRequest, not {type(request).__name__}")
    return request
