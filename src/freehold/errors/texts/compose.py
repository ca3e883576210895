"""Errors of Docker and Compose, and of systemd, which runs the same without them."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "compose_docker_missing": Entry(
        Kind.INVALID,
        "The command `docker` is not here.",
        "Install Docker Engine 20.10 or later, and its Compose plugin; `freehold doctor` checks both.",
        "找不到命令 `docker`。",
        "请安装 Docker Engine 20.10 或更高版本及其 Compose 插件；`freehold doctor` 会检查两者。",
    ),
    "compose_missing": Entry(
        Kind.INVALID,
        "Docker is here, but neither `docker compose` nor `docker-compose`.",
        "Install the Compose plugin (Debian, Ubuntu: docker-compose-plugin, or docker-compose for 1.29).",
        "已有 Docker，但没有 `docker compose`，也没有 `docker-compose`。",
        "请安装 Compose 插件（Debian、Ubuntu：docker-compose-plugin，或 1.29 版的 docker-compose）。",
    ),
    "compose_daemon_down": Entry(
        Kind.UNAVAILABLE,
        "Docker's daemon does not answer at {address}.",
        "Start it (systemctl start docker), or set DOCKER_HOST to where it listens.",
        "Docker 守护进程在 {address} 没有应答。",
        "请启动它（systemctl start docker），或将 DOCKER_HOST 设为其监听地址。",
    ),
    "compose_socket_denied": Entry(
        Kind.FORBIDDEN,
        "This user may not talk to Docker's daemon at {address}.",
        "Add the user to the group docker (usermod -aG docker USER; log in again), or run this as root. Who may talk to"
        " Docker is root on this machine.",
        "当前用户无权访问 Docker 守护进程 {address}。",
        "请将该用户加入 docker 组（usermod -aG docker USER，然后重新登录），或以 root 运行。能访问 Docker 即等同于本机 root。",
    ),
    "compose_accelerator": Entry(
        Kind.UNSUPPORTED,
        "{service} asks for {resource}; Docker gives containers only GPUs of {known}.",
        "Run this model on Kubernetes with that vendor's device plugin, or serve it on its own and write its address as"
        " the source.",
        "{service} 需要 {resource}；Docker 只能把 {known} 的 GPU 交给容器。",
        "请在装有该厂商设备插件的 Kubernetes 上运行此模型，或单独运行它并将其地址写为 source。",
    ),
    "compose_gpu_runtime": Entry(
        Kind.INVALID,
        "Docker cannot give containers the GPUs of this machine: it knows no driver for them ({reason}).",
        "Install the package nvidia-container-toolkit, then: nvidia-ctk runtime configure --runtime=docker; systemctl"
        " restart docker. `freehold doctor` checks driver and toolkit.",
        "Docker 无法把本机的 GPU 交给容器：它没有相应的驱动（{reason}）。",
        "请安装 nvidia-container-toolkit，然后执行：nvidia-ctk runtime configure --runtime=docker；systemctl restart docker。"
        "`freehold doctor` 会检查驱动与工具包。",
    ),
    "compose_gpu_unknown": Entry(
        Kind.INVALID,
        "There is no such GPU on this machine: {reason}.",
        "`nvidia-smi -L` lists those that are here; ask for fewer `gpus`.",
        "本机没有该 GPU：{reason}。",
        "`nvidia-smi -L` 会列出现有的 GPU；请减少 `gpus`。",
    ),
    "compose_gpu_driver": Entry(
        Kind.INVALID,
        "NVIDIA's container toolkit cannot give the GPUs of this machine to a container: {reason}.",
        "`nvidia-smi` must work on this machine; restart it after the driver was updated. `freehold doctor` compares"
        " driver and toolkit.",
        "NVIDIA 容器工具包无法把本机的 GPU 交给容器：{reason}。",
        "本机的 `nvidia-smi` 必须可用；驱动更新后请重启机器。`freehold doctor` 会比较驱动与工具包。",
    ),
    "compose_port_taken": Entry(
        Kind.CONFLICT,
        "Port {port} of {host} is taken by another program.",
        "Stop that one (ss -ltnp 'sport = :{port}' names it), or set deploy.port (Dify's: dify.port) to a free one.",
        "{host} 的端口 {port} 已被其他程序占用。",
        "请停止该程序（ss -ltnp 'sport = :{port}' 可查到），或将 deploy.port（Dify 为 dify.port）设为空闲端口。",
    ),
    "compose_address_missing": Entry(
        Kind.INVALID,
        "This machine has no address {host}, where the gateway is to be reached.",
        "Set deploy.host to an address that `ip -brief address` lists, 127.0.0.1 for this machine alone.",
        "本机没有网关要使用的地址 {host}。",
        "请将 deploy.host 设为 `ip -brief address` 列出的地址，仅限本机时用 127.0.0.1。",
    ),
    "compose_image_missing": Entry(
        Kind.NOT_FOUND,
        "The image {image} is neither on this machine nor in its registry: {reason}.",
        "Check the name (deploy.image, image, deploy.registry), load it (docker load), or build it (`make image`).",
        "镜像 {image} 既不在本机，也不在其仓库中：{reason}。",
        "请检查名称（deploy.image、image、deploy.registry），或导入（docker load）、构建（`make image`）该镜像。",
    ),
    "compose_image_denied": Entry(
        Kind.FORBIDDEN,
        "The registry does not give this user {image}: {reason}.",
        "Log in (docker login {registry}), and check the name: registries say the same of images that do not exist.",
        "仓库拒绝向当前用户提供 {image}：{reason}。",
        "请登录（docker login {registry}）并检查名称：镜像不存在时仓库也会这样回答。",
    ),
    "compose_registry_unreachable": Entry(
        Kind.UNAVAILABLE,
        "{image} is not on this machine, and its registry cannot be reached: {reason}.",
        "Set deploy.registry to a mirror, give Docker's daemon its proxy and CA, or bring the image by docker save and"
        " docker load.",
        "{image} 不在本机，且无法连接其仓库：{reason}。",
        "请将 deploy.registry 设为镜像仓库，为 Docker 守护进程配置代理和 CA，或用 docker save 与 docker load 导入镜像。",
    ),
    "compose_disk_full": Entry(
        Kind.UNAVAILABLE,
        "Docker has no space left on its disk: {reason}.",
        "Make room: `docker system df` shows what takes it, `docker image prune` removes images that nothing uses.",
        "Docker 所在磁盘空间不足：{reason}。",
        "请腾出空间：`docker system df` 显示占用情况，`docker image prune` 删除无用镜像。",
    ),
    "compose_mount_missing": Entry(
        Kind.NOT_FOUND,
        "{path} is not on this machine; a service reads it there.",
        "Check the source of the model and deploy.data. Docker must run on this machine: its daemon looks for the path.",
        "本机没有 {path}，而服务需要从中读取文件。",
        "请检查模型的 source 和 deploy.data。Docker 必须运行在本机：由其守护进程查找该路径。",
    ),
    "compose_failed": Entry(
        Kind.INVALID,
        "Docker refused: {said}",
        "It was asked by: {command}",
        "Docker 拒绝执行：{said}",
        "所执行的命令：{command}",
    ),
    "compose_folder_unwritable": Entry(
        Kind.INVALID,
        "{path} could not be written: {reason}.",
        "Make that folder writable for this user, or set deploy.data to another one.",
        "无法写入 {path}：{reason}。",
        "请使当前用户可写该文件夹，或将 deploy.data 设为其他文件夹。",
    ),
    "compose_oom_killed": Entry(
        Kind.UNAVAILABLE,
        "{service} needed more than its {limit} of memory, and was ended by the kernel.",
        "Raise resources.memory_mb of its models, or lower context_length or limits.concurrency; `freehold doctor --fit`"
        " says how much it needs.",
        "{service} 需要的内存超过 {limit}，被内核终止。",
        "请提高其模型的 resources.memory_mb，或降低 context_length 或 limits.concurrency；`freehold doctor --fit` 会给出所需内存。",
    ),
    "compose_exited": Entry(
        Kind.UNAVAILABLE,
        "{service} ended with exit code {exit_code}. It last wrote: {said}",
        "`freehold logs {service}` shows more while it is there; of what a deploy took back, `freehold deploy log` keeps this.",
        "{service} 已退出，退出码 {exit_code}。最后的输出：{said}",
        "它还在时，`freehold logs {service}` 显示更多输出；部署撤回之后，`freehold deploy log` 保留以上内容。",
    ),
    "compose_restarting": Entry(
        Kind.UNAVAILABLE,
        "{service} ends and is started again (so far: {times}). It last wrote: {said}",
        "`freehold logs {service}` shows more while it is there; of what a deploy took back, `freehold deploy log` keeps this.",
        "{service} 反复退出并重启，至今 {times} 次。最后的输出：{said}",
        "它还在时，`freehold logs {service}` 显示更多输出；部署撤回之后，`freehold deploy log` 保留以上内容。",
    ),
    "compose_unhealthy": Entry(
        Kind.UNAVAILABLE,
        "{service} runs but is not ready. It answers: {said}",
        "`freehold logs {service}` shows what it does; it may need longer than {patience_s:g} s, or have failed.",
        "{service} 正在运行，但未就绪。其回答：{said}",
        "`freehold logs {service}` 显示其状态；它可能需要超过 {patience_s:g} 秒，或已失败。",
    ),
    "compose_service_failed": Entry(
        Kind.UNAVAILABLE,
        "{service} failed: {cause} [{its_code}]",
        "{fix}",
        "{service} 失败：{cause} [{its_code}]",
        "{fix}",
    ),
    "compose_verify_failed": Entry(
        Kind.INVALID,
        "The new version of {service} refuses its models, so nothing was changed: {cause}",
        "{fix}",
        "{service} 的新版本拒绝其模型，因此未作任何更改：{cause}",
        "{fix}",
    ),
    "compose_service_unknown": Entry(
        Kind.NOT_FOUND,
        "There is no service {service}; there are: {known}.",
        "`freehold status` lists them.",
        "没有服务 {service}；现有：{known}。",
        "`freehold status` 会列出所有服务。",
    ),
    "compose_project_taken": Entry(
        Kind.CONFLICT,
        "The Compose project {name} belongs to {folder}, and not to {here}: nothing was touched.",
        "Choose another `deploy.name`; or, where it is the same deployment, run this with the FREEHOLD_HOME (and as the"
        " user) that it was deployed with.",
        "Compose 项目 {name} 属于 {folder}，而不是 {here}：未作任何改动。",
        "请选择另一个 `deploy.name`；若是同一部署，请使用部署时的 FREEHOLD_HOME（和用户）运行。",
    ),
    "compose_gateway_silent": Entry(
        Kind.UNAVAILABLE,
        "The gateway does not answer at {url}: {reason}.",
        "`freehold status` says whether it runs, `freehold logs gateway` what it wrote.",
        "网关 {url} 没有应答：{reason}。",
        "`freehold status` 显示其是否运行，`freehold logs gateway` 显示其输出。",
    ),
    "systemd_image": Entry(
        Kind.UNSUPPORTED,
        "{service} runs from the image {image}; systemd starts programs of this machine.",
        "Render it for Compose, or start that server yourself and write its address as the model's source.",
        "{service} 由镜像 {image} 运行；systemd 只能启动本机程序。",
        "请改用 Compose，或自行启动该服务器并将其地址写为模型的 source。",
    ),
    "systemd_ports": Entry(
        Kind.INVALID,
        "Behind port {port} there are too few for {count} services: they get the ports above it, up to {highest}.",
        "Set deploy.port to a lower one.",
        "端口 {port} 之上不足以容纳 {count} 个服务：它们依次使用其上的端口，最高为 {highest}。",
        "请将 deploy.port 设为更小的端口。",
    ),
}
