"""From a configuration to the models that a Dify has: what each becomes, the forms, the plan, and how it went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import typer

from freehold.cli.deploy import interruptible, telling
from freehold.cli.dify_connect_text import Outcome, as_data, as_text
from freehold.cli.dify_models import known_of, model_server
from freehold.cli.dify_place import ModelsKey, models_key, place_of
from freehold.cli.output import LABELS, Output, describe
from freehold.cli.progress import Say
from freehold.config import Config, Dify, home
from freehold.deploy.dify.connecting import applying, forms
from freehold.deploy.dify.connecting.address import address_of, published
from freehold.deploy.dify.connecting.becoming import Wanted, at_home, become
from freehold.deploy.dify.connecting.keys import Keys
from freehold.deploy.dify.connecting.known import Known
from freehold.deploy.dify.connecting.planning import NOTHING, Intent, Plan, look, plan
from freehold.deploy.dify.connecting.spaces import Placing, Spaces
from freehold.deploy.dify.console import PLUGIN, Console, Door, open_console
from freehold.deploy.dify.console.console import KNOWN
from freehold.errors import FreeholdError

_UNTOLD = {"en": "nothing tells what it can do", "zh": "无法得知其能力"}


@dataclass(frozen=True)
class Terms:
    """What was typed: our server as Dify and as this machine reach it, whether older spaces go, how long Dify may
    take to be ready."""

    models_url: str | None
    server: str | None
    prune: bool
    wait_s: float


@dataclass
class Connection:
    """A configuration on its way to Dify. `url` is our server as Dify has it, `server` as this machine does; `notes` is
    what there is to say besides the result."""

    config: Config
    terms: Terms
    url: str
    server: str
    output: Output
    notes: list[FreeholdError] = field(default_factory=list)

    @classmethod
    def of(cls, config: Config, terms: Terms, bridge: str | None, hostname: str, output: Output) -> "Connection":
        """Raises what `address_of` raises."""
        address = address_of(config, bridge, hostname, terms.models_url)
        connection = cls(config, terms, address.url, terms.server or published(config) or address.url, output)
        if address.listen:
            connection.note(FreeholdError("note_dify_listen", listen=address.listen))
        return connection

    def show_forms(self, environ: Mapping[str, str]) -> None:
        """Print each model's form. Neither Dify nor our server is asked; spaces of embedding models are remembered."""
        key = self._key(environ, reads=False).place
        names, _ = known_of(self.config, environ, None)
        placing, models = self._become(names, environ)
        placing.spaces.save()
        language = self.output.language
        data = {"url": self.url, "key": key, "models": forms.as_data(models, key, language)}
        self._show(data, forms.as_text(models, key, language))

    def make(self, dify: Dify, environ: Mapping[str, str], package: bytes | None, *, only_plan: bool) -> None:
        """Do what is to be done in Dify, or only show it, and tell.

        Raises `dify_plugin_missing`, and what the console, `plan` and `applying` raise.
        """
        key = self._key(environ, reads=True).value or None
        place = place_of(self.config, dify, environ)
        with model_server(self.server, key, self.config, environ) as ours:
            names, silence = known_of(self.config, environ, ours)
        if silence is not None:
            self.note(FreeholdError("note_dify_silent", reason=silence.in_language(self.output.language)[0]))
        placing, models = self._become(names, environ)
        self._tell_assumed(models)
        older = at_home(placing.homes(names), self.url)
        intent = Intent(models, key, dify.default_models, self.terms.prune, older)
        keys = Keys.read(home(environ), place.address, dify.workspace)
        with interruptible(), telling(self.output, f"connecting to {place.address}") as say:
            door = Door(place.address, self.config.network, environ, self.terms.wait_s)
            if only_plan and place.is_new(door, say):
                outcome = Outcome(place.address, "", self._plan_of_new(intent, keys, place.address, package), False)
            else:
                place.prepare(door, say)
                with open_console(door, place.credentials, say) as console:
                    there = self._provided(console, place.address, package, only_plan=only_plan)
                    planned = plan(intent, look(console, intent) if there else NOTHING, keys, installs=not there)
                    self._tell_gone(planned)
                    proofs: tuple[applying.Proof, ...] = ()
                    if not only_plan:
                        placing.spaces.save()
                        _validate(console, planned, package, say)
                        applying.apply(console, planned, keys, say)
                        proofs = applying.prove(console.smoke, models, say)
                outcome = Outcome(place.address, console.version, planned, not only_plan, proofs)
        self._show(as_data(outcome), as_text(outcome, self.output.language))

    def _key(self, environ: Mapping[str, str], *, reads: bool) -> ModelsKey:
        """As `models_key`; one of our own servers' is noted."""
        key = models_key(self.config, environ, reads=reads)
        if key.is_wide:
            self.note(FreeholdError("note_dify_key_wide", place=key.place))
        return key

    def _become(self, names: Sequence[Known], environ: Mapping[str, str]) -> tuple[Placing, tuple[Wanted, ...]]:
        """The models of Dify, and their spaces; what is left out is noted. Raises `dify_nothing_to_connect`."""
        placing = Placing(Spaces.read(home(environ)))
        models, left = become(names, self.url, placing.id_of)
        for one in left:
            reason = _UNTOLD[self.output.language] if one.reason == "untold" else one.reason
            self.note(FreeholdError("note_dify_left_out", model=one.model, reason=reason))
        if not models:
            raise FreeholdError("dify_nothing_to_connect", left=", ".join(one.model for one in left))
        return placing, models

    def _plan_of_new(self, intent: Intent, keys: Keys, address: str, package: bytes | None) -> Plan:
        """Of a Dify without an administrator: nobody can sign in, and nothing is there."""
        if package is None:
            raise FreeholdError("dify_plugin_missing", url=address, plugin=PLUGIN)
        return plan(intent, NOTHING, keys, installs=True)

    def _provided(self, console: Console, address: str, package: bytes | None, *, only_plan: bool) -> bool:
        """Whether the plugin is there now. One that is listed may have half failed: its package mends it."""
        if not console.version.startswith(KNOWN):
            self.note(FreeholdError("note_dify_version", version=console.version or "?", known=f"{KNOWN}x"))
        if package is not None and not only_plan:
            console.plugins.install(package)
        there = console.plugins.installed() is not None
        if not there and (package is None or not only_plan):
            raise FreeholdError("dify_plugin_missing", url=address, plugin=PLUGIN)
        return there

    def _tell_assumed(self, models: Sequence[Wanted]) -> None:
        for one in models:
            if one.assumed:
                length = one.credentials["context_size"]
                self.note(FreeholdError("note_dify_assumed", model=one.model, length=length))

    def _tell_gone(self, planned: Plan) -> None:
        """Knowledge bases whose vectors are of a space that no model answers in any more."""
        for step in planned.steps:
            if step.action == "keep" and step.uses:
                self.note(FreeholdError("note_dify_space_gone", name=step.name, uses=", ".join(step.uses)))

    def note(self, note: FreeholdError) -> None:
        """Say it at once on standard error, since it may explain what fails next; with --json it is in the result."""
        self.notes.append(note)
        if not self.output.as_json:
            typer.echo(self.output.told(note, LABELS[self.output.language].note), err=True)

    def _show(self, data: Mapping[str, Any], text: str) -> None:
        self.output.show({**data, "notes": [describe(note) for note in self.notes]}, text)


def _validate(console: Console, planned: Plan, package: bytes | None, say: Say) -> None:
    """As `applying.validate`; a plugin that is listed and does not run is put in again where its package is here."""
    try:
        applying.validate(console, planned, say)
    except FreeholdError as error:
        there = console.plugins.installed()
        if error.code != "dify_console_plugin_dead" or package is None or there is None:
            raise
        console.plugins.reinstall(there, package)
        applying.validate(console, planned, say)
