# Sourced by ./start and ./test with $root set: leaves $root/.venv ready, or ends with a message that says what to do.
# shellcheck shell=sh
#
# `bootstrap run` installs what starting the platform needs, and goes on in the background with what the worker alone
# needs (botberi/run/installing.py waits for it); `bootstrap test` installs everything in the lock. Both install the two
# projects of this repository, the gateway (gateway/) and the platform (.), in place.
# uv is taken from PATH or installed into .uv/; versions and hashes are those of requirements.lock.
# When nothing changed since the last time, this costs a stamp comparison and nothing else.

# Extras of pyproject.toml that `bootstrap run` installs (`build`: what puts the two projects into .venv).
FIRST_EXTRAS='build'
RUN_EXTRAS="$FIRST_EXTRAS agents"

# Goes before the command that installs extras.
gently=

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
        { [ "$1" = run ] || { [ "$(cat .venv/.botberi-extent 2>/dev/null)" = test ] && [ -x .venv/bin/lab ]; }; }
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

# $1: a python with ensurepip -> the pip wheel that ensurepip would install. Running it needs no environment to be made.
pip_wheel() {
    "$1" -c '
import ensurepip, glob, os, sysconfig
folders = [sysconfig.get_config_var("WHEEL_PKG_DIR"), os.path.join(os.path.dirname(ensurepip.__file__), "_bundled")]
print(next(wheel for folder in folders if folder for wheel in glob.glob(os.path.join(folder, "pip-*.whl"))))' 2>/dev/null
}

# Debian parts venv and pip from python3, and another python may have them: all ways of all are tried before giving up,
# the quickest first (making an environment with pip in it takes longer than installing uv).
install_uv() {
    say "installing uv into .uv (once)"
    export PIP_ROOT_USER_ACTION=ignore
    while IFS= read -r maker; do
        rm -rf .uv
        if "$maker" -m pip --version >/dev/null 2>&1; then
            "$maker" -m pip install -q --disable-pip-version-check --target .uv/lib 'uv>=0.9,<1' && find_uv && return 0
        elif wheel=$(pip_wheel "$maker"); then
            "$maker" "$wheel/pip" install -q --disable-pip-version-check --target .uv/lib 'uv>=0.9,<1' && find_uv && return 0
        elif "$maker" -c 'import ensurepip, venv' 2>/dev/null && "$maker" -m venv .uv >/dev/null 2>&1; then
            .uv/bin/python -m pip install -q --disable-pip-version-check 'uv>=0.9,<1' && find_uv && return 0
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

# Hard links into uv's cache where they are possible, which write nothing; else copies (a failed link is a warning a line).
choose_link_mode() {
    [ -z "${UV_LINK_MODE:-}" ] || return 0
    UV_LINK_MODE=copy
    cache=$("$uv" cache dir 2>/dev/null) && mkdir -p "$cache" 2>/dev/null && probe=$(mktemp "$cache/.link-XXXXXX" 2>/dev/null) ||
        return 0
    ! ln "$probe" .venv/.link-probe 2>/dev/null || UV_LINK_MODE=hardlink
    rm -f "$probe" .venv/.link-probe
}

# The extras' packages as the lock has them: its hashes are checked for constraints, too (`--verify-hashes`).
install_extras() {
    set -- $(printf -- '--extra %s ' "$@")
    UV_OVERRIDE=infra/in-this-repository.txt \
        $gently "$uv" pip install -q --python .venv/bin/python --verify-hashes --constraint requirements.lock \
        -r gateway/pyproject.toml -r pyproject.toml "$@"
}

install_lock() {
    "$uv" pip sync -q --python .venv/bin/python --require-hashes requirements.lock
}

# $1: run or test, for which .venv is now complete.
stamp() {
    printf '%s' "$1" >.venv/.botberi-extent
    wanted_stamp >.venv/.botberi-stamp
    rm -f .venv/.botberi-installing
}

# Installs what the worker alone needs while the platform starts. `.botberi-installing` has this process's id until the
# packages are there; it stays where they could not be installed, with the reason in `.botberi-installing.log`.
install_the_rest() {
    : >.venv/.botberi-installing
    (
        trap 'rm -rf "$root/.bootstrap-lock"' EXIT
        status=0
        # The platform's start goes before.
        gently='nice -n 10'
        nice true 2>/dev/null || gently=
        install_extras $RUN_EXTRAS || status=$?
        # The id is written below, beside this: it must be there before anything is removed.
        until [ -s .venv/.botberi-installing ]; do sleep 1; done
        [ "$status" != 0 ] || stamp run
    ) </dev/null >.venv/.botberi-installing.log 2>&1 &
    # The lock is that process's from now on.
    printf '%s' "$!" >.bootstrap-lock/pid
    printf '%s' "$!" >.venv/.botberi-installing
}

# The program of lab/, which belongs to no distribution: it needs what the tests need.
write_lab() {
    printf '%s\n' '#!/bin/sh' 'exec "$(dirname -- "$0")/python" -P -m lab "$@"' >.venv/bin/lab
    chmod +x .venv/bin/lab
}

# $1: run or test.
make_environment() {
    python=$(supported_python) || die "Python 3.11, 3.12, 3.13 or 3.14 is needed and none was found on PATH. Install one
         (Debian 12: apt-get install python3 python3-venv) or name it in BOTBERI_PYTHON."
    find_uv || install_uv
    export UV_PYTHON_DOWNLOADS=never
    rm -f .venv/.botberi-stamp
    if ! .venv/bin/python -c '' 2>/dev/null || [ "$(cat .venv/.botberi-python 2>/dev/null)" != "$python" ]; then
        rm -rf .venv
        "$uv" venv -q --no-project --python "$python" .venv || die "making .venv failed (see above)"
        printf '%s' "$python" >.venv/.botberi-python
    fi
    choose_link_mode
    export UV_LINK_MODE
    if [ "$1" = run ]; then
        say "making .venv with $("$python" -V) ($python): installing what a start needs (about 90 MB to fetch)"
        watched install_extras $FIRST_EXTRAS
    else
        say "making .venv with $("$python" -V) ($python): installing all that the tests need (about 350 MB to fetch)"
        watched install_lock
    fi || die "installing the packages failed (see above); run this again to retry"
    "$uv" pip install -q --python .venv/bin/python --no-deps --no-build-isolation -e ./gateway -e . ||
        die "installing the two projects into .venv failed (see above)"
    rm -f .venv/bin/lab
    if [ "$1" = run ]; then
        say "installing the agents' libraries (about 65 MB to fetch) while the platform starts"
        install_the_rest
    else
        write_lab
        stamp "$1"
        rm -rf .bootstrap-lock
    fi
}

# $1: run or test.
bootstrap() {
    extent=${1:-test}
    # .venv is this project's own: Python keeps the bytecode of what it imports there, whatever the environment says
    # (without it each process takes twice as long to start).
    unset PYTHONDONTWRITEBYTECODE
    is_ready "$extent" && return 0
    lock
    if is_ready "$extent"; then rm -rf .bootstrap-lock; else make_environment "$extent"; fi
    trap - EXIT INT TERM HUP
}
