//! The path walk, `path_resolution(7)`.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::Errno;
use crate::attr::FileKind;
use crate::consts::*;
use crate::context::OpCtx;
use crate::inode::MagicLink;
use crate::open_file::OpenFile;
use crate::path::Path;
use crate::perm::MAY_EXEC;

/// Most symbolic links that one walk follows.
const MAX_LINKS: u32 = 40;

/// The last component of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Last {
    /// A name; `slash` says that a slash follows it.
    Name {
        /// The name.
        name: Vec<u8>,
        /// Whether a slash follows.
        slash: bool,
    },
    /// `.`, or nothing (the path was only slashes).
    Dot,
    /// `..`.
    DotDot,
}

/// A walk in progress.
pub struct Walk<'a> {
    ctx: &'a OpCtx<'a>,
    root: Path,
    cur: Path,
    buf: Cow<'a, [u8]>,
    pos: usize,
    links: u32,
    resolve: u64,
    /// Whether the attributes of where it stands were seen on the way there.
    seen: bool,
    /// Set while the walk stands on an open file without a name, reached by a magic link.
    file: Option<Arc<OpenFile>>,
}

impl<'a> Walk<'a> {
    /// Begins at the root or `ctx.start()`. Errors: `ENOENT` for an empty path, `ENAMETOOLONG`, `EXDEV` (`RESOLVE_BENEATH`).
    pub fn new(ctx: &'a OpCtx<'a>, path: &'a [u8], resolve: u64) -> Result<Walk<'a>, Errno> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        if path.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let scoped = resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT) != 0;
        let root = if scoped { ctx.start().clone() } else { ctx.view.root.clone() };
        let mut cur = ctx.start().clone();
        if path[0] == b'/' {
            if resolve & RESOLVE_BENEATH != 0 {
                return Err(Errno::EXDEV);
            }
            if resolve & RESOLVE_NO_XDEV != 0 && !Arc::ptr_eq(&root.mount, &cur.mount) {
                return Err(Errno::EXDEV);
            }
            cur = root.clone();
        }
        Ok(Walk {
            ctx,
            root,
            cur,
            buf: Cow::Borrowed(path),
            pos: 0,
            links: 0,
            resolve,
            seen: false,
            file: None,
        })
    }

    /// The next component and whether it is the last, and whether a slash follows.
    fn next(&mut self) -> Option<(core::ops::Range<usize>, bool, bool)> {
        while self.buf.get(self.pos) == Some(&b'/') {
            self.pos += 1;
        }
        if self.pos == self.buf.len() {
            return None;
        }
        let start = self.pos;
        while self.pos < self.buf.len() && self.buf[self.pos] != b'/' {
            self.pos += 1;
        }
        let rest = &self.buf[self.pos..];
        let last = rest.iter().all(|b| *b == b'/');
        Some((start..self.pos, last, last && !rest.is_empty()))
    }

    fn moved(&mut self, to: Path) -> Result<(), Errno> {
        if self.resolve & RESOLVE_NO_XDEV != 0 && !Arc::ptr_eq(&to.mount, &self.cur.mount) {
            return Err(Errno::EXDEV);
        }
        self.cur = to;
        self.seen = false;
        Ok(())
    }

    fn dotdot(&mut self) -> Result<(), Errno> {
        let mut at = self.cur.clone();
        loop {
            if at.same(&self.root) {
                return if self.resolve & RESOLVE_BENEATH != 0 { Err(Errno::EXDEV) } else { self.moved(at) };
            }
            if !Arc::ptr_eq(&at.dentry, at.mount.root()) {
                break;
            }
            let Some(p) = at.mount.parent() else { return self.moved(at) };
            at = p;
        }
        if let Some(d) = at.dentry.parent() {
            at.dentry = d;
        }
        let top = self.ctx.view.ns.top(at);
        self.moved(top)
    }

    /// The child `name` of the current place, with what is mounted there, and whether its attributes were seen for that.
    fn child(&self, name: &[u8]) -> Result<(Path, bool), Errno> {
        let (dentry, seen) = self.cur.dentry.child(self.cur.mount.superblock(), name)?;
        let top = self.ctx.view.ns.top(Path { mount: self.cur.mount.clone(), dentry });
        let covered = !Arc::ptr_eq(&top.mount, &self.cur.mount);
        Ok((top, seen && !covered))
    }

    fn search(&self) -> Result<(), Errno> {
        if self.file.is_some() || self.cur.inode().kind() != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        self.ctx.may(&self.cur, MAY_EXEC)
    }

    /// Continues with the target of the symbolic link `link` found in the current place.
    ///
    /// Errors: `ELOOP`, `EXDEV`, and what `readlink` says.
    pub fn follow(&mut self, link: &Path) -> Result<(), Errno> {
        self.links += 1;
        if self.links > MAX_LINKS
            || self.resolve & RESOLVE_NO_SYMLINKS != 0
            || link.mount.flags() & MS_NOSYMFOLLOW != 0
        {
            return Err(Errno::ELOOP);
        }
        if let Some(target) = link.inode().follow_magic(&self.ctx.caller()) {
            if self.resolve & RESOLVE_NO_MAGICLINKS != 0 {
                return Err(Errno::ELOOP);
            }
            if self.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT) != 0 {
                return Err(Errno::EXDEV);
            }
            return match target? {
                MagicLink::Path(p) => self.moved(p),
                MagicLink::File(f) => {
                    let place = f.path().cloned();
                    if place.as_ref().is_none_or(|p| p.mount.fs().is_nameless()) {
                        self.file = Some(f);
                    }
                    place.map_or(Ok(()), |p| self.moved(p))
                }
            };
        }
        let target = link.inode().readlink_for(&self.ctx.caller())?;
        if target.is_empty() {
            return Err(Errno::ENOENT);
        }
        if target[0] == b'/' {
            if self.resolve & RESOLVE_BENEATH != 0 {
                return Err(Errno::EXDEV);
            }
            let root = self.root.clone();
            self.moved(root)?;
        }
        let mut buf = target;
        buf.extend_from_slice(&self.buf[self.pos..]);
        if buf.len() >= 2 * PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        self.buf = Cow::Owned(buf);
        self.pos = 0;
        Ok(())
    }

    /// Walks up to the last component, which is not looked up. Afterwards [`Walk::here`] is its directory.
    ///
    /// Errors: those of `path_resolution(7)`.
    pub fn to_parent(&mut self) -> Result<Last, Errno> {
        loop {
            let Some((range, last, slash)) = self.next() else {
                return Ok(Last::Dot);
            };
            self.search()?;
            let name: &[u8] = &self.buf[range.clone()];
            match name {
                b"." if last => return Ok(Last::Dot),
                b"." => continue,
                b".." if last => return Ok(Last::DotDot),
                b".." => {
                    self.dotdot()?;
                    continue;
                }
                n if last => return Ok(Last::Name { name: n.to_vec(), slash }),
                _ => {}
            }
            let (child, _) = self.child(name)?;
            match child.inode().kind() {
                FileKind::Symlink => self.follow(&child)?,
                FileKind::Directory => self.moved(child)?,
                _ => return Err(Errno::ENOTDIR),
            }
        }
    }

    /// Walks to the end. Errors: those of `path_resolution(7)`; `ELOOP` never for a last link that is not followed.
    pub fn finish(&mut self, follow: bool) -> Result<(), Errno> {
        loop {
            match self.to_parent()? {
                Last::Dot => return Ok(()),
                Last::DotDot => return self.dotdot(),
                Last::Name { name, slash } => {
                    let (child, seen) = self.child(&name)?;
                    match child.inode().kind() {
                        FileKind::Symlink if follow || slash => {
                            self.follow(&child)?;
                            continue;
                        }
                        FileKind::Directory => {}
                        _ if slash => return Err(Errno::ENOTDIR),
                        _ => {}
                    }
                    self.moved(child)?;
                    self.seen = seen;
                    return Ok(());
                }
            }
        }
    }

    /// Goes up one directory (the last component was `..`).
    pub(crate) fn up(&mut self) -> Result<(), Errno> {
        self.dotdot()
    }
    /// Where the walk stands.
    pub fn here(&self) -> &Path {
        &self.cur
    }
    /// The open file without a name on which the walk stands, if so.
    pub fn file(&self) -> Option<&Arc<OpenFile>> {
        self.file.as_ref()
    }
    /// Whether the attributes of where the walk stands were seen on the way there: [`Inode::seen_attr`] tells them as they are now.
    ///
    /// [`Inode::seen_attr`]: crate::inode::Inode::seen_attr
    pub(crate) fn has_seen(&self) -> bool {
        self.seen
    }
    pub(crate) fn look(&self, name: &[u8]) -> Result<Path, Errno> {
        Ok(self.child(name)?.0)
    }
}
