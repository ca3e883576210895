"""Errors of fetching models from hubs, and of reaching other machines at all."""

from freehold.errors.kinds import Entry, Kind

_NETWORK: dict[str, Entry] = {
    "network_ca_unreadable": Entry(
        Kind.INVALID,
        "The certificate authorities in {path} ({setting}) cannot be read: {reason}.",
        "Let {setting} name a PEM file of certificates that this user may read.",
        "无法读取 {path}（{setting}）中的证书颁发机构：{reason}。",
        "请让 {setting} 指向当前用户可读取的 PEM 证书文件。",
    ),
    "network_proxy_invalid": Entry(
        Kind.INVALID,
        "The proxy that `network.proxy` or HTTP_PROXY, HTTPS_PROXY, ALL_PROXY names cannot be used: {reason}.",
        "Write it as http://HOST:PORT; it is not shown here, since it may hold a password.",
        "无法使用 `network.proxy` 或 HTTP_PROXY、HTTPS_PROXY、ALL_PROXY 指定的代理：{reason}。",
        "请写成 http://HOST:PORT；此处不显示其内容，因为其中可能含有密码。",
    ),
    "network_proxy_login": Entry(
        Kind.UNAUTHENTICATED,
        "The proxy asks for a user name and a password.",
        'Set HTTPS_PROXY to http://USER:PASSWORD@HOST:PORT, or `network: {{proxy: "${{env:CORP_PROXY}}"}}` and that variable; special characters of the password are written as %40 and the like.',
        "代理要求提供用户名和密码。",
        '请将 HTTPS_PROXY 设为 http://USER:PASSWORD@HOST:PORT，或使用 `network: {{proxy: "${{env:CORP_PROXY}}"}}` 并设置该变量；密码中的特殊字符请写成 %40 等形式。',
    ),
}

_HUB: dict[str, Entry] = {
    "hub_unreachable": Entry(
        Kind.UNAVAILABLE,
        "{source}: {host} does not answer: {reason}.",
        "Behind a proxy: set HTTPS_PROXY, or `network: {{proxy}}` of freehold.yaml. With a mirror: set {endpoint}. In a closed network: run `freehold fetch {source} --output {name}` on a machine that reaches the hub, and copy that folder to {folder} here; the files of it are: {files}.",
        "{source}：{host} 没有响应：{reason}。",
        "需要代理时：请设置 HTTPS_PROXY，或 freehold.yaml 中的 `network: {{proxy}}`。使用镜像时：请设置 {endpoint}。封闭网络中：请在能访问该站点的机器上运行 `freehold fetch {source} --output {name}`，再把该目录复制到本机的 {folder}；其中的文件为：{files}。",
    ),
    "hub_untrusted": Entry(
        Kind.UNAVAILABLE,
        "The certificate of {host} is not vouched for by an authority that this machine knows: {reason}.",
        "If your company's proxy opens TLS connections, let `network: {{ca}}` of freehold.yaml, or SSL_CERT_FILE, name the PEM file of its authority.",
        "本机已知的证书颁发机构均未为 {host} 的证书作保：{reason}。",
        "若公司代理会解开 TLS 连接，请让 freehold.yaml 的 `network: {{ca}}` 或 SSL_CERT_FILE 指向其颁发机构的 PEM 文件。",
    ),
    "hub_repository_missing": Entry(
        Kind.NOT_FOUND,
        "{host} shows no repository {source}: there is none of this name, or it is private.",
        "Compare the name with {page}, capitals too. If it is private, put a token of yours into {variable}.",
        "{host} 上看不到仓库 {source}：名称不存在，或者是私有仓库。",
        "请与 {page} 核对名称（区分大小写）。若为私有仓库，请将访问令牌放入 {variable}。",
    ),
    "hub_gated": Entry(
        Kind.FORBIDDEN,
        "{source} is gated: its publisher gives it to people who accepted its conditions.",
        "Accept them at {page}, create a token of that account that may read, put it into {variable}, and run this again.",
        "{source} 是受限仓库：发布者只向接受其条款的人提供。",
        "请在 {page} 接受条款，为该账号创建可读的访问令牌并放入 {variable}，然后重新运行。",
    ),
    "hub_token_refused": Entry(
        Kind.UNAUTHENTICATED,
        "{host} refuses the token that it was given for {source}.",
        "Check {variable}, or the login that is kept on this machine: the token may be mistyped, withdrawn, or not allowed to read {page}.",
        "{host} 拒绝了访问 {source} 所用的令牌。",
        "请检查 {variable} 或本机保存的登录：令牌可能有误、已撤销，或无权读取 {page}。",
    ),
    "hub_revision_missing": Entry(
        Kind.NOT_FOUND,
        "{source} has no revision `{revision}`.",
        "Choose a branch, tag or full commit from {page}; without @ the newest of the main branch is taken.",
        "{source} 没有修订版本 `{revision}`。",
        "请在 {page} 选择分支、标签或完整的提交号；不写 @ 则取主分支的最新版本。",
    ),
    "hub_answer_invalid": Entry(
        Kind.UPSTREAM,
        "{host} answers what a hub does not: {reason}.",
        "Check the endpoint: a proxy's login page or a mirror that knows only files, not lists of them, answers so.",
        "{host} 的回答不是模型站点应有的内容：{reason}。",
        "请检查站点地址：代理的登录页面，或只提供文件而不提供文件列表的镜像，都会这样回答。",
    ),
    "hub_file_invalid": Entry(
        Kind.UPSTREAM,
        "{file} of {source} cannot be read: {reason}.",
        "Try another revision, or tell the publisher; `--include` and `--exclude` do not help here.",
        "无法读取 {source} 的 {file}：{reason}。",
        "请换一个修订版本，或告知发布者；`--include` 与 `--exclude` 对此无效。",
    ),
    "hub_failed": Entry(
        Kind.UPSTREAM,
        "{host} answered {status} to each try for {source}.",
        "Try again later; with a mirror set {endpoint}. What has arrived stays.",
        "{host} 对 {source} 的每次请求都返回 {status}。",
        "请稍后重试；使用镜像时请设置 {endpoint}。已下载的部分会保留。",
    ),
}

_CHOICE: dict[str, Entry] = {
    "fetch_source_unsupported": Entry(
        Kind.INVALID,
        "{source} is no repository of a hub.",
        "Write hf://ORG/NAME or ms://ORG/NAME, or oci://HOST/REPOSITORY:TAG for an artifact in a registry.",
        "{source} 不是模型站点上的仓库。",
        "请写 hf://ORG/NAME 或 ms://ORG/NAME；镜像仓库中的模型请写 oci://HOST/REPOSITORY:TAG。",
    ),
    "fetch_option_unfit": Entry(
        Kind.INVALID,
        "{option} has no meaning for {source}: an artifact in a registry comes into the store whole, as with `freehold models pull`.",
        "Leave it out; a version is chosen by its tag, :TAG, or by @sha256:DIGEST.",
        "{option} 对 {source} 没有意义：镜像仓库中的模型会像 `freehold models pull` 那样整体进入存储。",
        "请去掉该选项；版本用标签 :TAG 或 @sha256:DIGEST 选择。",
    ),
    "fetch_revision_twice": Entry(
        Kind.INVALID,
        "{source} names one revision and --revision {revision} another.",
        "Leave one of them out.",
        "{source} 与 --revision {revision} 指定了不同的修订版本。",
        "请去掉其中一个。",
    ),
    "fetch_pattern_idle": Entry(
        Kind.INVALID,
        "No file of {source} matches --include {pattern}.",
        "Its files are: {found}. `--plan` shows which are taken.",
        "{source} 中没有文件匹配 --include {pattern}。",
        "其文件有：{found}。`--plan` 可显示将要获取的文件。",
    ),
    "fetch_no_model": Entry(
        Kind.UNSUPPORTED,
        "{source} has no config.json, so it is no model that Freehold can read; it holds: {found}.",
        "Give the repository of the model itself: an adapter's card names its base, a collection's page its members. `--include PATTERN` takes files as they are.",
        "{source} 没有 config.json，因此不是 Freehold 能读取的模型；其内容为：{found}。",
        "请给出模型本身的仓库：适配器的说明会写明其基础模型。`--include PATTERN` 可原样获取文件。",
    ),
    "fetch_no_weights": Entry(
        Kind.UNSUPPORTED,
        "{source} has no weights as safetensors; of weights it holds: {found}.",
        "Look for the publisher's repository with safetensors. `--include PATTERN` takes a file as it is: an .onnx file can then be served, others converted.",
        "{source} 没有 safetensors 格式的权重；其权重文件为：{found}。",
        "请寻找发布者提供 safetensors 的仓库。`--include PATTERN` 可原样获取某个文件：.onnx 文件可直接服务，其他格式可转换。",
    ),
    "fetch_pickled": Entry(
        Kind.UNSUPPORTED,
        "{source} has weights only as pickles ({found}), which can run any code when they are loaded.",
        "Look for the same model as safetensors. Where there is none: `--include {pattern}` takes them as they are, and `freehold convert` reads them in a process of their own, without running code of theirs.",
        "{source} 的权重只有 pickle 格式（{found}），加载时可能执行任意代码。",
        "请寻找同一模型的 safetensors 版本。若没有：`--include {pattern}` 可原样获取，再由 `freehold convert` 在独立进程中读取，不执行其中的代码。",
    ),
    "fetch_gguf": Entry(
        Kind.UNSUPPORTED,
        "{source} holds GGUF files, which are already quantised for llama.cpp; Freehold reads safetensors.",
        "Fetch the original that they were made from ({original}) and quantise it here: `freehold quantize`. For a llama.cpp server behind Freehold take one file as it is: `--include {example}`.",
        "{source} 中是 GGUF 文件，已为 llama.cpp 量化；Freehold 读取 safetensors。",
        "请获取其原始模型（{original}），再用 `freehold quantize` 量化。若要放在 Freehold 之后的 llama.cpp 服务中使用，可原样获取一个文件：`--include {example}`。",
    ),
    "fetch_quantized": Entry(
        Kind.UNSUPPORTED,
        "{source} is quantised ({method}); Freehold converts float weights.",
        "Fetch the safetensors original ({original}) and quantise it here. To serve a language model in this format with `engine: vllm`, take it as it is: `--include '*.safetensors*'`.",
        "{source} 已量化（{method}）；Freehold 转换的是浮点权重。",
        "请获取其 safetensors 原始模型（{original}），再在此量化。若要以 `engine: vllm` 服务这种格式的语言模型，可原样获取：`--include '*.safetensors*'`。",
    ),
    "fetch_shard_missing": Entry(
        Kind.UPSTREAM,
        "{index} of {source} names {shard}, which the repository does not hold.",
        "It was published incompletely: try another revision, or tell its publisher.",
        "{source} 的 {index} 列出了 {shard}，但仓库中没有该文件。",
        "该仓库发布不完整：请换一个修订版本，或告知发布者。",
    ),
}

_ARRIVAL: dict[str, Entry] = {
    "fetch_cut": Entry(
        Kind.UPSTREAM,
        "{file} of {source} was cut off by {host} {tries} times without progress, at {have} of {size} bytes: {reason}.",
        "Run the same command again: it goes on from there.",
        "{source} 的 {file} 被 {host} 连续 {tries} 次中断且没有进展，停在 {have}/{size} 字节：{reason}。",
        "请再次运行同一命令：会从中断处继续。",
    ),
    "fetch_size_differs": Entry(
        Kind.UPSTREAM,
        "{host} sends {found} bytes as {file} of {source}; its list says {expected}.",
        "Nothing of it was kept. A proxy's own page or a mirror that is behind answers so: open the file in a browser, or take another endpoint.",
        "{host} 发送的 {source} 的 {file} 为 {found} 字节；其列表中为 {expected}。",
        "未保留任何内容。代理自己的页面或未同步的镜像会这样回答：请用浏览器打开该文件查看，或换一个站点。",
    ),
    "fetch_digest_differs": Entry(
        Kind.UPSTREAM,
        "{file} of {source}, as {host} sends it, is not what its list promises: {expected} there, sha256 {found} here.",
        "Nothing of it was kept. Try again; if it stays so, the mirror is behind or something on the way changes files: take another endpoint.",
        "{host} 发送的 {source} 的 {file} 与其列表不符：列表为 {expected}，实际 sha256 为 {found}。",
        "未保留任何内容。请重试；若仍如此，说明镜像未同步或途中有设备改动了文件：请换一个站点。",
    ),
    "fetch_disk_full": Entry(
        Kind.UNAVAILABLE,
        "{needed} bytes are to come to {folder}, where {free} are free.",
        "Free space there, or name a folder on a larger disk with --output. What has arrived stays, hidden beside the folder, and is gone on with.",
        "{folder} 处需要 {needed} 字节，可用 {free} 字节。",
        "请释放空间，或用 --output 指定更大磁盘上的目录。已下载的部分保留在目录旁的隐藏目录中，之后会继续使用。",
    ),
    "fetch_unwritable": Entry(
        Kind.UNAVAILABLE,
        "{folder} cannot be written: {reason}.",
        "Name a folder of this user's with --output; a mounted volume itself cannot be replaced, a folder in it can.",
        "无法写入 {folder}：{reason}。",
        "请用 --output 指定当前用户的目录；挂载卷本身无法替换，可使用其中的子目录。",
    ),
    "fetch_folder_taken": Entry(
        Kind.CONFLICT,
        "{folder} holds something else than a model: {found}.",
        "Name an empty or a new folder with --output.",
        "{folder} 中已有模型以外的内容：{found}。",
        "请用 --output 指定空目录或新目录。",
    ),
}

ENTRIES: dict[str, Entry] = {**_NETWORK, **_HUB, **_CHOICE, **_ARRIVAL}
