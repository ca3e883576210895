"""Whether cards, driver, CUDA, ONNX Runtime and TensorRT go together: the tables, and checks by them."""

from __future__ import annotations

from typing import Callable, Iterator, Sequence

from freehold.deploy.doctor.check import Check, Status, Text, Topic
from freehold.deploy.doctor.facts_cards import OTHER_DEVICES
from freehold.deploy.doctor.profile import Checking, Profile
from freehold.deploy.doctor.snapshot import Snapshot
from freehold.deploy.doctor.versions import version_of

LEAST_DRIVER = {13: 580, 12: 525, 11: 450}
"""Of each major version of CUDA, for all of its minor versions.
https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html"""
IMAGE_CUDA = 13
"""What our image for CUDA carries: requirements/cuda.lock."""
ONNXRUNTIME_CUDA = (((1, 31), (13,)), ((1, 26), (12, 13)), ((1, 19), (12,)), ((1, 0), (11, 12)))
"""From which version of onnxruntime-gpu on, which CUDA its package on PyPI may be built for; cuDNN 9 from 1.19 on.
https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html; of 1.31 its own dependencies say it. Where
two are named, the package of cuDNN beside it decides."""
TENSORRT_DRIVER = 535
"""https://docs.nvidia.com/deeplearning/tensorrt/latest/installing-tensorrt/prerequisites.html"""
LEAST_CAPABILITY = (7, 5)
"""Turing: CUDA 13 compiles for nothing older (https://docs.nvidia.com/cuda/cuda-toolkit-release-notes/), TensorRT 10
runs on nothing older."""
BF16, FP8, FP4 = (8, 0), (8, 9), (10, 0)
"""What tensor cores take, by compute capability: https://docs.nvidia.com/cuda/cuda-c-programming-guide/"""

NO_CARD = Text("no NVIDIA GPU", "无 NVIDIA GPU")
DRIVER_CUDA = Topic(
    "driver_cuda",
    Text(
        "A driver runs programs of its own major version of CUDA and of older ones, of newer ones none.",
        "驱动只能运行与其同一大版本或更旧的 CUDA 程序，不能运行更新的。",
    ),
    Text(
        "Upgrade the driver to {least} or newer and restart; or set `deploy.image` to an image with an older CUDA.",
        "请将驱动升级到 {least} 或更新并重启；或用 `deploy.image` 指定带较旧 CUDA 的镜像。",
    ),
)
RUNTIME = Topic(
    "onnxruntime_gpu",
    Text(
        "onnxruntime-gpu is built for one CUDA and cuDNN; with libraries of another it finds no GPU.",
        "onnxruntime-gpu 针对特定的 CUDA 与 cuDNN 构建；库版本不符时找不到 GPU。",
    ),
    Text(
        "Install what belongs together: pip install -r requirements/cuda.lock, or use the image with `-cuda`.",
        "请安装配套版本：pip install -r requirements/cuda.lock，或使用带 `-cuda` 的镜像。",
    ),
)
TENSORRT = Topic(
    "tensorrt",
    Text(
        "TensorRT is built for one CUDA; ONNX Runtime loads it only beside the same.",
        "TensorRT 针对特定的 CUDA 构建；ONNX Runtime 只有在 CUDA 相同时才能加载。",
    ),
    Text(
        "Install the TensorRT of the same CUDA: pip install tensorrt-cu{cuda}; its driver is 535 or newer.",
        "请安装相同 CUDA 的 TensorRT：pip install tensorrt-cu{cuda}；驱动须为 535 或更新。",
    ),
)
CAPABILITY = Topic(
    "gpu_capability",
    Text(
        "What a card computes with decides what runs on it: bf16 from 8.0 on, fp8 from 8.9, fp4 from 10.0.",
        "显卡支持的数据类型决定可运行的内容：8.0 起支持 bf16，8.9 起支持 fp8，10.0 起支持 fp4。",
    ),
    Text(
        "Give models in vLLM on these cards `args: [--dtype, half]`; cards below 7.5 run none of our images.",
        "请为这些卡上的 vLLM 模型设置 `args: [--dtype, half]`；低于 7.5 的卡无法运行我们的镜像。",
    ),
)
MIG = Topic(
    "gpu_mig",
    Text(
        "A card cut by MIG is several small ones: no model spans them, and Kubernetes may call them by other names.",
        "启用 MIG 的卡被切成多块小卡：模型不能跨块，且在 Kubernetes 中资源名可能不同。",
    ),
    Text(
        "Ask for slices by name, `gpus: {{resource: nvidia.com/mig-1g.10gb, count: 1}}`, or end it:"
        " `sudo nvidia-smi -i {cards} -mig 0`.",
        "请按名称申请切片：`gpus: {{resource: nvidia.com/mig-1g.10gb, count: 1}}`；或关闭 MIG："
        "`sudo nvidia-smi -i {cards} -mig 0`。",
    ),
)
PERSISTENCE = Topic(
    "gpu_persistence",
    Text(
        "Without it the driver unloads a card that nobody uses, and each start waits seconds for it.",
        "未启用时，驱动会卸载空闲的卡，每次启动都要等待数秒。",
    ),
    Text("sudo systemctl enable --now nvidia-persistenced", "sudo systemctl enable --now nvidia-persistenced"),
)
ERRORS = Topic(
    "gpu_memory_errors",
    Text(
        "Memory errors that could not be corrected end programs, or falsify what they compute.",
        "无法纠正的显存错误会使程序终止或结果出错。",
    ),
    Text(
        "Stop what uses card {cards}, reset it (`sudo nvidia-smi -r -i {cards}`); if errors return, replace it.",
        "请停止使用 {cards} 号卡的程序并重置（`sudo nvidia-smi -r -i {cards}`）；若再次出错，请更换。",
    ),
)
OTHERS = Topic(
    "other_accelerators",
    Text(
        "Our engines compute on processors and NVIDIA GPUs; other cards are reached through their vendor's server.",
        "我们的引擎在 CPU 与 NVIDIA GPU 上计算；其他加速卡须通过厂商的推理服务使用。",
    ),
    Text(
        "Run the model in the vendor's server: set `image:`, `command:` and `gpus: {resource: ..., count: 1}`.",
        "请用厂商的推理服务运行模型：设置 `image:`、`command:` 和 `gpus: {resource: ..., count: 1}`。",
    ),
)


def driver_cuda(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """The driver against the CUDA of the installed runtime, or of our image where none is installed."""
    driver, cuda = _driver(snapshot), _runtime_cuda(snapshot) or IMAGE_CUDA
    least = LEAST_DRIVER.get(cuda, max(LEAST_DRIVER.values()))
    needed = Text(f"driver >= {least} for CUDA {cuda}", f"CUDA {cuda} 需要驱动 >= {least}")
    if driver is None:
        yield DRIVER_CUDA.judged("skip", NO_CARD, needed, _filled(DRIVER_CUDA.fix, least=least))
        return
    runs = next((major for major, oldest in LEAST_DRIVER.items() if driver >= oldest), 0)
    found = Text(f"driver {driver}: CUDA up to {runs}", f"驱动 {driver}：最高 CUDA {runs}")
    status: Status = "ok" if driver >= least else _serious(profile)
    yield DRIVER_CUDA.judged(status, found, needed, _filled(DRIVER_CUDA.fix, least=least))


def runtime(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """onnxruntime-gpu against the packages of cuDNN beside it."""
    text = snapshot.text("packages", "onnxruntime-gpu")
    version = version_of(text)
    if version is None:
        absent = Text("not installed for this Python", "此 Python 未安装")
        yield RUNTIME.judged("skip", absent, Text("in the image, if at all", "仅镜像中需要"))
        return
    builds = _builds(version)
    present = {cuda for cuda in LEAST_DRIVER if snapshot.has("packages", f"nvidia-cudnn-cu{cuda}")}
    needed = Text(f"cuDNN for CUDA {_either(builds, 'or')}", f"CUDA {_either(builds, '或')} 的 cuDNN")
    if present and not present & set(builds):
        found = Text(
            f"onnxruntime-gpu {text} beside cuDNN for CUDA {_either(sorted(present), 'and')}",
            f"onnxruntime-gpu {text}，而 cuDNN 用于 CUDA {_either(sorted(present), '和')}",
        )
        yield RUNTIME.lacking("needed" if profile.gpu == "needed" else "wished", found, needed)
    else:
        yield RUNTIME.ok(f"onnxruntime-gpu {text}", needed)


def tensorrt(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """TensorRT's package against the CUDA of the runtime, and the driver."""
    present = [cuda for cuda in LEAST_DRIVER if snapshot.has("packages", f"tensorrt-cu{cuda}")]
    wanted, driver = _runtime_cuda(snapshot) or IMAGE_CUDA, _driver(snapshot)
    needed = Text(f"TensorRT for CUDA {wanted}, if any", f"若使用 TensorRT，须为 CUDA {wanted} 版本")
    fix = _filled(TENSORRT.fix, cuda=wanted)
    if not present:
        yield TENSORRT.judged("skip", Text("not installed for this Python", "此 Python 未安装"), needed, fix)
    elif wanted not in present:
        found = Text(f"TensorRT for CUDA {_either(present, 'and')}", f"CUDA {_either(present, '和')} 的 TensorRT")
        yield TENSORRT.judged("warn", found, needed, fix)
    elif driver is not None and driver < TENSORRT_DRIVER:
        yield TENSORRT.judged("warn", Text(f"driver {driver}", f"驱动 {driver}"), needed, fix)
    else:
        yield TENSORRT.judged("ok", f"tensorrt-cu{wanted}", needed, fix)


def capability(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """The weakest card, by its compute capability."""
    found = [(version, gpu) for gpu in snapshot.each("nvidia", "gpus") if (version := _capability(gpu))]
    needed = Text("7.5 or higher; 8.0 for bf16", "7.5 或更高；bf16 需要 8.0")
    if not found:
        yield CAPABILITY.judged("skip", NO_CARD if not _has_cards(snapshot) else Text("unknown", "未知"), needed)
        return
    weakest, gpu = min(found, key=lambda pair: pair[0])
    name = f"{gpu.text('name') or '?'} {weakest[0]}.{weakest[1]}"
    if weakest < LEAST_CAPABILITY:
        yield CAPABILITY.judged(_serious(profile), name, needed)
    elif weakest < BF16:
        yield CAPABILITY.judged("warn", Text(f"{name}: no bf16", f"{name}：不支持 bf16"), needed)
    else:
        more = "bf16" + (", fp8" if weakest >= FP8 else "") + (", fp4" if weakest >= FP4 else "")
        yield CAPABILITY.ok(f"{name}: {more}", needed)


def mig(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """Cards that MIG has cut."""
    cut = _cards(snapshot, lambda state: state.flag("mig") is True)
    fix = _filled(MIG.fix, cards=cut or "N")
    needed = Text("whole cards, or slices asked for by name", "整卡，或按名称申请切片")
    if not snapshot.has("nvidia_state"):
        yield MIG.judged("skip", NO_CARD, needed, fix)
    elif cut:
        yield MIG.judged("warn", Text(f"MIG is on: card {cut}", f"已启用 MIG：{cut} 号卡"), needed, fix)
    else:
        yield MIG.judged("ok", Text("off", "未启用"), needed, fix)


def persistence(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """Whether the driver keeps idle cards."""
    needed = Text("on", "启用")
    if not snapshot.has("nvidia_state"):
        yield PERSISTENCE.judged("skip", NO_CARD, needed)
    elif cards := _cards(snapshot, lambda state: state.flag("persistence") is False):
        yield PERSISTENCE.judged("warn", Text(f"off: card {cards}", f"未启用：{cards} 号卡"), needed)
    else:
        yield PERSISTENCE.ok(needed, needed)


def memory_errors(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """Errors since the driver was loaded that ECC found and could not correct."""
    cards = _cards(snapshot, lambda state: (state.number("uncorrected") or 0) > 0)
    fix = _filled(ERRORS.fix, cards=cards or "N")
    needed = Text("none uncorrected", "无未纠正的错误")
    if not snapshot.has("nvidia_state"):
        yield ERRORS.judged("skip", NO_CARD, needed, fix)
    elif cards:
        yield ERRORS.judged(
            _serious(profile), Text(f"uncorrected: card {cards}", f"存在未纠正错误：{cards} 号卡"), needed, fix
        )
    else:
        yield ERRORS.judged("ok", needed, needed, fix)


def others(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """Cards of other vendors: told, and a warning where GPUs are needed and no other is there."""
    vendors = [name for name in OTHER_DEVICES if snapshot.number("accelerators", name)]
    needed = Text("none, or a server of their vendor", "无，或使用厂商的推理服务")
    if not vendors:
        yield OTHERS.judged("skip", Text("none", "无"), needed)
    else:
        alone = profile.gpu == "needed" and not _has_cards(snapshot)
        yield OTHERS.judged("warn" if alone else "ok", ", ".join(vendors), needed)


def _serious(profile: Profile) -> Status:
    """What a fault of the cards is to this profile."""
    return "fail" if profile.gpu == "needed" else "warn"


def _filled(text: Text, **values: object) -> Text:
    """With each `{name}` replaced by its value."""
    return Text(text.en.format(**values), text.zh.format(**values))


def _driver(snapshot: Snapshot) -> int | None:
    """The driver's major version."""
    version = version_of(snapshot.text("nvidia", "driver"))
    return version[0] if version else None


def _has_cards(snapshot: Snapshot) -> bool:
    return any(True for _ in snapshot.each("nvidia", "gpus"))


def _capability(gpu: Snapshot) -> tuple[int, int] | None:
    version = version_of(gpu.text("capability"))
    return (version[0], version[1]) if version else None


def _builds(version: Sequence[int]) -> tuple[int, ...]:
    """The major versions of CUDA that this onnxruntime-gpu may be built for."""
    return next((builds for oldest, builds in ONNXRUNTIME_CUDA if tuple(version[:2]) >= oldest), (11,))


def _runtime_cuda(snapshot: Snapshot) -> int | None:
    """The CUDA of the installed onnxruntime-gpu; where it may be of two, that of cuDNN beside it, else the newer."""
    version = version_of(snapshot.text("packages", "onnxruntime-gpu"))
    if version is None:
        return None
    builds = _builds(version)
    beside = [cuda for cuda in builds if snapshot.has("packages", f"nvidia-cudnn-cu{cuda}")]
    return max(beside or builds)


def _cards(snapshot: Snapshot, chosen: Callable[[Snapshot], bool]) -> str:
    """The numbers of the cards whose state is so: "0,2"."""
    numbers = (state.number("index") for state in snapshot.each("nvidia_state") if chosen(state))
    return ",".join(f"{number:.0f}" for number in numbers if number is not None)


def _either(cudas: Sequence[int], word: str) -> str:
    return f" {word} ".join(str(cuda) for cuda in cudas)


CHECKS: tuple[Checking, ...] = (driver_cuda, runtime, tensorrt, capability, mig, persistence, memory_errors, others)
