"""The clients that people already have, against a server that really runs, with numbers checked from outside it."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import openai
import pytest
import tritonclient.http as triton
from tokenizers import Tokenizer

TEXTS = [
    "A freehold is land held outright.",
    "数据不出域。",
    "short",
    "A longer text says the same thing twice, says the same thing twice, and then it stops; or does it? " * 3,
]
VALUES: dict[str, np.ndarray[Any, Any]] = {
    "FP32": np.array([[1.5, -2.25, 3.4e38], [0.1, 1e-30, -0.0]], np.float32),
    "FP64": np.array([[1.5, -2.25, 1.7e308], [0.1, 1e-300, -0.0]]),
    "INT64": np.array([[-(2**63), 0, 2**63 - 1], [1, 2**53 + 1, -1]]),
    "BOOL": np.array([[True, False, True], [False, False, True]]),
    "BYTES": np.array([["plain", "", "数据\u0000\n"], ["🙂", '"', "\\"]], object),
}


def raw_vectors(home: Path, digest: str, texts: list[str]) -> np.ndarray[Any, Any]:
    """What plain ONNX Runtime makes of each text alone, from the files of the artifact that is served. [n, dim]"""
    manifests = (home / "cache" / "graphs").glob("*/manifest.json")
    folder = next(path.parent for path in manifests if f"sha256:{sha256(path.read_bytes()).hexdigest()}" == digest)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    rows = []
    for text in texts:
        encoded = tokenizer.encode(text)
        count = len(encoded.ids)
        feeds = {
            "input_ids": np.array(encoded.ids),
            "token_type_ids": np.array(encoded.type_ids),
            "sequence_ids": np.zeros(count, np.int64),
            "sequence_starts": np.zeros(1, np.int64),
        }
        names = [one.name for one in session.get_inputs()]
        rows.append(session.run(None, {name: feeds[name] for name in names})[0][0])
    return np.stack(rows)


@pytest.fixture
def ai(node: Any) -> Iterator[openai.OpenAI]:
    """OpenAI's client, with the key that it insists on."""
    with openai.OpenAI(base_url=f"{node.url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def oip(node: Any) -> Iterator[triton.InferenceServerClient]:
    """Triton's client."""
    with triton.InferenceServerClient(node.url.removeprefix("http://")) as client:
        yield client


def sent(name: str, array: np.ndarray[Any, Any], datatype: str, binary: bool) -> triton.InferInput:
    """One input of a request."""
    one = triton.InferInput(name, list(array.shape), datatype)
    one.set_data_from_numpy(array, binary_data=binary)
    return one


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("datatype", VALUES)
def test_tritonclient_gets_back_every_bit(oip: Any, datatype: str, binary_in: bool, binary_out: bool) -> None:
    """Each type, in both forms each way: extreme values come back unchanged through an identity graph."""
    array = VALUES[datatype]
    wanted = [triton.InferRequestedOutput("y", binary_data=binary_out)]
    answer = oip.infer(datatype.lower(), [sent("x", array, datatype, binary_in)], outputs=wanted, request_id="r1")
    seen = answer.as_numpy("y")
    if datatype == "BYTES":
        seen = np.array([item if isinstance(item, str) else item.decode() for item in seen.ravel()]).reshape(2, 3)
    assert seen.tolist() == array.tolist()
    assert answer.get_response()["id"] == "r1"


def test_tritonclient_gets_back_any_bytes(oip: Any) -> None:
    """BYTES of a graph's strings may be what is no text."""
    array = np.array([[b"\xff\xfe", b"\x00", b""]], object)
    answer = oip.infer("bytes", [sent("x", array, "BYTES", True)])
    assert answer.as_numpy("y").tolist() == array.tolist()


def test_tritonclient_reads_server_models_and_versions(oip: Any) -> None:
    """Live, ready, metadata, and the one version, asked for by its name and not."""
    assert oip.is_server_live()
    assert oip.is_server_ready()
    assert "binary_tensor_data" in oip.get_server_metadata()["extensions"]
    metadata = oip.get_model_metadata("sixteen", "1")
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 16]}]
    assert metadata["versions"] == ["1"]
    assert oip.is_model_ready("sixteen", "1")
    assert not oip.is_model_ready("sixteen", "2")
    assert not oip.is_model_ready("nobody")


@pytest.mark.parametrize("version", ["", "1"])
def test_a_tensor_model_answers_what_its_graph_computes(oip: Any, version: str) -> None:
    """Sixteen floats a row, several rows: softmax as numpy has it."""
    array = np.random.default_rng(1).standard_normal((5, 16), dtype=np.float32)
    answer = oip.infer("sixteen", [sent("x", array, "FP32", True)], model_version=version)
    powers = np.exp(array - array.max(1, keepdims=True))
    np.testing.assert_allclose(answer.as_numpy("y"), powers / powers.sum(1, keepdims=True), rtol=1e-5)


def test_tritonclient_embeds_texts(oip: Any, node: Any) -> None:
    """An embedding model takes BYTES and gives the vectors that OpenAI's path gives."""
    texts = np.array(TEXTS, object)
    vectors = oip.infer("minilm", [sent("text", texts, "BYTES", True)]).as_numpy("embedding")
    listed = node.ask("/v1/embeddings", model="minilm", input=TEXTS).json()["data"]
    np.testing.assert_allclose(vectors, [row["embedding"] for row in listed], atol=1e-6)


def test_openai_vectors_are_those_of_the_graph(ai: openai.OpenAI, node: Any) -> None:
    """A list of texts, by the client's own base64: within 1e-5 of ONNX Runtime run by hand on each text alone."""
    answer = ai.embeddings.create(model="minilm", input=TEXTS)
    assert [row.index for row in answer.data] == list(range(len(TEXTS)))
    digest = ai.models.retrieve("minilm").model_dump()["freehold"]["digest"]
    np.testing.assert_allclose([row.embedding for row in answer.data], raw_vectors(node.home, digest, TEXTS), atol=1e-5)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > len(TEXTS)


def test_openai_reads_texts_tokens_and_floats_alike(ai: openai.OpenAI, node: Any) -> None:
    """A string, a list, token ids and lists of them, base64 and floats: the same vector."""
    tokens = node.ask("/tei/minilm/tokenize", inputs="short").json()[0]
    ids = [token["id"] for token in tokens]
    forms: list[Any] = ["short", ["short"], ids, [ids]]
    answers = [ai.embeddings.create(model="minilm", input=form).data[0].embedding for form in forms]
    answers.append(ai.embeddings.create(model="minilm", input="short", encoding_format="float").data[0].embedding)
    for vector in answers[1:]:
        np.testing.assert_allclose(vector, answers[0], atol=1e-6)


def test_openai_gets_fewer_dimensions(ai: openai.OpenAI) -> None:
    """The first ones, of length 1 again."""
    whole = np.array(ai.embeddings.create(model="minilm", input="short").data[0].embedding)
    cut = np.array(ai.embeddings.create(model="minilm", input="short", dimensions=64).data[0].embedding)
    np.testing.assert_allclose(cut, whole[:64] / np.linalg.norm(whole[:64]), atol=1e-6)


def test_openai_lists_models_with_their_proof(ai: openai.OpenAI) -> None:
    """MiniLM was held against transformers' goldens; a bare graph proves nothing and says so."""
    proofs = {model.id: model.model_dump()["freehold"]["proof"] for model in ai.models.list()}
    assert proofs["minilm"] == "raw"
    assert proofs["sixteen"] == "none"


def test_openai_understands_our_errors(ai: openai.OpenAI) -> None:
    """Its exceptions are those of the status, and the text says what to do."""
    with pytest.raises(openai.NotFoundError, match="Ask for one of"):
        ai.embeddings.create(model="text-embedding-3-small", input="x")
    with pytest.raises(openai.BadRequestError, match="dimensions"):
        ai.embeddings.create(model="minilm", input="x", dimensions=100_000)
    with pytest.raises(openai.BadRequestError, match="/v1/rerank"):
        ai.embeddings.create(model="judge", input="x")


def test_a_text_means_the_same_in_any_company(ai: openai.OpenAI) -> None:
    """Alone or among 200 others, in the first place or the last: within 1e-5."""
    alone = ai.embeddings.create(model="minilm", input="short").data[0].embedding
    many = [f"filler {'word ' * (index % 50)}" for index in range(200)]
    answer = ai.embeddings.create(model="minilm", input=["short", *many, "short"])
    np.testing.assert_allclose(answer.data[0].embedding, alone, atol=1e-5)
    np.testing.assert_allclose(answer.data[-1].embedding, alone, atol=1e-5)
