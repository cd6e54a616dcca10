//! Picket's sandbox.
fn main() {}
