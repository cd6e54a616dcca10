//! What `execve(2)` does to the threads of a process.

use alloc::sync::Arc;

use abi::Errno;
use kcore::wait::WaitQueue;

use crate::signal::AltStack;
use crate::table::ProcessTable;
use crate::task::Task;

impl ProcessTable {
    /// Starts to end all other threads. Call [`ProcessTable::exec_ready`] until it says `Ok`.
    ///
    /// Errors: `EAGAIN` if the process dies or another thread executes; this one will be killed.
    pub fn begin_exec(&self, task: &Task) -> Result<(), Errno> {
        let mut sigs = task.group().signals.lock();
        if sigs.exit.is_some() || sigs.exec.is_some_and(|t| t != task.id()) {
            return Err(Errno::EAGAIN);
        }
        sigs.exec = Some(task.id());
        sigs.kill_threads(Some(task.id()));
        Ok(())
    }
    /// Whether the task is alone. If so it takes over the leader's number and identity.
    ///
    /// Errors: the queue to wait on.
    pub fn exec_ready(&self, task: &Arc<Task>) -> Result<(), WaitQueue> {
        let mut guard = self.tree.lock();
        let tree = &mut *guard;
        let group = task.group();
        let Some(g) = tree.group_of(task) else { return Ok(()) };
        if g.live > 1 {
            return Err(group.exec_queue.clone());
        }
        let old = g.leader;
        if old != task.id() {
            let mine = task.pid();
            tree.release_task(old);
            // The leader's number stays; the thread's own goes.
            tree.by_pid.remove(&mine.id);
            tree.by_pid.insert(group.pid().id, task.id());
            task.set_pid(group.pid().clone());
            if let Some(g) = tree.group_of_mut(task) {
                g.leader = task.id();
            }
        }
        group.signals.lock().exec = None;
        Ok(())
    }
    /// The new program is in place: dispositions reset and no longer shared, no alternate stack, `vfork` is complete.
    pub fn finish_exec(&self, task: &Task) {
        if let Some(g) = self.tree.lock().group_of_mut(task) {
            g.did_exec = true;
            g.exit_signal = Some(crate::signal::Signal::CHLD);
        }
        let group = task.group();
        group.set_handlers(group.handlers().copy_reset(false));
        task.reset_altstack(AltStack::NONE);
        task.with_fields(|f| {
            f.clear_child_tid = 0;
            f.robust_list = 0;
            f.rseq = Default::default();
        });
        group.timers.clear();
        task.complete_vfork();
    }
    /// The exec failed after [`ProcessTable::begin_exec`], before the point of no return.
    pub fn abort_exec(&self, task: &Task) {
        task.group().signals.lock().exec = None;
    }
}
