#!/bin/sh
# The image's build steps, one a call: install.sh tools | extras EXTRA... | project
set -eu

VENV=/opt/venv
PROJECT=/opt/cxrshift
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
    echo "$PROJECT" >"$("$VENV/bin/python" -c 'import site; print(site.getsitepackages()[0])')/cxrshift.pth"
}

# The dependencies at the lock's versions, and a list of what they are for those who audit the image.
install_extras() {
    torch=""
    if ls wheels/torch-*.whl >/dev/null 2>&1; then
        torch="--find-links wheels"
    elif [ -n "${TORCH_BACKEND:-}" ]; then
        torch="--torch-backend $TORCH_BACKEND"
    fi
    options="--constraint requirements.lock $torch"
    [ ! -f constraints-gpu.txt ] || options="$options --constraint constraints-gpu.txt"
    [ "${VIDEO:-}" = 1 ] || options="$options --no-emit-package av"
    for extra in "$@"; do options="$options --extra $extra"; done
    # shellcheck disable=SC2086  # options are words
    /tools/bin/uv pip compile --quiet --no-header --no-annotate --python "$VENV/bin/python" \
        $options pyproject.toml -o requirements.txt
    # shellcheck disable=SC2086
    /tools/bin/uv pip install --quiet --python "$VENV/bin/python" --no-deps --compile-bytecode $torch -r requirements.txt
    /tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --validate \
        --of JSON -o "$VENV/sbom.cdx.json" "$VENV/bin/python"
}

install_project() {
    /tools/bin/uv build --quiet --wheel --out-dir dist .
    /tools/bin/uv pip install --quiet --python "$VENV/bin/python" --no-deps --compile-bytecode --target "$PROJECT" \
        dist/*.whl
}

case "$1" in
tools) install_tools ;;
project) install_project ;;
extras)
    shift
    install_extras "$@"
    ;;
*)
    echo "install.sh: no step $1" >&2
    exit 2
    ;;
esac
