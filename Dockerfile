# Freehold's image. `make image` builds it with wheels that were fetched outside, so that nothing is asked of a network;
# `docker build .` in a checkout fetches them inside. For the classic builder of Docker 20.10 as for BuildKit.
#
#   BASE         any Linux with glibc and Python >= 3.11; one of Debian's kind without Python gets its own
#   VARIANT      cpu, or cuda with ONNX Runtime for NVIDIA GPUs (needs the machine's driver and container toolkit alone)
#   APT_MIRROR   where a base without Python gets it from; no password in it: it stays in the image's history
#   PIP_*        as pip reads them, for `docker build .`; they stay in a stage that is not part of the image
#   http_proxy, https_proxy, no_proxy: Docker takes them without being told here, and keeps them out of the history
ARG BASE=python:3.11-slim

FROM ${BASE} AS python
ARG APT_MIRROR=
RUN set -eu; \
    case "$APT_MIRROR" in *@*) echo "APT_MIRROR stays in the image's history: no password in it" >&2; exit 2;; esac; \
    enough='import sys, venv, ssl; sys.exit(sys.version_info < (3, 11))'; \
    if ! python3 -c "$enough" 2>/dev/null; then \
        set --; \
        if [ -n "$APT_MIRROR" ]; then \
            . /etc/os-release; \
            echo "deb $APT_MIRROR $VERSION_CODENAME main" > /tmp/mirror.list; \
            set -- -o Dir::Etc::SourceList=/tmp/mirror.list -o Dir::Etc::SourceParts=-; \
        fi; \
        apt-get "$@" -qq update; \
        apt-get "$@" -qq install -y --no-install-recommends python3 ca-certificates; \
        apt-get clean; \
        rm -rf /var/lib/apt/lists/* /tmp/mirror.list; \
        python3 -c "$enough" || { echo "BASE has no Python >= 3.11: $(python3 --version 2>&1)" >&2; exit 2; }; \
    fi; \
    echo 'freehold:x:10001:' >> /etc/group; \
    echo 'freehold:x:10001:10001:Freehold:/app/data:/usr/sbin/nologin' >> /etc/passwd; \
    mkdir -p /app/data; \
    chown 10001:10001 /app/data; \
    ln -s data/models /app/models

FROM python AS packages
ARG VARIANT=cpu
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
COPY requirements/*.lock wheels* /wheels/
RUN set -eu; \
    case "$VARIANT" in \
        cpu) runtime=base;; \
        cuda) runtime=cuda;; \
        *) echo "VARIANT is cpu or cuda, not '$VARIANT'" >&2; exit 2;; \
    esac; \
    python3 -m venv --without-pip /opt/freehold; \
    if ls /wheels/pip-*.whl >/dev/null 2>&1; then \
        pip="/opt/freehold/bin/python $(echo /wheels/pip-*.whl)/pip"; \
        set -- --no-index --find-links /wheels; \
    else \
        pip="python3 -m pip --python /opt/freehold/bin/python"; \
        set --; \
    fi; \
    $pip install --quiet --no-cache-dir --no-deps --only-binary :all: --require-hashes "$@" \
        -r "/wheels/$runtime.lock" -r /wheels/image.lock; \
    mkdir /pip; \
    cd /opt/freehold; \
    mv lib/python*/site-packages/pip lib/python*/site-packages/pip-*.dist-info /pip/; \
    rm -rf bin/pip* include share; \
    find lib -depth -type d \( -path '*/onnx/backend/test' -o -path '*/numpy/*/tests' -o -path '*/numpy/tests' \) \
        -exec rm -rf {} +

FROM packages AS freehold
COPY pyproject.toml README.md LICENSE src* dist* /source/
RUN set -eu; \
    pip="/opt/freehold/bin/python -m pip --quiet --no-cache-dir"; \
    export PYTHONPATH=/pip:/backend; \
    if ! ls /source/freehold-*.whl >/dev/null 2>&1; then \
        $pip install --no-deps --only-binary :all: --require-hashes --target /backend -r /wheels/build.lock; \
        mkdir /source/src /source/requirements; \
        mv /source/freehold /source/src/; \
        cp /wheels/base.lock /source/requirements/; \
        $pip wheel --no-deps --no-build-isolation --wheel-dir /source /source; \
    fi; \
    $pip install --no-index --no-deps --root /own /source/freehold-*.whl

FROM python
COPY --from=packages /opt/freehold /opt/freehold
COPY --from=freehold /own/opt/freehold /opt/freehold
# Where the CUDA variant's libraries lie; the CPU variant has none.
RUN find /opt/freehold -type d -path '*/nvidia/*/lib' > /etc/ld.so.conf.d/freehold.conf && ldconfig
ARG VERSION=unknown
ARG REVISION=unknown
ARG VARIANT=cpu
LABEL org.opencontainers.image.title="freehold" \
      org.opencontainers.image.description="Serves your own models on your own machines." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      freehold.variant="${VARIANT}"
ENV PATH=/opt/freehold/bin:$PATH LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 FREEHOLD_HOME=/app/data ORT_DISABLE_TELEMETRY=1
WORKDIR /app
USER 10001:10001
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=10m --retries=3 \
    CMD ["/opt/freehold/bin/python", "-ISc", "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 8080, timeout=4); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["freehold"]
CMD ["serve", "--host", "0.0.0.0"]
