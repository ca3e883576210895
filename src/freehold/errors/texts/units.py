"""Errors of what a configuration says of deployments."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "units_name_taken": Entry(
        Kind.INVALID,
        "The service of `{id}` would be called `{name}` on the network, and so is that of `{other}`.",
        "Give it another id, or put both models into one `service`.",
        "`{id}` 的服务在网络中将被称为 `{name}`，而 `{other}` 的服务也是这个名称。",
        "请改用其他 id，或让两个模型使用同一个 `service`。",
    ),
}
