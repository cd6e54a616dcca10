//! `/proc/sys`: parameters of the kernel, `proc_sys(5)`. A parameter that cannot be set has no write permission, not even for the
//! privileged.

mod fs;
mod ipc;
mod kernel;
mod vm;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::cred::Credentials;
use kcore::id::Uid;
use kcore::io::IoResult;
use task::Task;
use vfs::FileOps;
use vfs::context::Caller;
use vfs::fs::pseudo::{FixedDir, PseudoAttr, PseudoFile, PseudoNode, snapshot};

use super::Proc;
use crate::kernel::Kernel;

/// Who reads or writes a parameter.
struct Access {
    kernel: Arc<Kernel>,
    task: Option<Arc<Task>>,
    cred: Credentials,
}

type Get = fn(&Access) -> String;
type Set = fn(&Access, &[u8]) -> Result<(), Errno>;

/// A parameter.
struct Parameter {
    path: &'static str,
    mode: u32,
    get: Get,
    set: Option<Set>,
}

/// A parameter that only tells.
const fn fixed(path: &'static str, get: Get) -> Parameter {
    Parameter { path, mode: 0o444, get, set: None }
}

/// A parameter that root may set.
const fn tunable(path: &'static str, get: Get, set: Set) -> Parameter {
    Parameter { path, mode: 0o644, get, set: Some(set) }
}

/// The directory `/proc/sys`.
pub(super) fn dir(proc: &Arc<Proc>) -> PseudoNode {
    let all = [kernel::PARAMETERS, fs::PARAMETERS, ipc::PARAMETERS, vm::PARAMETERS];
    build(proc, &all.into_iter().flatten().map(|p| (p.path, p)).collect::<Vec<_>>())
}

fn build(proc: &Arc<Proc>, below: &[(&'static str, &'static Parameter)]) -> PseudoNode {
    let mut dir = FixedDir::new();
    let mut deeper: BTreeMap<&str, Vec<(&'static str, &'static Parameter)>> = BTreeMap::new();
    for (path, p) in below {
        match path.split_once('/') {
            Some((first, rest)) => deeper.entry(first).or_default().push((rest, p)),
            None => dir = dir.file(path, ParameterFile { proc: proc.clone(), parameter: p }),
        }
    }
    // As deep as the tables above, which are short.
    for (name, below) in deeper {
        dir = dir.with(name, build(proc, &below));
    }
    PseudoNode::dir(dir)
}

struct ParameterFile {
    proc: Arc<Proc>,
    parameter: &'static Parameter,
}

impl PseudoFile for ParameterFile {
    fn open(self: Arc<Self>, _: u32, caller: &Caller<'_>) -> IoResult<Arc<dyn FileOps>> {
        let task = caller.task_as::<Task>().and_then(|t| t.table()?.task_of(&t.pid()));
        let access = Arc::new(Access { kernel: self.proc.kernel()?, task, cred: caller.cred.clone() });
        let (p, reader) = (self.parameter, access.clone());
        let read = move || Ok(((p.get)(&reader) + "\n").into_bytes());
        let write = move |at: u64, data: &[u8]| {
            let set = p.set.ok_or(Errno::EPERM)?;
            // A value is written at once: what is written behind it is not looked at.
            if at == 0 {
                set(&access, data)?;
            }
            Ok(data.len())
        };
        Ok(snapshot(read, write))
    }
    fn attr(&self) -> PseudoAttr {
        PseudoAttr::root(self.parameter.mode)
    }
    fn permission(&self, caller: &Caller<'_>, mask: u32) -> Option<Result<(), Errno>> {
        let shift = if caller.cred.euid == Uid::ROOT { 6 } else { 0 };
        let denied = mask & 7 & !(self.parameter.mode >> shift) != 0;
        Some(if denied { Err(Errno::EACCES) } else { Ok(()) })
    }
}
