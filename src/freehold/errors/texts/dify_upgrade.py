"""Errors of upgrades of Dify."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "dify_upgrade_same": Entry(
        Kind.CONFLICT,
        "Dify is of version {version} already.",
        "Nothing to do.",
        "Dify 已是版本 {version}。",
        "无需操作。",
    ),
    "dify_upgrade_back": Entry(
        Kind.UNSUPPORTED,
        "Dify {before} cannot become {after}: migrations of its databases cannot be undone.",
        "Deploy {after} anew and restore a backup that was made of it.",
        "Dify {before} 无法变为 {after}：数据库迁移不可撤销。",
        "请重新部署 {after}，并恢复该版本的备份。",
    ),
    "dify_upgrade_ladder": Entry(
        Kind.UNSUPPORTED,
        "Weaviate would go from {before} to {after}: it reads its files only one minor version at a time.",
        "Climb by hand, one minor version after the other, with a look at a knowledge base at each; or move to pgvector and index the documents again.",
        "Weaviate 将从 {before} 升级到 {after}：它只能逐个次版本读取自己的数据文件。",
        "请手动逐个次版本升级，并在每一步检查知识库；或改用 pgvector 并重新索引文档。",
    ),
    "dify_upgrade_postgres": Entry(
        Kind.UNSUPPORTED,
        "{service} would go from {before} to {after}: another major version of PostgreSQL does not read these files.",
        "Make a backup, deploy the new version as a new installation, and restore the backup into it.",
        "{service} 将从 {before} 变为 {after}：不同主版本的 PostgreSQL 无法读取这些文件。",
        "请先备份，将新版本部署为全新安装，再把备份恢复到其中。",
    ),
    "dify_upgrade_interrupted": Entry(
        Kind.CONFLICT,
        "An upgrade from Dify {before} to {after} was cut off here; its backup is {backup}.",
        "Take it back: `freehold dify upgrade --take-back --backup {backup} --key FILE`.",
        "此处从 Dify {before} 到 {after} 的升级曾被中断；其备份为 {backup}。",
        "请撤回：`freehold dify upgrade --take-back --backup {backup} --key 文件`。",
    ),
    "dify_upgrade_none": Entry(
        Kind.NOT_FOUND,
        "No upgrade was cut off here, so there is nothing to take back.",
        "To go back to the data of an older backup, deploy its version anew and use `freehold dify restore`.",
        "此处没有被中断的升级，无可撤回。",
        "若要回到更早备份的数据，请重新部署其版本并使用 `freehold dify restore`。",
    ),
    "dify_upgrade_other_backup": Entry(
        Kind.CONFLICT,
        "The backup named is not the one of the upgrade that was cut off: that is {backup}, id {id}.",
        "Name that one.",
        "所指定的备份不是被中断升级的备份：应为 {backup}，编号 {id}。",
        "请指定该备份。",
    ),
    "dify_upgrade_unwritable": Entry(
        Kind.UNAVAILABLE,
        "What an upgrade does cannot be kept in {path}: {reason}.",
        "Give this user the right to write there. Nothing was changed.",
        "无法在 {path} 中记录升级过程：{reason}。",
        "请授予当前用户写权限。没有进行任何更改。",
    ),
    "dify_upgrade_backup_wanted": Entry(
        Kind.INVALID,
        "An upgrade makes a backup first and must be able to open it: `--backup FILE` and `--key FILE` are wanted.",
        "Make a key once: `freehold dify backup --new-key FILE`. `--plan` alone needs neither.",
        "升级会先制作备份，且必须能够打开它：需要 `--backup 文件` 和 `--key 文件`。",
        "先生成一次密钥：`freehold dify backup --new-key 文件`。仅使用 `--plan` 时两者都不需要。",
    ),
    "dify_upgrade_to_wanted": Entry(
        Kind.INVALID,
        "No version is named.",
        "Add `--to VERSION`; known: {known}.",
        "未指定版本。",
        "请添加 `--to 版本`；已知版本：{known}。",
    ),
    "dify_upgrade_rows_lost": Entry(
        Kind.CONFLICT,
        "After the migration database {database} has fewer rows than before: {lost}.",
        "Report this with the migration's log; the older version runs with its data.",
        "迁移后数据库 {database} 的行数少于之前：{lost}。",
        "请附上迁移日志报告此问题；旧版本及其数据已恢复运行。",
    ),
    "dify_upgrade_failed": Entry(
        Kind.UPSTREAM,
        "{what} failed: {words}",
        "Look at what it says; the older version runs with its data.",
        "{what} 失败：{words}",
        "请查看其提示；旧版本及其数据已恢复运行。",
    ),
    "dify_upgrade_taken_back": Entry(
        Kind.CONFLICT,
        "Dify {after} could not be put in force, and {before} runs again with all its data. Why: {reason}",
        "Mend that and try again; the backup stays where it is.",
        "Dify {after} 未能生效，{before} 已带着全部数据恢复运行。原因：{reason}",
        "请修复后重试；备份仍保留在原处。",
    ),
    "dify_upgrade_stuck": Entry(
        Kind.UNAVAILABLE,
        "The upgrade failed ({reason}), and so did going back to {version}: {second}",
        "Mend the second one and run `freehold dify upgrade --take-back --backup {backup} --key FILE`: all data is in that file.",
        "升级失败（{reason}），回退到 {version} 也失败：{second}",
        "请修复后一个问题，并运行 `freehold dify upgrade --take-back --backup {backup} --key 文件`：全部数据都在该文件中。",
    ),
}
