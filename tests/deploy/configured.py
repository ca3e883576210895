"""Deployments from the text of a configuration."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import msgspec

from freehold.config import Config, load
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import Facts, Unit

GB = 1_000_000_000
DIGEST = f"sha256:{'1f' * 32}"


def configured(text: str) -> Config:
    """What is read of `text`; state of a deployment lies below /srv."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "freehold.yaml").write_text(text, encoding="utf-8")
        config = load(None, {}, Path(folder))
    if config.deploy is None:
        return config
    return msgspec.structs.replace(config, deploy=msgspec.structs.replace(config.deploy, data="/srv/data"))


def deployed(
    text: str, facts: Mapping[str, Facts] = MappingProxyType({}), home: str = "/home/ops/.freehold"
) -> Deployment:
    """The deployment of `text`."""
    return Deployment.of(configured(text), facts, home=home)


def only(text: str, **known: object) -> Unit:
    """The unit of the one model of `text`, of whose files `known` is known."""
    config = configured(text)
    (unit,) = Deployment.of(config, {config.models[0].id: Facts(**known)}, home="/home/ops/.freehold").units  # type: ignore[arg-type]  # keyword by keyword
    return unit
