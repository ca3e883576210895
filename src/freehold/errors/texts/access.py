"""Errors of the room `access`: keys and the door."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "key_missing": Entry(
        Kind.UNAUTHENTICATED,
        "This server asks for a key, and the request carries none.",
        "Send it as `Authorization: Bearer KEY` or `api-key: KEY`; the first key lies in the server's file `initial-key`.",
        "服务器需要密钥，而请求未携带。",
        "请用 `Authorization: Bearer KEY` 或 `api-key: KEY` 发送；首个密钥保存在服务器的 `initial-key` 文件中。",
    ),
    "key_wrong": Entry(
        Kind.UNAUTHENTICATED,
        "This server does not know the key that the request carries.",
        "Check that the whole key was copied (it begins with `fh_`) and that it belongs to this server.",
        "服务器不认识请求携带的密钥。",
        "请确认密钥复制完整（以 `fh_` 开头），且属于这台服务器。",
    ),
    "key_name_taken": Entry(
        Kind.CONFLICT,
        "There is a key named {name} already.",
        "Choose another name: a key is shown once, when it is made, and cannot be shown again.",
        "名为 {name} 的密钥已存在。",
        "请换一个名称：密钥仅在创建时显示一次，之后无法再次显示。",
    ),
    "keys_unreadable": Entry(
        Kind.INVALID,
        "{path} is not a usable key database: {reason}.",
        "Restore it from a backup, or move it away: the next start makes a new key, and all older keys end.",
        "{path} 不是可用的密钥数据库：{reason}。",
        "请从备份恢复，或移走该文件：下次启动会生成新密钥，旧密钥全部失效。",
    ),
    "database_locked": Entry(
        Kind.UNAVAILABLE,
        "{place} is held by another writer: {reason}.",
        "Try again; where it stays so, find the program that keeps a transaction open there.",
        "{place} 正被其他写入者占用：{reason}。",
        "请重试；若持续如此，请找出一直占用事务的程序。",
    ),
    "database_read_only": Entry(
        Kind.UNAVAILABLE,
        "{place} cannot be written: {reason}.",
        "Give this user the right to write it, or run the command where it may be written; known keys go on counting.",
        "无法写入 {place}：{reason}。",
        "请授予当前用户写权限，或在可写处执行命令；已知的密钥继续有效。",
    ),
    "database_full": Entry(
        Kind.UNAVAILABLE,
        "There is no space left for {place}: {reason}.",
        "Free space on its disk; nothing was changed.",
        "{place} 所在磁盘已满：{reason}。",
        "请释放磁盘空间；未做任何更改。",
    ),
    "database_gone": Entry(
        Kind.UNAVAILABLE,
        "{place} cannot be reached: {reason}.",
        "Bring it back: a running server goes on with the keys that it knows, and looks again by itself.",
        "无法访问 {place}：{reason}。",
        "请恢复数据库：运行中的服务器继续使用已知密钥，并会自行重试。",
    ),
    "database_newer": Entry(
        Kind.INVALID,
        "{place} was written by a later release (version {found}; this one knows {known}).",
        "Use that release, or restore the database from before the upgrade.",
        "{place} 由更新的版本写入（版本 {found}，当前程序仅支持 {known}）。",
        "请使用该版本，或恢复升级前的数据库。",
    ),
    "database_url_invalid": Entry(
        Kind.INVALID,
        "What `access.database` refers to is no address of a PostgreSQL database.",
        "Write postgresql://USER:PASSWORD@HOST:5432/NAME there; special characters of a password as %XX.",
        "`access.database` 所引用的内容不是 PostgreSQL 数据库地址。",
        "请写为 postgresql://USER:PASSWORD@HOST:5432/NAME；密码中的特殊字符写作 %XX。",
    ),
    "database_driver_missing": Entry(
        Kind.INVALID,
        "`access.database` needs the driver of PostgreSQL, which is not installed: {reason}.",
        "pip install 'freehold[postgres]'",
        "`access.database` 需要 PostgreSQL 驱动，但未安装：{reason}。",
        "pip install 'freehold[postgres]'",
    ),
    "keys_homeless": Entry(
        Kind.UNAVAILABLE,
        "A key is needed beyond loopback, and neither {home} nor the temporary folder can be written: {reason}.",
        "Set FREEHOLD_HOME to a writable folder, or open the door knowingly with FREEHOLD_AUTH=none.",
        "对外监听需要密钥，但 {home} 与临时目录均不可写：{reason}。",
        "请将 FREEHOLD_HOME 设为可写目录，或明确以 FREEHOLD_AUTH=none 开放访问。",
    ),
    "auth_unknown": Entry(
        Kind.INVALID,
        "{source} is {value}, which is no way of access.",
        "Set it to `keys` or `none`.",
        "{source} 的值 {value} 不是有效的访问方式。",
        "请设为 `keys` 或 `none`。",
    ),
}
