"""The place of Docker Compose: a real engine, PostgreSQL in a real container, services that are held and stopped.

No image of Dify is here: its services are shells in our base image, with the labels, variables and volumes that count.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyrage import x25519

from freehold.deploy.compose.docker import Docker
from freehold.deploy.dify.backup.compose import Containers
from freehold.deploy.dify.backup.restoring import Source, restore
from freehold.deploy.dify.backup.saving import Backup, Terms, back_up
from freehold.errors import FreeholdError
from tests.deploy.compose.test_docker import programs
from tests.deploy.dify.backup.world import EMPTY, FILLED, PLUGINS
from tests.docker import Engine, base_of
from tests.postgres import debian

NAME = "freehold-backup"
LABEL = f"com.docker.compose.project={NAME}"
PATH = f"PATH={debian()}:/usr/bin:/bin"
SERVE = (
    "mkdir /tmp/pg && printf hush > /tmp/pg/password && chown -R nobody /tmp/pg && "
    "exec setpriv --reuid=65534 --clear-groups sh -c '"
    "initdb -D /tmp/pg/d -U postgres --no-sync -A scram-sha-256 --pwfile=/tmp/pg/password --locale=C >/dev/null && "
    "exec postgres -D /tmp/pg/d -c fsync=off -c unix_socket_directories=/tmp'"
)
ADDRESS = ("DB_HOST=db_postgres", "DB_USERNAME=postgres")
WRITERS = ("api", "plugin_daemon")
NAMES = [f"{NAME}-{service}" for service in ("db_postgres", *WRITERS)]


@pytest.fixture
def project(docker: Engine) -> Iterator[Engine]:
    """Containers as Compose would have made them; PostgreSQL's programs are this machine's."""
    base = base_of(docker)

    def run(service: str, environ: tuple[str, ...], volumes: tuple[str, ...], *words: str) -> None:
        init = () if service == "db_postgres" else ("--init",)  # which lies below /usr
        labels = ("--label", LABEL, "--label", f"com.docker.compose.service={service}")
        said = [word for one in environ for word in ("--env", one)] + [w for one in volumes for w in ("--volume", one)]
        docker.docker("run", "-d", "--name", f"{NAME}-{service}", *init, *labels, *said, base, *words)

    storage = ("SECRET_KEY=hush", "DB_DATABASE=dify", *ADDRESS)
    docker.docker("rm", "--force", *NAMES, check=False)  # of a run that was killed
    run(
        "db_postgres",
        (PATH, "PGHOST=/tmp", "POSTGRES_PASSWORD=hush", "PGPASSWORD="),
        ("/usr:/usr:ro",),
        "sh",
        "-c",
        SERVE,
    )
    run("api", storage, (f"{NAME}-storage:/app/api/storage",), "sleep", "600")
    daemon = ("DB_DATABASE=dify_plugin", *ADDRESS)
    run("plugin_daemon", daemon, (f"{NAME}-plugins:/app/storage",), "sleep", "600")
    script = "for i in $(seq 200); do pg_isready -q && exit; sleep 0.05; done; exit 1"
    docker.docker("exec", f"{NAME}-db_postgres", "sh", "-c", script)
    for name, text in (("dify", EMPTY), ("dify_plugin", PLUGINS)):
        sql(docker, "postgres", f"CREATE DATABASE {name}")
        sql(docker, name, text)
    yield docker
    docker.docker("rm", "--force", *NAMES)
    docker.docker("volume", "rm", f"{NAME}-storage", f"{NAME}-plugins")


def sql(docker: Engine, database: str, text: str) -> str:
    """Statements in the container's server."""
    words = (
        "env",
        "PGPASSWORD=hush",
        "psql",
        "-q",
        "-A",
        "-t",
        "-v",
        "ON_ERROR_STOP=1",
        "-U",
        "postgres",
        "-d",
        database,
    )
    return docker.docker("exec", "-i", f"{NAME}-db_postgres", *words, input=text)


def states(docker: Engine) -> list[str]:
    """Of the services that write."""
    return [docker.docker("inspect", "--format", "{{.State.Status}}", f"{NAME}-{name}") for name in WRITERS]


def test_a_dify_in_containers_is_saved(project: Engine, tmp_path: Path) -> None:
    """Services are paused while it is read, and run again; those that are stopped start again."""
    place, saved = save(project, tmp_path, x25519.Identity.generate())
    assert saved.manifest.databases["dify"].rows["accounts"] == 50
    assert saved.manifest.folders["app-storage"].files == 1
    place.freeze()
    place.stop()
    assert states(project) == ["exited", "exited"]
    place.start()
    assert states(project) == ["running", "running"]


@pytest.mark.soak
def test_a_dify_in_containers_is_restored(project: Engine, tmp_path: Path) -> None:
    """After its data was lost; and refused over data."""
    key = x25519.Identity.generate()
    place, saved = save(project, tmp_path, key)
    sql(project, "postgres", "DROP DATABASE dify; CREATE DATABASE dify;")
    project.docker("exec", f"{NAME}-api", "rm", "-r", "/app/api/storage/upload_files")
    restore(place, Source(saved.path, [key]), lambda _text: None)
    assert states(project) == ["running", "running"]
    assert sql(project, "dify", "SELECT count(*) FROM accounts") == "50"
    assert project.docker("exec", f"{NAME}-api", "cat", "/app/api/storage/upload_files/a") == "mine"
    with pytest.raises(FreeholdError) as refused:
        restore(place, Source(saved.path, [key]), lambda _text: None)
    assert refused.value.code == "dify_backup_target_not_empty"


def save(project: Engine, folder: Path, key: x25519.Identity) -> tuple[Containers, Backup]:
    """Somebody's data in a backup, for whose time the services were paused."""
    (folder / ".env").write_text("SECRET_KEY=hush\n")
    place, seen = Containers(Docker(project.environment), LABEL, {".env": folder / ".env"}, "1.15.0"), []
    fill = "mkdir -p /app/api/storage/upload_files && echo mine > /app/api/storage/upload_files/a"
    sql(project, "dify", FILLED)
    project.docker("exec", f"{NAME}-api", "sh", "-c", fill)

    def look(text: str) -> None:
        if text.startswith("reading folder"):
            seen.extend(states(project))

    saved = back_up(place, folder / "one.age", Terms([key.to_public()]), look)
    assert set(seen) == {"paused"}
    assert states(project) == ["running", "running"]
    return place, saved


def test_a_project_without_dify_is_told(docker: Engine) -> None:
    """With what it has."""
    place = Containers(Docker(docker.environment), "com.docker.compose.project=nobody", {})
    with pytest.raises(FreeholdError) as absent:
        place.found()
    assert absent.value.code == "dify_backup_absent"


def test_every_copy_of_a_service_is_held_and_what_an_upgrade_left_is_stopped(tmp_path: Path) -> None:
    """`--scale worker=2`; a migration, and a command in a container of its own, whose `docker` was killed."""
    states = {
        "api": "exited",
        "worker": "running",
        "worker-2": "running",
        "web": "running",
        "migration": "running",
        "api-run": "running",
    }
    inspected = [
        {
            "Id": name,
            "Image": "",
            "State": {"Status": status},
            "Config": {
                "Image": "",
                "Labels": {
                    "com.docker.compose.service": name.partition("-")[0],
                    "com.docker.compose.oneoff": "True" if "run" in name else "False",
                },
            },
        }
        for name, status in states.items()
    ]
    answers = {"inspect": json.dumps(inspected), "ps": " ".join(states)}
    kept = f"open({str(tmp_path / 'log')!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10))"
    script = f"print({answers!r}[sys.argv[1]]) if sys.argv[1] in {list(answers)!r} else {kept}"
    place = Containers(Docker(programs(tmp_path, docker=script)), LABEL, {})
    place.freeze()
    place.stop()
    place.start()
    held, stopped, started = (tmp_path / "log").read_text().splitlines()
    assert held == "pause worker worker-2"
    assert stopped == "stop worker worker-2 migration api-run"
    assert started == "start api"
