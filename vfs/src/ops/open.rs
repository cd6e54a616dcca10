//! `open(2)`.

use alloc::string::String;
use alloc::sync::Arc;

use kcore::io::IoResult;

use super::create::create_in;
use super::{may_change, new_inode};
use crate::Errno;
use crate::attr::{AttrChange, FileKind};
use crate::consts::*;
use crate::context::OpCtx;
use crate::dentry::Dentry;
use crate::file::FileOps;
use crate::inode::Inode;
use crate::mount::Mount;
use crate::open_file::{Counts, OpenFile};
use crate::path::Path;
use crate::perm::{MAY_READ, MAY_WRITE, check_owner};
use crate::walk::{Last, Walk};

/// How to open, `openat2(2)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenHow {
    /// `O_*` flags.
    pub flags: u32,
    /// Mode of a new file, before the umask.
    pub mode: u32,
    /// `RESOLVE_*` flags.
    pub resolve: u64,
}

/// What an `O_PATH` descriptor does: nothing.
struct PathOnly;

impl FileOps for PathOnly {
    fn name(&self) -> String {
        String::from("path")
    }
}

/// [`open(2)`](https://man7.org/linux/man-pages/man2/open.2.html). A FIFO may not be complete yet: see
/// [`FileOps::open_complete`]. Errors: as there; `Again` while somebody has a lease against it, see [`Leases`](crate::leases::Leases).
pub fn open(ctx: &OpCtx<'_>, path: &[u8], how: &OpenHow) -> IoResult<Arc<OpenFile>> {
    let mut flags = how.flags;
    if flags & O_PATH != 0 {
        flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    }
    let mut w = Walk::new(ctx, path, how.resolve)?;
    if flags & O_TMPFILE == O_TMPFILE {
        if flags & O_ACCMODE == O_RDONLY || flags & O_CREAT != 0 {
            return Err(Errno::EINVAL.into());
        }
        w.finish(flags & O_NOFOLLOW == 0)?;
        return tmpfile(ctx, &w.into_here(), flags, how.mode);
    }
    if flags & O_CREAT != 0 {
        if flags & O_DIRECTORY != 0 {
            return Err(Errno::EINVAL.into());
        }
        return open_create(ctx, w, flags, how.mode);
    }
    w.finish(flags & O_NOFOLLOW == 0)?;
    match w.file() {
        Some(f) => reopen(ctx, f, flags),
        None => open_place(ctx, w.into_here(), flags),
    }
}

/// Opens a file without a name again.
fn reopen(ctx: &OpCtx<'_>, f: &Arc<OpenFile>, flags: u32) -> IoResult<Arc<OpenFile>> {
    if let Some(p) = f.path() {
        if flags & (O_PATH | O_DIRECTORY) != 0 {
            return open_path(ctx, p, flags);
        }
        ctx.may(p, wanted(flags))?;
    }
    Ok(OpenFile::new(f.ops().reopen(f, flags)?, flags, f.path().cloned()))
}

/// The permission that opening with `flags` needs.
fn wanted(flags: u32) -> u32 {
    let mask = match flags & O_ACCMODE {
        O_RDONLY => MAY_READ,
        O_WRONLY => MAY_WRITE,
        _ => MAY_READ | MAY_WRITE,
    };
    if flags & O_TRUNC != 0 { mask | MAY_WRITE } else { mask }
}

fn open_create(ctx: &OpCtx<'_>, mut w: Walk<'_>, flags: u32, mode: u32) -> IoResult<Arc<OpenFile>> {
    loop {
        let name = match w.to_parent()? {
            // No regular file has such a name.
            Last::Name { slash: true, .. } => return Err(Errno::EISDIR.into()),
            Last::Name { name, .. } => name,
            last => {
                if let Some(f) = w.file() {
                    return reopen(ctx, f, flags);
                }
                if last == Last::DotDot {
                    w.up()?;
                }
                if flags & O_EXCL != 0 {
                    return Err(Errno::EEXIST.into());
                }
                // A magic link leads straight to its target, which need not be a directory.
                return open_place(ctx, w.into_here(), flags);
            }
        };
        match w.look(&name) {
            Ok(_) if flags & O_EXCL != 0 => return Err(Errno::EEXIST.into()),
            Ok(p) if p.inode().kind() == FileKind::Symlink => {
                if flags & O_NOFOLLOW != 0 {
                    return Err(Errno::ELOOP.into());
                }
                w.follow(&p)?;
            }
            Ok(p) => return open_place(ctx, p, flags),
            Err(Errno::ENOENT) => match create_in(ctx, &w.here(), &name, mode) {
                Ok(p) => {
                    let file = finish(ctx, p, flags & !O_TRUNC)?;
                    file.note_created();
                    return Ok(file);
                }
                // Somebody was faster.
                Err(Errno::EEXIST) if flags & O_EXCL == 0 => return open_place(ctx, w.look(&name)?, flags),
                Err(e) => return Err(e.into()),
            },
            Err(e) => return Err(e.into()),
        }
    }
}

fn tmpfile(ctx: &OpCtx<'_>, dir: &Path, flags: u32, mode: u32) -> IoResult<Arc<OpenFile>> {
    if dir.inode().kind() != FileKind::Directory {
        return Err(Errno::ENOTDIR.into());
    }
    may_change(ctx, dir)?;
    let new = new_inode(ctx, &dir.inode().attr()?, S_IFREG | mode & 0o7777, 0);
    let inode = dir.inode().tmpfile(&new)?;
    inode.common().set_linkable(flags & O_EXCL == 0);
    let name = alloc::format!("#{}", inode.attr()?.ino);
    let dentry = Dentry::unlisted(inode, &dir.dentry, name.as_bytes());
    finish(ctx, Path { mount: dir.mount.clone(), dentry }, flags & !O_EXCL)
}

/// Opens an inode that no directory lists, such as a memfd's, under `name` on `mount`. Errors: the inode's.
pub fn open_unlisted(
    mount: &Arc<Mount>,
    inode: Arc<dyn Inode>,
    name: &[u8],
    flags: u32,
) -> IoResult<Arc<OpenFile>> {
    let dentry = Dentry::unlisted(inode.clone(), mount.root(), name);
    let path = Path { mount: mount.clone(), dentry };
    let ops = inode.open(&path, flags)?;
    let file = OpenFile::new(ops, flags, Some(path));
    file.forbid_direct();
    Ok(file)
}

/// Opens a file that was just made, whatever its mode. Errors: the file's.
pub fn open_new(ctx: &OpCtx<'_>, path: &Path, flags: u32) -> IoResult<Arc<OpenFile>> {
    finish(ctx, path.clone(), flags)
}

/// Opens the file at a place, with all checks. Errors: as [`open`].
pub fn open_path(ctx: &OpCtx<'_>, path: &Path, flags: u32) -> IoResult<Arc<OpenFile>> {
    open_place(ctx, path.clone(), flags)
}

fn open_place(ctx: &OpCtx<'_>, path: Path, flags: u32) -> IoResult<Arc<OpenFile>> {
    let kind = path.inode().kind();
    if flags & O_DIRECTORY != 0 && kind != FileKind::Directory {
        return Err(Errno::ENOTDIR.into());
    }
    if flags & O_PATH != 0 {
        return Ok(OpenFile::new(Arc::new(PathOnly), flags, Some(path)));
    }
    let write = flags & O_ACCMODE != O_RDONLY;
    match kind {
        FileKind::Symlink => return Err(Errno::ELOOP.into()),
        FileKind::Directory if write || flags & (O_CREAT | O_TRUNC) != 0 => return Err(Errno::EISDIR.into()),
        FileKind::Char | FileKind::Block if path.mount.flags() & MS_NODEV != 0 => {
            return Err(Errno::EACCES.into());
        }
        _ => {}
    }
    let mask = wanted(flags);
    ctx.may(&path, mask)?;
    if mask & MAY_WRITE != 0 && kind == FileKind::Regular {
        path.mount.check_writable()?;
    }
    if flags & O_NOATIME != 0 {
        check_owner(&path.inode().attr()?, ctx.cred)?;
    }
    finish(ctx, path, flags)
}

/// Errors: `EINVAL` if the file was opened with `O_DIRECT`, which it does not know.
fn check_direct(ops: Arc<dyn FileOps>, flags: u32) -> IoResult<Arc<dyn FileOps>> {
    if flags & O_DIRECT != 0 && !ops.takes_direct() { Err(Errno::EINVAL.into()) } else { Ok(ops) }
}

fn finish(ctx: &OpCtx<'_>, path: Path, flags: u32) -> IoResult<Arc<OpenFile>> {
    let inode = path.inode();
    let kind = inode.kind();
    if !matches!(kind, FileKind::Regular | FileKind::Directory) {
        let ops = check_direct(ctx.vfs.special.open(inode, &inode.attr()?, &path, flags, ctx)?, flags)?;
        path.notify(IN_OPEN);
        return Ok(OpenFile::new(ops, flags, Some(path)));
    }
    let counts = match (kind, flags & O_ACCMODE) {
        (FileKind::Regular, O_RDONLY) => Counts::Reader,
        (FileKind::Regular, O_WRONLY | O_RDWR) => Counts::Writer,
        _ => Counts::Nobody,
    };
    match counts {
        Counts::Writer => inode.common().get_write()?,
        Counts::Reader => inode.common().get_read(),
        Counts::Nobody => {}
    }
    let opened = (|| {
        inode.common().leases().check(counts == Counts::Writer || flags & O_TRUNC != 0)?;
        if flags & O_TRUNC != 0 && kind == FileKind::Regular {
            inode.drop_setid(ctx.cred)?;
            inode.set_attr(&AttrChange { size: Some(0), ..AttrChange::default() })?;
        }
        check_direct(inode.clone().open_for(&path, flags, &ctx.caller())?, flags)
    })();
    match opened {
        Ok(ops) => {
            path.notify(IN_OPEN);
            if flags & O_TRUNC != 0 && kind == FileKind::Regular {
                path.notify(IN_MODIFY);
            }
            Ok(OpenFile::counted(ops, flags, Some(path), counts))
        }
        Err(e) => {
            match counts {
                Counts::Writer => inode.common().put_write(),
                Counts::Reader => inode.common().put_read(),
                Counts::Nobody => {}
            }
            Err(e)
        }
    }
}
