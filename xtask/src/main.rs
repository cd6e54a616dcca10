//! Developer tasks of the workspace: `cargo xtask TASK`.
fn main() {}
