# What is run by hand; `./test` is the whole.

# fmt, clippy, tests, docs
default:
    cargo fmt --all
    cargo clippy --workspace --all-features --all-targets -- -D warnings
    cargo test --workspace --all-features --lib --bins --test it
    cargo test --workspace --all-features --doc
    cargo run --quiet -p countersign-check

# everything that CI runs
test *PHASES:
    ./test {{PHASES}}

# old server, services and gateway in one process
demo:
    cargo run --release -p countersign-cli -- demo

# the figures of bench/RESULTS.md
bench:
    bench/run

# the time of each stage of a request
stages:
    bench/stages

# what a request pays for revocation, and the memory of a million revocations
ledger:
    bench/ledger

# instructions of a warm request
instructions:
    bench/instructions --release

# the time of a verification, against other crates
verify-bench:
    bench/verify --instructions
