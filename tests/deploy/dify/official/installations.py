"""Installations of the official shapes, small: that of 1.15 with lists of env files, that of 1.14 with one anchor."""

from pathlib import Path

SECRETS = {
    "SECRET_KEY": "sk-own-0123456789",
    "INIT_PASSWORD": "first-comer-0",
    "DB_PASSWORD": "own-db-1",
    "REDIS_PASSWORD": "own/redis-2",
    "CELERY_BROKER_URL": "redis://:own%2Fredis-2@redis:6379/1",
    "SANDBOX_API_KEY": "own-sandbox-3",
    "CODE_EXECUTION_API_KEY": "own-sandbox-3",
    "PLUGIN_DAEMON_KEY": "own-daemon-4",
    "PLUGIN_DIFY_INNER_API_KEY": "own-inner-5",
    "VECTOR_STORE": "pgvector",
    "PGVECTOR_PASSWORD": "own-vectors-6",
}
QUIET = {
    "CHECK_UPDATE_URL": "",
    "NEXT_TELEMETRY_DISABLED": "1",
    "MARKETPLACE_ENABLED": "false",
    "EXPOSE_PLUGIN_DEBUGGING_PORT": "127.0.0.1:5003",
    "TRIGGER_URL": "https://dify.example.com",
    "ENDPOINT_URL_TEMPLATE": "https://dify.example.com/e/{hook_id}",
    "NEXT_PUBLIC_SOCKET_URL": "wss://dify.example.com",
}
DEFAULTS = """\
CHECK_UPDATE_URL=https://updates.dify.ai
CODE_EXECUTION_API_KEY=dify-sandbox
CODE_EXECUTION_ENDPOINT=http://sandbox:8194
CELERY_BROKER_URL=redis://:difyai123456@redis:6379/1
DB_HOST=db_postgres
DB_PASSWORD=difyai123456
ENDPOINT_URL_TEMPLATE=http://localhost/e/{hook_id}
MIGRATION_ENABLED=true
PLUGIN_DAEMON_KEY=lYkiYYT6owG+71oLerGzA7GXCgOT++6ovaezWAjpCjf+Sjc3ZtU+qUEi
PLUGIN_DAEMON_URL=http://plugin_daemon:5002
REDIS_HOST=redis
REDIS_PASSWORD=difyai123456
TRIGGER_URL=http://localhost
VECTOR_STORE=weaviate
WEAVIATE_API_KEY=WVF5YThaHlkYwhGUSmCRgsX3tD5ngdN8pkih
"""
INNER = "${PLUGIN_DIFY_INNER_API_KEY:-QaHbTe77CtuXmsfyhR7+vRjI/+XbV1AaFy691iy+kGDv2Jvy0/eAh8Y1}"
DAEMON = "${PLUGIN_DAEMON_KEY:-lYkiYYT6owG+71oLerGzA7GXCgOT++6ovaezWAjpCjf+Sjc3ZtU+qUEi}"
NEWER = f"""\
services:
  api: &app
    image: langgenius/dify-api:1.15.0
    env_file: [./envs/shared.env, ./.env]
    environment: {{MODE: api, INNER_API_KEY_FOR_PLUGIN: "{INNER}"}}
    volumes: ["./volumes/app/storage:/app/api/storage"]
  worker: {{<<: *app, environment: {{MODE: worker, INNER_API_KEY_FOR_PLUGIN: "{INNER}"}}}}
  worker_beat: {{<<: *app, environment: {{MODE: beat}}}}
  web:
    image: langgenius/dify-web:1.15.0
    environment:
      NEXT_TELEMETRY_DISABLED: ${{NEXT_TELEMETRY_DISABLED:-0}}
      NEXT_PUBLIC_SOCKET_URL: ${{NEXT_PUBLIC_SOCKET_URL:-ws://localhost}}
  plugin_daemon:
    image: langgenius/dify-plugin-daemon:0.6.3-local
    env_file: [./envs/shared.env, ./.env]
    environment: {{SERVER_KEY: "{DAEMON}", DIFY_INNER_API_KEY: "{INNER}", DIFY_INNER_API_URL: "http://api:5001"}}
    ports: ["${{EXPOSE_PLUGIN_DEBUGGING_PORT:-5003}}:${{PLUGIN_DEBUGGING_PORT:-5003}}"]
    volumes: ["./volumes/plugin_daemon:/app/storage"]
  sandbox:
    image: langgenius/dify-sandbox:0.2.15
    environment: ["API_KEY=${{SANDBOX_API_KEY:-dify-sandbox}}"]
  weaviate:
    image: semitechnologies/weaviate:1.27.0
    environment: {{DISABLE_TELEMETRY: "${{WEAVIATE_DISABLE_TELEMETRY:-false}}"}}
  nginx:
    image: nginx:latest
    volumes: ["./nginx/conf.d:/etc/nginx/conf.d"]
    ports: ["${{EXPOSE_NGINX_PORT:-80}}:${{NGINX_PORT:-80}}"]
"""
_SHARED = "".join(
    f"  {name}: ${{{name}:-{default}}}\n" for name, default in (line.split("=", 1) for line in DEFAULTS.splitlines())
)
PUBLIC_KEY = "sk-9f73s3ljTXVcMT3Blb3ljTqtsKiGHXVcMT3BlbkFJLK7U"
OLDER = (
    f"x-shared-env: &shared-api-worker-env\n{_SHARED}"
    f"  SECRET_KEY: ${{SECRET_KEY:-{PUBLIC_KEY}}}\n"
    "  INIT_PASSWORD: ${INIT_PASSWORD:-}\n"
    "  MARKETPLACE_ENABLED: ${MARKETPLACE_ENABLED:-true}\n"
    "  PGVECTOR_PASSWORD: ${PGVECTOR_PASSWORD:-difyai123456}\n"
    + NEWER.replace("    env_file: [./envs/shared.env, ./.env]\n", "")
    .replace("environment: {MODE:", "environment: {<<: *shared-api-worker-env, MODE:")
    .replace("environment: {SERVER_KEY", "environment: {<<: *shared-api-worker-env, SERVER_KEY")
    .replace("1.15.0", "1.14.1")
)
NGINX = """\
server {
    listen ${NGINX_PORT};
    server_name ${NGINX_SERVER_NAME};

    location /console/api {
      proxy_pass http://api:5001;
      include proxy.conf;
    }

    location /socket.io/ {
      resolver 127.0.0.11 valid=30s ipv6=off;
      set $socket_io_upstream ${NGINX_SOCKET_IO_UPSTREAM};
      proxy_pass http://$socket_io_upstream;
      include proxy.conf;
    }

    location /e/ {
      proxy_pass http://plugin_daemon:5002;
      proxy_set_header Dify-Hook-Url $scheme://$host$request_uri;
      include proxy.conf;
    }

    location / {
      proxy_pass http://web:3000;
      include proxy.conf;
    }
    ${HTTPS_CONFIG}
}
"""


def install(folder: Path, compose: str = NEWER, **variables: str) -> Path:
    """An installation as `docker compose up` would find it; `variables` are those of .env."""
    (folder / "nginx" / "conf.d").mkdir(parents=True)
    (folder / "nginx" / "conf.d" / "default.conf.template").write_text(NGINX)
    (folder / "envs").mkdir()
    (folder / "envs" / "shared.env").write_text(DEFAULTS)
    (folder / "docker-compose.yaml").write_text(compose)
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    return folder
