//! What `clone(2)` and `unshare(2)` make of their `CLONE_NEW*` flags.

use alloc::sync::Arc;

use abi::Errno;
use abi::task::clone::*;
use kcore::cred::{Cap, CapSet, Credentials, UserNamespace};
use task::PidNamespace;
use vfs::{FsContext, FsView};

use crate::ipc::Ipc;
use crate::kernel::Kernel;
use crate::task::Parts;
use crate::uts::UtsNamespace;

/// Namespaces that cannot be made: `EINVAL`, as on a kernel built without them.
pub(super) const NOT_MADE: u64 = CLONE_NEWCGROUP | CLONE_NEWNET | CLONE_NEWTIME;

/// New namespaces, and what goes with them; `None` for what stays as it is.
#[derive(Default)]
pub(in crate::syscall) struct Made {
    /// Credentials in a new user namespace.
    pub(in crate::syscall) cred: Option<Arc<Credentials>>,
    pub(in crate::syscall) uts: Option<Arc<UtsNamespace>>,
    pub(in crate::syscall) ipc: Option<Arc<Ipc>>,
    /// A view of new mounts.
    pub(in crate::syscall) fs: Option<Arc<FsContext>>,
    /// Where children's numbers come from.
    pub(in crate::syscall) pids: Option<Arc<PidNamespace>>,
}

/// Makes the namespaces that `flags` name, from those that `own` has. A new user namespace owns the others.
///
/// Errors: `EINVAL` for kinds that there are not; `EPERM` without `CAP_SYS_ADMIN` where it is needed, or for a user namespace made
/// in a changed root; `ENOSPC` for too deep a nesting.
pub(in crate::syscall) fn make(
    kernel: &Kernel,
    own: &Parts,
    cred: &Arc<Credentials>,
    flags: u64,
) -> Result<Made, Errno> {
    const OWNED: u64 = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID;
    if flags & NOT_MADE != 0 {
        return Err(Errno::EINVAL);
    }
    let mut made = Made::default();
    if flags & CLONE_NEWUSER != 0 {
        let view = own.fs.view();
        if !view.root.same(&view.ns.root_path()) {
            return Err(Errno::EPERM);
        }
        let ns = UserNamespace::child(&cred.user_ns, cred.euid, cred.egid)?;
        made.cred = Some(Arc::new(in_user_namespace(cred, ns)));
    }
    if flags & OWNED == 0 {
        return Ok(made);
    }
    let cred = made.cred.as_ref().unwrap_or(cred);
    let owner = &cred.user_ns;
    if !cred.has_cap(Cap::SysAdmin) {
        return Err(Errno::EPERM);
    }
    if flags & CLONE_NEWPID != 0 {
        made.pids = Some(kernel.processes().new_pid_ns(&own.pids, owner.clone())?);
    }
    if flags & CLONE_NEWUTS != 0 {
        made.uts = Some(own.uts.fork(owner.clone()));
    }
    if flags & CLONE_NEWIPC != 0 {
        made.ipc = Some(kernel.new_ipc(owner.clone()));
    }
    if flags & CLONE_NEWNS != 0 {
        let mut view = FsView::clone(&own.fs.view());
        let (ns, map) = view.ns.copy(owner.parent.is_some().then(|| owner.clone()));
        (view.root, view.cwd) = (map.remap(&view.root), map.remap(&view.cwd));
        view.ns = ns;
        made.fs = Some(FsContext::from_view(view));
    }
    Ok(made)
}

/// The same user in another user namespace, where it may do everything.
pub(super) fn in_user_namespace(cred: &Credentials, ns: Arc<UserNamespace>) -> Credentials {
    Credentials {
        user_ns: ns,
        effective: CapSet::ALL,
        permitted: CapSet::ALL,
        inheritable: CapSet::EMPTY,
        bounding: CapSet::ALL,
        ambient: CapSet::EMPTY,
        securebits: 0,
        ..cred.clone()
    }
}
