//! Signals to many processes at once, `kill(2)`.
//!
//! They are sent while the tree is locked, so that none of the receivers makes a child that the signal misses: a child that is there
//! gets its own, and one that is being made gets what came since its parent's [`Task::begin_fork`].

use alloc::sync::Arc;

use abi::Errno;
use kcore::id::Pid;

use super::send::{send_locked, slot_for};
use super::{SigInfo, SigSet, Signal, ThreadSignals, code, may_signal};
use crate::pid::PidNode;
use crate::table::{GroupNode, ProcessTable, Tree};
use crate::task::Task;

/// What a process gets: the signal, and whether it comes from outside its pid namespace; `None` only checks. Fails with what forbids it.
type Choose<'a> = &'a dyn Fn(&Tree, &Task) -> Result<Option<(SigInfo, bool)>, Errno>;

impl ThreadSignals {
    /// Notes for a child that is being made that `signal` went to many processes.
    fn note_for_child(&mut self, signal: Signal) {
        let Some(set) = &mut self.for_child else { return };
        if signal == Signal::CONT {
            *set = set.minus(SigSet::STOPS);
        } else if SigSet::STOPS.has(signal) {
            set.remove(Signal::CONT);
        }
        set.add(signal);
    }
}

impl Task {
    /// Starts to make a child: from now on what is sent to many processes at once, this one among them, is kept for the child too.
    ///
    /// Errors: `EINTR` if there are signals to take first, so that they come before the fork. The call is to be made again in any
    /// case (`ERESTARTNOINTR`).
    pub fn begin_fork(&self) -> Result<(), Errno> {
        let mut sigs = self.group().signals.lock();
        if self.signal_pending() {
            return Err(Errno::EINTR);
        }
        if let Some(t) = sigs.threads.get_mut(&self.id()) {
            t.for_child = Some(SigSet::EMPTY);
        }
        Ok(())
    }
    /// What the child gets that is being made; ends what [`Task::begin_fork`] began.
    pub(crate) fn end_fork(&self) -> SigSet {
        let mut sigs = self.group().signals.lock();
        sigs.threads.get_mut(&self.id()).and_then(|t| t.for_child.take()).unwrap_or(SigSet::EMPTY)
    }
}

impl Tree {
    pub(crate) fn may_send(&self, sender: &Task, to: &Task, s: Option<Signal>) -> bool {
        let session = |t: &Task| self.group_of(t).map(|g| g.session.id);
        let same_session = s == Some(Signal::CONT)
            && session(sender).is_some_and(|session_of_sender| session(to) == Some(session_of_sender));
        sender.group().id() == to.group().id() || may_signal(&sender.cred(), &to.cred(), s, same_session)
    }
}

impl ProcessTable {
    /// Sends one of the kernel's own signals to all members of a process group, as terminals do.
    ///
    /// Errors: `ESRCH` if it has no members.
    pub fn send_to_pgrp(&self, pgrp: &PidNode, info: SigInfo) -> Result<(), Errno> {
        let tree = self.tree.lock();
        self.send_to_many(&tree, tree.pgrp_members(pgrp), &|_, _| Ok(Some((info, true))))
    }
    fn send_to_many<'a>(
        &self,
        tree: &'a Tree,
        groups: impl Iterator<Item = &'a GroupNode>,
        choose: Choose<'_>,
    ) -> Result<(), Errno> {
        let mut result = Err(Errno::ESRCH);
        for g in groups {
            let Some(leader) = tree.tasks.get(&g.leader).map(|t| &t.task) else { continue };
            let sent = match choose(tree, leader) {
                Ok(Some((info, force))) => {
                    let mut sigs = g.group.signals.lock();
                    sigs.threads.values_mut().for_each(|t| t.note_for_child(info.signal));
                    let slot = slot_for(self, &g.group, &sigs, &info);
                    send_locked(&g.group, &mut sigs, None, info, force, slot).map(|_| ())
                }
                Ok(None) => Ok(()),
                Err(e) => Err(e),
            };
            // One success is enough.
            if result.is_err() {
                result = sent;
            }
        }
        result
    }
    /// What `kill` sends from `sender`; `made_up` is what it says of itself, if anything.
    fn choose(
        &self,
        tree: &Tree,
        sender: &Task,
        to: &Task,
        s: Option<Signal>,
        made_up: Option<SigInfo>,
    ) -> Result<Option<(SigInfo, bool)>, Errno> {
        if !tree.may_send(sender, to, s) {
            return Err(Errno::EPERM);
        }
        Ok(s.map(|s| {
            let (own, force) = self.from_sender(sender, to, s, code::SI_USER, None);
            (made_up.unwrap_or(own), force)
        }))
    }
    /// Sends to the members of the process group `pgrp` that `sender` may signal; `info` is what it made up, if anything, and no
    /// signal only checks.
    ///
    /// Errors: `ESRCH` if it has no members; `EPERM` if the sender may signal none.
    pub fn kill_pgrp(
        &self,
        sender: &Task,
        pgrp: &PidNode,
        s: Option<Signal>,
        info: Option<SigInfo>,
    ) -> Result<(), Errno> {
        let tree = self.tree.lock();
        let choose = |tree: &Tree, to: &Task| self.choose(tree, sender, to, s, info);
        self.send_to_many(&tree, tree.pgrp_members(pgrp), &choose)
    }
    /// [`kill(2)`](https://man7.org/linux/man-pages/man2/kill.2.html) with all its meanings of `pid`; no signal only checks.
    ///
    /// Errors: `ESRCH`, `EPERM`.
    pub fn kill(&self, sender: &Arc<Task>, pid: i32, s: Option<Signal>) -> Result<(), Errno> {
        let ns = sender.pid_ns();
        let tree = self.tree.lock();
        let choose = |tree: &Tree, to: &Task| self.choose(tree, sender, to, s, None);
        match pid {
            -1 => {
                let others = tree.groups.values();
                let others =
                    others.filter(|g| g.group.tgid_in(&ns).0 > 1 && g.group.id() != sender.group().id());
                self.send_to_many(&tree, others, &choose)
            }
            1.. => {
                // A thread's number names its process.
                let t = tree.task(&ns, Pid(pid)).ok_or(Errno::ESRCH)?;
                let g = tree.groups.get(&t.group).ok_or(Errno::ESRCH)?;
                let leader = tree.tasks.get(&g.leader).ok_or(Errno::ESRCH)?;
                match choose(&tree, &leader.task)? {
                    Some((info, force)) => self.send_to_group(&g.group, info, force),
                    None => Ok(()),
                }
            }
            0 => {
                let pgrp = &tree.group_of(sender).ok_or(Errno::ESRCH)?.pgrp;
                self.send_to_many(&tree, tree.pgrp_members(pgrp), &choose)
            }
            _ => {
                let pgid = Pid(pid.checked_neg().ok_or(Errno::ESRCH)?);
                let pgrp = tree.node(&ns, pgid).ok_or(Errno::ESRCH)?;
                self.send_to_many(&tree, tree.pgrp_members(&pgrp), &choose)
            }
        }
    }
}
