//! Timers of processes (being written).
/// The timers of a process.
#[derive(Debug, Default)]
pub struct GroupTimers {}
impl GroupTimers {
    /// Deletes all, as `execve(2)` does with POSIX timers.
    pub fn clear(&self) {}
}
