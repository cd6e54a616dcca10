//! Semaphore sets, `semget(2)`, `semop(2)`, `semctl(2)`.

use abi::Errno;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use kcore::cred::UserNamespace;
use kcore::sync::{LockClass, Mutex};

use super::ids::{Asker, Found, Ids};
use super::perm::{NewPerm, Perm, S_IRUGO, S_IWUGO};
use super::sem_set::{Attempt, Pending, SEMVMX, SemOp, SemWaiter, Semaphore, Set, wake};
use super::sem_undo::SemUndo;
use super::{Name, Tunable};
use crate::PidNode;

static SETS: LockClass = LockClass::new("semaphore sets", 281);
/// What is known of a set.
#[derive(Clone)]
pub struct SemInfo {
    /// Owner and permissions.
    pub perm: Perm,
    /// How many semaphores.
    pub count: usize,
    /// When an operation was last made.
    pub otime: i64,
    /// When it was made or changed.
    pub ctime: i64,
}

/// What `semctl(2)` tells of one semaphore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// `GETVAL`.
    Value,
    /// `GETNCNT`: how many wait for it to grow.
    WaitingToGrow,
    /// `GETZCNT`: how many wait for zero.
    WaitingForZero,
}

/// `SEM_INFO`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SemUsage {
    /// Sets.
    pub sets: usize,
    /// Semaphores.
    pub semaphores: usize,
    /// Highest index in use.
    pub max_index: u32,
}

/// The sets of a namespace.
pub struct SemTable {
    user_ns: Arc<UserNamespace>,
    sets: Mutex<Ids<Set>>,
    /// Most semaphores of a set (first of `kernel.sem`).
    pub semmsl: Tunable,
    /// Most semaphores.
    pub semmns: Tunable,
    /// Most operations of a call.
    pub semopm: Tunable,
    /// Most sets.
    pub semmni: Tunable,
}

impl SemTable {
    pub(super) fn new(user_ns: Arc<UserNamespace>) -> SemTable {
        SemTable {
            user_ns,
            sets: Mutex::new(&SETS, Ids::default()),
            semmsl: Tunable::new(32000),
            semmns: Tunable::new(1_024_000_000),
            semopm: Tunable::new(500),
            semmni: Tunable::new(32000),
        }
    }
    /// The number that the next set shall have, if any (`kernel.sem_next_id`).
    pub fn next_id(&self) -> Option<u32> {
        self.sets.lock().next_id
    }
    /// Sets that.
    pub fn set_next_id(&self, id: Option<u32>) {
        self.sets.lock().next_id = id;
    }
    /// [`semget(2)`](https://man7.org/linux/man-pages/man2/semget.2.html).
    ///
    /// Errors: `ENOENT`, `EEXIST`, `EACCES`, `EINVAL` for a count that is none, too large, or larger than the set's; `ENOSPC` past
    /// the limits.
    pub fn semget(&self, key: i32, count: i32, flags: u32, by: &Asker<'_>) -> Result<i32, Errno> {
        let count = u64::try_from(count).map_err(|_| Errno::EINVAL)?;
        if count > self.semmsl.get() {
            return Err(Errno::EINVAL);
        }
        let size = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
        let mut sets = self.sets.lock();
        if let Found::Index(index) = sets.find_key(key, flags)? {
            let set = sets.at(index)?;
            if set.sems.len() < size {
                return Err(Errno::EINVAL);
            }
            set.perm.check(flags, by.cred, &self.user_ns)?;
            return Ok(set.perm.id);
        }
        if count == 0 {
            return Err(Errno::EINVAL);
        }
        if sets.weight().checked_add(count).is_none_or(|n| n > self.semmns.get()) {
            return Err(Errno::ENOSPC);
        }
        let set = Set {
            perm: Perm::new(key, flags, by.cred),
            sems: vec![Semaphore::default(); size],
            otime: 0,
            ctime: by.now,
            pending: VecDeque::new(),
            undo: BTreeMap::new(),
        };
        sets.add(set, self.semmni.get_u32())
    }
    /// [`semop(2)`](https://man7.org/linux/man-pages/man2/semop.2.html): makes all operations, or leaves a waiter for when they can
    /// be made. Whoever gives the waiter up calls [`SemTable::cancel`].
    ///
    /// Errors: `EINVAL`, `EFBIG`, `EACCES`, `ERANGE`, `EAGAIN`.
    pub fn semop(
        &self,
        id: i32,
        ops: Vec<SemOp>,
        undo: &Arc<SemUndo>,
        by: &Asker<'_>,
    ) -> Result<Option<Arc<SemWaiter>>, Errno> {
        let changes = ops.iter().any(|o| o.op != 0);
        let undo = ops.iter().any(|o| o.undo).then(|| undo.clone());
        let woken = {
            let mut sets = self.sets.lock();
            let set = sets.get(id)?;
            if ops.iter().any(|o| usize::from(o.num) >= set.sems.len()) {
                return Err(Errno::EFBIG);
            }
            set.perm.check(if changes { S_IWUGO } else { S_IRUGO }, by.cred, &self.user_ns)?;
            if let Some(u) = &undo {
                u.note_used();
            }
            match set.attempt(&ops, undo.as_ref(), by.pid)? {
                Attempt::Done => {
                    set.otime = by.now;
                    if changes { set.serve(by.now) } else { Vec::new() }
                }
                Attempt::Blocked(at) if ops.get(at).is_some_and(|o| o.nowait) => return Err(Errno::EAGAIN),
                Attempt::Blocked(blocking) => {
                    let waiter = SemWaiter::new(id);
                    let pid = by.pid.clone();
                    set.pending.push_back(Pending { waiter: waiter.clone(), ops, pid, undo, blocking });
                    return Ok(Some(waiter));
                }
            }
        };
        wake(woken);
        Ok(None)
    }
    /// Gives up waiting. Returns the outcome that came first, if one did.
    pub fn cancel(&self, waiter: &Arc<SemWaiter>) -> Option<Result<(), Errno>> {
        let mut sets = self.sets.lock();
        if let Ok(set) = sets.get(waiter.id()) {
            set.pending.retain(|p| !Arc::ptr_eq(&p.waiter, waiter));
        }
        waiter.outcome()
    }
    /// Makes the adjustments of `undo`: its last task ends.
    pub fn undo(&self, undo: &Arc<SemUndo>, by: &Asker<'_>) {
        let mut woken = Vec::new();
        {
            let mut sets = self.sets.lock();
            for set in sets.iter_mut() {
                let Some(adjust) = set.undo.remove(&undo.key()) else { continue };
                for (sem, a) in set.sems.iter_mut().zip(adjust).filter(|(_, a)| *a != 0) {
                    sem.value = (sem.value + a).clamp(0, SEMVMX);
                    sem.pid = Some(by.pid.clone());
                }
                woken.extend(set.serve(by.now));
            }
        }
        wake(woken);
    }
    /// `IPC_STAT` and its like. Errors: `EINVAL`, `EACCES`.
    pub fn stat(&self, which: Name, by: &Asker<'_>) -> Result<SemInfo, Errno> {
        let mut sets = self.sets.lock();
        let set = match which {
            Name::Id(id) => sets.get(id)?,
            Name::Index(i) | Name::AnyIndex(i) => sets.at(u32::try_from(i).map_err(|_| Errno::EINVAL)?)?,
        };
        if !matches!(which, Name::AnyIndex(_)) {
            set.perm.check(S_IRUGO, by.cred, &self.user_ns)?;
        }
        Ok(info(set))
    }
    fn with_readable<R>(
        &self,
        id: i32,
        by: &Asker<'_>,
        f: impl FnOnce(&Set) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        let mut sets = self.sets.lock();
        let set = sets.get(id)?;
        set.perm.check(S_IRUGO, by.cred, &self.user_ns)?;
        f(set)
    }
    /// `GETALL`: all values. Errors: `EINVAL`, `EACCES`.
    pub fn values(&self, id: i32, by: &Asker<'_>) -> Result<Vec<i32>, Errno> {
        self.with_readable(id, by, |set| Ok(set.sems.iter().map(|s| s.value).collect()))
    }
    /// `GETPID`: who changed a semaphore last. Errors: `EINVAL`, `EACCES`.
    pub fn last_pid(&self, id: i32, num: i32, by: &Asker<'_>) -> Result<Option<Arc<PidNode>>, Errno> {
        self.with_readable(id, by, |set| Ok(semaphore(set, num)?.1.pid.clone()))
    }
    /// `GETVAL`, `GETNCNT`, `GETZCNT`. Errors: `EINVAL`, `EACCES`.
    pub fn get(&self, id: i32, num: i32, which: Which, by: &Asker<'_>) -> Result<u64, Errno> {
        self.with_readable(id, by, |set| {
            let (n, sem) = semaphore(set, num)?;
            let waiting = |zero: bool| {
                let blocked = set.pending.iter().filter_map(|p| p.ops.get(p.blocking));
                blocked.filter(|o| usize::from(o.num) == n && (o.op == 0) == zero).count() as u64
            };
            Ok(match which {
                Which::Value => u64::try_from(sem.value).unwrap_or(0),
                Which::WaitingToGrow => waiting(false),
                Which::WaitingForZero => waiting(true),
            })
        })
    }
    fn change(
        &self,
        id: i32,
        by: &Asker<'_>,
        f: impl FnOnce(&mut Set) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let woken = {
            let mut sets = self.sets.lock();
            let set = sets.get(id)?;
            f(set)?;
            set.ctime = by.now;
            set.serve(by.now)
        };
        wake(woken);
        Ok(())
    }
    /// `SETVAL`. Errors: `ERANGE`, `EINVAL`, `EACCES`.
    pub fn set_value(&self, id: i32, num: i32, value: i32, by: &Asker<'_>) -> Result<(), Errno> {
        if !(0..=SEMVMX).contains(&value) {
            return Err(Errno::ERANGE);
        }
        self.change(id, by, |set| {
            let (n, _) = semaphore(set, num)?;
            set.perm.check(S_IWUGO, by.cred, &self.user_ns)?;
            for a in set.undo.values_mut().filter_map(|u| u.get_mut(n)) {
                *a = 0;
            }
            if let Some(sem) = set.sems.get_mut(n) {
                (sem.value, sem.pid) = (value, Some(by.pid.clone()));
            }
            Ok(())
        })
    }
    /// How many values `SETALL` needs. Errors: `EINVAL`, `EACCES`.
    pub fn may_set_values(&self, id: i32, by: &Asker<'_>) -> Result<usize, Errno> {
        let mut sets = self.sets.lock();
        let set = sets.get(id)?;
        set.perm.check(S_IWUGO, by.cred, &self.user_ns)?;
        Ok(set.sems.len())
    }
    /// `SETALL`. Errors: `ERANGE`, `EINVAL`, `EACCES`.
    pub fn set_values(&self, id: i32, values: &[u16], by: &Asker<'_>) -> Result<(), Errno> {
        if values.iter().any(|v| i32::from(*v) > SEMVMX) {
            return Err(Errno::ERANGE);
        }
        self.change(id, by, |set| {
            set.perm.check(S_IWUGO, by.cred, &self.user_ns)?;
            for (sem, value) in set.sems.iter_mut().zip(values) {
                (sem.value, sem.pid) = (i32::from(*value), Some(by.pid.clone()));
            }
            set.undo.values_mut().for_each(|u| u.fill(0));
            Ok(())
        })
    }
    /// `IPC_SET`. Errors: `EINVAL`, `EPERM`.
    pub fn set(&self, id: i32, new: &NewPerm, by: &Asker<'_>) -> Result<(), Errno> {
        let mut sets = self.sets.lock();
        let set = sets.get(id)?;
        set.perm.check_owner(by.cred, &self.user_ns)?;
        set.perm.set(new);
        set.ctime = by.now;
        Ok(())
    }
    /// `IPC_RMID`: who waits gets `EIDRM`. Errors: `EINVAL`, `EPERM`.
    pub fn remove(&self, id: i32, by: &Asker<'_>) -> Result<(), Errno> {
        let woken = {
            let mut sets = self.sets.lock();
            sets.get(id)?.perm.check_owner(by.cred, &self.user_ns)?;
            let pending = sets.remove(id).map(|s| s.pending).unwrap_or_default();
            pending.into_iter().map(|p| p.waiter).inspect(|w| w.finish(Err(Errno::EIDRM))).collect()
        };
        wake(woken);
        Ok(())
    }
    /// `SEM_INFO`.
    pub fn usage(&self) -> SemUsage {
        let sets = self.sets.lock();
        SemUsage {
            sets: sets.len(),
            semaphores: sets.iter().map(|s| s.sems.len()).sum(),
            max_index: sets.max_index(),
        }
    }
    /// All sets, by index (`/proc/sysvipc/sem`).
    pub fn list(&self) -> Vec<SemInfo> {
        self.sets.lock().iter().map(info).collect()
    }
}

fn semaphore(set: &Set, num: i32) -> Result<(usize, &Semaphore), Errno> {
    let n = usize::try_from(num).map_err(|_| Errno::EINVAL)?;
    Ok((n, set.sems.get(n).ok_or(Errno::EINVAL)?))
}

fn info(s: &Set) -> SemInfo {
    SemInfo { perm: s.perm, count: s.sems.len(), otime: s.otime, ctime: s.ctime }
}
