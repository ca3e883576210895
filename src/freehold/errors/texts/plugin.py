"""Errors of Dify's plugin packages."""

from freehold.errors.kinds import Entry, Kind

_PACKAGE: dict[str, Entry] = {
    "plugin_unreadable": Entry(
        Kind.INVALID,
        "{path} cannot be read: {reason}.",
        "Fetch the .difypkg file again, as the marketplace or the release page gives it.",
        "无法读取 {path}：{reason}。",
        "请从插件市场或发布页重新下载 .difypkg 文件。",
    ),
    "plugin_refused": Entry(
        Kind.INVALID,
        "{path} is not opened: {reason}.",
        "A package is a zip of plain files below one folder. Ask whoever made this one; do not install it.",
        "拒绝打开 {path}：{reason}。",
        "插件包应是只含普通文件的 zip。请联系制作者，不要安装它。",
    ),
    "plugin_manifest_invalid": Entry(
        Kind.INVALID,
        "{path} is no plugin that Dify's daemon would install: {reason}.",
        "Give the package of a plugin (.difypkg) in Python, not its source or a bundle of several.",
        "{path} 不是 Dify 插件守护进程可安装的插件：{reason}。",
        "请提供 Python 插件的安装包（.difypkg），而不是源码或插件合集。",
    ),
    "plugin_requirements_missing": Entry(
        Kind.INVALID,
        "{plugin} has neither pyproject.toml nor requirements.txt, and the daemon installs no such package.",
        "Fetch a newer release of the plugin, or ask its author.",
        "{plugin} 既没有 pyproject.toml 也没有 requirements.txt，守护进程无法安装这样的插件包。",
        "请下载该插件的新版本，或联系作者。",
    ),
    "plugin_requirements_invalid": Entry(
        Kind.INVALID,
        "{file} of the package cannot be read: {reason}.",
        "Fetch the package again; if it stays so, tell the plugin's author.",
        "无法解析插件包中的 {file}：{reason}。",
        "请重新下载插件包；若问题依旧，请告知插件作者。",
    ),
    "plugin_requirement_refused": Entry(
        Kind.UNSUPPORTED,
        "{where} of the package asks for `{text}`: {reason}.",
        "Only names with versions, from an index, are taken into a package. Put such a wheel on your own index and name"
        " it by version in the plugin's requirements, or use a release without it.",
        "插件包的 {where} 要求 `{text}`：{reason}。",
        "只有来自索引、以名称和版本指定的依赖才能装入插件包。请把该 wheel 放到自有索引，并在插件依赖中以版本指定，"
        "或改用不含它的版本。",
    ),
}

_WHEELS: dict[str, Entry] = {
    "plugin_wheel_missing": Entry(
        Kind.NOT_FOUND,
        "There is no wheel of {wanted} for Python 3.12 on Linux {architecture}: the index has sources alone, or nothing.",
        "Build the wheel on such a machine (`pip wheel`), lay it into a folder and set PIP_FIND_LINKS to that folder; or"
        " choose a release of the plugin that asks for another version.",
        "没有 {wanted} 适用于 Linux {architecture}、Python 3.12 的 wheel：索引中只有源码或什么都没有。",
        "请在同类机器上用 `pip wheel` 构建，放入某个目录，并把 PIP_FIND_LINKS 设为该目录；或选用依赖其他版本的插件版本。",
    ),
    "plugin_wheel_changed": Entry(
        Kind.FORBIDDEN,
        "{file} from the index has the digest {found}, which the package's own lock does not name.",
        "Do not use this file. Look at what your index or mirror gave, and fetch again from the one that the author used.",
        "索引返回的 {file} 的摘要为 {found}，与插件包自带的锁文件不符。",
        "请勿使用该文件。请检查索引或镜像返回的内容，并从作者使用的索引重新获取。",
    ),
    "plugin_wheel_unreadable": Entry(
        Kind.INVALID,
        "{path} is no wheel: {reason}.",
        "Remove it and fetch again.",
        "{path} 不是有效的 wheel：{reason}。",
        "请删除后重新获取。",
    ),
    "plugin_download_failed": Entry(
        Kind.UPSTREAM,
        "pip could not fetch what the plugin needs: {said}.",
        "Run this where there is a network. PIP_INDEX_URL names an index or mirror, HTTPS_PROXY a proxy, PIP_CERT a CA;"
        " `python -m ensurepip` brings pip where it is missing.",
        "pip 无法获取插件所需的包：{said}。",
        "请在有网络的机器上运行。PIP_INDEX_URL 指定索引或镜像，HTTPS_PROXY 指定代理，PIP_CERT 指定 CA；"
        "缺少 pip 时可运行 `python -m ensurepip`。",
    ),
}

_SIGNATURES: dict[str, Entry] = {
    "plugin_key_wanted": Entry(
        Kind.INVALID,
        "It was not said which key signs the package.",
        "Give a private key: --key FILE. `freehold bundle plugin --new-key NAME` makes a pair, NAME.key and NAME.pub.",
        "未指定用于签名插件包的密钥。",
        "请用 --key FILE 指定私钥。`freehold bundle plugin --new-key NAME` 可生成一对密钥：NAME.key 与 NAME.pub。",
    ),
    "plugin_key_unusable": Entry(
        Kind.INVALID,
        "{path} is no key for packages: {reason}.",
        "`freehold bundle plugin --new-key NAME` makes a pair: NAME.key signs, NAME.pub is what the daemon gets. Those of"
        " `freehold models sign` are of another kind.",
        "{path} 不是可用于插件包的密钥：{reason}。",
        "`freehold bundle plugin --new-key NAME` 可生成一对密钥：NAME.key 用于签名，NAME.pub 交给守护进程。"
        "`freehold models sign` 的密钥是另一种。",
    ),
    "plugin_unsigned": Entry(
        Kind.FORBIDDEN,
        "{plugin} carries no signature, and the daemon refuses it while it verifies them.",
        "Sign it: `freehold bundle plugin FILE --key NAME.key`.",
        "{plugin} 没有签名；守护进程开启签名校验时会拒绝它。",
        "请签名：`freehold bundle plugin FILE --key NAME.key`。",
    ),
    "plugin_signature_wrong": Entry(
        Kind.FORBIDDEN,
        "The signature of {plugin} does not hold: {reason}; or the package was changed after it was signed.",
        "Do not install this copy. Take it again from where it was made, and check it with the public key of that pair.",
        "{plugin} 的签名无效：{reason}；也可能是签名后被改动。",
        "请勿安装此副本。请从制作处重新获取，并用对应的公钥校验。",
    ),
    "plugin_unwritable": Entry(
        Kind.INVALID,
        "{path} cannot be written: {reason}.",
        "Name a place that this user may write to, with --output or --index.",
        "无法写入 {path}：{reason}。",
        "请用 --output 或 --index 指定当前用户可写的位置。",
    ),
}

ENTRIES: dict[str, Entry] = {**_PACKAGE, **_WHEELS, **_SIGNATURES}
