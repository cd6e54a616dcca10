//! Seccomp (being written).
/// The seccomp state of a thread.
#[derive(Clone, Debug, Default)]
pub struct Seccomp {}
