"""Dify's console API: signing in, setting up, plugins, the provider's models, what uses them, calls that prove them."""

from freehold.deploy.dify.console.accounts import Account, AdminKey, Credentials
from freehold.deploy.dify.console.calls import PLUGIN, PROVIDER
from freehold.deploy.dify.console.console import Console, open_console
from freehold.deploy.dify.console.models import Credential, Default, Models, ModelType, Registered
from freehold.deploy.dify.console.plugins import Installed, Plugins
from freehold.deploy.dify.console.setting_up import Say, is_set_up, set_up
from freehold.deploy.dify.console.smoke import Smoke
from freehold.deploy.dify.console.uses import Use, Uses
from freehold.deploy.dify.console.wire import Door

__all__ = [
    "PLUGIN",
    "PROVIDER",
    "Account",
    "AdminKey",
    "Console",
    "Credential",
    "Credentials",
    "Default",
    "Door",
    "Installed",
    "ModelType",
    "Models",
    "Plugins",
    "Registered",
    "Say",
    "Smoke",
    "Use",
    "Uses",
    "is_set_up",
    "open_console",
    "set_up",
]
