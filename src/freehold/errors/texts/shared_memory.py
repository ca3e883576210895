"""Errors of tensors in shared memory. Where Triton has words for a case they come first: clients look for them."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "shared_memory_off": Entry(
        Kind.UNSUPPORTED,
        "Shared memory of clients is not allowed on this server.",
        "Send the tensors in the request, or name the prefixes that clients may use in `server.shared_memory`.",
        "本服务未允许客户端使用共享内存。",
        "请将张量放在请求中发送，或在 `server.shared_memory` 中写明允许客户端使用的前缀。",
    ),
    "cuda_shared_memory_off": Entry(
        Kind.UNSUPPORTED,
        "CUDA shared memory is not offered by this server.",
        "Send the tensors in the request, or use system shared memory (/v2/systemsharedmemory).",
        "本服务不提供 CUDA 共享内存。",
        "请将张量放在请求中发送，或使用系统共享内存（/v2/systemsharedmemory）。",
    ),
    "shared_memory_key_refused": Entry(
        Kind.INVALID,
        "Cannot register shared memory region {name!r} with key {key!r}: it does not begin with one of {prefixes}, or is"
        " no plain name.",
        "Name the object with an allowed prefix, or add its own to `server.shared_memory`; `freehold...` is reserved.",
        "无法注册共享内存区域 {name!r}，键为 {key!r}：它不以 {prefixes} 之一开头，或不是普通名称。",
        "请使用允许的前缀命名该对象，或将其前缀加入 `server.shared_memory`；`freehold...` 为保留前缀。",
    ),
    "shared_memory_exists": Entry(
        Kind.INVALID,
        "shared memory region {name!r} already in manager.",
        "Unregister it first, or register under another name; one that is in use leaves when its requests have ended.",
        "共享内存区域 {name!r} 已注册。",
        "请先注销，或换一个名称注册；正在使用的区域会在其请求结束后移除。",
    ),
    "shared_memory_crowded": Entry(
        Kind.OVERLOADED,
        "There are {most} shared memory regions already, which is the most that this server keeps.",
        "Unregister those that nobody uses any more: POST /v2/systemsharedmemory/region/NAME/unregister.",
        "已有 {most} 个共享内存区域，达到本服务的上限。",
        "请注销不再使用的区域：POST /v2/systemsharedmemory/region/NAME/unregister。",
    ),
    "shared_memory_unopened": Entry(
        Kind.INVALID,
        "Unable to open shared memory region: {key!r}: {reason}.",
        "Create it first, on the machine of the server (with containers: in the same IPC namespace), readable and"
        " writable for the server's user.",
        "无法打开共享内存区域 {key!r}：{reason}。",
        "请先在服务所在机器上创建它（使用容器时须处于同一 IPC 命名空间），并允许服务的用户读写。",
    ),
    "shared_memory_size_wrong": Entry(
        Kind.INVALID,
        "failed to register shared memory region {name!r}: invalid args: {byte_size} bytes from {offset} of {key!r}, which"
        " has {size}.",
        "Register at least one byte, and none behind the object's end.",
        "注册共享内存区域 {name!r} 失败：从 {key!r} 的第 {offset} 字节起取 {byte_size} 字节，而它共有 {size} 字节。",
        "请至少注册一个字节，且不超出该对象的末尾。",
    ),
    "shared_memory_unknown": Entry(
        Kind.NOT_FOUND,
        "Unable to find system shared memory region: {name!r}.",
        "Register it first; GET /v2/systemsharedmemory/status lists those that are.",
        "找不到系统共享内存区域 {name!r}。",
        "请先注册；GET /v2/systemsharedmemory/status 可列出已注册的区域。",
    ),
    "shared_memory_beyond": Entry(
        Kind.INVALID,
        "Invalid offset + byte size for shared memory region: {name!r}: {byte_size} bytes from {offset} of {size}.",
        "Stay within the bytes that were registered, or register more of them.",
        "共享内存区域 {name!r} 的偏移与字节数无效：从 {offset} 起取 {byte_size} 字节，而区域共有 {size} 字节。",
        "请勿超出已注册的范围，或注册更大的范围。",
    ),
    "shared_memory_shrank": Entry(
        Kind.INVALID,
        "Shared memory region {name!r} shrank since it was registered: of {byte_size} bytes from {offset} there are {seen}.",
        "Keep the object's size while it is registered; unregister it before it is cut.",
        "共享内存区域 {name!r} 在注册后变小：从 {offset} 起的 {byte_size} 字节只剩 {seen} 字节。",
        "注册期间请保持该对象的大小；缩小之前请先注销。",
    ),
    "shared_memory_failed": Entry(
        Kind.UNAVAILABLE,
        "Shared memory region {name!r} could not be read or written: {reason}.",
        "Look whether /dev/shm is full (df /dev/shm).",
        "无法读写共享内存区域 {name!r}：{reason}。",
        "请检查 /dev/shm 是否已满（df /dev/shm）。",
    ),
    "shared_memory_room_short": Entry(
        Kind.INVALID,
        "Output {name!r} has {seen} bytes; its part of shared memory region {region!r} has room for {room}.",
        "Give it a larger `shared_memory_byte_size`.",
        "输出 {name!r} 有 {seen} 字节，而它在共享内存区域 {region!r} 中只有 {room} 字节的空间。",
        "请给出更大的 `shared_memory_byte_size`。",
    ),
}
