"""What is known of names: the configuration's words, a server's, and what the models of a route have in common."""

from freehold.deploy.dify.connecting.known import Known, names, said, told
from tests.deploy.configured import configured

TEXT = """\
models:
  - {id: small, source: /small, context_length: 512, kind: embed}
  - {id: far, source: "https://h/v1", abilities: [chat, vision], upstream_model: gpt}
  - {id: near, source: /near, engine: vllm}
routes:
  - {model: chat, to: [{id: far}, {id: near, weight: 3}], fallback: far}
  - {model: small, to: [{id: small}]}
"""


def test_the_configuration_says_some_of_it() -> None:
    """A kind tells its ability; only our own servers and vLLM are known to hold answers to a schema."""
    small, far, near = map(said, configured(TEXT).models)
    assert small == Known("small", "embed", ("embed",), 512, schemas=True)
    assert far == Known("far", None, ("chat", "vision"), seed="https://h/v1 gpt")
    assert (near.kind, near.abilities, near.schemas) == (None, (), True)


def test_a_row_of_our_list_of_models_tells_the_rest() -> None:
    """What the configuration says goes before it; what is of another type is not taken."""
    details = {"kind": "generate", "digest": "sha256:ab", "context_length": 2048, "max_output_tokens": 512}
    row = {"id": "x", "abilities": ["tools", "chat", "dance"], "freehold": details}
    known = told("x", row)
    assert known == Known("x", "generate", ("chat", "tools"), 2048, 512, digest="sha256:ab")
    assert Known("x", context_length=100).over(known).context_length == 100
    assert told("x", {"abilities": None, "freehold": [], "id": 1}) == Known("x")
    assert told("x", {"freehold": {"kind": "song", "context_length": "2048", "digest": 3}}) == Known("x")


def test_a_route_is_what_all_its_models_are() -> None:
    """The fallback counts too; the one with the larger share is what it is known by."""
    config = configured(TEXT)
    models = {
        "small": Known("small", "embed", ("embed",), 512),
        "far": Known("far", None, ("chat", "vision", "tools"), 4096, 256, "switch", digest="f"),
        "near": Known("near", None, ("chat", "tools"), 8192, None, "switch", schemas=True, digest="n"),
    }
    found = {one.name: one for one in names(config, models)}
    assert list(found) == ["small", "far", "near", "chat"]
    assert found["small"] == models["small"]
    assert found["chat"] == Known("chat", None, ("chat", "tools"), 4096, 256, "switch", digest="n")
