# Sourced by the peers' scripts. `environment NAME` makes a virtual environment of requirements-NAME.txt once, outside
# the repository, and leaves its folder in $ENVIRONMENT. `environment_folder NAME` only says which folder.
environment_folder() {
    echo "${TABAGENT_BENCH_ENVIRONMENTS:-${XDG_CACHE_HOME:-$HOME/.cache}/tabagent-benches}/$1"
}

environment() {
    ENVIRONMENT="$(environment_folder "$1")"
    local wanted="$HERE/requirements-$1.txt"
    if ! cmp -s "$wanted" "$ENVIRONMENT/installed.txt"; then
        echo "installing $wanted into $ENVIRONMENT; the first time takes minutes" >&2
        "${PYTHON:-python3}" -m venv "$ENVIRONMENT"
        "$ENVIRONMENT/bin/pip" install --quiet --disable-pip-version-check -r "$wanted" >&2
        cp "$wanted" "$ENVIRONMENT/installed.txt"
    fi
}
