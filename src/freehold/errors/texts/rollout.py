"""Errors of a model that takes another one's place step by step."""

from freehold.errors.kinds import Entry, Kind

_ASKED: dict[str, Entry] = {
    "rollout_no_gateway": Entry(
        Kind.UNAVAILABLE,
        "No gateway runs with the state folder {home}, so nobody would move the rollout.",
        "Start `freehold gateway` or `freehold serve` with the same FREEHOLD_HOME and user, then try again.",
        "没有网关使用状态目录 {home} 运行，因此没有进程推进该发布。",
        "请使用相同的 FREEHOLD_HOME 和用户启动 `freehold gateway` 或 `freehold serve`，然后重试。",
    ),
    "rollout_running": Entry(
        Kind.CONFLICT,
        "A rollout of {model} on {route} is under way, at {percent} %.",
        "Wait for its end (`freehold rollout status`), or end it: `freehold rollout abort {route}`.",
        "{route} 上 {model} 的发布正在进行，当前 {percent} %。",
        "请等待其结束（`freehold rollout status`），或将其终止：`freehold rollout abort {route}`。",
    ),
    "rollout_absent": Entry(
        Kind.NOT_FOUND,
        "There is no rollout on {route}.",
        "`freehold rollout status` lists those there are; begin one: `freehold rollout start {route} --to MODEL`.",
        "{route} 上没有发布。",
        "`freehold rollout status` 列出现有发布；开始新的发布：`freehold rollout start {route} --to 模型`。",
    ),
    "rollout_over": Entry(
        Kind.CONFLICT,
        "The rollout of {model} on {route} is over: {phase}.",
        "Begin another one: `freehold rollout start {route} --to MODEL`.",
        "{route} 上 {model} 的发布已结束：{phase}。",
        "请开始新的发布：`freehold rollout start {route} --to 模型`。",
    ),
    "rollout_not_over": Entry(
        Kind.CONFLICT,
        "The rollout of {model} on {route} is under way, at {percent} %: there is nothing to clear yet.",
        "End it first: `freehold rollout abort {route}`.",
        "{route} 上 {model} 的发布正在进行，当前 {percent} %，尚无可清除的内容。",
        "请先终止它：`freehold rollout abort {route}`。",
    ),
    "rollout_route_invalid": Entry(
        Kind.INVALID,
        "`{route}` cannot be the name of a route.",
        "Write the name that clients ask for: at most 128 letters, digits, `.`, `_` and `-`.",
        "`{route}` 不能作为路由名称。",
        "请填写客户端请求的名称：最多 128 个字母、数字、`.`、`_`、`-`。",
    ),
    "rollout_steps_invalid": Entry(
        Kind.INVALID,
        "`{steps}` are no steps: {reason}.",
        "Write whole percents that rise to 100, like 5,50,100; 100 alone is blue/green.",
        "`{steps}` 不是有效的步骤：{reason}。",
        "请填写递增到 100 的整数百分比，如 5,50,100；只写 100 即蓝绿发布。",
    ),
    "rollout_option_invalid": Entry(
        Kind.INVALID,
        "`{option}` cannot be `{value}`.",
        "Write {allowed}.",
        "`{option}` 不能为 `{value}`。",
        "请写成 {allowed}。",
    ),
    "rollout_route_unknown": Entry(
        Kind.NOT_FOUND,
        "The gateway has no route or model `{route}`. It has: {known}.",
        "Name one of these, or add it to the configuration; the gateway reads it again by itself.",
        "网关没有名为 `{route}` 的路由或模型。现有：{known}。",
        "请使用其中之一，或将其加入配置；网关会自动重新读取。",
    ),
    "rollout_model_unknown": Entry(
        Kind.NOT_FOUND,
        "The gateway's configuration has no model {model}. It has: {known}.",
        "Add it to `models` (the gateway reads the file again by itself), or name one of these.",
        "网关的配置中没有模型 {model}。现有：{known}。",
        "请将其加入 `models`（网关会自动重新读取文件），或使用其中之一。",
    ),
    "rollout_whole_already": Entry(
        Kind.CONFLICT,
        "{model} has all requests for {route} already.",
        "Nothing to do; `freehold rollout status` shows the weights in force.",
        "{model} 已承担 {route} 的全部请求。",
        "无需操作；`freehold rollout status` 显示当前权重。",
    ),
    "rollout_unlike": Entry(
        Kind.CONFLICT,
        "{new} ({others}) cannot take the place of {old} ({abilities}): it does something else.",
        "Choose a model that does what {old} does; where a server tells its abilities wrongly, set `abilities` of the model.",
        "{new}（{others}）不能取代 {old}（{abilities}）：两者用途不同。",
        "请选择用途与 {old} 相同的模型；若服务器报告的能力有误，请设置该模型的 `abilities`。",
    ),
    "rollout_locality": Entry(
        Kind.CONFLICT,
        "Only models in `{locality}` may answer {route}; the locality of {model} is `{found}`.",
        "Choose a model in `{locality}`, or change `locality` of the route or of the model.",
        "只有位于 `{locality}` 的模型可以响应 {route}；{model} 的 locality 是 `{found}`。",
        "请选择位于 `{locality}` 的模型，或修改路由或模型的 `locality`。",
    ),
}

_ENDS: dict[str, Entry] = {
    "rollout_abort_asked": Entry(
        Kind.CONFLICT,
        "Somebody asked for the abort.",
        "Nothing to do: the new model has no share.",
        "有人要求终止。",
        "无需操作：新模型不再承担请求。",
    ),
    "rollout_errors": Entry(
        Kind.UPSTREAM,
        "{model} failed in {errors} of {requests} requests ({rate}; allowed {allowed}, the old model: {before}).",
        "Its own log says why. Mend it and begin again, or allow more: `--max-errors`.",
        "{model} 在 {requests} 个请求中失败 {errors} 次（{rate}；允许 {allowed}，旧模型：{before}）。",
        "原因见其日志。修复后重新开始，或放宽限制：`--max-errors`。",
    ),
    "rollout_refuses": Entry(
        Kind.UPSTREAM,
        "{model} refused {refused} of {requests} requests ({rate}; the old model: {before}).",
        "It takes less than the old one: compare context lengths, parameters and paths of both.",
        "{model} 拒绝了 {requests} 个请求中的 {refused} 个（{rate}；旧模型：{before}）。",
        "它接受的请求比旧模型少：请比较两者的上下文长度、参数和路径。",
    ),
    "rollout_slow": Entry(
        Kind.UPSTREAM,
        "{model} takes {p99_ms} ms for the slowest of a hundred of {requests} requests; allowed are {allowed_ms} ms, the old"
        " model takes {before_ms} ms.",
        "Give it more of the machine, or allow more: `--max-p99`.",
        "{model} 在 {requests} 个请求中 p99 为 {p99_ms} 毫秒；允许 {allowed_ms} 毫秒，旧模型为 {before_ms} 毫秒。",
        "请给它更多资源，或放宽限制：`--max-p99`。",
    ),
    "rollout_lost": Entry(
        Kind.UPSTREAM,
        "{model} had all requests and cannot answer any more: {reason}",
        "Its own log says why. Mend it and begin again.",
        "{model} 承担了全部请求，但已无法回答：{reason}",
        "原因见其日志。修复后重新开始。",
    ),
    "goldens_differ": Entry(
        Kind.UPSTREAM,
        "Golden {number} of {of} ({path}) is answered differently by {new} than by {old}: {measure}.",
        "If the difference is meant, allow it in that line (`tolerance`, `similarity`) or begin without it.",
        "第 {number}/{of} 个基准请求（{path}）上 {new} 与 {old} 的回答不同：{measure}。",
        "若差异符合预期，请在该行放宽（`tolerance`、`similarity`），或去掉该行后重新开始。",
    ),
    "goldens_fail": Entry(
        Kind.UPSTREAM,
        "Golden {number} ({path}) is not answered by {model}: {reason}",
        "See that the model serves this path; its own log says more.",
        "{model} 未回答第 {number} 个基准请求（{path}）：{reason}",
        "请确认该模型提供此路径；详情见其日志。",
    ),
}

_WAITS: dict[str, Entry] = {
    "rollout_waits_ready": Entry(
        Kind.UNAVAILABLE,
        "{model} is not ready: {reason}",
        "It goes on by itself when the model answers.",
        "{model} 尚未就绪：{reason}",
        "模型可用后会自动继续。",
    ),
    "rollout_waits_hold": Entry(
        Kind.UNAVAILABLE,
        "The step is held for {seconds} s more.",
        "`freehold rollout promote` goes on at once.",
        "该步骤还需保持 {seconds} 秒。",
        "`freehold rollout promote` 可立即继续。",
    ),
    "rollout_waits_requests": Entry(
        Kind.UNAVAILABLE,
        "{model} has answered {requests} of the {least} requests that it is judged by.",
        "It goes on when they have come; `freehold rollout promote` goes on at once, `--min-requests` asks for fewer.",
        "{model} 已回答 {requests} 个请求，需要 {least} 个才能评判。",
        "达到数量后自动继续；`freehold rollout promote` 可立即继续，`--min-requests` 可减少数量。",
    ),
    "rollout_waits_goldens": Entry(
        Kind.UNAVAILABLE,
        "{goldens} goldens are being replayed.",
        "It goes on by itself.",
        "正在重放 {goldens} 个基准请求。",
        "会自动继续。",
    ),
    "goldens_unanswered": Entry(
        Kind.UNAVAILABLE,
        "Golden {number} is not answered by {model}, which it is compared with: {reason}",
        "It is tried again; if it stays so, that model or the line is broken.",
        "作为对照的 {model} 未回答第 {number} 个基准请求：{reason}",
        "会自动重试；若一直如此，则该模型或该行有误。",
    ),
}

_SPACES: dict[str, Entry] = {
    "spaces_dimensions": Entry(
        Kind.CONFLICT,
        "{old} and {new} embed into different spaces: vectors of {dimensions} and of {others} numbers. In one index a"
        " search would find nothing.",
        "Give {new} a name of its own, embed the documents again with it, and switch when they are done.",
        "{old} 与 {new} 的向量空间不同：维度分别为 {dimensions} 和 {others}。混在同一索引中将无法检索。",
        "请为 {new} 使用单独的名称，用它重新嵌入文档，完成后再切换。",
    ),
    "spaces_differ": Entry(
        Kind.CONFLICT,
        "{old} and {new} embed into different spaces: the same text gets vectors with cosine {cosine}, below {least}. In one"
        " index a search would find the wrong documents.",
        "Give {new} a name of its own, embed the documents again with it, and switch when they are done.",
        "{old} 与 {new} 的向量空间不同：同一文本的向量余弦为 {cosine}，低于 {least}。混在同一索引中会检索到错误的文档。",
        "请为 {new} 使用单独的名称，用它重新嵌入文档，完成后再切换。",
    ),
    "spaces_unknown": Entry(
        Kind.UNAVAILABLE,
        "Whether {old} and {new} embed into the same space is not known yet, so {new} gets no requests.",
        "It is looked at as soon as both are ready; if it stays so, one does not embed the probe texts: the log says why.",
        "尚不清楚 {old} 与 {new} 是否属于同一向量空间，因此 {new} 暂不接收请求。",
        "两者就绪后会立即检查；若一直如此，则其中之一未能嵌入探测文本：原因见日志。",
    ),
    "space_untold": Entry(
        Kind.UNAVAILABLE,
        "{model} is said to embed, and gives no vectors for the probe texts.",
        "See what it answers at /v1/embeddings for four texts; where it does not embed, set `abilities` of the model.",
        "{model} 声明可生成嵌入，但没有为探测文本返回向量。",
        "请检查它在 /v1/embeddings 上对四段文本的回答；若它不生成嵌入，请设置该模型的 `abilities`。",
    ),
    "space_unknown": Entry(
        Kind.UNAVAILABLE,
        "{model} answers the embedding of probe texts with status {status}.",
        "It is asked again; its own log says why.",
        "{model} 对探测文本的嵌入请求返回状态码 {status}。",
        "会再次询问；原因见其日志。",
    ),
}

_FILES: dict[str, Entry] = {
    "goldens_invalid": Entry(
        Kind.INVALID,
        "{where}: this is no recorded request: {reason}",
        'One request a line: {{"path": "/v1/embeddings", "body": {{"input": "a text"}}}}; by choice with "compare",'
        ' "tolerance", "similarity". `model` is put in by itself.',
        "{where}：不是有效的请求记录：{reason}",
        '每行一个请求：{{"path": "/v1/embeddings", "body": {{"input": "文本"}}}}；可加 "compare"、"tolerance"、'
        '"similarity"。`model` 会自动填入。',
    ),
    "goldens_empty": Entry(
        Kind.INVALID,
        "{where} holds no request.",
        'Write one request a line: {{"path": "/v1/embeddings", "body": {{"input": "a text"}}}}.',
        "{where} 中没有请求。",
        '请每行写一个请求：{{"path": "/v1/embeddings", "body": {{"input": "文本"}}}}。',
    ),
    "goldens_unreadable": Entry(
        Kind.INVALID,
        "The goldens in {path} cannot be read: {reason}.",
        "Name a file of JSON lines that this user may read.",
        "无法读取 {path} 中的基准请求：{reason}。",
        "请指定当前用户可读取的 JSON Lines 文件。",
    ),
    "rollout_damaged": Entry(
        Kind.UNAVAILABLE,
        "The rollout in {path} cannot be understood: {reason}.",
        "Mend or remove the file. What it said before stays in force, and after a restart the configuration's weights.",
        "无法解析 {path} 中的发布记录：{reason}。",
        "请修复或删除该文件。其先前的内容继续生效，重启后使用配置中的权重。",
    ),
    "rollout_busy": Entry(
        Kind.CONFLICT,
        "Another process ({holder}) has held {path} for more than {seconds} s.",
        "Wait for its end, or end that process; the lock goes with it.",
        "另一个进程（{holder}）占用 {path} 已超过 {seconds} 秒。",
        "请等待其结束，或结束该进程；锁会随之释放。",
    ),
    "rollouts_unwritable": Entry(
        Kind.UNAVAILABLE,
        "Rollouts cannot be written to {path}: {reason}.",
        "Give this user the right to write there and free space, or set FREEHOLD_HOME; nothing moves until then.",
        "无法将发布记录写入 {path}：{reason}。",
        "请授予当前用户写权限并释放空间，或设置 FREEHOLD_HOME；在此之前不会有任何变动。",
    ),
    "config_emptied": Entry(
        Kind.INVALID,
        "{origin} names no models any more, so what it said before stays in force.",
        "Write the models into it; to end the node, stop it.",
        "{origin} 不再包含任何模型，因此之前的配置继续生效。",
        "请在其中写入模型；若要结束节点，请停止它。",
    ),
    "config_needs_restart": Entry(
        Kind.CONFLICT,
        "{origin} changes what is only read at the start: {what}. Routes and models behind other servers are in force.",
        "Restart the gateway when it suits you.",
        "{origin} 修改了仅在启动时读取的内容：{what}。路由和其他服务器上的模型已生效。",
        "请在方便时重启网关。",
    ),
}

ENTRIES: dict[str, Entry] = {**_ASKED, **_ENDS, **_WAITS, **_SPACES, **_FILES}
