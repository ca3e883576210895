"""Errors of model repositories that were written for other servers."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "repository_file_invalid": Entry(
        Kind.INVALID,
        "{where}: {reason}.",
        "Correct that line; the file is read as the server that it was written for reads it.",
        "{where} 有误：{reason}。",
        "请更正该行；此文件按其原服务器的规则读取。",
    ),
    "triton_version_missing": Entry(
        Kind.NOT_FOUND,
        "{where}: model {model} has no {path}; its versions are: {found}.",
        "Put the graph there, or let `version_policy` allow a version that is there.",
        "{where}：模型 {model} 没有 {path}；现有版本：{found}。",
        "请把图放到该处，或让 `version_policy` 允许现有的版本。",
    ),
    "triton_stateful": Entry(
        Kind.UNSUPPORTED,
        "{where}: model {model} keeps a state between requests (`sequence_batching`), which is not served here.",
        "Leave that model with Triton, and take its folder out of the repository that is served here.",
        "{where}：模型 {model} 在请求之间保存状态（`sequence_batching`），此处不提供。",
        "请让该模型留在 Triton 上，并将其文件夹移出此处提供的仓库。",
    ),
    "triton_reshape": Entry(
        Kind.UNSUPPORTED,
        "{where}: {name} is reshaped between client and graph; clients meet the graph's own shape here.",
        "Remove `reshape`, give `dims` as the graph has them, and let clients send that shape.",
        "{where}：{name} 在客户端与图之间会被 reshape；此处客户端直接使用图自身的形状。",
        "请删除 `reshape`，按图的形状填写 `dims`，并让客户端发送该形状。",
    ),
    "triton_backend_tensorrt": Entry(
        Kind.UNSUPPORTED,
        "{where}: model {model} is a TensorRT engine, made for one GPU and one version of TensorRT.",
        "Serve the ONNX graph that it was built from; `freehold compile GRAPH.onnx --to tensorrt` builds an engine of it.",
        "{where}：模型 {model} 是 TensorRT 引擎，只适用于特定 GPU 和特定版本的 TensorRT。",
        "请提供构建它所用的 ONNX 图；`freehold compile GRAPH.onnx --to tensorrt` 可由该图构建引擎。",
    ),
    "triton_backend_pytorch": Entry(
        Kind.UNSUPPORTED,
        "{where}: model {model} is TorchScript ({backend}); only ONNX graphs are served as they are.",
        "Convert it: `freehold convert {folder}/1/model.pt --name {model} --input-shape ...`, then serve {model}.",
        "{where}：模型 {model} 是 TorchScript（{backend}）；只有 ONNX 图可按原样提供。",
        "请转换：`freehold convert {folder}/1/model.pt --name {model} --input-shape ...`，然后提供 {model}。",
    ),
    "triton_backend_tensorflow": Entry(
        Kind.UNSUPPORTED,
        "{where}: model {model} is a TensorFlow model ({backend}); only ONNX graphs are served as they are.",
        "Convert it: `freehold convert {folder}/1/model.savedmodel --name {model}`, then serve {model}. Of a frozen graph,"
        " convert the SavedModel that it was made from.",
        "{where}：模型 {model} 是 TensorFlow 模型（{backend}）；只有 ONNX 图可按原样提供。",
        "请转换：`freehold convert {folder}/1/model.savedmodel --name {model}`，然后提供 {model}。若是冻结图，请转换其原始 SavedModel。",
    ),
    "triton_backend_python": Entry(
        Kind.UNSUPPORTED,
        "{where}: model {model} is Python code, which is not run here.",
        "Serve the ONNX graph that the code calls, and do the rest in the client; or leave the model with Triton.",
        "{where}：模型 {model} 是 Python 代码，此处不会运行。",
        "请提供该代码所调用的 ONNX 图，其余工作放在客户端；或让该模型留在 Triton 上。",
    ),
    "triton_backend_ensemble": Entry(
        Kind.UNSUPPORTED,
        "{where}: model {model} is an ensemble; steps are not chained here.",
        "Serve its ONNX steps one by one: `freehold serve` takes the folder of one model, too. Chain them in the client.",
        "{where}：模型 {model} 是 ensemble；此处不串联步骤。",
        "请分别提供其中的 ONNX 步骤：`freehold serve` 也接受单个模型的文件夹。在客户端串联它们。",
    ),
    "triton_backend_other": Entry(
        Kind.UNSUPPORTED,
        "{where}: model {model} is made for Triton's backend {backend}; ONNX graphs are served here (onnxruntime).",
        "Bring the model as an ONNX graph in {folder}/1/model.onnx, or take {folder} out of the repository.",
        "{where}：模型 {model} 使用 Triton 后端 {backend}；此处提供的是 ONNX 图（onnxruntime）。",
        "请把模型以 ONNX 图放到 {folder}/1/model.onnx，或将 {folder} 移出仓库。",
    ),
    "mlserver_not_onnx": Entry(
        Kind.UNSUPPORTED,
        "{where}: model {model} ({implementation}) lies in {file}, which is no ONNX graph.",
        "Bring it as ONNX and let `parameters.uri` name that file; scikit-learn, XGBoost and LightGBM export it by skl2onnx"
        " and onnxmltools.",
        "{where}：模型 {model}（{implementation}）位于 {file}，不是 ONNX 图。",
        "请导出为 ONNX，并让 `parameters.uri` 指向该文件；scikit-learn、XGBoost、LightGBM 可用 skl2onnx 和 onnxmltools 导出。",
    ),
    "mlserver_huggingface": Entry(
        Kind.UNSUPPORTED,
        "{where}: model {model} is a Hugging Face pipeline ({source}).",
        "Serve the model itself: `freehold fetch hf://{source}`, then `freehold serve hf://{source}`.",
        "{where}：模型 {model} 是 Hugging Face pipeline（{source}）。",
        "请直接提供该模型：`freehold fetch hf://{source}`，然后 `freehold serve hf://{source}`。",
    ),
    "mlserver_uri_remote": Entry(
        Kind.INVALID,
        "{where}: model {model} lies at {uri}; nothing is downloaded to serve it.",
        "Copy the model to this machine and let `parameters.uri` name the file.",
        "{where}：模型 {model} 位于 {uri}；提供服务时不会下载任何内容。",
        "请把模型复制到本机，并让 `parameters.uri` 指向该文件。",
    ),
    "mlserver_model_missing": Entry(
        Kind.NOT_FOUND,
        "{where}: the graph of model {model} is not there: {path}.",
        "Put it there, or correct `parameters.uri`, which is relative to this file.",
        "{where}：模型 {model} 的图不存在：{path}。",
        "请放到该处，或更正 `parameters.uri`（相对于此文件）。",
    ),
    "graph_not_as_declared": Entry(
        Kind.INVALID,
        "Model {model} is declared with {declared}, and its graph has {graph}.",
        "Correct the declaration (`inputs` and `outputs`, or config.pbtxt, where `max_batch_size` above 0 adds a dimension in"
        " front), or bring the graph that it describes.",
        "模型 {model} 的声明为 {declared}，而其图为 {graph}。",
        "请更正声明（`inputs`、`outputs`，或 config.pbtxt；其中 `max_batch_size` 大于 0 会在前面增加一维），或换成所描述的图。",
    ),
    "note_repository_settings": Entry(
        Kind.INVALID,
        "{where}: of model {model} these settings have no effect here: {keys}.",
        "Nothing need be done: batches and threads are measured when the model is loaded. A device, limits or workers of its"
        " own have their keys in a freehold.yaml.",
        "{where}：模型 {model} 的这些设置在此无效：{keys}。",
        "无需处理：批次和线程在加载模型时实测确定。若要指定设备、限额或工作进程，请在 freehold.yaml 中设置。",
    ),
    "note_repository_code": Entry(
        Kind.INVALID,
        "{where}: the code of {implementation} is not run; the graph of model {model} is served as it is.",
        "What that code did to inputs and outputs is the client's to do.",
        "{where}：{implementation} 的代码不会运行；模型 {model} 的图按原样提供。",
        "该代码对输入和输出所做的处理须由客户端完成。",
    ),
}
