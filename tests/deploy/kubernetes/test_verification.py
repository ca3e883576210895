"""The Job that checks a new version before anything is replaced."""

from freehold.deploy.kubernetes.pods import pod
from freehold.deploy.kubernetes.verification import verification, verification_name
from tests.deploy.kubernetes.deployments import CASES, deployment


def test_the_job_sees_what_the_unit_will_see() -> None:
    """Its image, files, volumes, resources and pulls; `check` in place of `serve`."""
    case = CASES["pull"]
    (unit,) = case.units
    *_, job = verification(case, unit)
    spec, served = job["spec"]["template"]["spec"], pod(case, unit)["spec"]
    (container,), (server,) = spec["containers"], served["containers"]
    assert container["args"] == ["check", "/etc/freehold/freehold.yaml"]
    for same in ("image", "volumeMounts", "resources"):
        assert container[same] == server[same]
    assert spec["volumes"] == served["volumes"]
    doctor, pulling = spec["initContainers"]
    assert doctor["args"][0] == "doctor"
    assert pulling == served["initContainers"][0]


def test_the_job_tries_once_and_goes_away() -> None:
    """A failure is told, not repeated; a Job that is forgotten ends."""
    case = CASES["cpu"]
    *_, job = verification(case, case.units[0])
    spec = job["spec"]
    assert spec["backoffLimit"] == 0
    assert spec["activeDeadlineSeconds"] > case.units[0].startup_s
    assert spec["ttlSecondsAfterFinished"] > 0
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_no_service_sends_requests_to_the_job() -> None:
    """Its pods are another instance, and nobody scrapes them."""
    case = CASES["cpu"]
    (unit,) = case.units
    *_, job = verification(case, unit)
    metadata = job["spec"]["template"]["metadata"]
    assert metadata["labels"]["app.kubernetes.io/instance"] == verification_name(unit) != unit.host
    assert "annotations" not in metadata


def test_the_doctor_judges_the_node_and_not_the_bounds() -> None:
    """No limits but the accelerators, which it must see."""
    case = CASES["gpu"]
    *_, job = verification(case, case.units[0])
    doctor = job["spec"]["template"]["spec"]["initContainers"][0]
    assert doctor["resources"]["limits"] == {"nvidia.com/gpu": 1}


def test_servers_of_others_are_not_verified() -> None:
    """What they load is not known before they load it."""
    assert list(verification(CASES["vllm"], CASES["vllm"].units[0])) == []


def test_its_name_is_one_of_a_label_however_long_the_models() -> None:
    """63 letters at most, and the revision among them."""
    (unit,) = deployment({"id": "m" * 128, "source": "/models/m"}).units
    name = verification_name(unit)
    assert len(name) <= 63
    assert name.endswith(f"-{unit.revision}-verify")
