"""Several problems of one configuration as one error."""

from collections.abc import Sequence

from freehold.errors import FreeholdError, Language


class ConfigInvalidError(FreeholdError):
    """All problems of a configuration; its texts list theirs, one a line, each with its fix."""

    def __init__(self, origin: str, problems: Sequence[FreeholdError]) -> None:
        self.problems = tuple(problems)
        super().__init__("config_invalid", origin=origin, count=len(problems), problems=self._listed("en"))

    def in_language(self, language: Language) -> tuple[str, str]:
        """Cause and fix in `language`, the listed problems too."""
        details = {**self.details, "problems": self._listed(language)}
        texts = (self.entry.cause_zh, self.entry.fix_zh) if language == "zh" else (self.entry.cause, self.entry.fix)
        return texts[0].format(**details), texts[1].format(**details)

    def _listed(self, language: Language) -> str:
        return "".join(f"\n  - {cause} {fix}" for cause, fix in (p.in_language(language) for p in self.problems))
