"""Errors of requests that a second model answers for comparison."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "shadow_report_absent": Entry(
        Kind.NOT_FOUND,
        "There is no report of a shadow of `{route}`. Routes that have one: {known}.",
        "Give the route a `shadow`, send it requests, and ask again with the same FREEHOLD_HOME as the gateway's.",
        "没有 `{route}` 的影子流量报告。已有报告的路由：{known}。",
        "请为该路由设置 `shadow` 并发送请求，再用与网关相同的 FREEHOLD_HOME 查看。",
    ),
    "shadow_report_unreadable": Entry(
        Kind.INVALID,
        "The report {path} cannot be read: {reason}.",
        "Remove the file; the gateway begins a new one with the next request.",
        "无法读取报告 {path}：{reason}。",
        "请删除该文件；网关会在下一个请求时重新生成。",
    ),
}
