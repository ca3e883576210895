"""Errors of signing artifacts and of checking their signatures."""

from freehold.errors.kinds import Entry, Kind

_CHECKS: dict[str, Entry] = {
    "signature_missing": Entry(
        Kind.FORBIDDEN,
        "{what} ({digest}) is not signed, and `require: {{signed: true}}` asks for a signature.",
        "Sign it where the key is (`freehold models sign REF --key FILE`) and pull it anew; signatures travel with push"
        " and pull.",
        "{what}（{digest}）没有签名，而 `require: {{signed: true}}` 要求签名。",
        "请在持有密钥的机器上签名（`freehold models sign REF --key FILE`）后重新拉取；签名随推送和拉取一起传输。",
    ),
    "signature_wrong": Entry(
        Kind.FORBIDDEN,
        "A signature of {what} names a trusted key, and that key did not make it: it was changed, or forged.",
        "Do not use this copy before you know why. Sign the artifact again with the trusted key, and pull it anew.",
        "{what} 的签名声称来自受信任的密钥，但并非由该密钥签署：签名已被改动或伪造。",
        "查明原因前请勿使用此副本。请用受信任的密钥重新签名，然后重新拉取。",
    ),
    "signature_of_other": Entry(
        Kind.FORBIDDEN,
        "The trusted key signed {other}, and {what} is {digest}: the signature belongs to another artifact.",
        "Use the artifact that was signed, or sign this one.",
        "受信任的密钥签署的是 {other}，而 {what} 是 {digest}：该签名属于另一个制品。",
        "请使用已签名的那个制品，或为当前制品签名。",
    ),
    "signature_untrusted": Entry(
        Kind.FORBIDDEN,
        "{what} is signed by {signers}, and only these keys are trusted: {trusted}.",
        "If the signer is to be trusted, add the public key to `require: {{keys: [...]}}`; else sign it with a trusted one.",
        "{what} 由 {signers} 签名，但仅信任以下密钥：{trusted}。",
        "若信任该签名者，请将其公钥加入 `require: {{keys: [...]}}`；否则请用受信任的密钥签名。",
    ),
    "signature_not_of_file": Entry(
        Kind.FORBIDDEN,
        "The signature of {what} is not about every file in {path}: {files}.",
        "Remove those files, or sign an artifact that has them.",
        "{what} 的签名未覆盖 {path} 中的所有文件：{files}。",
        "请删除这些文件，或改为对包含它们的制品签名。",
    ),
    "signature_unreadable": Entry(
        Kind.INVALID,
        "{path} is no signature: {reason}.",
        "Remove it and sign the artifact again.",
        "{path} 不是有效的签名文件：{reason}。",
        "请删除该文件并重新为制品签名。",
    ),
    "signature_impossible": Entry(
        Kind.UNSUPPORTED,
        "{what} is no artifact, so nothing pins its files and it cannot be signed: {path}.",
        "Make an artifact of it with `freehold convert`, sign that, and use it as the source.",
        "{what} 不是制品，其文件没有固定的摘要，无法签名：{path}。",
        "请用 `freehold convert` 生成制品，为其签名后作为来源使用。",
    ),
}

_KEYS: dict[str, Entry] = {
    "signing_key_wanted": Entry(
        Kind.INVALID,
        "It was not said which key to sign with.",
        "Give a private key in PEM: --key FILE. `freehold models sign --new-key NAME` makes a pair, NAME.key and NAME.pub.",
        "未指定用于签名的密钥。",
        "请用 --key FILE 指定 PEM 私钥。`freehold models sign --new-key NAME` 可生成一对密钥：NAME.key 与 NAME.pub。",
    ),
    "signing_key_unreadable": Entry(
        Kind.INVALID,
        "{path} is not a usable key: {reason}.",
        "Give a PEM file of an ECDSA key on P-256, as `freehold models sign --new-key NAME` or OpenSSL makes it.",
        "{path} 不是可用的密钥：{reason}。",
        "请提供 P-256 曲线 ECDSA 密钥的 PEM 文件，可由 `freehold models sign --new-key NAME` 或 OpenSSL 生成。",
    ),
    "signing_key_unsupported": Entry(
        Kind.UNSUPPORTED,
        "{path} is {found}; keys here are ECDSA on P-256, in PKCS 8.",
        "Make one with `freehold models sign --new-key NAME`, or with"
        " `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`. Those of `freehold bundle plugin` sign plugins"
        " alone.",
        "{path} 是 {found}；此处使用 PKCS 8 格式的 P-256 ECDSA 密钥。",
        "请用 `freehold models sign --new-key NAME` 生成，或运行"
        " `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`。`freehold bundle plugin` 的密钥只用于插件。",
    ),
    "signing_key_private": Entry(
        Kind.INVALID,
        "{path} is a private key; who checks signatures needs the public one.",
        "Name the .pub file. A private key belongs only where artifacts are signed.",
        "{path} 是私钥；校验签名需要的是公钥。",
        "请改用 .pub 文件。私钥只应存放在签名的机器上。",
    ),
    "signing_key_exists": Entry(
        Kind.CONFLICT,
        "{path} is there already, and a key is never overwritten.",
        "Choose another name for the new pair.",
        "{path} 已存在，密钥不会被覆盖。",
        "请为新密钥换一个名称。",
    ),
    "signing_key_unwritable": Entry(
        Kind.INVALID,
        "{path} cannot be written: {reason}.",
        "Name a place that this user may write to.",
        "无法写入 {path}：{reason}。",
        "请指定当前用户可写的位置。",
    ),
    "signing_passphrase_wrong": Entry(
        Kind.INVALID,
        "The passphrase does not open {path}.",
        "Set FREEHOLD_KEY_PASSPHRASE to the right one, or unset it and type it at the prompt.",
        "口令无法解开 {path}。",
        "请将 FREEHOLD_KEY_PASSPHRASE 设为正确的口令，或取消设置后在提示处输入。",
    ),
    "signing_passphrase_wanted": Entry(
        Kind.INVALID,
        "{path} is encrypted, and there is no terminal to ask for its passphrase.",
        "Set FREEHOLD_KEY_PASSPHRASE; it is never taken from the command line.",
        "{path} 已加密，且没有终端可输入口令。",
        "请设置 FREEHOLD_KEY_PASSPHRASE；口令绝不会从命令行读取。",
    ),
    "config_keys_wanted": Entry(
        Kind.INVALID,
        "{where}: `{id}` must be signed, and it is not said whose signature counts.",
        "Add the public keys: require: {{signed: true, keys: [release.pub]}}.",
        "{where}：`{id}` 要求签名，但未说明信任谁的签名。",
        "请添加公钥：require: {{signed: true, keys: [release.pub]}}。",
    ),
    "config_signed_elsewhere": Entry(
        Kind.UNSUPPORTED,
        "{where}: `{id}` must be signed, but another program computes it, and what that one loads cannot be checked here.",
        "Set `require: {{signed: false}}` for it, knowingly, or serve an artifact with Freehold itself.",
        "{where}：`{id}` 要求签名，但它由其他程序计算，此处无法检查其加载的内容。",
        "请在知情的前提下为它设置 `require: {{signed: false}}`，或改为由 Freehold 直接服务制品。",
    ),
}

ENTRIES: dict[str, Entry] = {**_CHECKS, **_KEYS}
