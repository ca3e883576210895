"""The one table of errors: code -> kind, cause, fix in English and Chinese.

The rows live in `texts/`, one file an area, so that none grows past the house's budget.
"""

from freehold.errors.kinds import Entry
from freehold.errors.texts import (
    access,
    adapt,
    artifact,
    balance,
    bundle,
    causal,
    chat,
    chat_template,
    cli,
    cluster,
    compose,
    config,
    convert,
    decoder,
    deploy,
    dify,
    dify_backup,
    dify_check,
    dify_connect,
    dify_console,
    dify_official,
    dify_upgrade,
    doctor,
    engine,
    fetch,
    fit,
    gateway,
    generation,
    grpc,
    huggingface,
    image,
    kubernetes,
    machine,
    models,
    plugin,
    proof,
    protocol,
    pytorch,
    quantize,
    registry,
    release,
    rendering,
    repositories,
    rollout,
    routing,
    sampling,
    server,
    shadow,
    shared_memory,
    signing,
    store,
    tensorflow,
    tensorrt,
    tls,
    units,
    vllm,
)


def _merge(*areas: dict[str, Entry]) -> dict[str, Entry]:
    table: dict[str, Entry] = {}
    for area in areas:
        twice = table.keys() & area.keys()
        if twice:
            raise RuntimeError(f"error codes declared twice: {sorted(twice)}")
        table.update(area)
    return table


CATALOG: dict[str, Entry] = _merge(
    config.ENTRIES,
    machine.ENTRIES,
    artifact.ENTRIES,
    adapt.ENTRIES,
    decoder.ENTRIES,
    causal.ENTRIES,
    engine.ENTRIES,
    protocol.ENTRIES,
    sampling.ENTRIES,
    access.ENTRIES,
    models.ENTRIES,
    server.ENTRIES,
    chat.ENTRIES,
    chat_template.ENTRIES,
    gateway.ENTRIES,
    tls.ENTRIES,
    shadow.ENTRIES,
    grpc.ENTRIES,
    shared_memory.ENTRIES,
    rollout.ENTRIES,
    rendering.ENTRIES,
    balance.ENTRIES,
    routing.ENTRIES,
    generation.ENTRIES,
    store.ENTRIES,
    registry.ENTRIES,
    signing.ENTRIES,
    fetch.ENTRIES,
    convert.ENTRIES,
    pytorch.ENTRIES,
    huggingface.ENTRIES,
    tensorflow.ENTRIES,
    proof.ENTRIES,
    quantize.ENTRIES,
    tensorrt.ENTRIES,
    repositories.ENTRIES,
    compose.ENTRIES,
    deploy.ENTRIES,
    doctor.ENTRIES,
    fit.ENTRIES,
    image.ENTRIES,
    kubernetes.ENTRIES,
    cluster.ENTRIES,
    release.ENTRIES,
    units.ENTRIES,
    vllm.ENTRIES,
    dify.ENTRIES,
    dify_console.ENTRIES,
    dify_connect.ENTRIES,
    dify_check.ENTRIES,
    dify_official.ENTRIES,
    dify_backup.ENTRIES,
    dify_upgrade.ENTRIES,
    bundle.ENTRIES,
    plugin.ENTRIES,
    cli.ENTRIES,
)


def explain(code: str) -> Entry | None:
    """The row of `code`, or None when there is no such code."""
    return CATALOG.get(code)
