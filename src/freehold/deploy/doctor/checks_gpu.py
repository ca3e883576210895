"""Checks of NVIDIA's driver, CUDA and the container toolkit; whether they go together is judged in `gpu`."""

from __future__ import annotations

from typing import Iterator

from freehold.deploy.doctor.check import INSIDE, Check, Text, Topic
from freehold.deploy.doctor.gpu import NO_CARD
from freehold.deploy.doctor.profile import Checking, Profile
from freehold.deploy.doctor.snapshot import Snapshot
from freehold.deploy.doctor.versions import version_of

DRIVER = Topic(
    "nvidia_driver",
    Text(
        "Models with `device: cuda` or `gpus` run on NVIDIA GPUs, which only its driver opens.",
        "`device: cuda` 或设置了 `gpus` 的模型运行于 NVIDIA GPU，须有其驱动。",
    ),
    Text(
        "Install the driver and restart: `sudo ubuntu-drivers install` (Ubuntu), or NVIDIA's package for this release."
        " In a container, ask for GPUs: `docker run --gpus all`, `nvidia.com/gpu` on Kubernetes.",
        "请安装驱动并重启：Ubuntu 用 `sudo ubuntu-drivers install`，其他系统用 NVIDIA 对应的软件包。"
        "在容器中须申请 GPU：`docker run --gpus all`，Kubernetes 用 `nvidia.com/gpu`。",
    ),
)
CUDA = Topic(
    "cuda",
    Text(
        "The driver runs programs up to one version of CUDA; our image carries CUDA itself, the host needs no toolkit.",
        "驱动只能运行不高于某一版本的 CUDA 程序；镜像自带 CUDA，主机无需安装 CUDA 工具包。",
    ),
    Text(
        "Upgrade the driver; where programs are compiled on this host, install a CUDA toolkit no newer than it runs.",
        "请升级驱动；若在本机编译，请安装不高于驱动所支持版本的 CUDA 工具包。",
    ),
)
TOOLKIT = Topic(
    "nvidia_toolkit",
    Text(
        'Without it Docker refuses containers with GPUs: "could not select device driver".',
        "没有它，Docker 会拒绝带 GPU 的容器：“could not select device driver”。",
    ),
    Text(
        "Install the package nvidia-container-toolkit from NVIDIA's repository or a mirror of it, then"
        " `sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker`.",
        "请从 NVIDIA 软件源或其镜像安装 nvidia-container-toolkit，然后执行"
        " `sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker`。",
    ),
)


def driver(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """The driver and its GPUs; a driver that is loaded and does not answer is told with its own words."""
    needed = Text("a driver, and GPUs that it shows", "驱动及其可见的 GPU")
    version, gpus = snapshot.text("nvidia", "driver"), _names(snapshot)
    if version is None:
        reason = snapshot.reason("nvidia") or "-"
        because = Text(f"{NO_CARD.en}: {reason}", f"{NO_CARD.zh}：{reason}")
        yield DRIVER.lacking(profile.gpu, NO_CARD if profile.gpu == "unasked" else because, needed)
    elif gpus:
        yield DRIVER.ok(f"{version}: {', '.join(gpus)}", needed)
    else:
        trouble = snapshot.text("nvidia", "trouble") or "-"
        found = Text(f"{version} shows no GPU: {trouble}", f"{version} 未显示 GPU：{trouble}")
        restart = Text(
            "Restart the machine: after an upgrade the loaded driver and its libraries differ until then.",
            "请重启机器：升级后，已加载的驱动与其库在重启前版本不一致。",
        )
        yield DRIVER.judged("fail" if profile.gpu == "needed" else "warn", found, needed, restart)


def cuda(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """The newest CUDA that the driver runs, and the toolkit where one is installed."""
    needed = Text("a toolkit, if any, no newer than the driver runs", "若装有工具包，其版本不高于驱动所支持")
    runs, built = snapshot.text("nvidia", "cuda"), snapshot.text("nvcc")
    most, toolkit = version_of(runs), version_of(built)
    if most is None:
        yield CUDA.judged("skip", NO_CARD if not snapshot.has("nvidia") else Text("unknown", "未知"), needed)
    elif toolkit is not None and toolkit[:2] > most[:2]:
        found = Text(f"the driver runs {runs}, nvcc is {built}", f"驱动支持 {runs}，nvcc 为 {built}")
        yield CUDA.judged("warn", found, needed)
    else:
        more = Text(f", nvcc {built}", f"，nvcc {built}") if built else Text("", "")
        yield CUDA.ok(Text(f"the driver runs {runs}{more.en}", f"驱动支持 {runs}{more.zh}"), needed)


def toolkit(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """The container toolkit, by its own program or by Docker's runtimes."""
    version, runtimes = snapshot.text("nvidia_toolkit"), snapshot.texts("docker", "runtimes")
    needed = "nvidia-container-toolkit"
    if version is not None:
        yield TOOLKIT.ok(version, needed)
    elif "nvidia" in runtimes:
        yield TOOLKIT.ok(Text("Docker has the runtime nvidia", "Docker 已配置 nvidia 运行时"), needed)
    elif snapshot.flag("container", "inside") and _names(snapshot):
        yield TOOLKIT.judged("skip", INSIDE, needed)
    elif profile.gpu == "needed" and profile.kubernetes != "needed":
        yield TOOLKIT.judged("fail", _none(snapshot), needed)
    elif _names(snapshot):
        yield TOOLKIT.judged("warn", _none(snapshot), needed)
    else:
        yield TOOLKIT.judged("skip", NO_CARD, needed)


def _names(snapshot: Snapshot) -> list[str]:
    return [gpu.text("name") or "?" for gpu in snapshot.each("nvidia", "gpus")]


def _none(snapshot: Snapshot) -> Text:
    reason = snapshot.reason("nvidia_toolkit") or "-"
    return Text(f"none: {reason}", f"无：{reason}")


CHECKS: tuple[Checking, ...] = (driver, cuda, toolkit)
