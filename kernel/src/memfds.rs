//! Where memfds live: a tmpfs that is mounted nowhere.

use alloc::sync::Arc;

use abi::Errno;
use vfs::fs::tmpfs::{TmpFs, TmpFsOptions};
use vfs::{Mount, make_dev};

use crate::kernel::Host;

/// The file system of memfds, and its mount in no namespace.
pub(crate) struct Memfds {
    pub(crate) fs: Arc<TmpFs>,
    pub(crate) mount: Arc<Mount>,
}

impl Memfds {
    /// Without files. Its device is the first without a number of its own, its mount has a number that no namespace gives.
    /// Errors: `ENOSPC` if there is no memory for its root.
    pub(crate) fn new(host: &Host) -> Result<Memfds, Errno> {
        let options = TmpFsOptions::default();
        let fs = TmpFs::new(make_dev(0, 1), host.clock.clone(), host.frames.clone(), options)?;
        let mount = Mount::detached(1, fs.clone(), 0, "tmpfs");
        Ok(Memfds { fs, mount })
    }
}
