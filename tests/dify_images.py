"""Images under the names of Dify's in a Docker Engine of the tests: one stand-in for all of them."""

from pathlib import Path

from freehold.deploy.topology.service import Installation
from tests.docker import Engine, base_of

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


def provide(engine: Engine, dify: Installation, folder: Path) -> None:
    """Every image of `dify`, built in `folder`."""
    folder.mkdir(parents=True)
    (folder / "stand_in.py").write_text(STAND_IN.read_text())
    base = base_of(engine)
    (folder / "Dockerfile").write_text(DOCKERFILE.format(base=base, programs=" ".join(PROGRAMS[1:])))
    names = sorted({service.image for service in dify.services})
    engine.docker("build", "--quiet", "--network", "none", "--tag", names[0], folder)
    for name in names[1:]:
        engine.docker("tag", names[0], name)
