"""What visits come to, in the books of `access`: usage for every inference, lines of the audit for what is audited."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from freehold.access.act import Act
from freehold.access.audit import Audit
from freehold.access.turned_away import Refused
from freehold.access.usage import Usage
from freehold.http.visit import Visit


class Bookkeeping:
    """The Ledger of a node. Used from the event loop's thread only, `attempt` aside."""

    def __init__(self, usage: Usage, audit: Audit) -> None:
        self._usage = usage
        self._audit = audit

    def permit(self) -> None:
        """Before an inference. Raises `audit_refused` where its line could not be written."""
        self._audit.permit()

    def turned_away(self, address: str, code: str) -> None:
        """Somebody there had no key, or a wrong one."""
        self._audit.refused(Refused("login", address, code))

    def note(self, visit: Visit, status: int, seconds: float) -> None:
        """A request is over: inference is usage, and audited where that is wanted; what was forbidden always is."""
        key, asked = visit.key, visit.asked
        inferred = asked.right == "infer"
        if inferred:
            self._usage.count(key, visit.model, visit.prompt_tokens, visit.completion_tokens, status)
        audited = inferred and self._audit.inference
        if status == 403 or (audited and (visit.denied or status == 429)):
            self._audit.refused(Refused(f"{asked.right}.denied", asked.address, str(status), key.name, key.tenant))
        elif audited:
            self._audit.note(_line(visit, status, seconds))

    @contextmanager
    def attempt(self, visit: Visit, what: str, model: str, details: Mapping[str, str]) -> Iterator[None]:
        """Around an administrative act: a line before it and one behind it, with the digest that `visit` has by then.
        Entering and leaving wait for the database. Raises `audit_refused`.
        """
        asked = visit.asked
        told = {**details, "request": asked.request_id}
        act = Act(what, visit.key.name, visit.concerns(model), model, visit.digest, asked.address, details=told)
        with self._audit.attempt(act) as turned_out:
            yield
            turned_out(replace(act, digest=visit.digest))


def _line(visit: Visit, status: int, seconds: float) -> Act:
    key, asked = visit.key, visit.asked
    return Act(
        "model.infer",
        key.name,
        key.tenant,
        visit.model,
        visit.digest,
        visit.place,
        "done" if 0 < status < 400 else str(status or "cut"),
        visit.prompt_tokens,
        visit.completion_tokens,
        {"path": asked.path, "address": asked.address, "request": asked.request_id, "ms": round(1000 * seconds)},
        {} if visit.content is None else visit.content.told(),
    )
