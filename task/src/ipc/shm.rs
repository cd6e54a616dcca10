//! Shared memory segments, `shmget(2)`, `shmop(2)`, `shmctl(2)`. Their memory is somebody else's: whoever calls gives it and maps it.

use abi::Errno;
use abi::ipc::{SHM_DEST, SHM_LOCKED};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use kcore::addr::PAGE_SIZE;
use kcore::cred::{Cap, UserNamespace};
use kcore::frame::Frame;
use kcore::mappable::{Mappable, MappableInfo, MappingObserver};
use kcore::sync::{LockClass, Mutex};

use super::ids::{Asker, Found, Ids, Object};
use super::perm::{NewPerm, Perm, S_IRUGO};
use super::{Name, Tunable};
use crate::PidNode;

static SEGMENTS: LockClass = LockClass::new("shared memory segments", 280);

/// The memory of a segment.
pub trait SegmentMemory: Mappable {
    /// How many of its pages are in memory.
    fn resident_pages(&self) -> u64;
}

/// A segment. Every mapping of it holds one reference, and its namespace another one until it is removed.
pub struct Segment {
    id: i32,
    key: i32,
    size: u64,
    memory: Arc<dyn SegmentMemory>,
    table: Weak<ShmTable>,
}

impl Segment {
    /// Its number.
    pub fn id(&self) -> i32 {
        self.id
    }
    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
    /// Says that a process detached it.
    pub fn note_detached(&self, pid: &Arc<PidNode>, now: i64) {
        if let Some(table) = self.table.upgrade()
            && let Ok(entry) = table.state.lock().ids.get(self.id)
        {
            entry.dtime = now;
            entry.lpid = Some(pid.clone());
        }
    }
}

impl Mappable for Segment {
    fn page(&self, offset: u64, write: bool) -> Result<Frame, Errno> {
        self.memory.page(offset, write)
    }
    fn resident_page(&self, offset: u64) -> Option<Frame> {
        self.memory.resident_page(offset)
    }
    fn observe(&self, observer: &Arc<dyn MappingObserver>) {
        self.memory.observe(observer);
    }
    fn info(&self) -> MappableInfo {
        let name = alloc::format!("/SYSV{:08x} (deleted)", self.key);
        MappableInfo { ino: u64::try_from(self.id).unwrap_or(0), name, ..self.memory.info() }
    }
}

/// Rounds up to whole pages; what does not fit is as large as can be.
fn pages(size: u64) -> u64 {
    size.div_ceil(PAGE_SIZE)
}

enum Hold {
    Kept(Arc<Segment>),
    /// Removed: gone with its last mapping.
    Doomed(Weak<Segment>),
}

impl Hold {
    fn segment(&self) -> Option<Arc<Segment>> {
        match self {
            Hold::Kept(s) => Some(s.clone()),
            Hold::Doomed(s) => s.upgrade(),
        }
    }
    fn attached(&self) -> usize {
        match self {
            Hold::Kept(s) => Arc::strong_count(s) - 1,
            Hold::Doomed(s) => s.strong_count(),
        }
    }
}

struct Entry {
    perm: Perm,
    hold: Hold,
    size: u64,
    atime: i64,
    dtime: i64,
    ctime: i64,
    cpid: Arc<PidNode>,
    lpid: Option<Arc<PidNode>>,
}

impl Object for Entry {
    fn perm(&self) -> &Perm {
        &self.perm
    }
    fn perm_mut(&mut self) -> &mut Perm {
        &mut self.perm
    }
    fn weight(&self) -> u64 {
        pages(self.size)
    }
}

#[derive(Default)]
struct State {
    ids: Ids<Entry>,
    doomed: Vec<i32>,
}

impl State {
    /// Forgets removed segments that nobody maps any more.
    fn purge(&mut self) {
        let State { ids, doomed } = self;
        doomed.retain(|id| {
            let gone = ids.get(*id).is_ok_and(|e| e.hold.attached() == 0);
            if gone {
                ids.remove(*id);
            }
            !gone
        });
    }
}

/// What is known of a segment.
#[derive(Clone)]
pub struct SegmentInfo {
    /// Owner and permissions, with `SHM_DEST` and `SHM_LOCKED`.
    pub perm: Perm,
    /// Bytes.
    pub size: u64,
    /// When it was last attached.
    pub atime: i64,
    /// When it was last detached.
    pub dtime: i64,
    /// When it was made or changed.
    pub ctime: i64,
    /// Who made it.
    pub cpid: Arc<PidNode>,
    /// Who attached or detached it last.
    pub lpid: Option<Arc<PidNode>>,
    /// How many mappings there are.
    pub attached: u64,
    /// Bytes in memory.
    pub resident: u64,
}

/// `SHM_INFO`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShmUsage {
    /// Segments.
    pub segments: usize,
    /// Their pages.
    pub pages: u64,
    /// Those in memory.
    pub resident: u64,
    /// Highest index in use.
    pub max_index: u32,
}

/// The segments of a namespace.
pub struct ShmTable {
    user_ns: Arc<UserNamespace>,
    state: Mutex<State>,
    /// Largest segment in bytes (`kernel.shmmax`).
    pub shmmax: Tunable,
    /// Most pages of all segments (`kernel.shmall`).
    pub shmall: Tunable,
    /// Most segments (`kernel.shmmni`).
    pub shmmni: Tunable,
}

impl ShmTable {
    pub(super) fn new(user_ns: Arc<UserNamespace>) -> ShmTable {
        const MOST: u64 = u64::MAX - (1 << 24);
        ShmTable {
            user_ns,
            state: Mutex::new(&SEGMENTS, State::default()),
            shmmax: Tunable::new(MOST),
            shmall: Tunable::new(MOST),
            shmmni: Tunable::new(4096),
        }
    }
    /// The number that the next segment shall have, if any (`kernel.shm_next_id`).
    pub fn next_id(&self) -> Option<u32> {
        self.state.lock().ids.next_id
    }
    /// Sets that.
    pub fn set_next_id(&self, id: Option<u32>) {
        self.state.lock().ids.next_id = id;
    }
    /// [`shmget(2)`](https://man7.org/linux/man-pages/man2/shmget.2.html): the number of the segment of `key`, or of a new one whose
    /// memory `make` gives for a key.
    ///
    /// Errors: `ENOENT`, `EEXIST`, `EACCES`, `EINVAL` for a size that is none, too large, or larger than the segment's; `ENOSPC`
    /// past the limits; those of `make`, which is called without locks.
    pub fn shmget(
        self: &Arc<Self>,
        key: i32,
        size: u64,
        flags: u32,
        by: &Asker<'_>,
        make: impl FnOnce() -> Result<Arc<dyn SegmentMemory>, Errno>,
    ) -> Result<i32, Errno> {
        if let Some(id) = self.existing(key, size, flags, by)? {
            return Ok(id);
        }
        if size == 0 || size > self.shmmax.get() {
            return Err(Errno::EINVAL);
        }
        let total = self.state.lock().ids.weight().checked_add(pages(size));
        if pages(size).checked_mul(PAGE_SIZE).is_none() || total.is_none_or(|n| n > self.shmall.get()) {
            return Err(Errno::ENOSPC);
        }
        let memory = make()?;
        let mut state = self.state.lock();
        // Another task may have made it meanwhile.
        match state.ids.find_key(key, flags)? {
            Found::New => {}
            Found::Index(index) => return Ok(state.ids.at(index)?.perm.id),
        }
        let entry = Entry {
            perm: Perm::new(key, flags, by.cred),
            hold: Hold::Doomed(Weak::new()),
            size,
            atime: 0,
            dtime: 0,
            ctime: by.now,
            cpid: by.pid.clone(),
            lpid: None,
        };
        let id = state.ids.add(entry, self.shmmni.get_u32())?;
        let segment = Segment { id, key, size, memory, table: Arc::downgrade(self) };
        state.ids.get(id)?.hold = Hold::Kept(Arc::new(segment));
        Ok(id)
    }
    fn existing(&self, key: i32, size: u64, flags: u32, by: &Asker<'_>) -> Result<Option<i32>, Errno> {
        let mut state = self.state.lock();
        state.purge();
        let Found::Index(index) = state.ids.find_key(key, flags)? else { return Ok(None) };
        let entry = state.ids.at(index)?;
        if entry.size < size {
            return Err(Errno::EINVAL);
        }
        entry.perm.check(flags, by.cred, &self.user_ns)?;
        Ok(Some(entry.perm.id))
    }
    /// The segment to attach, for access with the bits of `wanted`. Errors: `EINVAL` without it, `EACCES`.
    pub fn attach(&self, id: i32, wanted: u32, by: &Asker<'_>) -> Result<Arc<Segment>, Errno> {
        let mut state = self.state.lock();
        state.purge();
        let entry = state.ids.get(id)?;
        entry.perm.check(wanted, by.cred, &self.user_ns)?;
        entry.hold.segment().ok_or(Errno::EINVAL)
    }
    /// Says that a process attached a segment.
    pub fn note_attached(&self, id: i32, by: &Asker<'_>) {
        if let Ok(entry) = self.state.lock().ids.get(id) {
            entry.atime = by.now;
            entry.lpid = Some(by.pid.clone());
        }
    }
    /// `IPC_STAT` and its like. Errors: `EINVAL`, `EACCES`.
    pub fn stat(&self, which: Name, by: &Asker<'_>) -> Result<SegmentInfo, Errno> {
        let mut state = self.state.lock();
        state.purge();
        let entry = match which {
            Name::Id(id) => state.ids.get(id)?,
            Name::Index(i) | Name::AnyIndex(i) => {
                state.ids.at(u32::try_from(i).map_err(|_| Errno::EINVAL)?)?
            }
        };
        if !matches!(which, Name::AnyIndex(_)) {
            entry.perm.check(S_IRUGO, by.cred, &self.user_ns)?;
        }
        Ok(info(entry))
    }
    /// `IPC_SET`. Errors: `EINVAL`, `EPERM`.
    pub fn set(&self, id: i32, new: &NewPerm, by: &Asker<'_>) -> Result<(), Errno> {
        let mut state = self.state.lock();
        state.purge();
        let entry = state.ids.get(id)?;
        entry.perm.check_owner(by.cred, &self.user_ns)?;
        entry.perm.set(new);
        entry.ctime = by.now;
        Ok(())
    }
    /// `IPC_RMID`: the segment goes with its last mapping. Errors: `EINVAL`, `EPERM`.
    pub fn remove(&self, id: i32, by: &Asker<'_>) -> Result<(), Errno> {
        let freed = {
            let mut state = self.state.lock();
            state.purge();
            let entry = state.ids.get(id)?;
            entry.perm.check_owner(by.cred, &self.user_ns)?;
            entry.perm.mode |= SHM_DEST;
            let freed = entry.hold.segment();
            if let Some(segment) = &freed {
                entry.hold = Hold::Doomed(Arc::downgrade(segment));
                state.doomed.push(id);
            }
            state.ids.forget_key(id);
            freed
        };
        // Its memory may go now, without the lock.
        drop(freed);
        self.state.lock().purge();
        Ok(())
    }
    /// `SHM_LOCK` and `SHM_UNLOCK`: memory is never swapped out, so that this is remembered only. `may_lock` says whether the
    /// resource limit allows any locked memory. Errors: `EINVAL`, `EPERM`.
    pub fn lock(&self, id: i32, on: bool, may_lock: bool, by: &Asker<'_>) -> Result<(), Errno> {
        let mut state = self.state.lock();
        state.purge();
        let entry = state.ids.get(id)?;
        if !by.cred.has_cap_in(Cap::IpcLock, &self.user_ns)
            && (!entry.perm.is_owner(by.cred) || on && !may_lock)
        {
            return Err(Errno::EPERM);
        }
        if on {
            entry.perm.mode |= SHM_LOCKED;
        } else {
            entry.perm.mode &= !SHM_LOCKED;
        }
        Ok(())
    }
    /// `SHM_INFO`.
    pub fn usage(&self) -> ShmUsage {
        let mut state = self.state.lock();
        state.purge();
        ShmUsage {
            segments: state.ids.len(),
            pages: state.ids.weight(),
            resident: state.ids.iter().map(|e| info(e).resident / PAGE_SIZE).sum(),
            max_index: state.ids.max_index(),
        }
    }
    /// All segments, by index (`/proc/sysvipc/shm`).
    pub fn list(&self) -> Vec<SegmentInfo> {
        let mut state = self.state.lock();
        state.purge();
        state.ids.iter().map(info).collect()
    }
}

fn info(e: &Entry) -> SegmentInfo {
    let attached = e.hold.attached() as u64;
    let resident = e.hold.segment().map_or(0, |s| s.memory.resident_pages().saturating_mul(PAGE_SIZE));
    SegmentInfo {
        perm: e.perm,
        size: e.size,
        atime: e.atime,
        dtime: e.dtime,
        ctime: e.ctime,
        cpid: e.cpid.clone(),
        lpid: e.lpid.clone(),
        attached,
        resident,
    }
}
