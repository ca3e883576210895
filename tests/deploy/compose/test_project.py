"""The containers of a project: what they wrote, and an answer to their probe of just now."""

from freehold.deploy.compose.docker import Docker
from freehold.deploy.compose.project import probed, written
from tests.docker import Engine

TEST = ["CMD-SHELL", "test -e /tmp/ready && echo it is"]


def test_a_container_that_starts_is_asked_now(docker: Engine, base_image: str) -> None:
    """Its own probe comes minutes later; one that runs and one that ended are as Docker says."""
    words = ("--health-cmd", TEST[1], "--health-interval", "1h", base_image)
    script = "echo begun; touch /tmp/ready; sleep 60"
    id_ = docker.docker("run", "--detach", *words, "sh", "-c", script)
    client = Docker.find(docker.environment)
    try:
        docker.docker("exec", id_, "sh", "-c", "until test -e /tmp/ready; do sleep 0.05; done")
        (found,) = client.inspected([id_])
        assert found["State"]["Health"]["Status"] == "starting"
        asked = probed(client, found)["State"]["Health"]
        assert (asked["Status"], asked["Log"][0]["Output"].strip()) == ("healthy", "it is")
        assert "begun" in written(client, id_)
        docker.docker("kill", id_)
        (ended,) = client.inspected([id_])
        assert probed(client, ended) == ended
    finally:
        docker.docker("rm", "--force", id_)
