# Sourced by ./start and ./test with $root set: leaves $root/.venv ready, or ends with a message that says what to do.
# shellcheck shell=sh
#
# `bootstrap run` installs what running the platform needs; `bootstrap test` everything in the lock. Both install the two projects
# of this repository, the gateway (gateway/) and the platform (.), in place.
# uv is taken from PATH or installed into .uv/; versions and hashes are those of requirements.lock.
# When nothing changed since the last time, this costs a stamp comparison and nothing else.

# Extras of pyproject.toml that `bootstrap run` installs (`build`: what puts the two projects into .venv).
RUN_EXTRAS='agents build'

say() { printf '%s\n' "botberi: $*" >&2; }
die() {
    say "$*"
    exit 1
}

# What .venv must match: the lock, both projects' metadata, and where it stands (scripts carry absolute paths).
wanted_stamp() {
    cat requirements.lock pyproject.toml gateway/pyproject.toml infra/bootstrap.sh | cksum
    pwd
}

# $1: run or test. What the tests need includes what running needs.
is_ready() {
    [ -x .venv/bin/botberi ] && [ -x .venv/bin/botberi-gateway ] && [ -x .venv/bin/python ] && [ -f .venv/.botberi-stamp ] &&
        [ "$(cat .venv/.botberi-stamp)" = "$(wanted_stamp)" ] &&
        { [ "$1" = run ] || [ "$(cat .venv/.botberi-extent 2>/dev/null)" = test ]; }
}

# Every python on PATH, each once; BOTBERI_PYTHON alone where it is given.
pythons() {
    if [ -n "${BOTBERI_PYTHON:-}" ]; then
        command -v "$BOTBERI_PYTHON" || true
        return
    fi
    old_ifs=$IFS
    IFS=:
    for folder in $PATH; do
        for name in python3 python3.13 python3.12 python3.11 python3.14 python; do
            [ ! -x "$folder/$name" ] || printf '%s\n' "$folder/$name"
        done
    done
    IFS=$old_ifs
}

# The first python that is supported and quick; else the first that is supported. One whose core is in a shared library runs
# Python code a quarter slower (that is how pyenv builds them by default; distributions link theirs into the program).
supported_python() {
    slow=
    while IFS= read -r path; do
        status=0
        # pyenv's shims exist for versions that are not active, so only an answer counts.
        "$path" -c '
import os, sys
if not (3, 11) <= sys.version_info[:2] < (3, 15):
    sys.exit(1)
maps = "/proc/self/maps"
sys.exit(3 if os.path.exists(maps) and "/libpython" in open(maps).read() else 0)' </dev/null 2>/dev/null || status=$?
        [ "$status" != 0 ] || { printf '%s' "$path" && return 0; }
        [ "$status" != 3 ] || slow=${slow:-$path}
    done <<EOF
$(pythons)
EOF
    [ -n "$slow" ] && printf '%s' "$slow"
}

find_uv() {
    for uv in "${BOTBERI_UV:-}" "$(command -v uv 2>/dev/null || true)" "$root/.uv/bin/uv" "$root/.uv/lib/bin/uv"; do
        if [ -n "$uv" ] && "$uv" --version >/dev/null 2>&1; then return 0; fi
    done
    return 1
}

install_uv() {
    say "installing uv into .uv (once)"
    # Debian parts venv and pip from python3, and another python may have them: all ways of all are tried before giving up.
    while IFS= read -r maker; do
        rm -rf .uv
        if "$maker" -c 'import ensurepip, venv' 2>/dev/null && "$maker" -m venv .uv >/dev/null 2>&1; then
            .uv/bin/python -m pip install -q --disable-pip-version-check 'uv>=0.9,<1' && find_uv && return 0
        elif "$maker" -m pip --version >/dev/null 2>&1; then
            "$maker" -m pip install -q --disable-pip-version-check --target .uv/lib 'uv>=0.9,<1' && find_uv && return 0
        elif "$maker" -m virtualenv --version >/dev/null 2>&1; then
            "$maker" -m virtualenv -q .uv && .uv/bin/python -m pip install -q 'uv>=0.9,<1' && find_uv && return 0
        else
            continue
        fi
        die "installing uv failed (see above); is the Python package index reachable? Run this again to retry."
    done <<EOF
$python
$(pythons)
EOF
    die "$python has neither venv nor pip, so uv can't be installed. Install one of: uv (any way),
         or on Debian and Ubuntu: apt-get install python3-venv. Then run this again."
}

# One bootstrap at a time: a second one waits for the first and then finds everything ready.
lock() {
    waited=0
    until mkdir .bootstrap-lock 2>/dev/null; do
        holder=$(cat .bootstrap-lock/pid 2>/dev/null || true)
        if [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null; then
            rm -rf .bootstrap-lock
            continue
        fi
        [ "$waited" -gt 0 ] || say "waiting for another bootstrap of this folder to end"
        waited=$((waited + 1))
        [ "$waited" -lt 600 ] || die "another bootstrap holds $root/.bootstrap-lock; remove that folder if none runs"
        sleep 1
    done
    printf '%s' "$$" >.bootstrap-lock/pid
    trap 'rm -rf "$root/.bootstrap-lock"' EXIT
    trap 'exit 130' INT TERM HUP
}

# Runs a command that takes long; on a terminal a counter of seconds shows that it is at work.
watched() {
    if [ ! -t 2 ]; then
        "$@"
        return
    fi
    seconds=0
    while sleep 1; do
        seconds=$((seconds + 1))
        printf '\rbotberi: %s s ' "$seconds" >&2
    done &
    ticker=$!
    status=0
    "$@" || status=$?
    kill "$ticker" 2>/dev/null || true
    wait "$ticker" 2>/dev/null || true
    printf '\r                \r' >&2
    return "$status"
}

# $1: run or test.
install_packages() {
    if [ "$1" = test ]; then
        "$uv" pip sync -q --python .venv/bin/python --require-hashes requirements.lock
        return
    fi
    set --
    for extra in $RUN_EXTRAS; do set -- "$@" --extra "$extra"; done
    # The lock's hashes are checked for constraints, too (`--verify-hashes`).
    UV_OVERRIDE=infra/in-this-repository.txt \
        "$uv" pip install -q --python .venv/bin/python --verify-hashes --constraint requirements.lock \
        -r gateway/pyproject.toml -r pyproject.toml "$@"
}

# $1: run or test.
make_environment() {
    python=$(supported_python) || die "Python 3.11, 3.12, 3.13 or 3.14 is needed and none was found on PATH. Install one
         (Debian 12: apt-get install python3 python3-venv) or name it in BOTBERI_PYTHON."
    find_uv || install_uv
    export UV_PYTHON_DOWNLOADS=never
    # Hard links into a cache on another file system fail with a warning a line; copying just works.
    export UV_LINK_MODE="${UV_LINK_MODE:-copy}"
    rm -f .venv/.botberi-stamp
    if ! .venv/bin/python -c '' 2>/dev/null || [ "$(cat .venv/.botberi-python 2>/dev/null)" != "$python" ]; then
        rm -rf .venv
        "$uv" venv -q --no-project --python "$python" .venv || die "making .venv failed (see above)"
        printf '%s' "$python" >.venv/.botberi-python
    fi
    what='what running needs (about 100 MB to fetch)'
    [ "$1" = run ] || what='everything that the tests need (about 350 MB to fetch)'
    say "making .venv with $("$python" -V) ($python): installing $what"
    watched install_packages "$1" || die "installing the packages failed (see above); run this again to retry"
    "$uv" pip install -q --python .venv/bin/python --no-deps --no-build-isolation -e ./gateway -e . ||
        die "installing the two projects into .venv failed (see above)"
    printf '%s' "$1" >.venv/.botberi-extent
    wanted_stamp >.venv/.botberi-stamp
}

# $1: run or test.
bootstrap() {
    extent=${1:-test}
    # .venv is this project's own: Python keeps the bytecode of what it imports there, whatever the environment says
    # (without it each process takes twice as long to start).
    unset PYTHONDONTWRITEBYTECODE
    is_ready "$extent" && return 0
    lock
    is_ready "$extent" || make_environment "$extent"
    rm -rf .bootstrap-lock
    trap - EXIT INT TERM HUP
}
