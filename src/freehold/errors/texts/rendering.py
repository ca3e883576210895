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
    "rendering_rollout": Entry(
        Kind.UNSUPPORTED,
        "A rollout gives these routes other weights than the configuration, and only `freehold gateway` follows it:"
        " {routes}.",
        "The configuration's weights are rendered. Write into it what is to stay (freehold rollout status), and render"
        " again.",
        "以下路由的权重正由发布决定，与配置不同，而只有 `freehold gateway` 会跟随发布：{routes}。",
        "此处按配置中的权重生成。请将要保留的权重写入配置（见 freehold rollout status），然后重新生成。",
    ),
    "rendering_forms": Entry(
        Kind.UNSUPPORTED,
        "Only `freehold gateway` reads the model out of a form (audio/transcriptions): {models}.",
        "Clients must name these models by the header x-model-id or the query model_id.",
        "只有 `freehold gateway` 能从表单中读取模型名（audio/transcriptions）：{models}。",
        "客户端须用请求头 x-model-id 或查询参数 model_id 指定这些模型。",
    ),
    "rendering_rename": Entry(
        Kind.UNSUPPORTED,
        "Envoy cannot rewrite a body: it sends names on as clients wrote them: {names}.",
        "Let each model's server accept that name (vLLM: --served-model-name), or use Nginx or `freehold gateway`.",
        "Envoy 无法改写请求体，会原样转发客户端所写的模型名：{names}。",
        "请让这些服务器也接受该名称（vLLM：--served-model-name），或使用 Nginx 或 `freehold gateway`。",
    ),
    "rendering_fallback": Entry(
        Kind.UNSUPPORTED,
        "Envoy cannot let one model answer for another that has another path or another key: {routes}.",
        "Requests for a model that is down are answered 503. Use `freehold gateway` for these routes.",
        "路径或密钥不同时，Envoy 无法让一个模型代替另一个回答：{routes}。",
        "模型不可用时会返回 503。请对这些路由使用 `freehold gateway`。",
    ),
    "rendering_mirror": Entry(
        Kind.UNSUPPORTED,
        "Envoy cannot send copies to a shadow that has another path than the model: {routes}.",
        "No copies are sent. Give their URLs the same path, or use `freehold gateway` for these routes.",
        "影子模型与原模型路径不同时，Envoy 无法发送副本：{routes}。",
        "此处不发送副本。请使用相同的 URL 路径，或对这些路由使用 `freehold gateway`。",
    ),
    "model_unanswered": Entry(
        Kind.UNAVAILABLE,
        "No server of this model answers.",
        "Try again soon; whoever runs it looks at the model's server first.",
        "该模型没有可用的服务器。",
        "请稍后重试；运维人员请先检查该模型的服务器。",
    ),
    "model_silent": Entry(
        Kind.TIMEOUT,
        "The model's server fell silent.",
        "Try again soon; whoever runs it looks at the model's server first.",
        "该模型的服务器没有响应。",
        "请稍后重试；运维人员请先检查该模型的服务器。",
    ),
    "rendering_resolver_missing": Entry(
        Kind.INVALID,
        "The host of {model}, {host}, is a name: Nginx must know which name server to ask for its address.",
        "Add --resolver ADDRESS. In Docker it is 127.0.0.11, in Kubernetes the address of kube-dns; /etc/resolv.conf says"
        " it elsewhere.",
        "{model} 的主机 {host} 是名称：Nginx 必须知道向哪个域名服务器查询其地址。",
        "请添加 --resolver ADDRESS。Docker 中为 127.0.0.11，Kubernetes 中为 kube-dns 的地址；其他环境见 /etc/resolv.conf。",
    ),
    "rendering_https_address": Entry(
        Kind.UNSUPPORTED,
        "The source of {model} is https at the address {host}: Nginx checks certificates of names only.",
        "Write the name that the server's certificate is for in place of {host}, or use `freehold gateway`.",
        "{model} 的来源是地址 {host} 上的 https：Nginx 只能校验为域名签发的证书。",
        "请将 {host} 换成该服务器证书中的域名，或使用 `freehold gateway`。",
    ),
    "rendering_replicas_named": Entry(
        Kind.UNSUPPORTED,
        "These models have replicas whose hosts are names, which Nginx asks for again while it runs: {models}.",
        "It then chooses a replica by chance instead of the least busy one, and makes a connection for every request."
        " Write addresses if they never change.",
        "以下模型的副本主机是名称，Nginx 会在运行中重新解析：{models}。",
        "因此它随机选择副本，而不是最空闲的副本，并为每个请求新建连接。如地址从不改变，请直接写地址。",
    ),
    "rendering_readiness": Entry(
        Kind.UNSUPPORTED,
        "Only `freehold gateway` watches whether a model is ready before it sends requests: {routes}.",
        "Nginx asks the route's next model, then its fallback, where no connection can be made; an answer of 503 is"
        " passed back.",
        "只有 `freehold gateway` 会在转发前检查模型是否就绪：{routes}。",
        "Nginx 仅在无法建立连接时才改用路由中的下一个模型或 fallback；503 回答会原样返回。",
    ),
    "rendering_key": Entry(
        Kind.UNSUPPORTED,
        "The key of {model} ({key}) is written nowhere: Nginx reads it from {path}.",
        'Make that file with mode 600 and one line: proxy_set_header Authorization "Bearer KEY"; where KEY is the key.',
        "{model} 的密钥（{key}）不会写入任何文件：Nginx 从 {path} 读取。",
        '请创建该文件（权限 600），内容为一行：proxy_set_header Authorization "Bearer KEY"; 其中 KEY 为密钥。',
    ),
    "rendering_unwritable": Entry(
        Kind.INVALID,
        "{path} could not be written: {reason}.",
        "Give another folder with --output, or make this one writable.",
        "无法写入 {path}：{reason}。",
        "请用 --output 指定其他文件夹，或使该文件夹可写。",
    ),
}
