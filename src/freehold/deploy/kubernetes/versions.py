"""What a cluster of a given version understands. Facts: the feature gates of kubernetes.io/docs/reference."""

from freehold.config import Deploy
from freehold.errors import FreeholdError

OLDEST = 22
ASSUMED = 31
"""Where the configuration does not say: the oldest that is not older than two years."""


def minor(settings: Deploy) -> int:
    """The 31 of `1.31`. Raises FreeholdError `kubernetes_too_old` below 1.22."""
    if settings.kubernetes is None:
        return ASSUMED
    number = int(settings.kubernetes.removeprefix("1."))
    if number < OLDEST:
        raise FreeholdError("kubernetes_too_old", version=settings.kubernetes, oldest=f"1.{OLDEST}")
    return number


def autoscaling_api(settings: Deploy) -> str:
    """Of a HorizontalPodAutoscaler with metrics of pods: v2 came in 1.23, with the fields of v2beta2."""
    return "autoscaling/v2" if minor(settings) >= 23 else "autoscaling/v2beta2"


def has_sleep(settings: Deploy) -> bool:
    """Whether a container can wait before it ends without a program of its image (1.30)."""
    return minor(settings) >= 30


def has_eviction_policy(settings: Deploy) -> bool:
    """Whether pods that are not ready may be kept from blocking the drain of a node (1.27)."""
    return minor(settings) >= 27
