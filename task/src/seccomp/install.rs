//! How threads come under filters, `seccomp(2)`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;

use super::{Filter, Program, Seccomp};
use crate::table::ProcessTable;
use crate::task::Task;

/// Which threads a new filter is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FilterScope {
    /// The caller.
    Thread,
    /// All of its process, `SECCOMP_FILTER_FLAG_TSYNC`.
    Process,
}

/// A thread that cannot take over the caller's filters: it has others.
#[derive(Clone, Debug)]
pub struct Unsynchronized(pub Arc<Task>);

impl ProcessTable {
    /// Puts the calling thread into strict mode.
    ///
    /// Errors: `EINVAL` if it has filters.
    pub fn seccomp_strict(&self, task: &Task) -> Result<(), Errno> {
        match task.seccomp() {
            Seccomp::Filter(_) => Err(Errno::EINVAL),
            Seccomp::Strict | Seccomp::Disabled => {
                task.set_seccomp(Seccomp::Strict);
                Ok(())
            }
        }
    }
    /// Puts a filter on top of those of the calling thread, and with [`FilterScope::Process`] gives its filters to all threads.
    ///
    /// Errors: `EINVAL` in strict mode; `ENOMEM` if the chain gets too long. If a thread has filters that the caller does not have,
    /// nothing happens and that thread is returned.
    pub fn seccomp_filter(
        &self,
        task: &Task,
        program: Program,
        scope: FilterScope,
    ) -> Result<Result<(), Unsynchronized>, Errno> {
        // Nobody makes threads meanwhile, which would take over the old state.
        let _tree = self.tree.lock();
        let own = match task.seccomp() {
            Seccomp::Strict => return Err(Errno::EINVAL),
            Seccomp::Disabled => None,
            Seccomp::Filter(f) => Some(f),
        };
        let others: Vec<Arc<Task>> = match scope {
            FilterScope::Thread => Vec::new(),
            FilterScope::Process => {
                let sigs = task.group().signals.lock();
                let living = sigs.threads.values().filter(|t| !t.exiting).filter_map(|t| t.task.upgrade());
                living.filter(|t| t.id() != task.id()).collect()
            }
        };
        let fits = |t: &Arc<Task>| match t.seccomp() {
            Seccomp::Disabled => true,
            Seccomp::Filter(theirs) => own.as_ref().is_some_and(|f| f.descends_from(&theirs)),
            Seccomp::Strict => false,
        };
        if let Some(other) = others.iter().find(|t| !fits(t)) {
            return Ok(Err(Unsynchronized(other.clone())));
        }
        let filter = Filter::push(own.clone(), program)?;
        for t in &others {
            if task.no_new_privs() {
                t.set_no_new_privs();
            }
            t.set_seccomp(Seccomp::Filter(filter.clone()));
        }
        task.set_seccomp(Seccomp::Filter(filter));
        Ok(Ok(()))
    }
}
