"""Metric and log names, once: what this process counts and how it writes its log."""

from freehold.telemetry import names
from freehold.telemetry.instruments import Histogram, Value
from freehold.telemetry.logs import REQUEST_ID, LogFormat, configure_logs
from freehold.telemetry.telemetry import ModelMetrics, ReplicaMetrics, RoutedMetrics, RouteMetrics, Shows, Telemetry

__all__ = [
    "REQUEST_ID",
    "Histogram",
    "LogFormat",
    "ModelMetrics",
    "ReplicaMetrics",
    "RouteMetrics",
    "RoutedMetrics",
    "Shows",
    "Telemetry",
    "Value",
    "configure_logs",
    "names",
]
