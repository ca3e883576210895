"""Errors of which model a request names, and where its route sends it."""

from freehold.errors.kinds import Entry, Kind

_CONFIG: dict[str, Entry] = {
    "config_route_itself": Entry(
        Kind.INVALID,
        "{where}: `{key}` names `{id}`, the route itself, and no model has that name.",
        "Name a model: one of {known}.",
        "{where}：`{key}` 指向路由 `{id}` 自身，而没有同名的模型。",
        "请写模型的名称，可选：{known}。",
    ),
    "config_route_locality": Entry(
        Kind.INVALID,
        "{where}: the route `{route}` insists on locality `{wanted}`, but that of `{id}` (`{key}`) is {found}.",
        "Name a model whose `locality` is {wanted}, or set that of `{id}` if it does compute there.",
        "{where}：路由 `{route}` 要求 locality 为 `{wanted}`，但 `{id}`（`{key}`）的 locality 为 {found}。",
        "请改用 `locality` 为 {wanted} 的模型；若 `{id}` 确实在该处计算，请设置它的 `locality`。",
    ),
    "config_share_small": Entry(
        Kind.INVALID,
        "{where}: the weight {weight} of `{id}` (`{key}`) is less than 1 % of all weights of its route, {total}.",
        "Requests are shared in whole percents: write at least 1 %, or 0; one that is only to step in is a `fallback`.",
        "{where}：`{id}` 的权重 {weight}（`{key}`）不足该路由权重总和 {total} 的 1 %。",
        "请求按整数百分比分配：权重至少占 1 %，或写 0；仅用于备用的模型请写为 `fallback`。",
    ),
    "config_target_twice": Entry(
        Kind.INVALID,
        "{where}: the route `{route}` names `{id}` twice in `to` (first in {first}).",
        "Name it once, with the weight that it is to have.",
        "{where}：路由 `{route}` 的 `to` 中重复写了 `{id}`（首次出现于 {first}）。",
        "请只写一次，并设置所需的权重。",
    ),
    "config_replicas_misplaced": Entry(
        Kind.INVALID,
        "{where}: `{id}` has `replicas`, but its source {source} is no upstream's address.",
        "Write the first server's https://HOST/v1 as the `source`, the others under `replicas`.",
        "{where}：`{id}` 设置了 `replicas`，但其来源 {source} 不是上游地址。",
        "请将第一台服务器的 https://HOST/v1 写为 `source`，其余写在 `replicas` 下。",
    ),
    "config_upstream_itself": Entry(
        Kind.INVALID,
        "{where}: {url} of `{id}` is this server's own address (it listens on port {port}): requests would come back.",
        "Write the address of the server that has the model, or give this one another port: `--port`, or `server: {{port}}`.",
        "{where}：`{id}` 的 {url} 是本服务器自己的地址（监听端口 {port}），请求会回到自身。",
        "请写拥有该模型的服务器地址，或为本服务器换一个端口：`--port` 或 `server: {{port}}`。",
    ),
}

_REQUESTS: dict[str, Entry] = {
    "route_unready": Entry(
        Kind.UNAVAILABLE,
        "No model of {route} can answer now. {reasons}",
        "Send the request again in a moment; /readyz says when one is ready.",
        "{route} 目前没有可用的模型。{reasons}",
        "请稍后重试；/readyz 会显示何时就绪。",
    ),
    "gateway_model_here": Entry(
        Kind.INVALID,
        "`freehold gateway` computes and starts nothing, but these models would be run by it: {models}.",
        "Use `freehold serve` with this configuration: it is a gateway, too. Or write the address of the server that has"
        " the model as its `source`.",
        "`freehold gateway` 不计算也不启动任何模型，但以下模型需由它运行：{models}。",
        "请对该配置使用 `freehold serve`（它同时也是网关），或将拥有该模型的服务器地址写为 `source`。",
    ),
    "model_awaits_restart": Entry(
        Kind.UNAVAILABLE,
        "{model} is computed or started by this node itself, and was configured after the node had started.",
        "Restart the node; only routes and models behind other servers change while it runs.",
        "{model} 由本节点自行计算或启动，但它是在节点启动之后才配置的。",
        "请重启节点；运行期间只有路由和其他服务器上的模型可以变更。",
    ),
    "gateway_not_in_front": Entry(
        Kind.UNSUPPORTED,
        "This node was started with one model and no routes, and answers without looking at names; now there are more.",
        "Restart the node.",
        "本节点启动时只有一个模型且没有路由，不按名称分发请求；现在配置有所增加。",
        "请重启节点。",
    ),
    "gateway_loop": Entry(
        Kind.UPSTREAM,
        "The request came through {hops} gateways: two of them name each other as upstreams.",
        "See that the `source` and `replicas` of each gateway's models lead to servers that have them.",
        "该请求已经过 {hops} 个网关：其中有网关互为上游。",
        "请确认各网关中模型的 `source` 和 `replicas` 指向真正拥有该模型的服务器。",
    ),
    "model_conflict": Entry(
        Kind.INVALID,
        "The request names different models ({said}).",
        "Name the model once, or the same one everywhere: path, header `x-model-id`, query `model_id`, body `model`.",
        "请求指定了不同的模型（{said}）。",
        "请只指定一次，或在路径、请求头 `x-model-id`、查询参数 `model_id`、请求体 `model` 中保持一致。",
    ),
}

ENTRIES: dict[str, Entry] = {**_CONFIG, **_REQUESTS}
