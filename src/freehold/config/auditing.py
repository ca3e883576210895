"""What the configuration says of audit and usage."""

from typing import Annotated, Literal

from freehold.config.forms import Count, Shape, doc


class Auditing(Shape, frozen=True):
    """What is written into the audit. Administrative acts always are."""

    inference: Annotated[
        bool,
        doc("Every request has a line, too: who, model, digest, tokens, where it was answered."),
    ] = False
    content: Annotated[
        bool, doc("Of every request in it also what was asked and answered, as text: what people wrote is kept.")
    ] = False
    when_full: Annotated[
        Literal["refuse", "go_on"],
        doc("With lines that cannot be written (a full disk): refuse their acts, or go on and count what is missing."),
    ] = "refuse"
    keep_days: Annotated[Count, doc("Lines older than this are dropped; the chain says where it begins.", "days")] = 180


class UsageKeeping(Shape, frozen=True):
    """How long usage is kept."""

    keep_days: Annotated[Count, doc("Days older than this are dropped.", "days")] = 400
