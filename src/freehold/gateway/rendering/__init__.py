"""The same routes for other proxies: configuration -> {path: text}. Pure: same input, same bytes."""
