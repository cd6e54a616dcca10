//! Copying a file into the upper tree before it is changed.

use alloc::sync::Arc;
use alloc::vec::Vec;

use kcore::io::{IoError, SliceSource, VecSink};

use super::inode::{OverlayInode, layer_ino};
use crate::Errno;
use crate::attr::{AttrChange, FileKind, InodeAttr, TimeChange};
use crate::consts::*;
use crate::file::OpenFile;
use crate::inode::{Inode, NewInode};
use crate::path::Path;

/// Bytes copied at once.
const CHUNK: usize = 64 << 10;
/// Zeroes of this length are not written, so that holes stay holes.
const HOLE: usize = 4096;

/// The times of a file, to be set on its copy.
fn times(attr: &InodeAttr) -> AttrChange {
    AttrChange {
        atime: Some(TimeChange::At(attr.atime)),
        mtime: Some(TimeChange::At(attr.mtime)),
        ..AttrChange::default()
    }
}

impl OverlayInode {
    /// What stands for it in the upper tree, after copying it and its parents there if needed.
    ///
    /// Errors: `EROFS` without an upper tree, `ENOSPC`, `EIO`; `ENOENT` for what was removed and is no regular file.
    pub(super) fn copy_up(&self) -> Result<Arc<dyn Inode>, Errno> {
        self.copy_up_part(u64::MAX)
    }
    /// As [`OverlayInode::copy_up`], but of a regular file's content at most `size` bytes. Errors: as there.
    pub(super) fn copy_up_part(&self, size: u64) -> Result<Arc<dyn Inode>, Errno> {
        if let Some(u) = self.upper() {
            return Ok(u);
        }
        let Some(root) = &self.shared.upper else { return Err(Errno::EROFS) };
        let mut missing: Vec<Arc<OverlayInode>> = Vec::new();
        let mut at = self.place().map(|(parent, _)| parent);
        while let Some(parent) = at.filter(|p| p.upper().is_none()) {
            at = parent.place().map(|(p, _)| p);
            missing.push(parent);
        }
        for parent in missing.iter().rev() {
            parent.copy_this(root, 0)?;
        }
        self.copy_this(root, size)
    }
    /// Copies this file, whose parent is copied up already.
    fn copy_this(&self, root: &Path, size: u64) -> Result<Arc<dyn Inode>, Errno> {
        let _copying = self.copying.lock();
        if let Some(u) = self.upper() {
            return Ok(u);
        }
        let (layer, lower) = self.lowers.first().ok_or(Errno::EIO)?;
        let attr = lower.attr()?;
        let (parent, name) = self.place().ok_or(Errno::EIO)?;
        let dir = parent.upper().ok_or(Errno::EIO)?;
        let copy = match attr.kind() {
            FileKind::Regular => self.copy_content(root, lower, &attr, size)?,
            _ => {
                let _tree = self.shared.tree.lock();
                let before = dir.attr()?;
                let copy = self.copy_special(&dir, &name, lower, &attr)?;
                dir.set_attr(&times(&before))?;
                copy
            }
        };
        let mut ino = layer_ino(Some(*layer), attr.ino);
        if attr.nlink == 1 || attr.is_dir() || self.shared.note_copy(lower, &copy, attr.nlink) {
            self.shared.set_origin(&copy, ino);
        } else {
            // Other names of the lower file stay what they are.
            ino = layer_ino(None, copy.attr()?.ino);
        }
        if attr.kind() == FileKind::Regular {
            let _tree = self.shared.tree.lock();
            let before = dir.attr()?;
            match dir.link(&name, &copy) {
                Ok(()) => dir.set_attr(&times(&before))?,
                // The name was removed, or is another file's now: the copy stays without a name.
                Err(Errno::EEXIST | Errno::ENOENT) => {}
                Err(e) => return Err(e),
            }
        }
        copy.set_attr(&times(&attr))?;
        self.set_upper(copy.clone(), ino)?;
        Ok(copy)
    }
    /// Makes a copy of a regular file that has no name yet.
    fn copy_content(
        &self,
        root: &Path,
        lower: &Arc<dyn Inode>,
        attr: &InodeAttr,
        size: u64,
    ) -> Result<Arc<dyn Inode>, Errno> {
        let copy = root.inode().tmpfile(&new_like(attr))?;
        let size = attr.size.min(size);
        if size > 0 {
            let from =
                OpenFile::new(lower.clone().open(root, O_RDONLY).map_err(IoError::errno)?, O_RDONLY, None);
            let to =
                OpenFile::new(copy.clone().open(root, O_WRONLY).map_err(IoError::errno)?, O_WRONLY, None);
            copy_bytes(&from, &to, size)?;
            copy.set_attr(&AttrChange { size: Some(size), ..AttrChange::default() })?;
        }
        self.copy_xattrs(lower, &copy)?;
        Ok(copy)
    }
    /// Makes a copy of anything but a regular file. Errors: `ENOENT` if it was removed; what the layers say.
    fn copy_special(
        &self,
        dir: &Arc<dyn Inode>,
        name: &[u8],
        lower: &Arc<dyn Inode>,
        attr: &InodeAttr,
    ) -> Result<Arc<dyn Inode>, Errno> {
        let new = new_like(attr);
        let made = match attr.kind() {
            FileKind::Directory => dir.mkdir(name, &new),
            FileKind::Symlink => dir.symlink(name, &lower.readlink()?, &new),
            _ => dir.mknod(name, &new),
        };
        // A whiteout or another file is in its place.
        let copy = made.map_err(|e| if e == Errno::EEXIST { Errno::ENOENT } else { e })?;
        self.copy_xattrs(lower, &copy)?;
        Ok(copy)
    }
}

fn new_like(attr: &InodeAttr) -> NewInode {
    NewInode { mode: attr.mode, uid: attr.uid, gid: attr.gid, rdev: attr.rdev }
}

/// Copies the first `size` bytes, but for holes. Errors: what the files say.
fn copy_bytes(from: &OpenFile, to: &OpenFile, size: u64) -> Result<(), Errno> {
    let mut at = 0u64;
    while at < size {
        let want = usize::try_from(size - at).unwrap_or(CHUNK).min(CHUNK);
        let mut sink = VecSink::new(want);
        let n = from.pread(at, &mut sink).map_err(IoError::errno)?;
        if n == 0 {
            // It became shorter meanwhile.
            break;
        }
        let chunk = sink.into_vec();
        for (piece, offset) in chunk.chunks(HOLE).zip((at..).step_by(HOLE)) {
            let mut done = 0;
            while piece.iter().any(|b| *b != 0) && done < piece.len() {
                let rest = &mut SliceSource::new(&piece[done..]);
                done += to.pwrite(offset + done as u64, rest).map_err(IoError::errno)?;
            }
        }
        at += n as u64;
    }
    Ok(())
}
