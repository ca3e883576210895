"""Images under the names of Dify's in a Docker Engine of the tests: one stand-in for all of them."""

import shutil
from pathlib import Path

from freehold.deploy.topology.service import Installation
from tests.docker import Engine, base_of
from tests.postgres import with_pgvector

STAND_IN = Path(__file__).with_name("dify_stand_in.py")
PROGRAMS = ("service", "postgres", "pg_isready", "redis-server", "redis-cli", "squid", "nginx", "celery")
DOCKERFILE = """\
FROM {base}
COPY stand_in.py /usr/local/bin/service
RUN for name in {programs}; do ln -sf service /usr/local/bin/$name; done; \
    ln -sf /usr/local/bin/service /usr/sbin/squid; \
    chmod 0755 /usr/local/bin/service; install -d /app/api/storage /app/storage /dependencies
ENTRYPOINT ["service"]
"""


WITH_DATABASES = """\
COPY programs /opt/programs
RUN for name in psql pg_dump pg_restore; do ln -s /opt/programs/*/pginstall/bin/$name /usr/local/bin/$name; done; \
    echo "postgres:x:70:70::/:/bin/sh" >>/etc/passwd; echo "vectors:x:999:999::/:/bin/sh" >>/etc/passwd; \
    install -d -m 1777 /var/lib/postgresql/data /var/run/postgresql /tmp
"""


def provide(engine: Engine, dify: Installation, folder: Path, *, databases: bool = False) -> None:
    """Every image of `dify`, built in `folder`; with `databases` those of PostgreSQL are real ones, of a wheel."""
    folder.mkdir(parents=True)
    (folder / "stand_in.py").write_text(STAND_IN.read_text())
    text = DOCKERFILE.format(base=base_of(engine), programs=" ".join(PROGRAMS[1:]))
    if databases:
        package = with_pgvector().parents[1]
        for part in (package / "pginstall", package.with_name(f"{package.name}.libs")):
            shutil.copytree(part, folder / "programs" / part.relative_to(package.parent), symlinks=True)
        text += WITH_DATABASES
    (folder / "Dockerfile").write_text(text)
    names = sorted({service.image for service in dify.services})
    engine.docker("build", "--quiet", "--network", "none", "--tag", names[0], folder)
    for name in names[1:]:
        engine.docker("tag", names[0], name)
