"""Errors of the audit and of usage."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "audit_refused": Entry(
        Kind.UNAVAILABLE,
        "This is not done because it could not be written into the audit: {reason}.",
        "Put that right; `access.audit.when_full: go_on` goes on without lines, and says later how many are missing.",
        "该操作无法写入审计日志，因此未执行：{reason}。",
        "请排除该故障；若设 `access.audit.when_full: go_on`，则不写日志也继续，之后会记录缺失的行数。",
    ),
    "audit_headless": Entry(
        Kind.INVALID,
        "The audit in {place} has no head any more: somebody changed its table.",
        "Run `freehold audit --verify`, keep a copy of the database for whoever looks into it, and restore a backup.",
        "{place} 中的审计日志已没有链首：有人改动了其数据表。",
        "请运行 `freehold audit --verify`，保留数据库副本以供调查，然后从备份恢复。",
    ),
    "audit_foreign": Entry(
        Kind.INVALID,
        "The audit's table has a row that no Freehold wrote: number {number}, time {at}.",
        "Keep a copy of the database for whoever looks into it, and restore a backup.",
        "审计数据表中有一行并非由 Freehold 写入：编号 {number}，时间 {at}。",
        "请保留数据库副本以供调查，然后从备份恢复。",
    ),
    "audit_broken": Entry(
        Kind.INVALID,
        "The audit is not as it was written: {faults}.",
        "Keep a copy of the database for whoever looks into it; docs/decisions/audit.md says what each finding means.",
        "审计日志与写入时不一致：{faults}。",
        "请保留数据库副本以供调查；各项含义见 docs/decisions/audit.md。",
    ),
    "audit_option_invalid": Entry(
        Kind.INVALID,
        "{option} is `{value}`, which cannot be read.",
        "Write {example}.",
        "{option} 的值“{value}”无法识别。",
        "请写成 {example}。",
    ),
    "audit_file_exists": Entry(
        Kind.CONFLICT,
        "{path} is there already.",
        "Name another file, or move that one away: an export never replaces one.",
        "{path} 已存在。",
        "请换一个文件名，或移走原文件：导出不会覆盖已有文件。",
    ),
    "audit_file_unwritable": Entry(
        Kind.INVALID,
        "The export cannot be written to {path}: {reason}.",
        "Name a file in a folder that you may write to, with space enough.",
        "无法将导出内容写入 {path}：{reason}。",
        "请指定一个可写且空间充足的位置。",
    ),
}
