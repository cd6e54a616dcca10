//! Who may look into another process, "Ptrace access mode checking" of
//! [`ptrace(2)`](https://man7.org/linux/man-pages/man2/ptrace.2.html).

use kcore::cred::{Cap, Credentials};

use abi::Errno;

/// With which identity somebody looks. Reading and controlling are the same here: they differ for security modules only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessMode {
    /// By the file-system user: `/proc/PID/…`.
    Fs,
    /// By the real user: `ptrace(2)`, `process_vm_readv(2)`, `pidfd_getfd(2)`, `kcmp(2)`.
    Real,
}

/// Whether a caller with `cred` (whose task is `caller`, if it is one) may look into `target`, `ptrace(2)`, "ptrace access mode
/// checking".
///
/// Errors: `EPERM`.
pub(crate) fn may_access(
    cred: &Credentials,
    caller: Option<&task::Task>,
    target: &task::Task,
    mode: AccessMode,
) -> Result<(), Errno> {
    if caller.is_some_and(|c| c.group().id() == target.group().id()) {
        return Ok(());
    }
    let theirs = target.cred();
    let privileged = cred.has_cap_in(Cap::SysPtrace, &theirs.user_ns);
    let (uid, gid, caps) = match mode {
        AccessMode::Fs => (cred.fsuid, cred.fsgid, cred.effective),
        AccessMode::Real => (cred.uid, cred.gid, cred.permitted),
    };
    let same_user = [theirs.euid, theirs.suid, theirs.uid].iter().all(|u| *u == uid)
        && [theirs.egid, theirs.sgid, theirs.gid].iter().all(|g| *g == gid);
    // A process that gained privileges shows itself to nobody but the privileged.
    let open = target.group().dumpable() == 1;
    let same_ns = alloc::sync::Arc::ptr_eq(&cred.user_ns, &theirs.user_ns);
    let no_stronger = same_ns && theirs.permitted.is_subset(caps);
    if privileged || same_user && open && no_stronger { Ok(()) } else { Err(Errno::EPERM) }
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    use kcore::id::{Gid, Uid};
    use task::rlimit::Rlimits;
    use task::{InitSpec, ProcessTable};

    use super::*;

    #[test]
    fn equals_and_the_privileged_may_look() {
        let table = ProcessTable::new(Arc::default());
        let user_ns = table.root_ns().user_ns().clone();
        let user = |n| Credentials::user(Uid(n), Gid(n), Vec::new(), user_ns.clone());
        let spec = InitSpec {
            ns: table.root_ns().clone(),
            cred: Arc::new(user(7)),
            rlimits: Rlimits::default(),
            comm: [0; 16],
        };
        let task = table.spawn_init(spec, Arc::new(())).unwrap();
        let may = |c: &Credentials| may_access(c, None, &task, AccessMode::Fs);
        assert_eq!(may(&user(7)), Ok(()));
        assert_eq!(may(&user(8)), Err(Errno::EPERM));
        assert_eq!(may(&Credentials::root(user_ns.clone())), Ok(()));
        task.group().set_dumpable(0);
        assert_eq!(may(&user(7)), Err(Errno::EPERM));
        assert_eq!(may_access(&user(7), Some(&task), &task, AccessMode::Fs), Ok(()), "itself always");
        assert_eq!(may(&Credentials::root(user_ns.clone())), Ok(()));
        task.group().set_dumpable(1);
        task.set_cred(Arc::new(Credentials { permitted: kcore::cred::CapSet::ALL, ..user(7) }));
        assert_eq!(may(&user(7)), Err(Errno::EPERM), "a task with more capabilities");
    }
}
