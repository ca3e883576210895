"""Checks of a Kubernetes cluster: needed by the profile `cluster`, told by the others where there is one."""

from __future__ import annotations

from typing import Iterator

from freehold.deploy.doctor.check import INSIDE, Check, Level, Text, Topic, Words
from freehold.deploy.doctor.facts_cluster import READERS
from freehold.deploy.doctor.profile import Checking, Profile
from freehold.deploy.doctor.snapshot import Snapshot
from freehold.deploy.doctor.versions import version_of

__all__ = ["CHECKS", "READERS"]

OURS = "amd64", "arm64"
NONE = Text("none", "无")
VERSION = Topic(
    "kubernetes",
    Text(
        "Older clusters lack what is rendered: Ingress v1 and PodDisruptionBudget v1 among others.",
        "更旧的集群缺少所渲染的 API，例如 Ingress v1、PodDisruptionBudget v1。",
    ),
    Text(
        "Upgrade the cluster, or point kubectl at another: `kubectl config use-context NAME`; then set"
        ' `deploy: {kubernetes: "1.NN"}` to its version.',
        "请升级集群，或切换 kubectl 所用集群：`kubectl config use-context NAME`；并将"
        ' `deploy: {kubernetes: "1.NN"}` 设为其版本。',
    ),
)
NODES = Topic(
    "cluster_nodes",
    Text(
        "Pods run on nodes that are ready, of an architecture that the image has.",
        "Pod 只能运行在就绪且架构受支持的节点上。",
    ),
    Text(
        "Look at `kubectl describe node NAME`: its conditions say why.",
        "请查看 `kubectl describe node NAME` 中的状态原因。",
    ),
)
STORAGE = Topic(
    "storage_class",
    Text(
        "Without a default class a claim for models waits for ever unless `deploy.storage.storage_class` names one.",
        "没有默认存储类时，模型的存储声明会一直等待，除非设置了 `deploy.storage.storage_class`。",
    ),
    Text(
        "Name a class in `deploy.storage.storage_class`, or make one the default: kubectl patch storageclass NAME -p"
        ' \'{"metadata":{"annotations":{"storageclass.kubernetes.io/is-default-class":"true"}}}\'',
        "请在 `deploy.storage.storage_class` 中指定，或设为默认：kubectl patch storageclass NAME -p"
        ' \'{"metadata":{"annotations":{"storageclass.kubernetes.io/is-default-class":"true"}}}\'',
    ),
)
INGRESS = Topic(
    "ingress_class",
    Text("`deploy.ingress` needs a controller that answers for it.", "`deploy.ingress` 需要相应的 Ingress 控制器。"),
    Text(
        "Install an ingress controller (ingress-nginx, Traefik, ...) and name its class in"
        " `deploy.ingress.ingress_class`; without it only the cluster reaches the gateway.",
        "请安装 Ingress 控制器（ingress-nginx、Traefik 等），并在 `deploy.ingress.ingress_class` 中填写其类名；"
        "否则只有集群内部可访问网关。",
    ),
)
CERTIFICATES = Topic(
    "cert_manager",
    Text(
        "`deploy.ingress.issuer` gets certificates from cert-manager.",
        "`deploy.ingress.issuer` 通过 cert-manager 获取证书。",
    ),
    Text(
        "Install cert-manager, or give `deploy.ingress.secret` an existing TLS secret.",
        "请安装 cert-manager，或用 `deploy.ingress.secret` 指定已有的 TLS Secret。",
    ),
)
METRICS = Topic(
    "cluster_metrics",
    Text(
        "Copies are added by waiting requests (prometheus-adapter) or by CPU (metrics-server).",
        "副本数按排队请求（prometheus-adapter）或 CPU（metrics-server）自动伸缩。",
    ),
    Text(
        "Install prometheus-adapter for `scale.by: queue`, or metrics-server for `scale.by: cpu`; without them leave"
        " `scale.most` out.",
        "`scale.by: queue` 需安装 prometheus-adapter，`scale.by: cpu` 需安装 metrics-server；"
        "都没有时请勿设置 `scale.most`。",
    ),
)
PLUGIN = Topic(
    "gpu_plugin",
    Text(
        "Pods get cards only through a device plugin, which gives nodes a resource.",
        "Pod 只能通过设备插件获得显卡资源。",
    ),
    Text(
        "Install NVIDIA's GPU operator, or its device plugin on nodes with driver and container toolkit; other vendors"
        " have their own. `kubectl describe node` then shows nvidia.com/gpu.",
        "请安装 NVIDIA GPU Operator，或在已装驱动与容器工具包的节点上安装其设备插件；其他厂商有各自的插件。"
        "之后 `kubectl describe node` 会显示 nvidia.com/gpu。",
    ),
)
PERMISSIONS = Topic(
    "cluster_permissions",
    Text(
        "`freehold deploy` creates these objects with your own rights.",
        "`freehold deploy` 用您自己的权限创建这些对象。",
    ),
    Text(
        "Ask the cluster's administrator for them, or apply what `freehold render kubernetes` writes by someone who has"
        " them.",
        "请向集群管理员申请，或由有权限者应用 `freehold render kubernetes` 的输出。",
    ),
)


def kubernetes(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """The API server's version; a pod of the cluster, which has no kubectl, need not ask for it."""
    needed, text = f">= {profile.kubernetes_version}", snapshot.text("cluster", "server")
    version, least = version_of(text), version_of(profile.kubernetes_version)
    if version is None and snapshot.text("container", "kind") == "kubernetes":
        yield VERSION.judged("skip", INSIDE, needed)
    elif version is None:
        reason = snapshot.reason("cluster") or "-"
        yield VERSION.lacking(profile.kubernetes, Text(f"no cluster: {reason}", f"无集群：{reason}"), needed)
    elif least is not None and version[:2] < least[:2]:
        yield VERSION.lacking("needed", text or "", needed)
    else:
        yield VERSION.ok(text or "", needed)


def nodes(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """How many nodes are ready, of ours."""
    needed = Text("at least one ready, amd64 or arm64", "至少一个就绪节点，amd64 或 arm64")
    if not snapshot.has("cluster_nodes"):
        yield _unread(snapshot, NODES, "cluster_nodes", needed)
        return
    listed = list(snapshot.each("cluster_nodes"))
    good = [node for node in listed if node.flag("ready") and node.text("architecture") in OURS]
    kinds = ", ".join(sorted({node.text("architecture") or "?" for node in listed})) or "-"
    found = Text(f"{len(good)} of {len(listed)} ready ({kinds})", f"{len(listed)} 个中 {len(good)} 个就绪（{kinds}）")
    if not good:
        yield NODES.lacking("needed", found, needed)
    else:
        yield NODES.ok(found, needed) if len(good) == len(listed) else NODES.lacking("wished", found, needed)


def storage(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """A default storage class."""
    yield _one_of(snapshot, STORAGE, "cluster_storage", Text("a default class", "默认存储类"), profile)


def ingress(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """An ingress class, best a default one."""
    yield _one_of(snapshot, INGRESS, "cluster_ingress", Text("a class", "Ingress 类"), profile, default=False)


def certificates(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """cert-manager, by the API group that it brings."""
    needed = Text("cert-manager.io/v1 for `issuer`", "`issuer` 需要 cert-manager.io/v1")
    if not snapshot.has("cluster_apis"):
        yield _unread(snapshot, CERTIFICATES, "cluster_apis", needed)
    elif groups := _groups(snapshot, "cert-manager.io/"):
        yield CERTIFICATES.ok(groups, needed)
    else:
        yield CERTIFICATES.lacking(_wished(profile), NONE, needed)


def metrics(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """Custom metrics for queues; those of resources do for CPU."""
    needed = Text("custom.metrics.k8s.io for `scale.by: queue`", "`scale.by: queue` 需要 custom.metrics.k8s.io")
    custom, plain = _groups(snapshot, "custom.metrics.k8s.io/"), _groups(snapshot, "metrics.k8s.io/")
    if not snapshot.has("cluster_apis"):
        yield _unread(snapshot, METRICS, "cluster_apis", needed)
    elif custom:
        yield METRICS.ok(custom, needed)
    else:
        only = Text(f"only {plain}", f"仅 {plain}") if plain else NONE
        yield METRICS.lacking(_wished(profile), only, needed)


def plugin(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """Extended resources of nodes: every name with a slash that is no hugepage."""
    needed = "nvidia.com/gpu"
    if not snapshot.has("cluster_nodes"):
        yield _unread(snapshot, PLUGIN, "cluster_nodes", needed)
        return
    cards: dict[str, int] = {}
    for node in snapshot.each("cluster_nodes"):
        held = node.facts.get("allocatable")
        for name, value in held.items() if isinstance(held, dict) else ():
            if "/" in str(name) and str(value).isdigit() and int(value):
                cards[str(name)] = cards.get(str(name), 0) + int(value)
    found: Words = ", ".join(f"{count} x {name}" for name, count in sorted(cards.items())) or NONE
    wanting: Level = "needed" if profile.gpu == "needed" and profile.kubernetes == "needed" else "unasked"
    yield PLUGIN.ok(found, needed) if cards else PLUGIN.lacking(wanting, found, needed)


def permissions(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """What this user may do there."""
    needed = Text("all that a deployment creates", "部署所需的全部创建权限")
    if not snapshot.has("cluster_permissions"):
        yield _unread(snapshot, PERMISSIONS, "cluster_permissions", needed)
        return
    asked = list(snapshot.each("cluster_permissions"))
    denied = [f"{one.text('verb')} {one.text('resource')}" for one in asked if one.flag("allowed") is False]
    if denied:
        found = Text(f"not allowed: {', '.join(denied)}", f"无权限：{', '.join(denied)}")
        yield PERMISSIONS.lacking(profile.kubernetes, found, needed)
    else:
        yield PERMISSIONS.ok(Text(f"all {len(asked)}", f"共 {len(asked)} 项均允许"), needed)


def _one_of(snapshot: Snapshot, topic: Topic, fact: str, needed: Text, profile: Profile, default: bool = True) -> Check:
    """Whether a list of classes has one, or a default one; the names are told."""
    if not snapshot.has(fact):
        return _unread(snapshot, topic, fact, needed)
    classes = list(snapshot.each(fact))
    names = ", ".join(f"{one.text('name') or '?'}{' (default)' if one.flag('default') else ''}" for one in classes)
    enough = any(one.flag("default") for one in classes) if default else bool(classes)
    return topic.ok(names, needed) if enough else topic.lacking(_wished(profile), names or NONE, needed)


def _wished(profile: Profile) -> Level:
    """What a cluster may do without."""
    return "wished" if profile.kubernetes == "needed" else "unasked"


def _groups(snapshot: Snapshot, prefix: str) -> str:
    return ", ".join(name for name in snapshot.texts("cluster_apis") if name.startswith(prefix))


def _unread(snapshot: Snapshot, topic: Topic, fact: str, needed: Words) -> Check:
    """A fact of a cluster that is there, or of none, which `kubernetes` says once for all."""
    if not snapshot.has("cluster"):
        return topic.judged("skip", Text("no cluster", "无集群"), needed)
    return topic.unknown(snapshot.reason(fact), needed)


CHECKS: tuple[Checking, ...] = (
    kubernetes,
    nodes,
    storage,
    ingress,
    certificates,
    metrics,
    plugin,
    permissions,
)
