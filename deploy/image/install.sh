#!/bin/sh
# The image's build steps, one a call: install.sh tools | wheel | extras EXTRA...
set -eu

VENV=/opt/cxrshift
SECRET_CA=/run/secrets/ca.pem

# The network's own authorities stay in this step: what is set here is in no layer.
if [ -s "$SECRET_CA" ]; then
    cat /etc/ssl/certs/ca-certificates.crt "$SECRET_CA" >/dev/shm/ca.pem
    export SSL_CERT_FILE=/dev/shm/ca.pem PIP_CERT=/dev/shm/ca.pem
    trap 'rm -f /dev/shm/ca.pem' EXIT
fi
if [ -n "${INDEX_URL:-}" ]; then
    export UV_DEFAULT_INDEX="$INDEX_URL" PIP_INDEX_URL="$INDEX_URL"
fi
export UV_LINK_MODE=copy UV_HTTP_TIMEOUT=180 UV_NO_PROGRESS=1

install_tools() {
    python3 -m venv /tools
    /tools/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir 'uv>=0.8,<1'
    /tools/bin/uv pip install --quiet --python /tools/bin/python --constraint requirements.lock cyclonedx-bom
    python3 -m venv --without-pip "$VENV"
}

# The project's dependencies at the lock's versions, then the project; last, what it all is, for those who audit it.
install_extras() {
    set -- $(printf -- '--extra %s ' "$@")
    [ "${VIDEO:-}" = 1 ] || set -- "$@" --no-emit-package av
    if ls wheels/torch-*.whl >/dev/null 2>&1; then
        set -- "$@" --find-links wheels
        torch="--find-links wheels"
    else
        torch="${TORCH_BACKEND:+--torch-backend $TORCH_BACKEND}"
        set -- "$@" $torch
    fi
    [ ! -f constraints-gpu.txt ] || set -- "$@" --constraint constraints-gpu.txt
    /tools/bin/uv pip compile --quiet --no-header --no-annotate --python "$VENV/bin/python" \
        --constraint requirements.lock "$@" pyproject.toml -o /build/requirements.txt
    /tools/bin/uv pip install --quiet --python "$VENV/bin/python" --no-deps --compile-bytecode $torch \
        -r /build/requirements.txt
    /tools/bin/uv pip install --quiet --python "$VENV/bin/python" --no-deps --compile-bytecode dist/*.whl
    mkdir -p "$VENV/share/cxrshift"
    /tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --validate \
        --of JSON -o "$VENV/share/cxrshift/sbom.cdx.json" "$VENV/bin/python"
}

case "$1" in
tools) install_tools ;;
wheel) /tools/bin/uv build --quiet --wheel --out-dir dist . ;;
extras)
    shift
    install_extras "$@"
    ;;
*)
    echo "install.sh: no step $1" >&2
    exit 2
    ;;
esac
