# Functions of `.ci/run` and `.ci/fast`, which read this file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TERM_COLOR=never

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

step_name="" all_steps=""
clock() { # sets `cpu` to the seconds that the programs run so far have used on all processors
    times >"$scratch/times" # not in a subshell, which would be told of its own programs
    cpu=$(awk -F '[ms ]+' 'NR == 2 { printf "%d", $1 * 60 + $2 + $3 * 60 + $4 }' "$scratch/times")
}

finish_step() {
    [ -n "$step_name" ] || return 0
    clock
    local line
    line=$(printf '%5d s, %5d s of processors: %s' \
        $((SECONDS - step_start)) $((cpu - step_cpu)) "$step_name")
    printf -- '-- %s\n' "$line"
    all_steps+="$line"$'\n'
    step_name=""
}

step() { # NAME: ends the step before and begins one
    finish_step
    clock
    step_name=$1 step_start=$SECONDS step_cpu=$cpu
    printf '\n== %s\n' "$1"
}

finish() { # prints how long each step took
    finish_step
    printf '\n%s%5d s, %5d s of processors: all\n' "$all_steps" "$SECONDS" "$cpu"
    echo "all checks passed"
}

# Subcommands of cargo, each in this very version. That of `cargo-public-api` goes with the
# compiler, whose JSON it reads.
cargo_deny=0.20.2 cargo_hack=0.6.46 cargo_public_api=0.52.0
tool() { # CRATE VERSION
    [ "$(cargo "${1#cargo-}" --version 2>/dev/null | awk '{ print $NF }')" = "$2" ] ||
        cargo install --quiet --locked "$1@$2"
}

manifests() { # of the members
    git ls-files 'Cargo.toml' '*/Cargo.toml' | grep -v '^audit-core/.*/'
}

published() { # packages that are published
    manifests | xargs grep -L '^publish = false' | xargs sed -n '/^\[package\]/,/^$/ s/^name = "\(.*\)"/\1/p'
}

# Each feature of each member, except the other crates that the benchmarks compare with. All steps
# build the whole workspace with these, so that they share what they build.
every_feature() {
    manifests | while read -r manifest; do
        awk -F '"' '
            /^\[/ { section = $0 }
            section == "[package]" && /^name = / { name = $2 }
            section == "[features]" && /^[a-z]/ { sub(/ .*/, ""); print name "/" $0 }
        ' "$manifest"
    done | grep -v -e '/default$' -e '^audit-bench/peers$' | paste -sd ,
}
workspace=(--workspace --features "$(every_feature)")

documentation() { # [OPTION]: makes the documentation, whose pages and links `tests/site.rs` checks
    RUSTDOCFLAGS="-D warnings" cargo doc "$@" "${workspace[@]}" --no-deps
    AUDITLOG_SITE=$(cd "${CARGO_TARGET_DIR:-target}/doc" && pwd)
    export AUDITLOG_SITE
}
