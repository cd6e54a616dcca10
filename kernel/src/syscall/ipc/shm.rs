//! Shared memory: `shmget(2)`, `shmat(2)`, `shmdt(2)`, `shmctl(2)`.

use alloc::sync::Arc;
use core::any::Any;

use abi::Errno;
use abi::ipc::*;
use kcore::addr::{GuestAddr, GuestRange};
use mm::{FileMapping, MmapRequest, Prot};
use task::ipc::{Name, S_IRUGO, S_IWUGO, Segment, SegmentInfo};
use task::rlimit::Resource;

use super::super::SysResult;
use super::super::memory::limited;
use super::{Caller, get, id, int};
use crate::current::CurrentTask;
use crate::personality;

/// Permission to execute, for all three classes.
const S_IXUGO: u32 = 0o111;

/// `shmget(2)`. Errors: as [`task::ipc::ShmTable::shmget`]; `ENOMEM` without memory, and for `SHM_HUGETLB`, as on a machine whose
/// pool of huge pages is empty.
pub(in crate::syscall) fn shmget(cx: &mut CurrentTask, key: i32, size: u64, flags: u32) -> SysResult {
    let caller = Caller::of(cx);
    let make = || {
        if flags & SHM_HUGETLB != 0 {
            return Err(Errno::ENOMEM);
        }
        crate::shm::segment_memory(cx.kernel().memfds()?, size, &caller.cred)
    };
    id(cx.task.ipc().shm.shmget(key, size, flags, &caller.asker(), make)?)
}

/// `shmat(2)`, [`shmop(2)`]: the address. Errors: `EINVAL` for a number or an address that is none, or where something is mapped;
/// `EACCES`, `ENOMEM`.
///
/// [`shmop(2)`]: https://man7.org/linux/man-pages/man2/shmop.2.html
pub(in crate::syscall) fn shmat(cx: &mut CurrentTask, shmid: i32, at: GuestAddr, flags: u32) -> SysResult {
    if shmid < 0 {
        return Err(Errno::EINVAL);
    }
    let mut addr = at;
    if !addr.is_page_aligned() {
        if flags & SHM_RND == 0 {
            return Err(Errno::EINVAL);
        }
        addr = addr.page_down();
        // It would replace what is mapped at 0.
        if addr.is_null() && flags & SHM_REMAP != 0 {
            return Err(Errno::EINVAL);
        }
    } else if addr.is_null() && flags & SHM_REMAP != 0 {
        return Err(Errno::EINVAL);
    }
    let (mut prot, mut wanted) = (Prot::READ, S_IRUGO);
    if flags & SHM_RDONLY == 0 {
        prot |= Prot::WRITE;
        wanted |= S_IWUGO;
    }
    let max_prot = prot | Prot::EXEC;
    if flags & SHM_EXEC != 0 {
        prot |= Prot::EXEC;
        wanted |= S_IXUGO;
    }
    prot |= personality::implied(&cx.task.core, prot, max_prot);
    let caller = Caller::of(cx);
    let shm = &cx.task.ipc().shm;
    let segment = shm.attach(shmid, wanted, &caller.asker())?;
    let len = segment.size();
    if !addr.is_null() && addr.checked_add(len).is_none() {
        return Err(Errno::EINVAL);
    }
    let request = MmapRequest {
        addr,
        len,
        prot,
        shared: true,
        fixed: !addr.is_null() && flags & SHM_REMAP != 0,
        noreplace: !addr.is_null() && flags & SHM_REMAP == 0,
        file: Some(FileMapping { object: segment, offset: 0, max_prot, owner: None }),
        ..MmapRequest::default()
    };
    let at = limited(cx).mmap(request).map_err(|e| if e == Errno::EEXIST { Errno::EINVAL } else { e })?;
    shm.note_attached(shmid, &caller.asker());
    Ok(at.0)
}

/// The segments that a task has mapped: where, and from which offset on.
fn attached(cx: &CurrentTask) -> impl Iterator<Item = (GuestRange, u64, Arc<Segment>)> {
    cx.task.mm().shared_objects().into_iter().filter_map(|(range, offset, object)| {
        let any: Arc<dyn Any + Send + Sync> = object;
        Some((range, offset, any.downcast().ok()?))
    })
}

/// `shmdt(2)`: removes what is mapped of the segment that begins at `at`. Errors: `EINVAL` if none does.
pub(in crate::syscall) fn shmdt(cx: &mut CurrentTask, at: GuestAddr) -> SysResult {
    if !at.is_page_aligned() {
        return Err(Errno::EINVAL);
    }
    let caller = Caller::of(cx);
    let mut found: Option<Arc<Segment>> = None;
    for (range, offset, segment) in attached(cx) {
        // Parts of it may be gone: the others are known by where the first page would be.
        let is_part = range.start().0.checked_sub(offset) == Some(at.0);
        if is_part && found.as_ref().is_none_or(|f| f.id() == segment.id()) {
            cx.task.mm().munmap(range.start(), range.len())?;
            found = Some(segment);
        }
    }
    found.ok_or(Errno::EINVAL)?.note_detached(&caller.pid, caller.now);
    Ok(0)
}

/// The last task with an address space leaves it.
pub(super) fn detach_all(cx: &CurrentTask) {
    let caller = Caller::of(cx);
    attached(cx).for_each(|(_, _, segment)| segment.note_detached(&caller.pid, caller.now));
}

/// `shmctl(2)`. Errors: `EINVAL` for unknown commands and numbers, `EACCES`, `EPERM`, `EFAULT`.
pub(in crate::syscall) fn shmctl(cx: &mut CurrentTask, shmid: i32, cmd: u32, at: GuestAddr) -> SysResult {
    if shmid < 0 {
        return Err(Errno::EINVAL);
    }
    let caller = Caller::of(cx);
    let by = &caller.asker();
    let shm = &cx.task.ipc().shm;
    match cmd {
        IPC_INFO => limits(cx, at),
        SHM_INFO => usage(cx, at),
        IPC_STAT | SHM_STAT | SHM_STAT_ANY => {
            let info = match cmd {
                IPC_STAT => shm.stat(Name::Id(shmid), by)?,
                SHM_STAT => shm.stat(Name::Index(shmid), by)?,
                _ => shm.stat(Name::AnyIndex(shmid), by)?,
            };
            cx.put(at, &stat(&caller, &info))?;
            if cmd == IPC_STAT { Ok(0) } else { id(info.perm.id) }
        }
        IPC_SET => {
            let new: ShmidDs = get(cx, at)?;
            shm.set(shmid, &caller.new_perm(&new.shm_perm)?, by).map(|()| 0)
        }
        IPC_RMID => shm.remove(shmid, by).map(|()| 0),
        SHM_LOCK | SHM_UNLOCK => {
            let may_lock = cx.task.core.group().rlimit(Resource::Memlock).cur > 0;
            shm.lock(shmid, cmd == SHM_LOCK, may_lock, by).map(|()| 0)
        }
        _ => Err(Errno::EINVAL),
    }
}

fn limits(cx: &CurrentTask, at: GuestAddr) -> SysResult {
    let shm = &cx.task.ipc().shm;
    let info = Shminfo {
        shmmax: shm.shmmax.get(),
        shmmin: 1,
        shmmni: shm.shmmni.get(),
        shmseg: shm.shmmni.get(),
        shmall: shm.shmall.get(),
        ..Shminfo::default()
    };
    cx.put(at, &info)?;
    Ok(shm.usage().max_index.into())
}

fn usage(cx: &CurrentTask, at: GuestAddr) -> SysResult {
    let usage = cx.task.ipc().shm.usage();
    let info = ShmInfo {
        used_ids: int(usage.segments),
        shm_tot: usage.pages,
        shm_rss: usage.resident,
        ..ShmInfo::default()
    };
    cx.put(at, &info)?;
    Ok(usage.max_index.into())
}

fn stat(caller: &Caller, s: &SegmentInfo) -> ShmidDs {
    ShmidDs {
        shm_perm: caller.perm(&s.perm),
        shm_segsz: s.size,
        shm_atime: s.atime,
        shm_dtime: s.dtime,
        shm_ctime: s.ctime,
        shm_cpid: caller.number(Some(&s.cpid)),
        shm_lpid: caller.number(s.lpid.as_ref()),
        shm_nattch: s.attached,
        ..ShmidDs::default()
    }
}
