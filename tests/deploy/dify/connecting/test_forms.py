"""Forms to fill in by hand."""

from freehold.deploy.dify.connecting.becoming import become
from freehold.deploy.dify.connecting.forms import as_data, as_text
from freehold.deploy.dify.connecting.known import Known

MODELS, _ = become(
    [
        Known("bge", "embed", ("embed",), 512, prompts={"query": "q: ", "document": "Text:\n"}),
        Known("far", None, ("chat",)),
    ],
    "http://m:8080/v1",
    lambda _: "0a1b2c3d",
)
ENGLISH = """\
In Dify: Settings, Model Provider, OpenAI-API-compatible, Add Model. Leave every other field as it is.
API Key shows where the key is: enter the key itself.

bge@0a1b2c3d (TEXT EMBEDDING)
  Model Type                   TEXT EMBEDDING
  Model Name                   bge@0a1b2c3d
  API Key                      $(cat /k)
  API Base URL                 http://m:8080/v1
  model name for API endpoint  bge
  Model context size           512
  Model max chunks per batch   32
  Embedding encoding format    float
  Document prefix              Text:↵   (the arrow is a line end: only `freehold dify connect` can enter it)
  Query prefix                 q:    (with the space at its beginning or end)

far (LLM)
  Model Type                       LLM
  Model Name                       far
  API Key                          $(cat /k)
  API Base URL                     http://m:8080/v1
  Completion mode                  Chat
  Model context size               4096   (not known here: look it up in the model's description)
  Upper bound for max tokens       4096
  Thinking Mode Support            Only Non-Thinking Mode
  Compatibility mode               OpenAI compatible
  Function Call Type               Not Support
  Stream function calling          Not Support
  Vision Support                   Not Support
  Structured Output                Not Support
  Delimiter for streaming results  \\n\\n"""
CHINESE = """\
bge@0a1b2c3d (TEXT EMBEDDING)
  模型类型                   TEXT EMBEDDING
  模型名称                   bge@0a1b2c3d
  API Base URL               http://m:8080/v1
  API endpoint中的模型名称   bge
  模型上下文长度             512
  模型每批的最大分块数       32
  Embedding encoding format  float
  文档前缀                   Text:↵   (箭头代表换行：只有 `freehold dify connect` 能够填入)
  查询前缀                   q:    (首尾的空格也要填写)"""


def test_forms_are_typed_field_by_field() -> None:
    """Labels as Dify's own, in its order; what nothing told is marked."""
    assert as_text(MODELS, "$(cat /k)", "en") == ENGLISH


def test_forms_are_in_chinese_too() -> None:
    """A character takes two columns; without a key there is no row for it."""
    assert as_text(MODELS, "", "zh").split("\n\n")[1] == CHINESE


def test_programs_get_credentials_and_form() -> None:
    """As the API takes them, and without the key."""
    first, second = as_data(MODELS, "$(cat /k)", "en")
    assert first["credentials"]["endpoint_model_name"] == "bge"
    assert "api_key" not in first["credentials"]
    assert first["form"][2] == {"field": "api_key", "label": "API Key", "value": "$(cat /k)"}
    assert (second["type"], second["assumed"]) == ("llm", ["context_size"])
