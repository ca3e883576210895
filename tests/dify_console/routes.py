"""Every path that this console answers, and who may ask."""

from tests.dify_console import app_routes, entrance, model_routes, plugin_routes, service_routes
from tests.dify_console.entrance import may, who
from tests.dify_console.state import PROVIDER
from tests.dify_console.web import Call, Route

_API = "/console/api"
_PLUGIN = f"{_API}/workspaces/current/plugin"
_MODELS = f"{_API}/workspaces/current/model-providers/{PROVIDER}/models"
_DEFAULT = f"{_API}/workspaces/current/default-model"


def _signed_in(call: Call) -> None:
    who(call)


_ADMIN = may("owner", "admin")
_EDITOR = may("owner", "admin", "editor")

ROUTES = (
    Route(f"GET {_API}/setup", entrance.setup_state),
    Route(f"POST {_API}/setup", entrance.setup),
    Route(f"GET {_API}/init", entrance.init_state),
    Route(f"POST {_API}/init", entrance.init),
    Route(f"POST {_API}/login", entrance.login),
    Route(f"POST {_API}/refresh-token", entrance.refresh),
    Route(f"POST {_API}/workspaces/current", entrance.workspace, _signed_in),
    Route(f"GET {_PLUGIN}/list", plugin_routes.listed, _signed_in),
    Route(f"POST {_PLUGIN}/upload/pkg", plugin_routes.upload, _ADMIN),
    Route(f"POST {_PLUGIN}/install/pkg", plugin_routes.install, _ADMIN),
    Route(f"GET {_PLUGIN}/tasks", plugin_routes.tasks, _ADMIN),
    Route(f"GET {_PLUGIN}/tasks/{{task}}", plugin_routes.task, _ADMIN),
    Route(f"POST {_PLUGIN}/tasks/{{task}}/delete", plugin_routes.delete_task, _ADMIN),
    Route(f"POST {_PLUGIN}/uninstall", plugin_routes.uninstall, _ADMIN),
    Route(f"GET {_MODELS}", model_routes.listed, _signed_in),
    Route(f"POST {_MODELS}", model_routes.keep, _ADMIN),
    Route(f"DELETE {_MODELS}", model_routes.remove, _ADMIN),
    Route(f"POST {_MODELS}/credentials/validate", model_routes.validate, _ADMIN),
    Route(f"GET {_MODELS}/credentials", model_routes.shown, _signed_in),
    Route(f"POST {_MODELS}/credentials", model_routes.create, model_routes.named_credentials),
    Route(f"PUT {_MODELS}/credentials", model_routes.update, model_routes.named_credentials),
    Route(f"DELETE {_MODELS}/credentials", model_routes.remove_credential, model_routes.named_credentials),
    Route(f"POST {_MODELS}/credentials/switch", model_routes.switch, model_routes.named_credentials),
    Route(f"GET {_DEFAULT}", model_routes.default, _signed_in),
    Route(f"POST {_DEFAULT}", model_routes.set_defaults, _ADMIN),
    Route(f"GET {_API}/apps", app_routes.apps, _signed_in),
    Route(f"POST {_API}/apps", app_routes.make_app, _EDITOR),
    Route(f"GET {_API}/apps/{{app}}", app_routes.app, _signed_in),
    Route(f"DELETE {_API}/apps/{{app}}", app_routes.delete_app, _EDITOR),
    Route(f"POST {_API}/apps/{{app}}/model-config", app_routes.configure, _EDITOR),
    Route(f"POST {_API}/apps/{{app}}/api-keys", app_routes.app_key, _EDITOR),
    Route(f"GET {_API}/apps/{{app}}/workflows/draft", app_routes.draft, _EDITOR),
    Route(f"GET {_API}/apps/{{app}}/workflows/publish", app_routes.published, _EDITOR),
    Route(f"GET {_API}/datasets", app_routes.knowledge, _signed_in),
    Route(f"POST {_API}/datasets/api-keys", app_routes.knowledge_key, _ADMIN),
    Route(f"DELETE {_API}/datasets/api-keys/{{key}}", app_routes.delete_knowledge_key, _ADMIN),
    Route("POST /v1/chat-messages", service_routes.chat),
    Route("POST /v1/datasets", service_routes.make, service_routes.knows),
    Route("DELETE /v1/datasets/{base}", service_routes.delete, service_routes.knows),
    Route("POST /v1/datasets/{base}/document/create-by-text", service_routes.add_text, service_routes.knows),
    Route("GET /v1/datasets/{base}/documents/{batch}/indexing-status", service_routes.indexing, service_routes.knows),
    Route("POST /v1/datasets/{base}/retrieve", service_routes.retrieve, service_routes.knows),
)
