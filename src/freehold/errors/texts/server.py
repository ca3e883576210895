"""Errors of the rooms `http` and `server`: requests, admission, listening."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "request_malformed": Entry(
        Kind.INVALID,
        "This is not a valid HTTP/1.1 request: {reason}.",
        "Check the client, or what lies between it and this server; plain http is spoken on this port.",
        "这不是有效的 HTTP/1.1 请求：{reason}。",
        "请检查客户端或中间代理；此端口使用明文 http。",
    ),
    "path_not_found": Entry(
        Kind.NOT_FOUND,
        "There is nothing at {path}.",
        "Check the path: /v1/... for OpenAI clients, /v2/... for the Open Inference Protocol, /info for TEI clients.",
        "{path} 不存在。",
        "请检查路径：OpenAI 客户端用 /v1/...，开放推理协议用 /v2/...，TEI 客户端用 /info。",
    ),
    "method_not_allowed": Entry(
        Kind.METHOD,
        "{path} does not answer {method}.",
        "Send {allowed}.",
        "{path} 不支持 {method}。",
        "请使用 {allowed}。",
    ),
    "body_too_large": Entry(
        Kind.TOO_LARGE,
        "The request body is larger than {limit_mb:g} MB ({seen}).",
        "Send less at a time, or raise `limits.body_mb` (of `freehold gateway`: `gateway.body_mb`).",
        "请求体超过 {limit_mb:g} MB（{seen}）。",
        "请减少单次发送的数据量，或调大 `limits.body_mb`（`freehold gateway` 则为 `gateway.body_mb`）。",
    ),
    "body_encoding_unsupported": Entry(
        Kind.MEDIA_TYPE,
        "Content-Encoding {encoding} is not understood here.",
        "Send the body plain. `freehold serve` also unpacks gzip and deflate; a gateway unpacks nothing, and passes such a"
        " body on only where the path, the header `x-model-id` or the query `model_id` names the model.",
        "不支持 Content-Encoding：{encoding}。",
        "请不压缩发送。`freehold serve` 还可解压 gzip 和 deflate；网关不解压，仅当路径、请求头 `x-model-id` 或查询参数"
        " `model_id` 指定了模型时才转发此类请求体。",
    ),
    "body_encoding_invalid": Entry(
        Kind.INVALID,
        "The body is not valid {encoding} data: {reason}.",
        "Send the whole compressed body, or leave the Content-Encoding header out.",
        "请求体不是有效的 {encoding} 数据：{reason}。",
        "请发送完整的压缩数据，或去掉 Content-Encoding 头。",
    ),
    "slow_client": Entry(
        Kind.SLOW_CLIENT,
        "The request body did not arrive within {timeout_s:g} s ({received} bytes came).",
        "Check the connection between the client and this server, send less at a time, or raise `server.body_timeout_s`.",
        "请求体未在 {timeout_s:g} 秒内到达（已收到 {received} 字节）。",
        "请检查客户端到服务器的网络、减少单次发送的数据量，或调大 `server.body_timeout_s`。",
    ),
    "overloaded": Entry(
        Kind.OVERLOADED,
        "{model} is full and refuses at once rather than let you wait in vain ({reason}: {seen}, limit {limit}).",
        "Send it again in {retry_after_s} s, send fewer at a time, add a replica, or raise `{setting}`.",
        "{model} 已满，为避免无谓等待而立即拒绝（{reason}：{seen}，上限 {limit}）。",
        "请在 {retry_after_s} 秒后重试、减少并发、增加副本，或调大 `{setting}`。",
    ),
    "request_exceeds_memory": Entry(
        Kind.TOO_LARGE,
        "The request needs {needed_mb:.0f} MB, and all requests together may use {limit_mb:.0f} MB.",
        "Send it in smaller parts, or raise `limits.in_flight_mb` (a quarter of the free memory is the most that is used).",
        "该请求需要 {needed_mb:.0f} MB，而所有请求合计最多可用 {limit_mb:.0f} MB。",
        "请分批发送，或调大 `limits.in_flight_mb`（最多使用空闲内存的四分之一）。",
    ),
    "load_broke": Entry(
        Kind.INTERNAL,
        "A defect in Freehold stopped the loading of {model}: {reason}.",
        "The traceback is in the server's log; please report it. Memory that ran out shows here too.",
        "Freehold 自身的缺陷中断了 {model} 的加载：{reason}。",
        "完整的错误堆栈见服务器日志，请反馈。内存耗尽也会显示在这里。",
    ),
    "internal": Entry(
        Kind.INTERNAL,
        "A defect in Freehold stopped this request.",
        "Look for the request id {request_id} in the server's log, and report what stands there.",
        "Freehold 的缺陷导致该请求失败。",
        "请在服务器日志中查找请求 ID {request_id}，并反馈相关内容。",
    ),
    "shutdown_cut": Entry(
        Kind.UNAVAILABLE,
        "This server had to leave before the request was done (grace time {grace_s:g} s).",
        "Send it again; if this happens often, raise `server.grace_s`.",
        "服务器在该请求完成前已必须退出（宽限时间 {grace_s:g} 秒）。",
        "请重新发送；若经常出现，请调大 `server.grace_s`。",
    ),
    "too_many_connections": Entry(
        Kind.UNAVAILABLE,
        "This server holds {limit} connections, and takes no more.",
        "Let clients reuse connections (keep-alive), or put a gateway in front.",
        "服务器已有 {limit} 个连接，不再接受新连接。",
        "请让客户端复用连接（keep-alive），或在前面部署网关。",
    ),
    "port_in_use": Entry(
        Kind.CONFLICT,
        "Port {port} of {host} is taken by {holder}.",
        "Stop it, or take another port: --port {suggested}.",
        "{host} 的端口 {port} 已被 {holder} 占用。",
        "请停止该进程，或改用其他端口：--port {suggested}。",
    ),
    "port_forbidden": Entry(
        Kind.FORBIDDEN,
        "This user may not listen on port {port} (ports below {first_free} are privileged here).",
        "Take a port from {first_free} upwards, for example --port 8080.",
        "当前用户无权监听端口 {port}（此处低于 {first_free} 的端口为特权端口）。",
        "请使用 {first_free} 及以上的端口，例如 --port 8080。",
    ),
    "address_unavailable": Entry(
        Kind.INVALID,
        "This machine cannot listen on {host}: {reason}.",
        "Take one of the machine's own addresses, --host 127.0.0.1 or --host 0.0.0.0.",
        "本机无法监听 {host}：{reason}。",
        "请使用本机地址，或 --host 127.0.0.1、--host 0.0.0.0。",
    ),
}
