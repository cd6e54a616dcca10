//! `/proc/PID/fd` and `/proc/PID/fdinfo`.

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::id::Fd;
use vfs::consts::{O_CLOEXEC, O_PATH};
use vfs::context::Caller;
use vfs::fs::pseudo::{PseudoAttr, PseudoDir, PseudoFile, PseudoLink, PseudoNode};
use vfs::{FdTable, FileKind, MagicLink, OpenFile};

use super::links::shown_path;
use super::task::TaskRef;
use super::text::{Text, line};
use crate::task::Resources;

/// `/proc/PID/fd`.
pub(super) fn descriptors(of: &TaskRef) -> PseudoNode {
    PseudoNode::dir(FdDir { of: of.clone(), info: false })
}

/// `/proc/PID/fdinfo`.
pub(super) fn infos(of: &TaskRef) -> PseudoNode {
    PseudoNode::dir(FdDir { of: of.clone(), info: true })
}

struct FdDir {
    of: TaskRef,
    info: bool,
}

/// One descriptor of a task.
struct Slot {
    of: TaskRef,
    fd: Fd,
}

impl FdDir {
    fn table(&self) -> Result<Arc<FdTable>, Errno> {
        self.of.resources().and_then(Resources::files).ok_or(Errno::ENOENT)
    }
}

impl Slot {
    fn table(&self) -> Result<Arc<FdTable>, Errno> {
        self.of.resources().and_then(Resources::files).ok_or(Errno::ENOENT)
    }
    fn file(&self) -> Result<Arc<OpenFile>, Errno> {
        self.table()?.get(self.fd).map_err(|_| Errno::ENOENT)
    }
}

impl PseudoDir for FdDir {
    fn lookup(&self, name: &[u8]) -> Result<PseudoNode, Errno> {
        let text = core::str::from_utf8(name).map_err(|_| Errno::ENOENT)?;
        let n: i32 = text.parse().map_err(|_| Errno::ENOENT)?;
        if n.to_string() != text {
            return Err(Errno::ENOENT);
        }
        let slot = Slot { of: self.of.clone(), fd: Fd(n) };
        slot.file()?;
        Ok(if self.info { PseudoNode::file(slot) } else { PseudoNode::link(slot) })
    }
    fn list(&self) -> Result<Vec<(Vec<u8>, FileKind)>, Errno> {
        let kind = if self.info { FileKind::Regular } else { FileKind::Symlink };
        let Ok(table) = self.table() else { return Ok(Vec::new()) };
        Ok(table.list().into_iter().map(|(fd, _)| (fd.to_string().into_bytes(), kind)).collect())
    }
    fn attr(&self) -> PseudoAttr {
        self.of.owner(if self.info { 0o555 } else { 0o500 })
    }
    fn permission(&self, caller: &Caller<'_>, _: u32) -> Option<Result<(), Errno>> {
        if self.info {
            return self.of.check_access(caller).err().map(Err);
        }
        // A process reaches its own descriptors whatever its identity has become.
        let task: Option<&task::Task> = caller.task_as();
        task.filter(|t| t.group().id() == self.of.task.group().id()).map(|_| Ok(()))
    }
    fn alive(&self) -> bool {
        self.of.alive()
    }
}

impl PseudoLink for Slot {
    fn target(&self, caller: &Caller<'_>) -> Result<Vec<u8>, Errno> {
        self.of.check_access(caller)?;
        let file = self.file()?;
        Ok(match file.path() {
            Some(p) if p.mount.fs().is_nameless() => p.dentry.name(),
            Some(p) => shown_path(p, caller),
            None => file.ops().name().into_bytes(),
        })
    }
    fn magic(&self, caller: &Caller<'_>) -> Option<Result<MagicLink, Errno>> {
        Some(self.of.check_access(caller).and_then(|()| self.file()).map(MagicLink::File))
    }
    fn attr(&self) -> PseudoAttr {
        let mut mode = 0o100;
        if let Ok(f) = self.file() {
            mode |= if f.readable() { 0o400 } else { 0 };
            mode |= if f.writable() { 0o200 } else { 0 };
        }
        self.of.owner(mode)
    }
    fn alive(&self) -> bool {
        self.of.alive() && self.file().is_ok()
    }
}

impl PseudoFile for Slot {
    fn content(&self) -> Result<Vec<u8>, Errno> {
        let (file, cloexec) = (self.file()?, self.table()?.cloexec(self.fd).map_err(|_| Errno::ENOENT)?);
        let flags = file.flags() | if cloexec { O_CLOEXEC } else { 0 };
        let named = file.path().is_some_and(|p| !p.mount.fs().is_nameless());
        // Linux's 64-bit kernels show O_LARGEFILE on all that open(2) made.
        let large = if named && flags & O_PATH == 0 { LARGEFILE } else { 0 };
        let mount = file.path().map_or(ANON_MOUNT, |p| p.mount.id());
        let mut t = Text::default();
        line!(t, "pos:\t{}", file.offset());
        line!(t, "flags:\t0{:o}", flags | large);
        line!(t, "mnt_id:\t{mount}");
        line!(t, "ino:\t{}", file.stat().map_or(0, |a| a.ino));
        t.bytes(file.ops().fdinfo(&file).as_bytes());
        Ok(t.into_bytes())
    }
    fn attr(&self) -> PseudoAttr {
        self.of.owner(0o444)
    }
    fn alive(&self) -> bool {
        self.of.alive() && self.file().is_ok()
    }
}

/// `O_LARGEFILE` as the kernel has it.
const LARGEFILE: u32 = 0o100_000;
/// What files without a mount that anybody sees show as theirs.
const ANON_MOUNT: u64 = 15;
