# The service as an image. Three targets, of which each is the last stage of its own:
#
#   gateway  gateway and bridge, without torch
#   cpu      the whole service on CPUs: TorchServe with its workers, gateway, bridge
#   gpu      the same with CUDA
#
#   docker build --target cpu -t cxrshift:cpu .        tools/image.sh does it with docker, podman or buildah
#
# Build arguments:
#   BASE_IMAGE     Debian or Ubuntu with Python 3.11 to 3.13 and its venv module
#   INDEX_URL      a package index of your own; empty = the usual one
#   TORCH_BACKEND  where the cpu target takes torch from: "cpu" = the PyTorch project's own index of builds without CUDA,
#                  which uv knows; empty = INDEX_URL, whose ordinary build brings 2.7 GB of CUDA libraries along. A wheel in
#                  deploy/image/wheels wins over both.
#   VIDEO          1 = MP4 answers, by PyAV, whose wheels hold x264 and x265 (GPL); empty = without (docs/deployment.md)
#   VERSION, REVISION, CREATED   for the image's labels
#
# Secret "ca": a PEM file of further certificate authorities, where the network that the build runs in has its own:
#   docker build --secret id=ca,src=/path/ca.pem ...
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
ARG INDEX_URL=""
WORKDIR /build
COPY deploy/image/install.sh ./
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.pem ./install.sh tools

# What the project needs, a layer of its own: it stays the same from one release to the next while the lock does.
FROM build AS build-gateway
ARG VIDEO=""
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.pem --mount=type=cache,target=/root/.cache/uv \
    ./install.sh extras gateway bridge

FROM build AS build-cpu
ARG VIDEO=""
ARG TORCH_BACKEND="cpu"
COPY deploy/image/wheels wheels
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.pem --mount=type=cache,target=/root/.cache/uv \
    ./install.sh extras server bridge runtimes

FROM build AS build-gpu
ARG VIDEO=""
COPY deploy/image/constraints-gpu.txt ./
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.pem --mount=type=cache,target=/root/.cache/uv \
    ./install.sh extras server bridge gpu

# The project itself, the same for all three.
FROM build AS build-project
COPY proto proto
COPY client client
COPY src src
COPY handlers handlers
COPY model_store model_store
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.pem ./install.sh project

# What all three share: tini, a user, and nothing that installs or builds.
FROM ${BASE_IMAGE} AS last
COPY deploy/image/strip.sh /tmp/
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends tini >/dev/null && sh /tmp/strip.sh
# Everything that is written at run time goes under /tmp, the only place that need be writable.
ENV PATH=/opt/cxrshift/bin:/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    TMPDIR=/tmp \
    XDG_CACHE_HOME=/tmp/cache \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CXRSHIFT_HOST=0.0.0.0
USER 65532:65532
WORKDIR /tmp
EXPOSE 8000 8001 8002
STOPSIGNAL SIGTERM
# Java ends with 143 when it is told to stop, which is no failure.
ENTRYPOINT ["/usr/bin/tini", "-e", "143", "--"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD python -m cxrshift.serving.probe "http://127.0.0.1:${CXRSHIFT_METRICS_PORT:-8002}/healthz"
ARG VERSION="0"
ARG REVISION="unknown"
ARG CREATED="1970-01-01T00:00:00Z"
LABEL org.opencontainers.image.title="cxrshift" \
      org.opencontainers.image.description="Latent Shift explanations of chest X-ray classifiers over gRPC and REST" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

FROM last AS gateway
COPY --from=build-gateway /opt/venv /opt/venv
COPY --from=build-project /opt/cxrshift /opt/cxrshift
CMD ["python", "-m", "cxrshift.gateway"]

FROM last AS gpu
COPY --from=build-gpu /opt/venv /opt/venv
COPY --from=build-project /opt/cxrshift /opt/cxrshift
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
CMD ["cxrshift", "serve", "--host", "0.0.0.0", "--gpu"]

# Last, so that a build that names no target makes this one.
FROM last AS cpu
COPY --from=build-cpu /opt/venv /opt/venv
COPY --from=build-project /opt/cxrshift /opt/cxrshift
CMD ["cxrshift", "serve", "--host", "0.0.0.0"]
