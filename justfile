# Short names for the common commands; `just --list` shows them.

# Everything that a change must pass.
ci:
    .ci/run

# The workspace's own rules.
check:
    cargo xtask check

test:
    cargo test --workspace

clippy:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

doc:
    RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps

# Libraries against core and alloc alone.
nostd:
    cargo xtask nostd

# The kernel on the deterministic platform, under so many seeds.
sim seeds="1000":
    cargo test -p picket-platform --no-default-features --features sim
    PICKET_SIM_SEEDS={{seeds}} cargo test -p picket-kernel --test sim stress
