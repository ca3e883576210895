"""The exception that every room raises."""

from typing import Literal

from freehold.errors.catalog import CATALOG
from freehold.errors.kinds import Kind

Language = Literal["en", "zh"]


class FreeholdError(Exception):
    """A failure with a code from the table; its texts are filled from `details`.

    Raise it as `FreeholdError("model_not_found", model="bge-m3")`. Every placeholder of the row's
    texts must be among the details: a missing one is a KeyError at the place that raised.
    """

    def __init__(self, code: str, **details: object) -> None:
        self.code = code
        self.entry = CATALOG[code]
        self.details = details
        self.cause = self.entry.cause.format(**details)
        self.fix = self.entry.fix.format(**details)
        super().__init__(f"{self.cause} [{code}]")

    @property
    def kind(self) -> Kind:
        """The sort of the failure, for exit codes and transports."""
        return self.entry.kind

    def again(self) -> "FreeholdError":
        """The same failure for one more caller. An error that is raised twice keeps the frames of both in its
        traceback, and with them what their requests held."""
        return FreeholdError(self.code, **self.details)

    def in_language(self, language: Language) -> tuple[str, str]:
        """Cause and fix in `language`."""
        if language == "zh":
            return self.entry.cause_zh.format(**self.details), self.entry.fix_zh.format(**self.details)
        return self.cause, self.fix
