"""A folder becomes whole in one step, or stays what it was."""

import fcntl
import json
import resource
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from freehold.adapt.fetch.arrival import Arrival, Plan
from freehold.adapt.fetch.download import part_of
from freehold.adapt.origin import NOTE
from freehold.errors import FreeholdError
from tests.model_hub import COMMIT, Fault, ModelHub, sha256

Fetch = Callable[..., Arrival]
Say = Callable[[str], None]
WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the model is to lie."""
    return tmp_path / "models" / "m"


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow beyond 100 kB: what a full disk is to whoever writes one of 300."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def refused(act: Callable[[], object]) -> FreeholdError:
    with pytest.raises(FreeholdError) as failure:
        act()
    return failure.value


def test_a_model_arrives(fetch: Fetch, folder: Path, say: Say, needed: list[str], contents: dict[str, bytes]) -> None:
    """What is needed and a note of where it came from; nothing else is left."""
    plan = fetch().complete(say)
    assert isinstance(plan, Plan)
    assert (plan.folder, sorted(file.name for file in plan.missing)) == (folder, needed)
    assert names(folder) == sorted([*needed, NOTE])
    assert all((folder / name).read_bytes() == contents[name] for name in needed)
    assert [path.name for path in folder.parent.iterdir()] in ([".m.lock", "m"], ["m", ".m.lock"])


def test_the_note(fetch: Fetch, folder: Path, say: Say, needed: list[str], contents: dict[str, bytes]) -> None:
    """Repository, commit, licence, and each file with size and sha256, small ones too."""
    fetch("hf://org/m@v1").complete(say)
    note = json.loads((folder / NOTE).read_text())
    assert (note["uri"], note["revision"], note["license"]) == ("hf://org/m", COMMIT, "apache-2.0")
    assert note["files"] == {name: {"size": len(contents[name]), "sha256": sha256(contents[name])} for name in needed}


def test_a_second_fetch_loads_nothing(hub: ModelHub, fetch: Fetch, folder: Path, say: Say) -> None:
    """Nor writes."""
    fetch().complete(say)
    before = {path: path.stat().st_ino for path in folder.rglob("*")}
    asked = len(hub.loaded())
    plan = fetch().complete(say)
    assert (plan.missing, plan.bytes_missing) == ((), 0)
    assert len(hub.loaded()) == asked
    assert {path: path.stat().st_ino for path in folder.rglob("*")} == before


def test_an_interrupted_fetch_leaves_no_folder(hub: ModelHub, fetch: Fetch, folder: Path, say: Say) -> None:
    """What arrived lies hidden beside it; the next fetch loads only the rest."""
    hub.faults[WEIGHTS] = [Fault(after=100_000), *(Fault(after=0) for _ in range(3))]
    assert refused(lambda: fetch().complete(say)).code == "fetch_cut"
    assert not folder.exists()
    plan = fetch().plan()
    assert plan.begun == 100_000
    assert plan.bytes_missing == sum(file.size for file in plan.missing) - 100_000
    fetch().complete(say)
    assert sha256((folder / WEIGHTS).read_bytes()) == sha256(hub.repos["org/m"].files[WEIGHTS])
    assert [seen.headers.get("range") for seen in hub.seen if seen.path.startswith("/storage/org/m/model")][-1] == (
        "bytes=100000-"
    )


def test_a_failure_ends_the_others(hub: ModelHub, fetch: Fetch, folder: Path, say: Say) -> None:
    """The first is told, and nothing gets its name."""
    hub.faults["tokenizer.json"] = [Fault(after=-1, body=b"X" * len(hub.repos["org/m"].files["tokenizer.json"]))]
    hub.faults[WEIGHTS] = [Fault(after=10, silent=True)]
    error = refused(lambda: fetch().complete(say))
    assert (error.code, error.details["file"]) == ("fetch_digest_differs", "tokenizer.json")
    assert not folder.exists()


def test_a_newer_commit_replaces_the_folder(hub: ModelHub, fetch: Fetch, folder: Path, say: Say) -> None:
    """Only what changed is loaded; what is no longer needed goes, what the user laid there stays."""
    fetch().complete(say)
    (folder / "goldens").mkdir()
    (folder / "goldens" / "mine.json").write_text("{}")
    repo = hub.repos["org/m"]
    repo.commit = "d" * 40
    repo.files["config.json"] = b'{"model_type": "bert", "new": 1}'
    del repo.files["modules.json"], repo.files["1_Pooling/config.json"]
    asked = len(hub.loaded())
    plan = fetch().complete(say)
    assert [file.name for file in plan.missing] == ["config.json"]
    assert {path.rsplit("/", 1)[-1] for path in hub.loaded()[asked:]} == {"config.json"}
    assert names(folder) == sorted(["README.md", "config.json", "goldens/mine.json", WEIGHTS, "tokenizer.json", NOTE])
    assert json.loads((folder / NOTE).read_text())["revision"] == "d" * 40
    assert not [path for path in folder.parent.iterdir() if path.name not in ("m", ".m.lock")]


def test_an_update_that_fails_leaves_the_old_model(hub: ModelHub, fetch: Fetch, folder: Path, say: Say) -> None:
    """Whole, with its note."""
    fetch().complete(say)
    before = {name: (folder / name).read_bytes() for name in names(folder)}
    hub.repos["org/m"].files[WEIGHTS] = b"N" * 200_000
    hub.faults[WEIGHTS] = [Fault(after=5)] + [Fault(after=0)] * 3
    assert refused(lambda: fetch().complete(say)).code == "fetch_cut"
    assert {name: (folder / name).read_bytes() for name in names(folder)} == before


def test_what_an_older_fetch_left_is_not_taken_for_the_new(hub: ModelHub, fetch: Fetch, folder: Path, say: Say) -> None:
    """Neither its parts nor its finished files."""
    hub.faults[WEIGHTS] = [Fault(after=100_000), *(Fault(after=0) for _ in range(3))]
    refused(lambda: fetch().complete(say))
    hub.repos["org/m"].files = {name: content[::-1] for name, content in hub.repos["org/m"].files.items()}
    readable = {"config.json": b"{}", "modules.json": b"[]"}
    hub.repos["org/m"].files.update(readable)
    fetch().complete(say)
    assert names(folder) == sorted(["README.md", "config.json", WEIGHTS, "modules.json", "tokenizer.json", NOTE])
    assert (folder / WEIGHTS).read_bytes() == hub.repos["org/m"].files[WEIGHTS]
    assert not (folder / "1_Pooling").exists()


def test_a_copied_folder_is_completed(
    hub: ModelHub, fetch: Fetch, folder: Path, say: Say, contents: dict[str, bytes]
) -> None:
    """What was carried here by hand counts when it is right; what is damaged is loaded anew."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(contents["config.json"])
    (folder / WEIGHTS).write_bytes(contents[WEIGHTS])
    (folder / "tokenizer.json").write_bytes(b"X" * len(contents["tokenizer.json"]))
    plan = fetch().complete(say)
    assert {"config.json", WEIGHTS} <= set(plan.here)
    assert not hub.asked_for(WEIGHTS)
    assert (folder / "tokenizer.json").read_bytes() == contents["tokenizer.json"]


def test_a_whole_copied_folder_only_gets_its_note(
    hub: ModelHub, fetch: Fetch, folder: Path, say: Say, needed: list[str], contents: dict[str, bytes]
) -> None:
    """Nothing is loaded."""
    for name in needed:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(contents[name])
    fetch().complete(say)
    assert hub.loaded() == []
    assert (folder / NOTE).is_file()


def test_another_folder_is_not_overwritten(fetch: Fetch, folder: Path, say: Say) -> None:
    """One that holds something else is named with what it holds; an empty one is filled."""
    folder.mkdir(parents=True)
    (folder / "thesis.tex").touch()
    error = refused(lambda: fetch().complete(say))
    assert (error.code, error.details["found"]) == ("fetch_folder_taken", "thesis.tex")
    (folder / "thesis.tex").unlink()
    fetch().complete(say)
    assert (folder / WEIGHTS).is_file()
    assert refused(lambda: fetch(folder=folder / WEIGHTS).plan()).code == "fetch_folder_taken"


def test_room_is_looked_for_before_anything_is_loaded(hub: ModelHub, fetch: Fetch, folder: Path, say: Say) -> None:
    """A model larger than the disk is refused with both numbers."""
    hub.repos["org/m"].listed[WEIGHTS] = {"lfs": {"size": 10**18, "sha256": "0" * 64, "pointerSize": 1}}
    error = refused(lambda: fetch().complete(say))
    assert error.code == "fetch_disk_full"
    assert error.details["needed"] > 10**18 > error.details["free"]
    assert not hub.asked_for(WEIGHTS)
    assert [path.name for path in folder.parent.iterdir()] == [".m.lock"]


@pytest.mark.usefixtures("small_files")
def test_a_disk_that_fills_up(fetch: Fetch, folder: Path, say: Say) -> None:
    """Is told as such, not as a traceback; what arrived stays."""
    arrival = fetch()
    error = refused(lambda: arrival.complete(say))
    assert error.code == "fetch_disk_full"
    assert not folder.exists()
    weights = next(file for file in arrival.files if file.name == WEIGHTS)
    assert part_of(arrival.staging / WEIGHTS, weights).stat().st_size == 100_000


def test_a_place_that_cannot_be_written(fetch: Fetch, tmp_path: Path, say: Say) -> None:
    """Names the place and the reason."""
    (tmp_path / "file").touch()
    error = refused(lambda: fetch(folder=tmp_path / "file" / "m").complete(say))
    assert error.code == "fetch_unwritable"
    assert "Not a directory" in error.cause or "File exists" in error.cause


def test_a_kill_between_the_renames_is_mended(hub: ModelHub, fetch: Fetch, folder: Path, say: Say) -> None:
    """The old folder had gone, the new one had no name yet: nothing is loaded again."""
    fetch().complete(say)
    folder.rename(fetch().staging)
    asked = len(hub.loaded())
    fetch().complete(say)
    assert (folder / WEIGHTS).is_file()
    assert {path.rsplit("/", 1)[-1] for path in hub.loaded()[asked:]} <= {"config.json", "modules.json"}


def test_what_the_user_laid_there_outlives_a_kill_between_the_renames(
    hub: ModelHub, fetch: Fetch, folder: Path, say: Say
) -> None:
    """A newer commit was about to replace the folder: its goldens come along in the end."""
    fetch().complete(say)
    (folder / "goldens").mkdir()
    (folder / "goldens" / "raw.json").write_text("mine")
    staging, old = fetch().staging, folder.with_name(".m.replaced")
    shutil.copytree(folder, staging)
    folder.rename(old)
    fetch().complete(say)
    assert (folder / "goldens" / "raw.json").read_text() == "mine"
    old.mkdir()
    fetch().complete(say)
    assert not old.exists()


def test_two_fetches_take_turns(hub: ModelHub, fetch: Fetch, folder: Path, say: Say) -> None:
    """The second waits for the first, and finds everything there."""
    folder.parent.mkdir(parents=True)
    arrival = fetch()
    with folder.with_name(".m.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = threading.Thread(target=lambda: arrival.complete(say))
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
        assert not hub.asked_for(WEIGHTS)
    waiting.join(30)
    assert (folder / WEIGHTS).is_file()


def test_how_far_it_is_is_told(hub: ModelHub, fetch: Fetch) -> None:
    """In files and bytes, while something is slow."""
    told: list[str] = []
    hub.faults[WEIGHTS] = [Fault(after=150_000, silent=True)]
    fetch().complete(told.append)
    assert any("of 6 files" in text and "of 0 MB" in text for text in told)
    assert told[-1] == "putting the files in place"
