//! What there is mounted: [`statmount(2)`](https://man7.org/linux/man-pages/man2/statmount.2.html),
//! [`listmount(2)`](https://man7.org/linux/man-pages/man2/listmount.2.html).

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use abi::fs::mount::*;
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::user::{UserMemory, UserPtr};
use vfs::consts::{
    MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_NOSYMFOLLOW, MS_RDONLY, MS_RELATIME,
};
use vfs::ops::path_name;
use vfs::{Mount, MountNamespace, dev_major, dev_minor};
use zerocopy::{FromZeros, IntoBytes};

use super::SysResult;
use super::path::Caller;
use crate::current::CurrentTask;
use crate::namespace::Namespace;
use crate::procfs::root_in_fs;
use crate::task::Resources;

/// Most numbers that one call lists.
const LIST_MAX: usize = 1_000_000;
/// Numbers of mounts are above this.
const FIRST_ID: u64 = 1 << 31;
/// Stands for the caller's root in `listmount`.
const LSMT_ROOT: u64 = u64::MAX;
/// The flag of `listmount`: the latest first.
const LISTMOUNT_REVERSE: u32 = 1;
/// The first layout of the request.
const REQUEST_SIZE_VER0: usize = 24;

/// Errors: `EFAULT`; `EINVAL` for a request that is too short or about a number that no mount can have, `E2BIG` for one with fields that are not known.
fn read_request(cx: &CurrentTask, at: GuestAddr) -> Result<MntIdReq, Errno> {
    let mem = &**cx.task.mm();
    let size = usize::try_from(UserPtr::<u32>::new(at).read(mem)?).map_err(|_| Errno::E2BIG)?;
    if size as u64 > PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    if size < REQUEST_SIZE_VER0 {
        return Err(Errno::EINVAL);
    }
    let bytes = UserPtr::<u8>::new(at).read_vec(mem, size)?;
    let (known, rest) = bytes.split_at(size.min(size_of::<MntIdReq>()));
    if rest.iter().any(|b| *b != 0) {
        return Err(Errno::E2BIG);
    }
    let mut request = MntIdReq::new_zeroed();
    request.as_mut_bytes()[..known.len()].copy_from_slice(known);
    if request.mnt_id <= FIRST_ID {
        return Err(Errno::EINVAL);
    }
    Ok(request)
}

/// The namespace that a request is about. Errors: `EBADF` for a descriptor that is none, `EINVAL` for one of something else, `ENOENT`
/// for a number that no namespace has, `EPERM` for another's without `CAP_SYS_ADMIN` there.
fn namespace(cx: &CurrentTask, who: &Caller, request: &MntIdReq) -> Result<Arc<MountNamespace>, Errno> {
    let other = match (request.mnt_ns_id, request.spare) {
        (0, 0) => return Ok(who.view.ns.clone()),
        (0, fd) => {
            let file = cx.task.files().get_open(kcore::id::Fd(fd.cast_signed()))?;
            match file.ops_as::<crate::namespace::NamespaceFile>().map(|f| f.namespace().clone()) {
                Some(Namespace::Mount(ns)) => ns,
                _ => return Err(Errno::EINVAL),
            }
        }
        (id, 0) => {
            let all = cx.kernel.processes().tasks();
            let views = all.iter().filter_map(|t| Some(t.resources::<Resources>()?.fs()?.view().ns.clone()));
            let numbers = cx.kernel.namespace_numbers();
            let found = views.into_iter().find(|ns| numbers.of(&Namespace::Mount(ns.clone())) == id);
            found.ok_or(Errno::ENOENT)?
        }
        _ => return Err(Errno::EINVAL),
    };
    if !Arc::ptr_eq(&other, &who.view.ns) {
        other.check_admin(who.cred)?;
    }
    Ok(other)
}

/// Whether the caller may know of a mount: it lies below its root, or the caller may change mounts. Errors: `EPERM`.
fn check_visible(who: &Caller, ns: &MountNamespace, mount: &Arc<Mount>) -> Result<(), Errno> {
    let below_root = path_name(&mount.root_path(), &who.view.root).1;
    if below_root { Ok(()) } else { ns.check_admin(who.cred) }
}

fn find(ns: &MountNamespace, id: u64) -> Result<Arc<Mount>, Errno> {
    ns.mounts().into_iter().find(|m| m.unique_id() == id).ok_or(Errno::ENOENT)
}

/// `listmount(2)`: how many numbers were stored. Errors: as [`read_request`]; `EINVAL` for unknown flags and numbers that no mount can
/// have; `EOVERFLOW` for a very large list; `ENOENT`, `EPERM`, `EFAULT`.
pub(super) fn listmount(
    cx: &mut CurrentTask,
    request: GuestAddr,
    ids: GuestAddr,
    count: usize,
    flags: u32,
) -> SysResult {
    if flags & !LISTMOUNT_REVERSE != 0 {
        return Err(Errno::EINVAL);
    }
    if count > LIST_MAX {
        return Err(Errno::EOVERFLOW);
    }
    let request = read_request(cx, request)?;
    if request.param != 0 && request.param <= FIRST_ID {
        return Err(Errno::EINVAL);
    }
    let who = Caller::new(cx);
    let ns = namespace(cx, &who, &request)?;
    let top = if request.mnt_id == LSMT_ROOT {
        who.view.root.clone()
    } else {
        find(&ns, request.mnt_id)?.root_path()
    };
    check_visible(&who, &ns, &top.mount)?;
    let reverse = flags & LISTMOUNT_REVERSE != 0;
    let mut found: Vec<u64> = Vec::new();
    for mount in ns.mounts() {
        let after = match request.param {
            0 => true,
            last if reverse => mount.unique_id() < last,
            last => mount.unique_id() > last,
        };
        if after && !Arc::ptr_eq(&mount, &top.mount) && path_name(&mount.root_path(), &top).1 {
            found.push(mount.unique_id());
        }
    }
    found.sort_unstable();
    if reverse {
        found.reverse();
    }
    found.truncate(count);
    UserPtr::new(ids).write_slice(&**cx.task.mm(), &found)?;
    Ok(found.len() as u64)
}

/// The attributes of a mount, as `mount_setattr(2)` sets them.
fn attributes(m: &Mount) -> u64 {
    let flags = m.flags();
    let plain = [
        (MS_RDONLY, MOUNT_ATTR_RDONLY),
        (MS_NOSUID, MOUNT_ATTR_NOSUID),
        (MS_NODEV, MOUNT_ATTR_NODEV),
        (MS_NOEXEC, MOUNT_ATTR_NOEXEC),
        (MS_NODIRATIME, MOUNT_ATTR_NODIRATIME),
        (MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW),
    ];
    let set = plain.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, attr)| *attr);
    let time = match flags & (MS_NOATIME | MS_RELATIME) {
        f if f & MS_NOATIME != 0 => MOUNT_ATTR_NOATIME,
        0 => MOUNT_ATTR_STRICTATIME,
        _ => MOUNT_ATTR_RELATIME,
    };
    set.fold(time, |all, attr| all | attr)
}

/// What `statmount(2)` stores: the fixed part, and strings behind it.
struct Answer {
    head: Statmount,
    strings: Vec<u8>,
}

impl Answer {
    /// Adds a string, and says where it begins. An empty one counts as not there.
    fn string(&mut self, mask: u64, text: &[u8]) -> u32 {
        if text.is_empty() {
            return 0;
        }
        self.head.mask |= mask;
        if self.strings.is_empty() {
            // Place 0 is that of strings that are not there.
            self.strings.push(0);
        }
        let at = u32::try_from(self.strings.len()).unwrap_or(0);
        self.strings.extend_from_slice(text);
        self.strings.push(0);
        at
    }
}

/// `statmount(2)`. Errors: as [`read_request`]; `EINVAL` for flags; `ENOENT`, `EPERM`; `EOVERFLOW` if the buffer is too small; `EFAULT`.
pub(super) fn statmount(
    cx: &mut CurrentTask,
    request: GuestAddr,
    buf: GuestAddr,
    size: usize,
    flags: u32,
) -> SysResult {
    const STRINGS: u64 = STATMOUNT_MNT_ROOT
        | STATMOUNT_MNT_POINT
        | STATMOUNT_FS_TYPE
        | STATMOUNT_MNT_OPTS
        | STATMOUNT_SB_SOURCE;
    const KNOWN: u64 = STRINGS
        | STATMOUNT_SB_BASIC
        | STATMOUNT_MNT_BASIC
        | STATMOUNT_PROPAGATE_FROM
        | STATMOUNT_MNT_NS_ID
        | STATMOUNT_SUPPORTED_MASK;
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let request = read_request(cx, request)?;
    let who = Caller::new(cx);
    let ns = namespace(cx, &who, &request)?;
    let mount = find(&ns, request.mnt_id)?;
    check_visible(&who, &ns, &mount)?;
    let asked = request.param;
    let mut a = Answer { head: Statmount::default(), strings: Vec::new() };
    a.head.mask = asked & KNOWN & !STRINGS;
    if asked & STATMOUNT_SB_BASIC != 0 {
        let dev = mount.fs().dev();
        (a.head.sb_dev_major, a.head.sb_dev_minor) = (dev_major(dev), dev_minor(dev));
        a.head.sb_magic = mount.fs().statfs()?.magic;
        a.head.sb_flags = if mount.superblock().is_read_only() { MS_RDONLY } else { 0 };
    }
    if asked & STATMOUNT_MNT_BASIC != 0 {
        let parent = mount.parent().map_or_else(|| mount.clone(), |p| p.mount);
        (a.head.mnt_id, a.head.mnt_parent_id) = (mount.unique_id(), parent.unique_id());
        let old = |m: &Mount| u32::try_from(m.id()).unwrap_or(u32::MAX);
        (a.head.mnt_id_old, a.head.mnt_parent_id_old) = (old(&mount), old(&parent));
        a.head.mnt_attr = attributes(&mount);
        a.head.mnt_propagation = mount.propagation().into();
    }
    if asked & STATMOUNT_MNT_NS_ID != 0 {
        a.head.mnt_ns_id = cx.kernel.namespace_numbers().of(&Namespace::Mount(ns));
    }
    if asked & STATMOUNT_SUPPORTED_MASK != 0 {
        a.head.supported_mask = KNOWN;
    }
    if asked & STATMOUNT_FS_TYPE != 0 {
        a.head.fs_type = a.string(STATMOUNT_FS_TYPE, mount.fs().name().as_bytes());
    }
    if asked & STATMOUNT_MNT_ROOT != 0 {
        a.head.mnt_root = a.string(STATMOUNT_MNT_ROOT, &root_in_fs(&mount));
    }
    if asked & STATMOUNT_MNT_POINT != 0 {
        let (at, below_root) = path_name(&mount.root_path(), &who.view.root);
        a.head.mnt_point = a.string(STATMOUNT_MNT_POINT, if below_root { &at } else { b"" });
    }
    if asked & STATMOUNT_MNT_OPTS != 0 {
        a.head.mnt_opts = a.string(STATMOUNT_MNT_OPTS, mount.fs().options().as_bytes());
    }
    if asked & STATMOUNT_SB_SOURCE != 0 {
        a.head.sb_source = a.string(STATMOUNT_SB_SOURCE, mount.source().as_bytes());
    }
    let all = size_of::<Statmount>() + a.strings.len();
    if !a.strings.is_empty() && size < all {
        return Err(Errno::EOVERFLOW);
    }
    a.head.size = u32::try_from(all).map_err(|_| Errno::EOVERFLOW)?;
    let bytes = [a.head.as_bytes(), &a.strings].concat();
    let bytes = bytes.get(..size).unwrap_or(&bytes);
    if cx.task.mm().copy_out(buf, bytes) < bytes.len() {
        return Err(Errno::EFAULT);
    }
    Ok(0)
}
