//! The path walk, `path_resolution(7)`.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{Deref, Range};

use crate::Errno;
use crate::attr::FileKind;
use crate::consts::*;
use crate::context::OpCtx;
use crate::dentry::Dentry;
use crate::inode::MagicLink;
use crate::mount::Mount;
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

/// As [`Last`], with the name still in the path.
enum End {
    Name { at: Range<usize>, slash: bool },
    Dot,
    DotDot,
}

/// A name in the directory where a walk stands.
struct Child {
    dentry: Arc<Dentry>,
    /// What is mounted there.
    covered: Option<Path>,
    /// Whether its attributes were seen when it was found.
    seen: bool,
}

impl Child {
    fn kind(&self) -> FileKind {
        self.covered.as_ref().map_or(&self.dentry, |top| &top.dentry).inode().kind()
    }
}

/// A part of where a walk stands: of the caller's as long as it need not be more, since counting a reference takes as long as a step's other work.
enum Held<'a, T> {
    Lent(&'a Arc<T>),
    Own(Arc<T>),
}

impl<T> Held<'_, T> {
    fn into_own(self) -> Arc<T> {
        match self {
            Held::Lent(t) => t.clone(),
            Held::Own(t) => t,
        }
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = Arc<T>;
    fn deref(&self) -> &Arc<T> {
        match self {
            Held::Lent(t) => t,
            Held::Own(t) => t,
        }
    }
}

/// A walk in progress.
pub struct Walk<'a> {
    ctx: &'a OpCtx<'a>,
    root: &'a Path,
    mount: Held<'a, Mount>,
    dentry: Held<'a, Dentry>,
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
        let root = if scoped { ctx.start() } else { &ctx.view.root };
        let mut cur = ctx.start();
        if path[0] == b'/' {
            if resolve & RESOLVE_BENEATH != 0 {
                return Err(Errno::EXDEV);
            }
            if resolve & RESOLVE_NO_XDEV != 0 && !Arc::ptr_eq(&root.mount, &cur.mount) {
                return Err(Errno::EXDEV);
            }
            cur = root;
        }
        Ok(Walk {
            ctx,
            root,
            mount: Held::Lent(&cur.mount),
            dentry: Held::Lent(&cur.dentry),
            buf: Cow::Borrowed(path),
            pos: 0,
            links: 0,
            resolve,
            seen: false,
            file: None,
        })
    }

    /// The next component and whether it is the last, and whether a slash follows.
    fn next(&mut self) -> Option<(Range<usize>, bool, bool)> {
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
        if self.resolve & RESOLVE_NO_XDEV != 0 && !Arc::ptr_eq(&to.mount, &self.mount) {
            return Err(Errno::EXDEV);
        }
        self.mount = Held::Own(to.mount);
        self.dentry = Held::Own(to.dentry);
        self.seen = false;
        Ok(())
    }

    fn dotdot(&mut self) -> Result<(), Errno> {
        let mut at = self.here();
        loop {
            if at.same(self.root) {
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

    /// The child `name` of the current place. Errors: the file system's.
    fn child(&self, name: &[u8]) -> Result<Child, Errno> {
        let (dentry, seen) = self.dentry.child(self.mount.superblock(), name)?;
        let covered = self.ctx.view.ns.covering(&self.mount, &dentry);
        Ok(Child { dentry, covered, seen })
    }
    /// Where a child of the current place is.
    fn place(&self, child: Child) -> Path {
        child.covered.unwrap_or_else(|| Path { mount: self.mount.clone(), dentry: child.dentry })
    }
    /// Goes on to a child of the current place. Errors: `EXDEV` if it is in another mount and must not be.
    fn enter(&mut self, child: Child) -> Result<(), Errno> {
        match child.covered {
            Some(top) => self.moved(top)?,
            None => {
                self.dentry = Held::Own(child.dentry);
                self.seen = child.seen;
            }
        }
        Ok(())
    }

    fn search(&self) -> Result<(), Errno> {
        let inode = self.dentry.inode();
        if self.file.is_some() || inode.kind() != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        inode.permission_for(&self.ctx.caller(), MAY_EXEC)
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
            self.moved(self.root.clone())?;
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
        Ok(match self.go_to_end()? {
            End::Dot => Last::Dot,
            End::DotDot => Last::DotDot,
            End::Name { at, slash } => Last::Name { name: self.buf[at].to_vec(), slash },
        })
    }

    /// As [`Walk::to_parent`]; the name stays where it is.
    fn go_to_end(&mut self) -> Result<End, Errno> {
        loop {
            let Some((at, last, slash)) = self.next() else {
                return Ok(End::Dot);
            };
            self.search()?;
            let name: &[u8] = &self.buf[at.clone()];
            match name {
                b"." if last => return Ok(End::Dot),
                b"." => continue,
                b".." if last => return Ok(End::DotDot),
                b".." => {
                    self.dotdot()?;
                    continue;
                }
                _ if last => return Ok(End::Name { at, slash }),
                _ => {}
            }
            let child = self.child(name)?;
            match child.kind() {
                FileKind::Symlink => {
                    let link = self.place(child);
                    self.follow(&link)?;
                }
                FileKind::Directory => self.enter(child)?,
                _ => return Err(Errno::ENOTDIR),
            }
        }
    }

    /// Walks to the end. Errors: those of `path_resolution(7)`; `ELOOP` never for a last link that is not followed.
    pub fn finish(&mut self, follow: bool) -> Result<(), Errno> {
        loop {
            match self.go_to_end()? {
                End::Dot => return Ok(()),
                End::DotDot => return self.dotdot(),
                End::Name { at, slash } => {
                    let child = self.child(&self.buf[at])?;
                    match child.kind() {
                        FileKind::Symlink if follow || slash => {
                            let link = self.place(child);
                            self.follow(&link)?;
                        }
                        kind if slash && kind != FileKind::Directory => return Err(Errno::ENOTDIR),
                        _ => return self.enter(child),
                    }
                }
            }
        }
    }

    /// Goes up one directory (the last component was `..`).
    pub(crate) fn up(&mut self) -> Result<(), Errno> {
        self.dotdot()
    }
    /// Where the walk stands.
    pub fn here(&self) -> Path {
        Path { mount: self.mount.clone(), dentry: self.dentry.clone() }
    }
    /// Where the walk stands; it ends there.
    pub(crate) fn into_here(self) -> Path {
        Path { mount: self.mount.into_own(), dentry: self.dentry.into_own() }
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
        Ok(self.place(self.child(name)?))
    }
}
