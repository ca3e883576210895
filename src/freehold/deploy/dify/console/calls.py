"""Calls to Dify."""

from collections.abc import Callable

PLUGIN = "langgenius/openai_api_compatible"
"""The plugin that speaks to servers like ours."""
PROVIDER = f"{PLUGIN}/openai_api_compatible"
"""Its model provider, as paths and settings of Dify name it."""

Told = Callable[[str], None]
"""Hears one line of progress at a time."""
