//! `stat(2)`, `readlink(2)`, `statfs(2)`, and the plain lookup.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::Errno;
use crate::attr::{FileKind, InodeAttr, StatFs};
use crate::context::OpCtx;
use crate::open_file::OpenFile;
use crate::path::Path;
use crate::walk::Walk;

/// What a path leads to.
#[derive(Clone)]
pub enum Found {
    /// A place in a file system.
    Place(Path),
    /// A place whose attributes were seen on the way there.
    Seen(Path),
    /// An open file without one, over `/proc/PID/fd`.
    File(Arc<OpenFile>),
}

impl Found {
    /// Its attributes. Errors: the file system's.
    pub fn attr(&self) -> Result<InodeAttr, Errno> {
        match self {
            Found::Place(p) => p.inode().attr(),
            Found::Seen(p) => p.inode().seen_attr(),
            Found::File(f) => f.stat(),
        }
    }
    /// Where it is; `None` for an open file without a place.
    pub fn into_path(self) -> Option<Path> {
        match self {
            Found::Place(p) | Found::Seen(p) => Some(p),
            Found::File(f) => f.path().cloned(),
        }
    }
}

/// What `path` leads to; an empty path is `ENOENT`. Errors: those of `path_resolution(7)`.
pub fn find(ctx: &OpCtx<'_>, path: &[u8], follow: bool) -> Result<Found, Errno> {
    let mut w = Walk::new(ctx, path, 0)?;
    w.finish(follow)?;
    Ok(match w.file() {
        Some(f) if f.path().is_none() => Found::File(f.clone()),
        _ if w.has_seen() => Found::Seen(w.into_here()),
        _ => Found::Place(w.into_here()),
    })
}

/// The place that `path` names; an empty path is `ENOENT`. Errors: those of `path_resolution(7)`.
pub fn lookup(ctx: &OpCtx<'_>, path: &[u8], follow: bool) -> Result<Path, Errno> {
    match find(ctx, path, follow)? {
        Found::Place(p) | Found::Seen(p) => Ok(p),
        Found::File(_) => Err(Errno::ENXIO),
    }
}

/// [`stat(2)`](https://man7.org/linux/man-pages/man2/stat.2.html), `lstat` without `follow`. Errors: as there.
pub fn stat(ctx: &OpCtx<'_>, path: &[u8], follow: bool) -> Result<InodeAttr, Errno> {
    find(ctx, path, follow)?.attr()
}

/// [`readlink(2)`](https://man7.org/linux/man-pages/man2/readlink.2.html). Errors: as there.
///
/// An empty path reads the link at `ctx.at`, as `readlinkat` does. Magic links: the inode's `readlink` says.
pub fn readlink(ctx: &OpCtx<'_>, path: &[u8]) -> Result<Vec<u8>, Errno> {
    let p = match &ctx.at {
        Some(at) if path.is_empty() => at.clone(),
        _ => lookup(ctx, path, false)?,
    };
    match p.inode().kind() {
        FileKind::Symlink => p.inode().readlink_for(&ctx.caller()),
        _ if path.is_empty() => Err(Errno::ENOENT),
        _ => Err(Errno::EINVAL),
    }
}

/// [`statfs(2)`](https://man7.org/linux/man-pages/man2/statfs.2.html). Errors: as there.
pub fn statfs(ctx: &OpCtx<'_>, path: &[u8]) -> Result<StatFs, Errno> {
    lookup(ctx, path, true)?.mount.fs().statfs()
}
