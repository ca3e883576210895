"""How Envoy learns which model a request names: filters that write what they find into headers of the request.

Path, header, query and body each get a header of their own; the first that names a model is copied into `MODEL`, and
`CONFLICT` says whether another one differs. Routes then match headers, each with one comparison. No client can set
these headers, and no upstream gets them.
"""

from typing import Any

from freehold.gateway.routing.places import OF_A_MODEL, PATHS

Tree = dict[str, Any]

MUTATION = "filters.http.header_mutation.v3.HeaderMutation"
TYPES = "type.googleapis.com/envoy.extensions."
INTERNAL = "x-freehold-envoy-"
OPENAI = f"{INTERNAL}openai"
"""The path below `/v1`, such as `/chat/completions`, of a request to the OpenAI API."""
PATH = f"{INTERNAL}path"
"""The id in the path of a request to the Open Inference Protocol; what follows it is in `TAIL`."""
TAIL = f"{INTERNAL}tail"
LISTED = f"{INTERNAL}listed"
"""The id in the path of a question about one model, `/v1/models/ID`."""
HEADER = f"{INTERNAL}header"
QUERY = f"{INTERNAL}query"
BODY = f"{INTERNAL}body"
MALFORMED = f"{INTERNAL}malformed"
MODEL = f"{INTERNAL}model"
CALLERS = ("authorization", "proxy-authorization", "api-key", "cookie")
"""Who calls is no business of upstreams."""
ANSWERED = "x-freehold-model"
"""Tells a client who answered."""
CONFLICT = f"{INTERNAL}conflict"

JSON = "(?i) *application/json *(?:;.*)?"
"""The types of bodies that are read; none counts as JSON."""
_VERSION = r"(?:/versions/(?:[^/?%\\]|%(?:[^25/?]|2[^Ff/?]|5[^Cc/?]))+)?"  # without an escaped slash of either kind
READS = f"{_VERSION}(?:/(?:{'|'.join(path for method, path in OF_A_MODEL if method == 'GET' and path)}))?"
CALLS = f"{_VERSION}/(?:{'|'.join(path for method, path in OF_A_MODEL if method == 'POST')})"
_IN_PATH = rf"/v2/models/([^/?]+)({READS}|{CALLS})/?(?:\?.*)?"
_IN_OPENAI = rf"(?:(?:/v1)?(/(?:{'|'.join(PATHS)}))|/v2(/rerank))/?(?:\?.*)?"  # /v2/rerank is Cohere's
_LISTED = r"(?:/v1)?/models/([^/?]+)/?(?:\?.*)?"

_PACKED = r"!request.headers['content-encoding'].matches('^(?i) *(identity)? *$')"
_FOUND = "metadata.filter_metadata['freehold.body']['model']"


def extension(name: str, kind: str, **settings: object) -> Tree:
    """An extension of Envoy under a name of ours; `kind` is its message, without what all have in common."""
    return {"name": name, "typed_config": {"@type": TYPES + kind, **settings}}


def setting(header: str, value: str, action: str = "OVERWRITE_IF_EXISTS_OR_ADD") -> Tree:
    """A header with a value, which may hold Envoy's substitutions; one that comes to nothing is left out."""
    return {"header": {"key": header, "value": value}, "append_action": action}


def name_filters(body_bytes: int) -> list[Tree]:
    """The filters that write the headers above, of requests with bodies up to `body_bytes`."""
    return [
        extension("size", "filters.http.body_size_limit.v3.BodySizeLimit", max_request_bytes=body_bytes),
        extension(
            "path",
            "filters.http.header_to_metadata.v3.Config",
            request_rules=[
                _from_path("openai", _IN_OPENAI, r"\1\2"),  # one of the two is empty
                _from_path("listed", _LISTED, r"\1"),
                _from_path("model", _IN_PATH, r"\1"),
                _from_path("tail", _IN_PATH, r"\2"),
            ],
        ),
        extension("body", "filters.http.json_to_metadata.v3.JsonToMetadata", request_rules=_body_rules()),
        extension("names", MUTATION, mutations=_mutations()),
        extension(
            "again",
            "filters.http.set_filter_state.v3.Config",
            on_request_headers=[
                {
                    "object_key": "freehold",
                    "factory_key": "envoy.string",
                    "format_string": {"text_format_source": {"inline_string": "1"}},
                }
            ],
            clear_route_cache=True,
        ),
    ]


def _from_path(key: str, pattern: str, found: str) -> Tree:
    """A part of the path as metadata; a path of another form leaves nothing behind, which is not kept."""
    rewrite = {"pattern": {"regex": f"^(?:{pattern}|.*)$"}, "substitution": found}
    kept = {"metadata_namespace": "freehold.path", "key": key, "regex_value_rewrite": rewrite}
    return {"header": ":path", "on_header_present": kept}


def _body_rules() -> Tree:
    def kept(key: str, **value: str) -> Tree:
        return {"metadata_namespace": "freehold.body", "key": key, **value}

    return {
        "allow_content_types_regex": {"regex": JSON},
        "allow_empty_content_type": True,
        "rules": [
            {
                "selectors": [{"key": "model"}],
                "on_present": kept("model", type="PROTOBUF_VALUE"),  # which tells texts from numbers
                "on_error": kept("malformed", value="true"),
            }
        ],
    }


def _mutations() -> Tree:
    readable = f"request.method == 'POST' && !('content-encoding' in request.headers && {_PACKED})"
    others = (HEADER, QUERY, BODY)
    differs = " || ".join(f"('{one}' in request.headers && request.headers['{one}'] != {_of(MODEL)})" for one in others)
    found = {
        OPENAI: ("%DYNAMIC_METADATA(freehold.path:openai)%",),
        PATH: ("%DYNAMIC_METADATA(freehold.path:model)%",),
        TAIL: ("%DYNAMIC_METADATA(freehold.path:tail)%",),
        LISTED: ("%DYNAMIC_METADATA(freehold.path:listed)%",),
        HEADER: (f"%CEL({_of('x-model-id')})%",),  # of several headers all values, which together are nobody's name
        QUERY: ("%QUERY_PARAM(model_id)%",),
        BODY: (f"%CEL({readable} && type({_FOUND}) == string ? {_FOUND} : '')%",),
        MALFORMED: (
            "%DYNAMIC_METADATA(freehold.body:malformed)%",
            f"%CEL(type({_FOUND}) == double || type({_FOUND}) == bool ? 'true' : '')%",
        ),
        MODEL: tuple(f"%REQ({one})%" for one in (PATH, *others)),
        CONFLICT: (f"%CEL({differs})%",),
    }
    return {
        "request_mutations": [
            *(forgetting(prefix) for prefix in (INTERNAL, "x-envoy-")),
            *({"remove": name} for name in CALLERS),
            *(
                {"append": setting(header, value, "ADD_IF_ABSENT")}
                for header, values in found.items()
                for value in values
            ),
        ],
        "response_mutations": [
            {"remove": "set-cookie"},
            {"append": setting(ANSWERED, "%UPSTREAM_METADATA(freehold:model)%")},
        ],
    }


def forgetting(prefix: str) -> Tree:
    """The removal of every header whose name begins so."""
    return {"remove_on_match": {"key_matcher": {"prefix": prefix}}}


def _of(header: str) -> str:
    return f"request.headers['{header}']"
