//! File systems as a whole: [`statfs(2)`](https://man7.org/linux/man-pages/man2/statfs.2.html),
//! [`sync(2)`](https://man7.org/linux/man-pages/man2/sync.2.html).

use alloc::collections::BTreeMap;

use abi::Errno;
use abi::fs::mount::{MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_RELATIME};
use abi::fs::stat::{
    ST_NOATIME, ST_NODEV, ST_NODIRATIME, ST_NOEXEC, ST_NOSUID, ST_RDONLY, ST_RELATIME, Statfs,
};
use kcore::addr::GuestAddr;
use kcore::id::Fd;
use kcore::user::{UserPtr, Write};
use vfs::{Mount, StatFs, ops};
use zerocopy::FromZeros;

use super::SysResult;
use super::path::{AT_FDCWD, Caller, Name, done};
use crate::current::CurrentTask;
use crate::task::Resources;

/// The flags mean something: says Linux in all answers.
const ST_VALID: u64 = 0x20;

/// `statfs(2)`.
pub(super) fn statfs(cx: &mut CurrentTask, path: Name, buf: GuestAddr) -> SysResult {
    let path = cx.read_path_at(path, 0)?;
    let who = Caller::new(cx);
    let place = ops::lookup(&who.at(cx, AT_FDCWD, &path)?, &path, true)?;
    put(cx, buf, &place.mount.fs().statfs()?, st_flags(&place.mount))
}

/// [`ustat(2)`](https://man7.org/linux/man-pages/man2/ustat.2.html), of a file system that is mounted where the caller sees it.
/// Errors: `EINVAL` for a device that is none's, `EFAULT`.
pub(super) fn ustat(cx: &mut CurrentTask, dev: u32, out: GuestAddr) -> SysResult {
    // The encoding is that of `st_dev` as long as both numbers are small.
    let mounts = cx.task.fs().view().ns.mounts();
    let found = mounts.iter().find(|m| m.fs().dev() == u64::from(dev)).ok_or(Errno::EINVAL)?;
    let s = found.fs().statfs()?;
    let blocks = i32::try_from(s.bfree).unwrap_or(i32::MAX).cast_unsigned();
    // Free blocks and inodes; a name and a pack name that file systems have not had for long.
    cx.put(out, &[u64::from(blocks), s.ffree, 0, 0]).map(|()| 0)
}

/// `fstatfs(2)`.
pub(super) fn fstatfs(cx: &mut CurrentTask, fd: Fd, buf: GuestAddr) -> SysResult {
    let file = cx.task.files().get(fd)?;
    match file.path() {
        Some(p) => put(cx, buf, &p.mount.fs().statfs()?, st_flags(&p.mount)),
        None => Err(Errno::ENOSYS),
    }
}

fn st_flags(mount: &Mount) -> u64 {
    const PAIRS: [(u32, u64); 6] = [
        (MS_NOSUID, ST_NOSUID),
        (MS_NODEV, ST_NODEV),
        (MS_NOEXEC, ST_NOEXEC),
        (MS_NOATIME, ST_NOATIME),
        (MS_NODIRATIME, ST_NODIRATIME),
        (MS_RELATIME, ST_RELATIME),
    ];
    let flags = mount.flags() & !MS_RDONLY;
    let read_only = if mount.is_read_only() { ST_RDONLY } else { 0 };
    PAIRS.iter().filter(|(ms, _)| flags & ms != 0).fold(read_only, |all, (_, st)| all | st)
}

/// A number that C has as a signed one.
fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn put(cx: &CurrentTask, buf: GuestAddr, s: &StatFs, flags: u64) -> SysResult {
    let half = |n: u64| (n & 0xffff_ffff) as u32;
    let fsid = [half(s.fsid), half(s.fsid >> 32)].map(u32::cast_signed);
    let raw = Statfs {
        f_type: signed(s.magic),
        f_bsize: signed(s.bsize),
        f_blocks: s.blocks,
        f_bfree: s.bfree,
        f_bavail: s.bavail,
        f_files: s.files,
        f_ffree: s.ffree,
        f_fsid: fsid,
        f_namelen: signed(s.namelen),
        f_frsize: signed(s.bsize),
        f_flags: signed(flags | ST_VALID),
        ..Statfs::new_zeroed()
    };
    done(UserPtr::<Statfs, Write>::new(buf).write(&**cx.task.mm(), &raw))
}

/// `sync(2)`: all file systems that any task sees. Failures are not told, as on Linux.
pub(super) fn sync(cx: &mut CurrentTask) -> SysResult {
    let mut all = BTreeMap::new();
    for task in cx.kernel().processes().tasks() {
        let Some(fs) = task.resources::<Resources>().and_then(Resources::fs) else { continue };
        for mount in fs.view().ns.mounts() {
            all.insert(mount.fs().dev(), mount);
        }
    }
    for mount in all.into_values() {
        // `sync` has no way to say that a disk failed; `syncfs` says it.
        let _ = mount.fs().sync();
    }
    Ok(0)
}

/// `syncfs(2)`.
pub(super) fn syncfs(cx: &mut CurrentTask, fd: Fd) -> SysResult {
    match cx.task.files().get_open(fd)?.path() {
        Some(p) => done(p.mount.fs().sync()),
        None => Ok(0),
    }
}
