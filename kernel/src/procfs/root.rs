//! The root directory: processes by number, and what concerns the whole machine.

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::id::Pid;
use task::ThreadGroup;
use vfs::FileKind;
use vfs::context::Caller;
use vfs::fs::pseudo::{FixedDir, FixedLink, PseudoAttr, PseudoDir, PseudoLink, PseudoNode};

use super::task::TaskDir;
use super::{Proc, sysctl, system, sysvipc};

pub(super) struct Root {
    proc: Arc<Proc>,
    fixed: FixedDir,
}

impl Root {
    pub(super) fn new(proc: Arc<Proc>) -> Root {
        let myself = |thread| Myself { proc: proc.clone(), thread };
        let mut fixed = FixedDir::new().link("self", myself(false)).link("thread-self", myself(true));
        if !proc.only_pids {
            fixed = fixed
                .link("mounts", FixedLink(b"self/mounts".to_vec()))
                .link("net", FixedLink(b"self/net".to_vec()))
                .with("sys", sysctl::dir(&proc))
                .with("sysvipc", PseudoNode::dir(sysvipc::dir(&proc)))
                .with("tty", PseudoNode::dir(system::tty(&proc)))
                .with("fs", PseudoNode::dir(FixedDir::new()));
            for (name, file) in system::files(&proc) {
                fixed = fixed.with(name, file);
            }
        }
        Root { proc, fixed }
    }
}

impl PseudoDir for Root {
    fn lookup(&self, name: &[u8]) -> Result<PseudoNode, Errno> {
        if let Ok(node) = self.fixed.lookup(name) {
            return Ok(node);
        }
        let n = parse_pid(name)?;
        let kernel = self.proc.kernel()?;
        let processes = kernel.processes();
        // Threads are not listed here, and found all the same.
        let task = match processes.group(&self.proc.ns, n) {
            Some(group) => processes.leader(&group),
            None => processes.task(&self.proc.ns, n),
        };
        Ok(PseudoNode::dir(TaskDir::process(&self.proc, task.ok_or(Errno::ENOENT)?)))
    }
    fn list(&self) -> Result<Vec<(Vec<u8>, FileKind)>, Errno> {
        let mut all = self.fixed.list()?;
        let mut numbers: Vec<Pid> = self.groups()?.iter().map(|g| g.tgid_in(&self.proc.ns)).collect();
        numbers.retain(|n| n.0 > 0);
        numbers.sort_unstable();
        all.extend(numbers.iter().map(|n| (n.to_string().into_bytes(), FileKind::Directory)));
        Ok(all)
    }
    fn attr(&self) -> PseudoAttr {
        let subdirs = self.groups().map_or(0, |g| g.len());
        PseudoAttr { subdirs: u32::try_from(subdirs).unwrap_or(u32::MAX), ..PseudoAttr::root(0o555) }
    }
}

impl Root {
    fn groups(&self) -> Result<Vec<Arc<ThreadGroup>>, Errno> {
        Ok(self.proc.kernel()?.processes().groups())
    }
}

/// A process number as a name. Errors: `ENOENT` if it is none.
pub(super) fn parse_pid(name: &[u8]) -> Result<Pid, Errno> {
    if name.first().is_none_or(|c| !(b'1'..=b'9').contains(c)) || !name.iter().all(u8::is_ascii_digit) {
        return Err(Errno::ENOENT);
    }
    let n = core::str::from_utf8(name).ok().and_then(|s| s.parse().ok());
    n.map(Pid).ok_or(Errno::ENOENT)
}

/// `/proc/self` and `/proc/thread-self`.
struct Myself {
    proc: Arc<Proc>,
    thread: bool,
}

impl PseudoLink for Myself {
    fn target(&self, caller: &Caller<'_>) -> Result<Vec<u8>, Errno> {
        let task: &task::Task = caller.task_as().ok_or(Errno::ENOENT)?;
        let (tgid, tid) = (task.group().tgid_in(&self.proc.ns), task.tid_in(&self.proc.ns));
        match tgid.0 {
            0 => Err(Errno::ENOENT),
            _ if self.thread => Ok(alloc::format!("{tgid}/task/{tid}").into_bytes()),
            _ => Ok(tgid.to_string().into_bytes()),
        }
    }
}
