"""Errors of bundles for closed networks."""

from freehold.errors.kinds import Entry, Kind

_READING: dict[str, Entry] = {
    "bundle_unreadable": Entry(
        Kind.NOT_FOUND,
        "The bundle {place} cannot be read: {reason}.",
        "See that the path is right and that this user may read it.",
        "无法读取离线包 {place}：{reason}。",
        "请确认路径正确，且当前用户可读。",
    ),
    "bundle_truncated": Entry(
        Kind.INVALID,
        "The bundle {place} ends at byte {size}, in the middle of {entry} or behind it: it was not copied whole.",
        "Copy it again, and compare its size with the original's.",
        "离线包 {place} 在第 {size} 字节处中断（位于 {entry} 之中或之后）：没有完整复制。",
        "请重新复制，并与原文件比较大小。",
    ),
    "bundle_invalid": Entry(
        Kind.INVALID,
        "{place} is no bundle that Freehold wrote: {entry}: {reason}.",
        "Nothing of it was used. Take it from where `freehold bundle create` made it; a tar that was unpacked and packed"
        " again is none: carry the folder instead.",
        "{place} 不是 Freehold 写出的离线包：{entry}：{reason}。",
        "未使用其中任何内容。请使用 `freehold bundle create` 生成的原件；解开后重新打包的 tar 不算：请改为直接携带目录。",
    ),
    "bundle_incomplete": Entry(
        Kind.INVALID,
        "The bundle {place} lacks {entry}.",
        "Copy it again, or make it again with `freehold bundle create`, which takes what is there.",
        "离线包 {place} 缺少 {entry}。",
        "请重新复制，或用 `freehold bundle create` 重新生成；已有的内容会被沿用。",
    ),
    "bundle_extra": Entry(
        Kind.INVALID,
        "The bundle {place} has {entry}, which its manifest does not name.",
        "Find out who put it there. If it is harmless, remove it; else use the original.",
        "离线包 {place} 含有清单之外的 {entry}。",
        "请查明来源。若无害则删除；否则请使用原件。",
    ),
    "bundle_tampered": Entry(
        Kind.INVALID,
        "{entry} in the bundle {place} is not what its manifest says: {found} instead of {wanted}. It was changed or"
        " damaged.",
        "Do not use this copy. Copy the bundle again and verify it; if the original fails too, make it again.",
        "离线包 {place} 中的 {entry} 与清单不符：应为 {wanted}，实为 {found}。内容被改动或已损坏。",
        "请勿使用此副本。请重新复制并校验；若原件也失败，请重新生成。",
    ),
    "bundle_unsigned": Entry(
        Kind.FORBIDDEN,
        "The bundle {place} has no signature.",
        "Make it again with `--sign-key FILE`, or, if you know how it came here, say --unsigned instead of --key.",
        "离线包 {place} 没有签名。",
        "请用 `--sign-key FILE` 重新生成；若确知其来源，可用 --unsigned 代替 --key。",
    ),
    "bundle_key_wrong": Entry(
        Kind.FORBIDDEN,
        "The bundle {place} was not signed with this key: its signature is of {signer}, the key is {key}.",
        "Give the public key of who made the bundle. If that is this one, the bundle was forged or damaged.",
        "离线包 {place} 不是用此密钥签名的：签名来自 {signer}，而密钥为 {key}。",
        "请提供制作者的公钥。若确为此密钥，则离线包被伪造或已损坏。",
    ),
    "bundle_signature_other": Entry(
        Kind.FORBIDDEN,
        "The signature in {place} is of another bundle: manifest.json here is {digest}, and that was not signed.",
        "Do not use this copy: its manifest was changed after signing. Copy the bundle again.",
        "{place} 中的签名属于另一个离线包：此处的 manifest.json 为 {digest}，并未被签名。",
        "请勿使用此副本：其清单在签名后被改动。请重新复制。",
    ),
    "bundle_key_needed": Entry(
        Kind.INVALID,
        "Nothing says whose bundle it is: neither {option} nor --unsigned was given.",
        "Add `{option} FILE` (`freehold models sign --new-key NAME` makes a pair of keys), or --unsigned if none is wanted.",
        "未说明离线包由谁担保：既没有 {option}，也没有 --unsigned。",
        "请加上 `{option} FILE`（`freehold models sign --new-key NAME` 可生成一对密钥）；若不需要签名，请写 --unsigned。",
    ),
}

_CREATING: dict[str, Entry] = {
    "bundle_image_unknown": Entry(
        Kind.NOT_FOUND,
        "{place} has no image {reference}, which the configuration takes as {image}.",
        "See that the name is right. An image that was built on this machine is taken from its Docker Engine, which must"
        " run; `--from REGISTRY` asks a mirror.",
        "{place} 没有镜像 {reference}（配置中为 {image}）。",
        "请检查名称。本机构建的镜像取自正在运行的 Docker Engine；`--from REGISTRY` 可改用镜像站。",
    ),
    "bundle_platform_missing": Entry(
        Kind.INVALID,
        "{place} has {image} for {known}, and not for {wanted}.",
        "Give the platform of the machines that will run it: `--platform`.",
        "{place} 中的 {image} 只有 {known}，没有 {wanted}。",
        "请用 `--platform` 指定将要运行它的机器的平台。",
    ),
    "bundle_platform_invalid": Entry(
        Kind.INVALID,
        "--platform {platform} is no platform.",
        "Write linux/amd64, linux/arm64, or all.",
        "--platform {platform} 不是有效的平台。",
        "请写 linux/amd64、linux/arm64 或 all。",
    ),
    "bundle_pip_missing": Entry(
        Kind.UNSUPPORTED,
        "{python} has no pip, and pip fetches the wheels.",
        "Run this where Freehold was installed by pip, or leave the wheels out: --no-wheels.",
        "{python} 没有 pip，无法下载 wheel。",
        "请在用 pip 安装 Freehold 的环境中运行，或用 --no-wheels 不包含 wheel。",
    ),
    "bundle_wheels_failed": Entry(
        Kind.UPSTREAM,
        "pip cannot fetch the wheels: {reason}",
        "Its settings are your own (PIP_INDEX_URL, HTTPS_PROXY, PIP_CERT): see that they reach an index. Or leave the"
        " wheels out: --no-wheels.",
        "pip 无法下载 wheel：{reason}",
        "pip 使用您自己的设置（PIP_INDEX_URL、HTTPS_PROXY、PIP_CERT）：请确认能访问索引。或用 --no-wheels 不包含 wheel。",
    ),
    "bundle_wheel_wanted": Entry(
        Kind.INVALID,
        "This installation of Freehold cannot be made into a wheel again: {reason}.",
        "Give its wheel: `--wheel FILE` (`make dist` in a clone makes it), or leave the wheels out: --no-wheels.",
        "无法由当前安装的 Freehold 重新生成 wheel：{reason}。",
        "请用 `--wheel FILE` 提供（在代码库中运行 `make dist` 生成），或用 --no-wheels 不包含 wheel。",
    ),
    "bundle_plugin_none": Entry(
        Kind.INVALID,
        "The configuration has a Dify, and no plugin is carried: without its provider plugin Dify can add no model.",
        "Add `--plugin FILE.difypkg --plugin-key NAME.key` (`freehold bundle plugin --new-key NAME` makes a pair), unless"
        " it is installed there already.",
        "配置中有 Dify，但没有携带插件：没有供应商插件，Dify 无法添加任何模型。",
        "请添加 `--plugin FILE.difypkg --plugin-key NAME.key`（`freehold bundle plugin --new-key NAME` 生成密钥对），除非那里已安装该插件。",
    ),
    "bundle_wheel_unfit": Entry(
        Kind.INVALID,
        "{path} cannot be carried as Freehold's wheel: {reason}.",
        "Give freehold-VERSION-py3-none-any.whl, as `make dist` writes it.",
        "{path} 不能作为 Freehold 的 wheel：{reason}。",
        "请提供 `make dist` 生成的 freehold-VERSION-py3-none-any.whl。",
    ),
    "bundle_name_unfit": Entry(
        Kind.INVALID,
        "A bundle cannot have a file named {entry}: {reason}.",
        "Rename the file, or leave it out of the model's folder.",
        "离线包中不能有名为 {entry} 的文件：{reason}。",
        "请重命名该文件，或将其移出模型目录。",
    ),
    "bundle_output_taken": Entry(
        Kind.CONFLICT,
        "{path} is there and is no bundle that could be renewed: {reason}",
        "Give another --output, or remove it.",
        "{path} 已存在，且不是可更新的离线包：{reason}",
        "请换一个 --output，或先将其删除。",
    ),
    "bundle_full": Entry(
        Kind.UNAVAILABLE,
        "{path} has {free} MB free, and {needed} MB are needed. What has come is kept beside it.",
        "Free space, or choose another --output. A folder takes half the space that a .tar takes while it is made.",
        "{path} 剩余 {free} MB，需要 {needed} MB。已下载的内容保留在旁边。",
        "请释放空间，或换一个 --output。生成目录所需的空间是生成 .tar 时的一半。",
    ),
    "bundle_unwritable": Entry(
        Kind.UNAVAILABLE,
        "{path} cannot be written: {reason}.",
        "Make it writable for this user, or choose another place.",
        "{path} 不可写：{reason}。",
        "请使其对当前用户可写，或换一个位置。",
    ),
    "bundle_busy": Entry(
        Kind.CONFLICT,
        "Another command puts this bundle together now: it holds {path}.",
        "Wait until it has ended, or give another --output.",
        "另一个命令正在生成此离线包：它占用 {path}。",
        "请等它结束，或换一个 --output。",
    ),
}

_LOADING: dict[str, Entry] = {
    "bundle_engine_failed": Entry(
        Kind.UPSTREAM,
        "`{command}` failed: {reason}",
        "Those are Docker's words. See that its disk has room; the same command goes on with what is missing.",
        "`{command}` 失败：{reason}",
        "以上为 Docker 的报告。请确认其磁盘有空间；重新运行同一命令会继续处理缺少的部分。",
    ),
    "bundle_platform_other": Entry(
        Kind.INVALID,
        "{image} in the bundle is for {found}, and this machine's Docker Engine runs {here}.",
        "Make the bundle with `--platform {here}`, or with `--platform all` for both.",
        "离线包中的 {image} 适用于 {found}，而本机的 Docker Engine 为 {here}。",
        "请用 `--platform {here}` 重新生成，或用 `--platform all` 同时包含两者。",
    ),
    "bundle_image_gone": Entry(
        Kind.NOT_FOUND,
        "{image}, which images.lock.json names, is not in this machine's Docker, and no registry knows an id.",
        "Load the bundle again, into the folder of the configuration: `freehold bundle load BUNDLE --to docker --into DIR`.",
        "images.lock.json 指定的 {image} 不在本机的 Docker 中，而任何镜像仓库都不认识镜像 ID。",
        "请把离线包重新载入到配置所在的目录：`freehold bundle load BUNDLE --to docker --into DIR`。",
    ),
    "bundle_file_taken": Entry(
        Kind.CONFLICT,
        "{path} is there already, and is another one than the bundle's.",
        "Move it away, or give another folder: --into. Nothing was written.",
        "{path} 已存在，且与离线包中的不同。",
        "请将其移走，或用 --into 指定另一个目录。尚未写入任何内容。",
    ),
    "bundle_configuration_kept": Entry(
        Kind.CONFLICT,
        "{path} was there already and differs from the bundle's: it was kept.",
        "If the bundle's is wanted, move this one away and load again.",
        "{path} 已存在且与离线包中的不同：已保留原文件。",
        "若需要离线包中的版本，请将其移走后重新加载。",
    ),
    "bundle_lock_unreadable": Entry(
        Kind.INVALID,
        "The lock file {path} cannot be read: {reason}.",
        "Load the bundle again, which writes it anew, or remove it: images are then looked up by their tags.",
        "无法读取锁定文件 {path}：{reason}。",
        "请重新加载离线包以重写该文件，或将其删除：此后将按标签查找镜像。",
    ),
    "bundle_registry_invalid": Entry(
        Kind.INVALID,
        "--to {registry} is neither `docker` nor the address of a registry: Docker would read it as a name on Docker Hub.",
        "Write its host with a dot or a port: registry.corp.example, registry:5000, or docker for this machine's engine.",
        "--to {registry} 既不是 `docker` 也不是镜像仓库的地址：Docker 会将其理解为 Docker Hub 上的名称。",
        "请写带点或端口的主机名：registry.corp.example、registry:5000；或写 docker 表示本机引擎。",
    ),
    "bundle_registry_other": Entry(
        Kind.INVALID,
        "Images were pushed below {registry}, and the configuration says `deploy.registry: {said}`: it will not find them.",
        "Write `deploy: {{registry: {registry}}}` in freehold.yaml.",
        "镜像已推送到 {registry} 下，而配置中为 `deploy.registry: {said}`：将找不到这些镜像。",
        "请在 freehold.yaml 中写 `deploy: {{registry: {registry}}}`。",
    ),
    "bundle_model_elsewhere": Entry(
        Kind.NOT_FOUND,
        "The configuration names the model {id} by the path {source}, and its files are in {folder} now.",
        "Move them to that path, or write the new one into freehold.yaml.",
        "配置用路径 {source} 指定模型 {id}，而其文件现在位于 {folder}。",
        "请将其移到该路径，或在 freehold.yaml 中写入新路径。",
    ),
}

ENTRIES: dict[str, Entry] = _READING | _CREATING | _LOADING
