"""Errors of artifacts, goldens and proofs."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "artifact_invalid": Entry(
        Kind.INVALID,
        "{path} is not a usable artifact: {reason}.",
        "Make it again from its source, or copy it again: an artifact is never edited by hand.",
        "{path} 不是可用的制品：{reason}。",
        "请从原始模型重新生成，或重新复制：制品不可手工修改。",
    ),
    "artifact_corrupt": Entry(
        Kind.INVALID,
        "{path}: the file {file} is not what the manifest says ({expected}, found {found}).",
        "The copy is damaged or incomplete: copy the artifact again.",
        "{path}：文件 {file} 与清单不符（应为 {expected}，实际为 {found}）。",
        "复制损坏或不完整：请重新复制该制品。",
    ),
    "golden_invalid": Entry(
        Kind.INVALID,
        "{path} is not a usable golden file: {reason}.",
        "Record it again with `freehold golden record`, or with the framework's recorder.",
        "{path} 不是可用的基准（golden）文件：{reason}。",
        "请用 `freehold golden record` 或框架的录制脚本重新录制。",
    ),
    "proof_failed": Entry(
        Kind.UNAVAILABLE,
        "{model} fails its proof: case {case}, output {output}, index {index}: expected {expected}, seen {seen}"
        " ({measure}, allowed {allowed}).",
        "Do not serve it: compare the weights with their source, then convert again. To serve it knowingly for 24 h:"
        " --accept-failed-proof {model} --reason TEXT.",
        "{model} 未通过验证：用例 {case}，输出 {output}，位置 {index}：应为 {expected}，实际为 {seen}（{measure}，允许 {allowed}）。",
        "请勿上线：核对权重来源后重新转换。若明知仍要使用 24 小时：--accept-failed-proof {model} --reason 原因。",
    ),
    "proof_required": Entry(
        Kind.UNAVAILABLE,
        "{model} has proof `{proof}`, and the configuration requires `raw`.",
        "Give it goldens recorded with its raw framework, or relax `require: {{proof: ...}}`.",
        "{model} 的证明级别为 `{proof}`，而配置要求 `raw`。",
        "请提供用原始框架录制的基准，或放宽 `require: {{proof: ...}}`。",
    ),
    "accept_needs_reason": Entry(
        Kind.INVALID,
        "--accept-failed-proof needs a --reason that is not empty.",
        "Say why it is served although its proof fails; the text goes into the audit log.",
        "--accept-failed-proof 必须附带非空的 --reason。",
        "请说明为何在证明失败时仍要上线；该文字会写入审计日志。",
    ),
}
