//! Directory notification, [`F_NOTIFY(2const)`](https://man7.org/linux/man-pages/man2/fcntl.2.html): signals about what happens in a
//! directory.

use alloc::sync::{Arc, Weak};

use abi::Errno;
use abi::fs::fcntl::{DN_ACCESS, DN_ATTRIB, DN_CREATE, DN_DELETE, DN_MODIFY, DN_MULTISHOT, DN_RENAME};
use abi::fs::poll::{IN_ACCESS, IN_ATTRIB, IN_CREATE, IN_DELETE, IN_MODIFY, IN_MOVED_FROM, IN_MOVED_TO};
use kcore::id::Fd;
use kcore::sync::{LockClass, Mutex};
use vfs::locks::LockOwner;
use vfs::{FileKind, Happened, InodeWatcher, OpenFile};

use crate::file_signal::notify_message;
use crate::kernel::Kernel;

static WATCH: LockClass = LockClass::new("directory notification", 366);

/// What of an open directory a process is told of. The directory knows it weakly, the open file keeps it.
struct DirectoryWatch {
    kernel: Weak<Kernel>,
    file: Weak<OpenFile>,
    owner: LockOwner,
    state: Mutex<State>,
}

struct State {
    /// The process's number of the file.
    fd: Fd,
    /// `DN_*` bits.
    wanted: u32,
    /// What joins the last name that went from here to where it went.
    left: u32,
}

impl State {
    /// What it is in `DN_*` bits, one after the other.
    fn meaning(&mut self, what: &Happened<'_>) -> [u32; 2] {
        let one = |dn| [dn, 0];
        let is = |event| what.mask & event != 0;
        if is(IN_MOVED_FROM) {
            self.left = what.cookie;
            one(DN_DELETE)
        } else if is(IN_MOVED_TO) {
            // A file is renamed if it stays in the directory.
            [if what.cookie == self.left { DN_RENAME } else { 0 }, DN_CREATE]
        } else if is(IN_ACCESS) {
            one(DN_ACCESS)
        } else if is(IN_MODIFY) {
            one(DN_MODIFY)
        } else if is(IN_ATTRIB) {
            one(DN_ATTRIB)
        } else if is(IN_CREATE) {
            one(DN_CREATE)
        } else if is(IN_DELETE) {
            one(DN_DELETE)
        } else {
            one(0)
        }
    }
}

impl InodeWatcher for DirectoryWatch {
    fn event(&self, what: &Happened<'_>) {
        let meanings = self.state.lock().meaning(what);
        for dn in meanings {
            let (fd, last) = {
                let mut s = self.state.lock();
                if s.wanted & dn == 0 {
                    continue;
                }
                let last = s.wanted & DN_MULTISHOT == 0;
                if last {
                    s.wanted = 0;
                }
                (s.fd, last)
            };
            let (Some(kernel), Some(file)) = (self.kernel.upgrade(), self.file.upgrade()) else { return };
            notify_message(&kernel, &file, fd);
            if last {
                file.change_async_state(|s| s.forget_directory(self.owner));
            }
        }
    }
}

/// `F_NOTIFY` on `file`, which the process with the descriptors of `owner` knows as `fd`: adds to what it is told of; nothing ends it.
///
/// Errors: `ENOTDIR`.
pub(crate) fn watch_directory(
    kernel: &Arc<Kernel>,
    file: &Arc<OpenFile>,
    fd: Fd,
    owner: LockOwner,
    wanted: u32,
) -> Result<(), Errno> {
    if wanted & !DN_MULTISHOT == 0 {
        file.change_async_state(|s| s.forget_directory(owner));
        return Ok(());
    }
    let inode = file.inode().filter(|i| i.kind() == FileKind::Directory).ok_or(Errno::ENOTDIR)?;
    let known = file.async_state().directory_of(owner).and_then(|w| w.downcast::<DirectoryWatch>().ok());
    if let Some(watch) = known {
        let mut s = watch.state.lock();
        s.fd = fd;
        s.wanted |= wanted;
        return Ok(());
    }
    let watch = Arc::new(DirectoryWatch {
        kernel: Arc::downgrade(kernel),
        file: Arc::downgrade(file),
        owner,
        state: Mutex::new(&WATCH, State { fd, wanted, left: 0 }),
    });
    file.change_async_state(|s| s.directory.push((owner, watch.clone())));
    let watcher: Arc<dyn InodeWatcher> = watch;
    inode.common().watch(&watcher);
    Ok(())
}
