"""What a request holds while it waits, and what is counted of a batch."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from freehold.engine.base import EmbedRequest, RerankRequest, TensorRequest
from freehold.engine.batcher import Batch
from freehold.server.dataplane import batch_observer, footprint
from freehold.telemetry import Telemetry

texts = st.lists(st.text(max_size=40), max_size=8)


@given(texts, texts)
def test_more_text_never_holds_less(some: list[str], more: list[str]) -> None:
    """The estimate grows with every text, and is zero only for none."""
    assert footprint(EmbedRequest([*some, *more])) >= footprint(EmbedRequest(some))
    assert (footprint(EmbedRequest(some)) == 0) == (not some)


@given(texts, st.text(max_size=40))
def test_a_query_counts_once_a_text(some: list[str], query: str) -> None:
    """Each pair is tokenized with its query."""
    assert footprint(RerankRequest(query, some)) >= footprint(EmbedRequest(some))


def test_a_tensor_holds_its_input_and_as_much_again() -> None:
    """Its copy in a batch."""
    assert footprint(TensorRequest({"x": np.zeros((4, 8), np.float32)})) == 2 * 4 * 8 * 4


def test_batches_feed_the_histograms_of_their_model() -> None:
    """Texts count rows and tokens; tensors count rows by their cost."""
    telemetry = Telemetry(process=False)
    observe = batch_observer(telemetry.model("m"))
    observe(Batch([0.1, 0.2], 0.05, 2, 60, "tokens"))
    observe(Batch([0.1], 0.01, 1, 7, "rows"))
    text = telemetry.exposition()[0].decode()
    assert 'freehold_queue_seconds_count{model="m"} 3.0' in text
    assert 'freehold_compute_seconds_count{model="m"} 2.0' in text
    assert 'freehold_batch_tokens_sum{model="m"} 60.0' in text
    assert 'freehold_batch_rows_sum{model="m"} 9.0' in text
