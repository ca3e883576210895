"""The same credentials for people without access: each model's form in Dify, field by field."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from freehold.deploy.dify.connecting.becoming import Wanted
from freehold.deploy.dify.connecting.provider import API_KEY, FIELDS, MODEL_NAME, MODEL_TYPE, TITLE, TYPE_NAMES
from freehold.errors import Language


@dataclass(frozen=True)
class Row:
    """One field of a form. `assumed`: nothing told it, so it is a person's to look at."""

    name: str
    label: str
    value: str
    assumed: bool = False


WHERE: Mapping[Language, str] = {
    "en": f"In Dify: Settings, Model Provider, {TITLE}, Add Model. Leave every other field as it is.",
    "zh": f"在 Dify 中：设置 → 模型供应商 → {TITLE} → 添加模型。其余字段保持不变。",
}
SECRET: Mapping[Language, str] = {
    "en": "API Key shows where the key is: enter the key itself.",
    "zh": "API Key 一行写的是密钥的位置：请填写密钥本身。",
}
ASSUMED: Mapping[Language, str] = {
    "en": "not known here: look it up in the model's description",
    "zh": "此处未知：请查阅模型说明",
}


SPACE: Mapping[Language, str] = {
    "en": "with the space at its beginning or end",
    "zh": "首尾的空格也要填写",
}
LINE_END: Mapping[Language, str] = {
    "en": "the arrow is a line end: only `freehold dify connect` can enter it",
    "zh": "箭头代表换行：只有 `freehold dify connect` 能够填入",
}


def form_of(one: Wanted, key: str, language: Language) -> tuple[Row, ...]:
    """The rows of one model, in the order in which Dify shows them. `key` says where the key is; "": there is none."""
    values = {**one.credentials, **({API_KEY: key} if key else {})}
    return (
        Row("model_type", MODEL_TYPE[language], TYPE_NAMES[one.type]),
        Row("model", MODEL_NAME[language], one.name),
        *(
            Row(field.name, field.label[language], field.shown(values[field.name], language), field.name in one.assumed)
            for field in FIELDS
            if field.name in values
        ),
    )


def as_text(models: tuple[Wanted, ...], key: str, language: Language) -> str:
    """All forms, for a person who types them."""
    where = f"{WHERE[language]}\n{SECRET[language]}" if key else WHERE[language]
    return "\n\n".join([where, *("\n".join(_lines(one, key, language)) for one in models)])


def as_data(models: tuple[Wanted, ...], key: str, language: Language) -> list[dict[str, Any]]:
    """All forms, for programs: `credentials` as Dify's API takes them, without the key."""
    return [
        {
            "type": one.type,
            "name": one.name,
            "model": one.model,
            "credentials": dict(one.credentials),
            "form": [
                {"field": row.name, "label": row.label, "value": row.value} for row in form_of(one, key, language)
            ],
            "assumed": list(one.assumed),
        }
        for one in models
    ]


def _lines(one: Wanted, key: str, language: Language) -> Iterator[str]:
    rows = form_of(one, key, language)
    width = max(_columns(row.label) for row in rows)
    yield f"{one.name} ({TYPE_NAMES[one.type]})"
    for row in rows:
        value = row.value.replace("\n", "↵")
        note = _note(row)
        told = f"   ({note[language]})" if note is not None else ""
        yield f"  {row.label}{' ' * (width - _columns(row.label))}  {value}{told}"


def _note(row: Row) -> Mapping[Language, str] | None:
    """What nobody sees of a value, or knows."""
    if row.assumed:
        return ASSUMED
    if "\n" in row.value:
        return LINE_END
    return SPACE if row.value != row.value.strip() else None


def _columns(text: str) -> int:
    """Columns of a terminal: a Chinese character takes two."""
    return sum(2 if ord(character) > 0x2E7F else 1 for character in text)
