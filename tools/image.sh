#!/usr/bin/env bash
# Build the image with docker, or with buildah and podman where no engine runs.
#
#   tools/image.sh base                  a base image of Debian's own packages, for a network without an image registry
#   tools/image.sh build TARGET...       gateway, cpu, gpu -> cxrshift:TARGET and out/sbom/TARGET.json
#   tools/image.sh engine ARGUMENTS...   docker or podman itself, with what this machine needs
#
# BASE_IMAGE, INDEX_URL, TORCH_BACKEND and VIDEO are the Dockerfile's where they are set. CA_FILE is its secret "ca"; where
# it is not set, what SSL_CERT_FILE names for this machine's own programs.
# Where there is a base image of `base`, it is used unless BASE_IMAGE says otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."

OFFLINE_BASE=localhost/cxrshift-base:bookworm
SCRATCH=$PWD/out/image
mkdir -p "$SCRATCH" out/sbom

need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || { echo "$tool is missing; on Debian: apt-get install $tool" >&2; exit 1; }
    done
}

has_docker() { command -v docker >/dev/null && docker info >/dev/null 2>&1; }

engine() { if has_docker; then docker "$@"; else podman "$@"; fi; }

# What podman needs on a machine that has neither systemd nor a network bridge.
prepare_podman() {
    need buildah podman runc
    cat >"$SCRATCH/containers.conf.$$" <<-'EOF'
		[engine]
		runtime = "runc"
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		[containers]
		default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
	EOF
    mv "$SCRATCH/containers.conf.$$" "$SCRATCH/containers.conf" # whole at every moment: others may be reading it
    export CONTAINERS_CONF="$SCRATCH/containers.conf"
}

make_base() {
    need mmdebstrap
    mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$SCRATCH/base.tar"
    engine import "$SCRATCH/base.tar" "$OFFLINE_BASE"
    rm "$SCRATCH/base.tar"
}

# This machine's pip may be set up to find wheels in a folder, a torch without CUDA among them; then no index is asked.
find_local_torch() {
    local version wheels=deploy/image/wheels
    version=$(sed -n 's/^torch==\([^ ;]*\).*/\1/p' requirements.lock)
    compgen -G "$wheels/torch-*.whl" >/dev/null ||
        python3 -m pip download --quiet --no-index --no-deps --dest "$wheels" "torch==$version" >/dev/null 2>&1 || true
}

build() {
    local target=$1 name arguments=()
    for name in BASE_IMAGE INDEX_URL TORCH_BACKEND VIDEO; do
        [ -z "${!name+set}" ] || arguments+=(--build-arg "$name=${!name}")
    done
    arguments+=(--build-arg "VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)")
    arguments+=(--build-arg "REVISION=$(git rev-parse HEAD)" --build-arg "CREATED=$(git log -1 --format=%cI)")
    local ca=${CA_FILE-${SSL_CERT_FILE:-}}
    [ -z "$ca" ] || arguments+=(--secret "id=ca,src=$ca")
    [ "$target" != cpu ] || find_local_torch
    if has_docker; then
        docker build --target "$target" --tag "cxrshift:$target" "${arguments[@]}" .
    else
        buildah bud --format docker --layers --isolation chroot --network host \
            --target "$target" --tag "localhost/cxrshift:$target" "${arguments[@]}" .
    fi
    list_parts "$target"
}

# The SBOM of what the image really holds: its Python packages, listed while it was built, and Debian's.
list_parts() {
    local inside=(run --rm --no-healthcheck --network none --entrypoint)
    engine "${inside[@]}" cat "cxrshift:$1" /opt/venv/sbom.cdx.json >"$SCRATCH/python.json"
    engine "${inside[@]}" dpkg-query "cxrshift:$1" -W -f '${Package}\t${Version}\t${Architecture}\n' >"$SCRATCH/debian.tsv"
    .venv/bin/python tools/sbom.py "$SCRATCH/python.json" "$SCRATCH/debian.tsv" "out/sbom/$1.json"
    echo "cxrshift:$1 is built; its parts are listed in out/sbom/$1.json"
}

has_docker || prepare_podman
step=${1:-}
shift || true
case "$step" in
base) make_base ;;
build)
    if [ -z "${BASE_IMAGE+set}" ] && engine image inspect "$OFFLINE_BASE" >/dev/null 2>&1; then
        BASE_IMAGE=$OFFLINE_BASE
    fi
    for target in "${@:-cpu}"; do build "$target"; done
    ;;
engine)
    if has_docker; then exec docker "$@"; else exec podman "$@"; fi
    ;;
*)
    sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
