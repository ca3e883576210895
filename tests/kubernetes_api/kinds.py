"""The kinds that the API server has, as requests name them."""

from tests.kubernetes_api.refusals import Resource

NAMESPACE = Resource("", "v1", "Namespace", "namespaces", namespaced=False)
POD = Resource("", "v1", "Pod", "pods")
EVENT = Resource("", "v1", "Event", "events")
DEPLOYMENT = Resource("apps", "v1", "Deployment", "deployments")
REPLICA_SET = Resource("apps", "v1", "ReplicaSet", "replicasets")
STATEFUL_SET = Resource("apps", "v1", "StatefulSet", "statefulsets")
JOB = Resource("batch", "v1", "Job", "jobs")

BUILT_IN = (
    NAMESPACE,
    POD,
    EVENT,
    DEPLOYMENT,
    REPLICA_SET,
    STATEFUL_SET,
    JOB,
    Resource("", "v1", "Node", "nodes", namespaced=False),
    Resource("", "v1", "ConfigMap", "configmaps"),
    Resource("", "v1", "Secret", "secrets"),
    Resource("", "v1", "Service", "services"),
    Resource("", "v1", "ServiceAccount", "serviceaccounts"),
    Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    Resource("rbac.authorization.k8s.io", "v1", "Role", "roles"),
    Resource("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
    Resource("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
    Resource("networking.k8s.io", "v1", "Ingress", "ingresses"),
    Resource("networking.k8s.io", "v1", "IngressClass", "ingressclasses", namespaced=False),
    Resource("storage.k8s.io", "v1", "StorageClass", "storageclasses", namespaced=False),
    Resource("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Resource("autoscaling", "v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Resource("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Resource("coordination.k8s.io", "v1", "Lease", "leases"),
)
CERTIFICATE = Resource("cert-manager.io", "v1", "Certificate", "certificates")
SERVICE_MONITOR = Resource("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors")
