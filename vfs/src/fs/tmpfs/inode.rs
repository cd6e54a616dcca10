//! Inodes of a tmpfs.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::Ordering;

use kcore::cred::Credentials;
use kcore::io::IoResult;
use kcore::sync::{LockClass, Mutex};

use super::Shared;
use super::file::{Content, TmpFile};
use crate::Errno;
use crate::attr::{AttrChange, FileKind, InodeAttr};
use crate::consts::*;
use crate::dir::DirFile;
use crate::file::FileOps;
use crate::inode::{DirEntry, Inode, InodeCommon, NewInode};
use crate::path::Path;
use crate::perm::Access;

static DIR: LockClass = LockClass::new("tmpfs directory", 332);
static META: LockClass = LockClass::new("tmpfs meta", 340);

/// Bytes that one name is counted as in a directory's size, as Linux does.
const NAME_BYTES: u64 = 20;

#[derive(Default)]
struct Dir {
    children: BTreeMap<Vec<u8>, Arc<TmpInode>>,
    /// Removed: nothing can be made in it any more.
    dead: bool,
}

enum Node {
    File(Content),
    Dir(Mutex<Dir>),
    Symlink(Vec<u8>),
    Special,
}

struct Meta {
    attr: InodeAttr,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// A file in a tmpfs.
pub struct TmpInode {
    shared: Arc<Shared>,
    common: InodeCommon,
    kind: FileKind,
    ino: u64,
    access: Access,
    meta: Mutex<Meta>,
    node: Node,
}

impl TmpInode {
    pub(super) fn new(
        shared: &Arc<Shared>,
        new: &NewInode,
        target: &[u8],
        nlink: u32,
    ) -> Result<Arc<TmpInode>, Errno> {
        let max = shared.max_inodes.load(Ordering::Relaxed);
        let add = |n: u64| (n < max).then(|| n + 1);
        shared.inodes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).map_err(|_| Errno::ENOSPC)?;
        let kind = FileKind::from_mode(new.mode);
        let now = shared.now();
        let ino = shared.next_ino.fetch_add(1, Ordering::Relaxed);
        let attr = InodeAttr {
            dev: shared.dev,
            ino,
            mode: new.mode,
            nlink,
            uid: new.uid,
            gid: new.gid,
            rdev: new.rdev,
            size: target.len() as u64,
            atime: now,
            mtime: now,
            ctime: now,
            btime: now,
            ..InodeAttr::default()
        };
        let node = match kind {
            FileKind::Regular => Node::File(Content::new(shared.store.clone())),
            FileKind::Directory => Node::Dir(Mutex::new(&DIR, Dir::default())),
            FileKind::Symlink => Node::Symlink(target.to_vec()),
            _ => Node::Special,
        };
        let meta = Mutex::new(&META, Meta { attr, xattrs: BTreeMap::new() });
        Ok(Arc::new(TmpInode {
            shared: shared.clone(),
            common: InodeCommon::default(),
            kind,
            ino,
            access: Access::new(&attr),
            meta,
            node,
        }))
    }
    /// Its device and inode number.
    pub(super) fn number(&self) -> (u64, u64) {
        (self.shared.dev, self.ino)
    }
    pub(super) fn init_seals(&self, seals: u32) {
        if let Node::File(c) = &self.node {
            c.seals.store(seals, Ordering::Release);
        }
    }
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }
    /// The content, for regular files. Errors: `EINVAL` for others.
    pub(super) fn content(&self) -> Result<&Content, Errno> {
        match &self.node {
            Node::File(c) => Ok(c),
            Node::Dir(_) => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        }
    }
    /// Notes a change of content.
    pub(super) fn touch_modified(&self) {
        let now = self.shared.now();
        let mut m = self.meta.lock();
        (m.attr.mtime, m.attr.ctime) = (now, now);
    }
    pub(super) fn touch_accessed(&self) {
        let now = self.shared.now();
        let mut m = self.meta.lock();
        // As relatime: only if it tells something new.
        if m.attr.atime <= m.attr.mtime || m.attr.atime.sec + 86400 < now.sec {
            m.attr.atime = now;
        }
    }
    fn dir(&self) -> Result<&Mutex<Dir>, Errno> {
        match &self.node {
            Node::Dir(d) => Ok(d),
            _ => Err(Errno::ENOTDIR),
        }
    }
    fn changed(&self, names: i64, links: i32) {
        let now = self.shared.now();
        let mut m = self.meta.lock();
        (m.attr.mtime, m.attr.ctime) = (now, now);
        m.attr.size = m.attr.size.saturating_add_signed(names * NAME_BYTES as i64);
        m.attr.nlink = m.attr.nlink.saturating_add_signed(links);
    }
    fn relink(&self, by: i32) {
        let now = self.shared.now();
        let mut m = self.meta.lock();
        m.attr.ctime = now;
        m.attr.nlink = m.attr.nlink.saturating_add_signed(by);
    }
    fn is_dir(&self) -> bool {
        self.kind == FileKind::Directory
    }
    fn insert(&self, name: &[u8], new: &NewInode, target: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        let mut d = self.dir()?.lock();
        if d.dead {
            return Err(Errno::ENOENT);
        }
        if d.children.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        let is_dir = new.mode & S_IFMT == S_IFDIR;
        let inode = TmpInode::new(&self.shared, new, target, if is_dir { 2 } else { 1 })?;
        d.children.insert(name.to_vec(), inode.clone());
        drop(d);
        self.changed(1, i32::from(is_dir));
        Ok(inode)
    }
    fn get(&self, name: &[u8]) -> Result<Arc<TmpInode>, Errno> {
        self.dir()?.lock().children.get(name).cloned().ok_or(Errno::ENOENT)
    }
    /// Marks an empty directory as removed. Errors: `ENOTEMPTY`.
    fn kill(&self) -> Result<(), Errno> {
        let mut d = self.dir()?.lock();
        if !d.children.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        d.dead = true;
        Ok(())
    }
    /// Counts the loss of a name.
    fn dropped(&self) {
        self.relink(if self.is_dir() { -2 } else { -1 });
    }
    fn put(&self, name: &[u8], inode: Option<Arc<TmpInode>>) -> Result<(), Errno> {
        let old = {
            let mut d = self.dir()?.lock();
            match inode {
                Some(i) => d.children.insert(name.to_vec(), i),
                None => d.children.remove(name),
            }
        };
        drop(old);
        Ok(())
    }
    fn same_fs(&self, other: &Arc<dyn Inode>) -> Result<Arc<TmpInode>, Errno> {
        let any: Arc<dyn Any + Send + Sync> = other.clone();
        let t = any.downcast::<TmpInode>().map_err(|_| Errno::EXDEV)?;
        if Arc::ptr_eq(&t.shared, &self.shared) { Ok(t) } else { Err(Errno::EXDEV) }
    }
}

/// Errors: `EINVAL` for an attribute that has the name of its family only.
fn check_xattr_name(name: &[u8]) -> Result<(), Errno> {
    if name.ends_with(b".") && name.iter().filter(|b| **b == b'.').count() == 1 {
        Err(Errno::EINVAL)
    } else {
        Ok(())
    }
}

impl Inode for TmpInode {
    fn common(&self) -> &InodeCommon {
        &self.common
    }
    fn kind(&self) -> FileKind {
        self.kind
    }
    fn attr(&self) -> Result<InodeAttr, Errno> {
        let mut a = self.meta.lock().attr;
        if let Node::File(c) = &self.node {
            a.size = c.size();
            a.blocks = (c.pages.len() + c.reserved.len()) * 8;
        }
        Ok(a)
    }
    fn drop_setid(&self, cred: &Credentials) -> Result<(), Errno> {
        let mut m = self.meta.lock();
        let mode = crate::perm::after_write(&m.attr, cred);
        if m.attr.mode != mode {
            m.attr.mode = mode;
            self.access.set(&m.attr);
        }
        Ok(())
    }
    fn permission(&self, cred: &Credentials, mask: u32) -> Result<(), Errno> {
        self.access.check(cred, mask, || self.meta.lock().attr)
    }
    fn set_attr(&self, c: &AttrChange) -> Result<(), Errno> {
        if let Some(size) = c.size {
            self.set_size(size)?;
        }
        let now = self.shared.now();
        let mut m = self.meta.lock();
        c.apply(&mut m.attr, now);
        self.access.set(&m.attr);
        Ok(())
    }
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        Ok(self.get(name)?)
    }
    fn list(&self) -> Result<Vec<DirEntry>, Errno> {
        let d = self.dir()?.lock();
        let entry = |(name, i): (&Vec<u8>, &Arc<TmpInode>)| DirEntry {
            name: name.clone(),
            ino: i.meta.lock().attr.ino,
            kind: i.kind,
        };
        Ok(d.children.iter().map(entry).collect())
    }
    fn create(&self, name: &[u8], new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        self.insert(name, new, b"")
    }
    fn mkdir(&self, name: &[u8], new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        self.insert(name, new, b"")
    }
    fn mknod(&self, name: &[u8], new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        self.insert(name, new, b"")
    }
    fn symlink(&self, name: &[u8], target: &[u8], new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        self.insert(name, new, target)
    }
    fn link(&self, name: &[u8], target: &Arc<dyn Inode>) -> Result<(), Errno> {
        let t = self.same_fs(target)?;
        let mut d = self.dir()?.lock();
        if d.dead {
            return Err(Errno::ENOENT);
        }
        if d.children.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        d.children.insert(name.to_vec(), t.clone());
        drop(d);
        self.changed(1, 0);
        t.relink(1);
        Ok(())
    }
    fn unlink(&self, name: &[u8]) -> Result<(), Errno> {
        let t = self.get(name)?;
        if t.is_dir() {
            return Err(Errno::EISDIR);
        }
        self.put(name, None)?;
        self.changed(-1, 0);
        t.dropped();
        Ok(())
    }
    fn rmdir(&self, name: &[u8]) -> Result<(), Errno> {
        let t = self.get(name)?;
        t.kill()?;
        self.put(name, None)?;
        self.changed(-1, -1);
        t.dropped();
        Ok(())
    }
    /// The VFS holds both directories' names, so the steps below cannot be interleaved with others on the same names.
    fn rename(
        &self,
        name: &[u8],
        new_dir: &Arc<dyn Inode>,
        new_name: &[u8],
        flags: u32,
    ) -> Result<(), Errno> {
        let to = self.same_fs(new_dir)?;
        let old = self.get(name)?;
        let new = to.get(new_name).ok();
        let d = |i: &TmpInode| i32::from(i.is_dir());
        if flags & RENAME_EXCHANGE != 0 {
            let new = new.ok_or(Errno::ENOENT)?;
            self.put(name, Some(new.clone()))?;
            to.put(new_name, Some(old.clone()))?;
            self.changed(0, d(&new) - d(&old));
            to.changed(0, d(&old) - d(&new));
            old.relink(0);
            new.relink(0);
            return Ok(());
        }
        if let Some(n) = &new {
            if flags & RENAME_NOREPLACE != 0 {
                return Err(Errno::EEXIST);
            }
            if Arc::ptr_eq(n, &old) {
                return Ok(());
            }
            match (old.is_dir(), n.is_dir()) {
                (true, true) => n.kill()?,
                (true, false) => return Err(Errno::ENOTDIR),
                (false, true) => return Err(Errno::EISDIR),
                _ => {}
            }
        } else if to.dir()?.lock().dead {
            return Err(Errno::ENOENT);
        }
        let white = NewInode { mode: S_IFCHR, uid: kcore::id::Uid::ROOT, gid: kcore::id::Gid::ROOT, rdev: 0 };
        let whiteout = if flags & RENAME_WHITEOUT != 0 {
            Some(TmpInode::new(&self.shared, &white, b"", 1)?)
        } else {
            None
        };
        let names = if whiteout.is_some() { 0 } else { -1 };
        to.put(new_name, Some(old.clone()))?;
        self.put(name, whiteout)?;
        self.changed(names, -d(&old));
        to.changed(i64::from(new.is_none()), d(&old) - new.as_deref().map_or(0, d));
        old.relink(0);
        if let Some(n) = new {
            n.dropped();
        }
        Ok(())
    }
    fn tmpfile(&self, new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        Ok(TmpInode::new(&self.shared, new, b"", 0)?)
    }
    fn readlink(&self) -> Result<Vec<u8>, Errno> {
        match &self.node {
            Node::Symlink(t) => Ok(t.clone()),
            _ => Err(Errno::EINVAL),
        }
    }
    fn open(self: Arc<Self>, _: &Path, _: u32) -> IoResult<Arc<dyn FileOps>> {
        match &self.node {
            Node::File(_) => Ok(Arc::new(TmpFile::new(self))),
            Node::Dir(_) => Ok(DirFile::new(self)),
            _ => Err(Errno::ENXIO.into()),
        }
    }
    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        check_xattr_name(name)?;
        self.meta.lock().xattrs.get(name).cloned().ok_or(Errno::ENODATA)
    }
    fn set_xattr(&self, name: &[u8], value: &[u8], flags: u32) -> Result<(), Errno> {
        check_xattr_name(name)?;
        let now = self.shared.now();
        let mut m = self.meta.lock();
        let there = m.xattrs.contains_key(name);
        if there && flags & XATTR_CREATE != 0 {
            return Err(Errno::EEXIST);
        }
        if !there && flags & XATTR_REPLACE != 0 {
            return Err(Errno::ENODATA);
        }
        let used: usize = m.xattrs.iter().map(|(k, v)| k.len() + v.len()).sum();
        if used + name.len() + value.len() > 128 * 1024 {
            return Err(Errno::ENOSPC);
        }
        m.xattrs.insert(name.to_vec(), value.to_vec());
        m.attr.ctime = now;
        Ok(())
    }
    fn list_xattr(&self) -> Result<Vec<Vec<u8>>, Errno> {
        Ok(self.meta.lock().xattrs.keys().cloned().collect())
    }
    fn remove_xattr(&self, name: &[u8]) -> Result<(), Errno> {
        check_xattr_name(name)?;
        self.meta.lock().xattrs.remove(name).map(|_| ()).ok_or(Errno::ENODATA)
    }
}

impl Drop for TmpInode {
    fn drop(&mut self) {
        self.shared.inodes.fetch_sub(1, Ordering::Relaxed);
        match &mut self.node {
            Node::File(c) => self.shared.uncharge(c.pages.len() + c.reserved.len()),
            Node::Dir(d) => {
                // Without recursion: a guest chooses the depth.
                let mut todo: Vec<_> = core::mem::take(&mut d.get_mut().children).into_values().collect();
                while let Some(i) = todo.pop() {
                    if let Ok(mut i) = Arc::try_unwrap(i)
                        && let Node::Dir(d) = &mut i.node
                    {
                        todo.extend(core::mem::take(&mut d.get_mut().children).into_values());
                    }
                }
            }
            _ => {}
        }
    }
}
