"""Errors of what Nginx and Envoy can and cannot do of the routes."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "rendering_model_here": Entry(
        Kind.INVALID,
        "Nginx and Envoy pass requests on to servers; these models have no address: {models}.",
        "Serve each on a node of its own (freehold serve) and give its address here: source: http://HOST:8080/v1.",
        "Nginx 和 Envoy 只把请求转发给服务器，以下模型没有地址：{models}。",
        "请让每个模型在自己的节点上运行（freehold serve），并在此处写明地址：source: http://HOST:8080/v1。",
    ),
    "rendering_replicas_differ": Entry(
        Kind.INVALID,
        "The replicas of {model} differ in more than their host: {first} and {other}.",
        "Give all of them the same scheme and path, or make two models of them and a route with both.",
        "{model} 的副本除主机外还有不同之处：{first} 与 {other}。",
        "请使用相同的协议和路径，或者拆成两个模型，并用一条路由包含两者。",
    ),
    "rendering_certificate": Entry(
        Kind.INVALID,
        "server.tls names no certificate: only `freehold` itself gets one by ACME.",
        "Set server.tls.certificate and server.tls.key to PEM files that another program keeps fresh.",
        "server.tls 未指定证书：只有 `freehold` 自身能通过 ACME 获取证书。",
        "请将 server.tls.certificate 和 server.tls.key 设为由其他程序更新的 PEM 文件。",
    ),
    "rendering_affinity": Entry(
        Kind.UNSUPPORTED,
        "Only `freehold gateway` chooses the replica by the beginning of a chat (balance: prefix): {routes}.",
        "Without it the least busy replica is asked. Use `freehold gateway` for these routes, or set balance: least.",
        "只有 `freehold gateway` 能按对话开头选择副本（balance: prefix）：{routes}。",
        "此处改为请求最空闲的副本。请对这些路由使用 `freehold gateway`，或设置 balance: least。",
    ),
    "rendering_hold": Entry(
        Kind.UNSUPPORTED,
        "Only `freehold gateway` lets requests wait while a model loads (hold): {routes}.",
        "They are answered 503 at once. Use `freehold gateway` for these routes, or set hold: {{requests: 0}}.",
        "只有 `freehold gateway` 能让请求在模型加载期间等待（hold）：{routes}。",
        "此处会立即返回 503。请对这些路由使用 `freehold gateway`，或设置 hold: {{requests: 0}}。",
    ),
    "rendering_shadow": Entry(
        Kind.UNSUPPORTED,
        "Only `freehold gateway` compares a shadow's answers: {routes}.",
        "Copies are sent, and their answers dropped unread. Use `freehold gateway` for the report.",
        "只有 `freehold gateway` 会比较影子模型的回答：{routes}。",
        "此处只发送副本，并直接丢弃其回答。需要报告请使用 `freehold gateway`。",
    ),
    "rendering_access": Entry(
        Kind.UNSUPPORTED,
        "Nginx and Envoy check no keys of Freehold: whoever reaches their port may ask.",
        "Let only those in who may, by the network or by server.tls.client_ca; access: {{auth: none}} says it is so.",
        "Nginx 和 Envoy 不检查 Freehold 的密钥：能访问其端口者均可请求。",
        "请通过网络或 server.tls.client_ca 限制访问；写 access: {{auth: none}} 表示有意如此。",
    ),
    "rendering_forms": Entry(
        Kind.UNSUPPORTED,
        "Only `freehold gateway` reads the model out of a form (audio/transcriptions): {models}.",
        "Clients must name these models by the header x-model-id or the query model_id.",
        "只有 `freehold gateway` 能从表单中读取模型名（audio/transcriptions）：{models}。",
        "客户端须用请求头 x-model-id 或查询参数 model_id 指定这些模型。",
    ),
}
