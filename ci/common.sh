# Sourced by the scripts beside it: strict mode, the checkout as working directory, cargo.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# The web user reads what is built here.
umask 022
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

# Says a line about what is going on, apart from the programs' own output.
say() {
    printf '\n== %s\n' "$*" >&2
}

# Ends the script with one line.
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Whether others, among them the web user, can enter a folder and all above it.
is_open() {
    local part=$1
    while [ "$part" != / ]; do
        case $(stat -c %A "$part") in
        *x | *t) part=$(dirname "$part") ;;
        *) return 1 ;;
        esac
    done
}

need_cargo() {
    local needed found
    needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
    if ! command -v cargo >/dev/null; then
        fail "Rust $needed or later is missing: curl --proto '=https' -sSf https://sh.rustup.rs | sh -s -- -y"
    fi
    found=$(cargo --version | cut -d ' ' -f 2)
    if [ "$(printf '%s\n' "$needed" "${found%%-*}" | sort -V | head -n 1)" != "$needed" ]; then
        fail "Rust $found is too old, $needed is needed: rustup update stable"
    fi
}

# Builds rsgi-serve with cargo's other arguments: linked statically where that works, since libc is most of what the dynamic
# one has in memory. Linux only, where such a program needs nothing of the running system.
build_serve() {
    local flags=()
    if [ "$(uname)" = Linux ] && links_statically; then
        flags=(-- -C target-feature=+crt-static)
    fi
    cargo rustc --locked -p rsgi-serve --bin rsgi-serve "$@" ${flags[@]+"${flags[@]}"}
}

# Whether all that a static program is made of is installed (Fedora has libc.a in a package of its own, glibc-static).
links_statically() {
    local out status=0
    out=$(mktemp)
    echo 'int main(void) { return 0; }' | cc -x c -static-pie -o "$out" - -lgcc_eh -lpthread -ldl 2>/dev/null || status=1
    rm -f "$out"
    return "$status"
}

# Builds the Python layer for the free-threaded Python of a minor version ("14"), as cargo's other arguments say, and
# prints the file. PyO3 is told about that Python in words, so that none is needed; its folder is apart, since everything
# that knows PyO3 is compiled again.
build_free_threaded_layer() {
    local minor=$1 target=${CARGO_TARGET_DIR:-$PWD/target} folder=debug argument
    shift
    target=$target/free-threaded-3.$minor
    mkdir -p "$target"
    printf '%s\n' implementation=CPython "version=3.$minor" shared=true build_flags=Py_GIL_DISABLED pointer_width=64 \
        suppress_build_script_link_lines=true >"$target/pyo3.new"
    # A newer file would be a reason to compile again.
    cmp -s "$target/pyo3.new" "$target/pyo3" || mv "$target/pyo3.new" "$target/pyo3"
    for argument in "$@"; do
        [ "$argument" != --release ] || folder=release
    done
    PYO3_CONFIG_FILE=$target/pyo3 cargo build --locked -p rsgi-python --target-dir "$target" "$@" >&2
    echo "$target/$folder/librsgi_python.so"
}
