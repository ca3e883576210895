"""Errors of what a configuration says of deployments."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "units_name_taken": Entry(
        Kind.INVALID,
        "`{id}` would be the service `{label}` of this deployment, and so is `{other}`.",
        "Give one of them another id, or its service another name.",
        "`{id}` 在本次部署中对应的服务名为 `{label}`，而 `{other}` 也是。",
        "请为其中之一改用其他 id，或改用其他服务名。",
    ),
}
