"""Engines that are kept, and built again where anything differs."""

from pathlib import Path

import msgspec
import pytest

from freehold.adapt.tensorrt.engines import EngineCache, EngineKey
from freehold.adapt.tensorrt.profiles import Profile

KEY = EngineKey(
    artifact="sha256:" + "0" * 64,
    builder="trtexec",
    version="10.13.3",
    capability="9.0",
    driver="550",
    precision="fp16",
    workspace_mb=0,
    profiles=(Profile("x", (1,), (2,), (3,)),),
)


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    """One engine is kept under KEY."""
    kept = EngineCache(tmp_path / "cache")
    (tmp_path / "engine.plan").write_bytes(b"an engine")
    kept.keep(KEY, [tmp_path / "engine.plan"])
    return kept


def test_what_is_kept_is_found(cache: EngineCache) -> None:
    """With its bytes; nothing is left beside it."""
    found = cache.find(KEY)
    assert found is not None
    assert (found / "engine.plan").read_bytes() == b"an engine"
    assert [path.name for path in cache.folder.iterdir()] == [KEY.digest]


@pytest.mark.parametrize(
    "change",
    [
        {"artifact": "sha256:" + "1" * 64},
        {"builder": "onnxruntime"},
        {"version": "10.13.4"},
        {"capability": "8.6"},
        {"driver": "570"},
        {"precision": "fp32"},
        {"workspace_mb": 1024},
        {"profiles": (Profile("x", (1,), (2,), (4,)),)},
    ],
)
def test_any_other_key_is_built_again(cache: EngineCache, change: dict[str, object]) -> None:
    """Model, builder, version, GPU, driver, precision, memory and shapes."""
    assert cache.find(msgspec.structs.replace(KEY, **change)) is None


def test_a_damaged_engine_is_built_again(cache: EngineCache, tmp_path: Path) -> None:
    """One flipped byte, or a note that cannot be read; keeping it once more mends it."""
    found = cache.find(KEY)
    assert found is not None
    (found / "engine.plan").write_bytes(b"an enginf")
    assert cache.find(KEY) is None
    (found / "key.json").write_text("{")
    assert cache.find(KEY) is None
    cache.keep(KEY, [tmp_path / "engine.plan"])
    assert cache.find(KEY) is not None


def test_a_failed_keeping_leaves_nothing(cache: EngineCache, tmp_path: Path) -> None:
    """A file that is not there."""
    other = msgspec.structs.replace(KEY, driver="1")
    with pytest.raises(FileNotFoundError):
        cache.keep(other, [tmp_path / "gone"])
    assert [path.name for path in cache.folder.iterdir()] == [KEY.digest]
