//! What system calls on paths share: who asks, from where, and what a path leads to.

use alloc::sync::Arc;
use core::ffi::c_char;

use abi::Errno;
use abi::fs::open::{self, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW};
use kcore::cred::Credentials;
use kcore::id::Fd;
use kcore::user::{ShortString, UserPtr};
use vfs::ops::{self, Found};
use vfs::{FsView, OpCtx, Path};

use crate::current::CurrentTask;

/// A path argument.
pub(super) type Name = UserPtr<c_char>;

/// The working directory instead of a descriptor.
pub(super) const AT_FDCWD: Fd = Fd(open::AT_FDCWD);

/// A task's view and credentials, held for one call.
pub(super) struct Caller<'t> {
    pub(super) view: Arc<FsView>,
    pub(super) cred: &'t Arc<Credentials>,
}

impl<'t> Caller<'t> {
    pub(super) fn new(cx: &'t CurrentTask) -> Caller<'t> {
        Caller { view: cx.task.fs().view(), cred: cx.task.who() }
    }
    /// Path operations that start at `dir`. Errors: `EBADF`, `ENOTDIR`; only if `path` is relative.
    pub(super) fn at<'a>(&'a self, cx: &'a CurrentTask, dir: Fd, path: &[u8]) -> Result<OpCtx<'a>, Errno> {
        let ctx = OpCtx::new(cx.kernel().vfs(), &self.view, self.cred).by(&**cx.task.core()).for_job(cx);
        // An empty path is refused before the descriptor is looked at.
        if path.is_empty() || path.first() == Some(&b'/') {
            return Ok(ctx);
        }
        Ok(match cx.task.dir(dir)? {
            Some(place) => ctx.at(place),
            None => ctx,
        })
    }
    /// What `path` leads to from `dir`; an empty path is `dir` itself. Of the flags `AT_SYMLINK_NOFOLLOW` matters.
    /// Errors: those of `path_resolution(7)`, `EBADF`.
    pub(super) fn find(&self, cx: &CurrentTask, dir: Fd, path: &[u8], flags: u32) -> Result<Found, Errno> {
        match (path, dir) {
            (b"", AT_FDCWD) => Ok(Found::Place(self.view.cwd.clone())),
            (b"", fd) => cx.task.files().get(fd).map(Found::File),
            _ => ops::find(&self.at(cx, dir, path)?, path, flags & AT_SYMLINK_NOFOLLOW == 0),
        }
    }
    /// As [`Caller::find`], for operations that need a name or an inode of a file system. Errors: `EOPNOTSUPP` for files without.
    pub(super) fn place(&self, cx: &CurrentTask, dir: Fd, path: &[u8], flags: u32) -> Result<Path, Errno> {
        self.find(cx, dir, path, flags)?.into_path().ok_or(Errno::EOPNOTSUPP)
    }
}

impl CurrentTask {
    /// A path argument that may be empty, or null, with `AT_EMPTY_PATH`. Errors: `EFAULT`, `ENAMETOOLONG`, `ENOENT`.
    pub(super) fn read_path_at(&self, ptr: Name, flags: u32) -> Result<ShortString, Errno> {
        let may_be_empty = flags & AT_EMPTY_PATH != 0;
        if may_be_empty && ptr.is_null() {
            return Ok(ShortString::new());
        }
        let path = self.read_path(ptr)?;
        if path.is_empty() && !may_be_empty { Err(Errno::ENOENT) } else { Ok(path) }
    }
}

/// The result of a call that answers 0.
pub(super) fn done(r: Result<(), Errno>) -> super::SysResult {
    r.map(|()| 0)
}
