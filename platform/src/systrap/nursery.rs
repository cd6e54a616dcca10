//! Births and deaths of stubs.
//!
//! One thread of the sentry has forked the seed, is the parent of all stubs (they are forked with `CLONE_PARENT`), and reaps them. The
//! host kills stubs when their parent *thread* ends, so that thread lives as long as there are any.

use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak, mpsc};

use abi::Errno;

use super::bell::Bell;
use super::files::{Files, MAX_AREAS, MAX_STUBS};
use super::layout::*;
use super::lock;
use super::mapper::{Mapper, Op};
use super::patches::Patch;
use super::seed::{self, NEWBORN, NEWBORN_PAGE};
use crate::host::confine::{Condition, HostCall, HostCalls};
use crate::host::{last_errno, mapped_ranges};

/// The host calls of this backend, besides those of the language's runtime.
pub const CALLS: HostCalls = HostCalls {
    of: "stubs (systrap)",
    list: &[
        HostCall::new(libc::SYS_tgkill, "make a running guest thread trap"),
        HostCall::new(libc::SYS_kill, "end a stub"),
        HostCall::new(libc::SYS_waitid, "learn of a stub's end"),
        HostCall::new(libc::SYS_wait4, "take note of it"),
        HostCall::new(libc::SYS_getpid, "a stub is told who its parent must be"),
        HostCall::new(
            libc::SYS_sched_setaffinity,
            "a worker leaves the processor of the guest that it serves",
        )
        .only(0, Condition::Is(0)),
        HostCall::new(libc::SYS_fallocate, "clear what a guest's thread has left"),
    ],
};

/// A stub process.
pub(super) struct Stub {
    pub(super) pid: i32,
    /// Set when the process is gone.
    pub(super) dead: AtomicBool,
    pub(super) mapper: Mutex<Mapper>,
    pub(super) nursery: Arc<Nursery>,
}

impl Stub {
    /// Keeps a patch as long as the process may map it.
    pub(super) fn keep(&self, patch: &Arc<Patch>) {
        let mut population = lock(&self.nursery.population);
        if let Some(alive) = population.alive.get_mut(&self.pid)
            && !alive.patches.iter().any(|p| Arc::ptr_eq(p, patch))
        {
            alive.patches.push(patch.clone());
        }
    }
}

impl Stub {
    /// Clears what a guest may have written to, and lets go of what was kept for it: the process maps nothing of it any more.
    pub(super) fn forget_guest(&self) {
        let mut population = lock(&self.nursery.population);
        let Some(alive) = population.alive.get_mut(&self.pid) else { return };
        let patches = core::mem::take(&mut alive.patches);
        let areas = alive.areas.clone();
        drop(population);
        drop(patches);
        let control = &self.nursery.files.control;
        // One of them is used at once; the others give their memory back.
        if let Some((first, others)) = areas.split_first() {
            control.wipe(*first, AREA_LEN);
            others.iter().for_each(|a| control.clear(*a, AREA_LEN));
        }
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.nursery.kill(self.pid);
    }
}

/// A stub that has not been reaped.
struct Alive {
    number: u64,
    /// To tell it that it has died.
    stub: Weak<Stub>,
    /// Areas of its threads, past and present: its threads may write there as long as it lives.
    areas: Vec<u64>,
    /// Patches that it may have mapped.
    patches: Vec<Arc<Patch>>,
}

#[derive(Default)]
struct Population {
    alive: HashMap<i32, Alive>,
    numbers: Vec<u64>,
    next_number: u64,
    areas: Vec<u64>,
    next_area: u64,
    seed: i32,
}

/// See the module.
pub(super) struct Nursery {
    pub(super) files: Files,
    pub(super) base: u64,
    bell: Arc<Bell>,
    seed: Mutex<Mapper>,
    seed_dead: AtomicBool,
    population: Mutex<Population>,
}

impl Nursery {
    /// Forks and empties the seed. Errors: what the host refuses.
    pub(super) fn start(files: Files, base: u64, bell: Arc<Bell>) -> Result<Arc<Nursery>, Errno> {
        let mapper = Mapper::new(&files, base, 0, 0);
        let population = Population { next_number: 1, next_area: 1, ..Population::default() };
        let nursery = Arc::new(Nursery {
            files,
            base,
            bell,
            seed: Mutex::new(mapper),
            seed_dead: AtomicBool::new(false),
            population: Mutex::new(population),
        });
        let (reply, result) = mpsc::sync_channel(1);
        let weak = Arc::downgrade(&nursery);
        let body = move || {
            let born = weak.upgrade().map_or(Err(Errno::EIO), |n| {
                let pid = seed::fork_seed(&n.files, n.base)?;
                lock(&n.population).seed = pid;
                Ok(pid)
            });
            let is_born = born.is_ok();
            if reply.send(born).is_ok() && is_born {
                reap_all(&weak);
            }
        };
        let spawned = std::thread::Builder::new().name("picket-nursery".into()).spawn(body);
        spawned.map_err(|e| e.raw_os_error().and_then(Errno::from_raw).unwrap_or(Errno::EAGAIN))?;
        result.recv().unwrap_or(Err(Errno::EIO))?;
        nursery.empty_seed().inspect_err(|_| nursery.shut_down())?;
        Ok(nursery)
    }

    /// Unmaps all but the stub's region in the seed.
    fn empty_seed(&self) -> Result<(), Errno> {
        let unmap = |a: u64, b: u64| Op::new(libc::SYS_munmap, [a, b - a, 0, 0, 0, 0]);
        let mut seed = lock(&self.seed);
        for (start, end) in [(0, self.base), (self.base + REGION, TASK_END)] {
            match seed.run(&[unmap(start, end)], &self.seed_dead) {
                Ok(()) => continue,
                Err(Errno::ESRCH) => return Err(Errno::ESRCH),
                Err(_) => {}
            }
            // A host that seals the vDSO refuses the whole; such a page then stays, and shows the guest nothing secret. The seed has what
            // this process has.
            for (a, b) in mapped_ranges()? {
                if start <= a && b <= end {
                    let _ = seed.run(&[unmap(a, b)], &self.seed_dead);
                }
            }
        }
        Ok(())
    }

    /// A new stub with nothing of a guest in it. Errors: `EAGAIN`, `ENOMEM` when the host refuses another process.
    pub(super) fn new_stub(self: &Arc<Nursery>) -> Result<Arc<Stub>, Errno> {
        let mut seed = lock(&self.seed);
        // Held until the stub is registered, so that its death is not taken for a stranger's.
        let mut population = lock(&self.population);
        let number = match population.numbers.pop() {
            Some(n) => n,
            None if population.next_number < MAX_STUBS => {
                population.next_number += 1;
                population.next_number - 1
            }
            None => return Err(Errno::EAGAIN),
        };
        let mapper = Mapper::new(&self.files, self.base, number, seed.seq().wrapping_add(1));
        self.files.control.store(NEWBORN_PAGE, 0);
        if let Err(e) = seed.run(&self.birth(number), &self.seed_dead) {
            population.numbers.push(number);
            return Err(e);
        }
        let pid = self.files.control.load(NEWBORN_PAGE).cast_signed();
        let stub = Arc::new(Stub {
            pid,
            dead: AtomicBool::new(false),
            mapper: Mutex::new(mapper),
            nursery: self.clone(),
        });
        population.alive.insert(
            pid,
            Alive { number, stub: Arc::downgrade(&stub), areas: Vec::new(), patches: Vec::new() },
        );
        drop(population);
        lock(&stub.mapper).answer(&stub.dead)?;
        Ok(stub)
    }

    fn birth(&self, number: u64) -> [Op; 6] {
        let flags = libc::CLONE_PARENT | libc::CLONE_PARENT_SETTID;
        let own_page = |at: u64, fd: i32| {
            let flags = libc::MAP_SHARED | libc::MAP_FIXED;
            let args = [self.base + at, PAGE, libc::PROT_READ as u64, flags as u64, fd as u64, number * PAGE];
            Op::new(libc::SYS_mmap, args)
        };
        let expect = THEN_EXPECT | u64::from(std::process::id()) << 32;
        [
            Op::new(libc::SYS_clone, [flags as u64, 0, self.base + NEWBORN, 0, 0, 0]).then(THEN_FORK),
            Op::new(libc::SYS_prctl, [libc::PR_SET_PDEATHSIG as u64, libc::SIGKILL as u64, 0, 0, 0, 0]),
            // Had the sentry died before, nobody would be left to kill the stub.
            Op::new(libc::SYS_getppid, [0; 6]).then(expect),
            Op::new(libc::SYS_munmap, [self.base + NEWBORN, PAGE, 0, 0, 0, 0]),
            own_page(ACK, FD_ACK),
            own_page(OPS, FD_OPS),
        ]
    }

    /// An area for a thread of a stub. Errors: `EAGAIN` when all are in use, `ESRCH` if the stub has died.
    pub(super) fn new_area(&self, stub: &Stub) -> Result<u64, Errno> {
        let mut population = lock(&self.population);
        let area = match population.areas.pop() {
            Some(a) => a,
            None if population.next_area <= MAX_AREAS => {
                population.next_area += 1;
                (population.next_area - 1) * AREA_LEN
            }
            None => return Err(Errno::EAGAIN),
        };
        match population.alive.get_mut(&stub.pid) {
            Some(alive) => alive.areas.push(area),
            None => {
                population.areas.push(area);
                return Err(Errno::ESRCH);
            }
        }
        Ok(area)
    }

    /// Sends the signal that makes a thread of a stub trap. The thread's number comes from where the guest can write, and the host refuses
    /// one that is not of this stub.
    pub(super) fn kick(&self, pid: i32, tid: i32) {
        // Under the lock, so that the process is not reaped and its number not reused.
        let population = lock(&self.population);
        if population.alive.contains_key(&pid) {
            // SAFETY: the call takes no pointers.
            unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, seed::KICK) };
        }
    }

    pub(super) fn kill(&self, pid: i32) {
        // Under the lock, so that the process is not reaped and its number not reused.
        let population = lock(&self.population);
        if population.alive.contains_key(&pid) {
            kill(pid);
        }
    }

    /// Ends the seed and all stubs, and with them the thread that reaps.
    pub(super) fn shut_down(&self) {
        let population = lock(&self.population);
        for pid in population.alive.keys() {
            kill(*pid);
        }
        if !self.seed_dead.load(Ordering::SeqCst) {
            kill(population.seed);
        }
    }

    fn reaped(&self, pid: i32) {
        let mut population = lock(&self.population);
        reap(pid);
        if pid == population.seed {
            self.seed_dead.store(true, Ordering::SeqCst);
        } else if let Some(Alive { number, stub, areas, patches }) = population.alive.remove(&pid) {
            // Registers of this stub's guest must not be seen by another's.
            areas.iter().for_each(|a| self.files.control.clear(*a, AREA_LEN));
            population.areas.extend(areas);
            population.numbers.push(number);
            drop(population);
            drop(patches);
            if let Some(stub) = stub.upgrade() {
                stub.dead.store(true, Ordering::SeqCst);
            }
        }
        self.bell.ring();
    }
}

fn kill(pid: i32) {
    // SAFETY: the call takes no pointers.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

fn reap(pid: i32) {
    // SAFETY: the call takes no pointers that it uses.
    unsafe { libc::waitpid(pid, core::ptr::null_mut(), libc::__WALL) };
}

/// Reaps what the calling thread has forked until nothing is left.
fn reap_all(nursery: &Weak<Nursery>) {
    loop {
        // SAFETY: all-zero bytes are a valid `siginfo_t`.
        let mut info: libc::siginfo_t = unsafe { core::mem::zeroed() };
        let options = libc::WEXITED | libc::WNOWAIT | libc::__WALL | libc::__WNOTHREAD;
        // SAFETY: `info` is a valid place for the result.
        let r = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, options) };
        if r != 0 {
            if last_errno() == Errno::EINTR {
                continue;
            }
            return;
        }
        // SAFETY: the information is of a child, which has the field.
        let pid = unsafe { info.si_pid() };
        match nursery.upgrade() {
            Some(n) => n.reaped(pid),
            None => reap(pid),
        }
    }
}
