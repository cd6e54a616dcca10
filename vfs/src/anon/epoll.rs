//! Interest lists, [`epoll(7)`](https://man7.org/linux/man-pages/man7/epoll.7.html).
//!
//! A waker on each watched file puts its item on the instance's ready list; collecting asks the items on that list, and only
//! those, what is ready. Items refer to files weakly: a file that is closed for good drops out.
//!
//! `EPOLLEXCLUSIVE` is accepted and checked but wakes every instance, as `epoll_ctl(2)` allows ("one or more"); `EPOLLWAKEUP`
//! means nothing here.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::task::Wake;
use alloc::vec::Vec;
use core::task::Waker;

use hashbrown::HashMap;
use kcore::io::IoResult;
use kcore::sync::{LockClass, Mutex};
use kcore::wait::{Events, Registration, WaitQueue};
use smallvec::SmallVec;

use crate::Errno;
use crate::file::{FileOps, IoctlContext};
use crate::open_file::OpenFile;

static NESTING: LockClass = LockClass::new("epoll nesting", 344);
static INSTANCE: LockClass = LockClass::new("epoll instance", 345);
static READY: LockClass = LockClass::new("epoll ready list", 850);

/// Held while one instance is added to another, so that two such additions cannot close a loop. It guards no data.
static NEST: Mutex<()> = Mutex::new(&NESTING, ());

/// Wakes one instance of several.
pub const EPOLLEXCLUSIVE: u32 = 1 << 28;
/// Keeps the machine awake; ignored.
pub const EPOLLWAKEUP: u32 = 1 << 29;
/// Disables the item once it has been reported.
pub const EPOLLONESHOT: u32 = 1 << 30;
/// Reports changes rather than states.
pub const EPOLLET: u32 = 1 << 31;
const FLAGS: u32 = EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET;
/// Instances in a chain at most.
const MAX_DEPTH: usize = 5;

/// `struct epoll_event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpollEvent {
    /// `EPOLL*` bits.
    pub events: u32,
    /// The caller's cookie.
    pub data: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    fd: i32,
    file: usize,
}

/// An instance: files with the events that are waited for.
pub struct Epoll {
    inner: Mutex<Instance>,
    ready: Arc<Ready>,
    this: Weak<Epoll>,
}

#[derive(Default)]
struct Instance {
    items: HashMap<Key, Arc<Item>>,
    /// Instances that watch this one.
    parents: Vec<Weak<Epoll>>,
}

struct Ready {
    list: Mutex<VecDeque<Arc<Item>>>,
    queue: WaitQueue,
}

struct Item {
    key: Key,
    file: Weak<OpenFile>,
    ready: Weak<Ready>,
    state: Mutex<ItemState>,
    registration: Mutex<Option<Registration>>,
}

/// Also of rank 850: never held together with a ready list.
struct ItemState {
    event: EpollEvent,
    /// `EPOLLONESHOT` has struck; nothing is reported until the next `EPOLL_CTL_MOD`.
    disabled: bool,
    removed: bool,
    queued: bool,
}

impl ItemState {
    /// What is waited for, and whether that is disabled. `None` if nothing is any more.
    fn interest(&self) -> Option<(EpollEvent, bool)> {
        (!self.removed).then_some((self.event, self.disabled))
    }
}

static REGISTRATION: LockClass = LockClass::new("epoll registration", 346);

/// Weak, because the watched file's queue holds it.
struct ItemWaker(Weak<Item>);

impl Wake for ItemWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(item) = self.0.upgrade() {
            item.enqueue();
        }
    }
}

impl Item {
    /// Puts the item on the ready list and wakes who waits for it.
    fn enqueue(self: &Arc<Self>) {
        let Some(ready) = self.ready.upgrade() else { return };
        {
            let mut s = self.state.lock();
            if s.disabled || s.removed {
                return;
            }
            if s.queued {
                drop(s);
                // Already listed: whoever waits may still need to hear of a new edge.
                ready.queue.wake(Events::READABLE);
                return;
            }
            s.queued = true;
        }
        ready.list.lock().push_back(self.clone());
        ready.queue.wake(Events::READABLE);
    }
    /// What of its interest is ready, if it is not disabled. `None` if the file is gone.
    fn check(&self) -> Option<(EpollEvent, Events)> {
        let interest = self.state.lock().interest();
        self.check_for(interest)
    }
    /// As [`Item::check`], for what [`ItemState::interest`] said.
    fn check_for(&self, interested: Option<(EpollEvent, bool)>) -> Option<(EpollEvent, Events)> {
        let (event, disabled) = interested?;
        if disabled {
            return Some((event, Events::empty()));
        }
        let want = interest(event.events);
        let file = self.file.upgrade()?;
        let now = file.ready(want) & want;
        Some((event, now))
    }
    fn register(self: &Arc<Self>, queue: &WaitQueue, events: u32) {
        let waker = Waker::from(Arc::new(ItemWaker(Arc::downgrade(self))));
        let new = queue.register(interest(events), &waker);
        let old = self.registration.lock().replace(new);
        drop(old);
    }
    fn retire(&self) {
        self.state.lock().removed = true;
        let old = self.registration.lock().take();
        drop(old);
    }
}

fn interest(events: u32) -> Events {
    Events::from_bits_truncate(events & !FLAGS) | Events::ALWAYS
}

impl Epoll {
    /// An instance that watches nothing.
    pub fn new() -> Arc<Epoll> {
        Arc::new_cyclic(|this| Epoll {
            inner: Mutex::new(&INSTANCE, Instance::default()),
            ready: Arc::new(Ready { list: Mutex::new(&READY, VecDeque::new()), queue: WaitQueue::new() }),
            this: this.clone(),
        })
    }
    /// The instance behind `file`, if it is one.
    pub fn of(file: &OpenFile) -> Option<&Epoll> {
        file.ops_as()
    }

    /// `EPOLL_CTL_ADD`: watches `file`, known to the caller as `fd`.
    ///
    /// Errors: `EEXIST`; `EPERM` for files that are always ready; `ELOOP` for a loop of instances or a chain of more than five;
    /// `EINVAL` for itself or with impossible flags.
    pub fn add(&self, fd: i32, file: &Arc<OpenFile>, event: EpollEvent) -> Result<(), Errno> {
        let queue = file.queue().ok_or(Errno::EPERM)?;
        let nested = Epoll::of(file);
        if nested.is_some_and(|n| core::ptr::eq(n, self)) {
            return Err(Errno::EINVAL);
        }
        if event.events & EPOLLEXCLUSIVE != 0 {
            let ok = EPOLLEXCLUSIVE
                | EPOLLWAKEUP
                | EPOLLET
                | (Events::READABLE | Events::WRITABLE | Events::ALWAYS).bits();
            if event.events & !ok != 0 || nested.is_some() {
                return Err(Errno::EINVAL);
            }
        }
        let key = Key { fd, file: file.id() };
        let state = ItemState { event, disabled: false, removed: false, queued: false };
        let item = Arc::new(Item {
            key,
            file: Arc::downgrade(file),
            ready: Arc::downgrade(&self.ready),
            state: Mutex::new(&READY, state),
            registration: Mutex::new(&REGISTRATION, None),
        });
        {
            let _nest = nested.map(|_| NEST.lock());
            if let Some(n) = nested
                && (n.reaches(self, MAX_DEPTH) || self.depth_up() + n.depth_down() > MAX_DEPTH)
            {
                return Err(Errno::ELOOP);
            }
            let mut inner = self.inner.lock();
            if inner.items.contains_key(&key) {
                return Err(Errno::EEXIST);
            }
            inner.items.insert(key, item.clone());
            drop(inner);
            if let Some(n) = nested {
                let mut inner = n.inner.lock();
                inner.parents.retain(|p| p.strong_count() > 0);
                inner.parents.push(self.this.clone());
            }
        }
        item.register(&queue, event.events);
        self.kick(&item);
        Ok(())
    }
    /// `EPOLL_CTL_MOD`. Errors: `ENOENT`; `EINVAL` with `EPOLLEXCLUSIVE` now or before.
    pub fn modify(&self, fd: i32, file: &Arc<OpenFile>, event: EpollEvent) -> Result<(), Errno> {
        let key = Key { fd, file: file.id() };
        let item = self.inner.lock().items.get(&key).cloned().ok_or(Errno::ENOENT)?;
        {
            let mut s = item.state.lock();
            if (event.events | s.event.events) & EPOLLEXCLUSIVE != 0 {
                return Err(Errno::EINVAL);
            }
            s.event = event;
            s.disabled = false;
        }
        if let Some(queue) = file.queue() {
            item.register(&queue, event.events);
        }
        self.kick(&item);
        Ok(())
    }
    /// `EPOLL_CTL_DEL`. Errors: `ENOENT`.
    pub fn delete(&self, fd: i32, file: &Arc<OpenFile>) -> Result<(), Errno> {
        let key = Key { fd, file: file.id() };
        let item = self.inner.lock().items.remove(&key).ok_or(Errno::ENOENT)?;
        item.retire();
        self.ready.list.lock().retain(|i| !Arc::ptr_eq(i, &item));
        if let Some(n) = Epoll::of(file) {
            let mut inner = n.inner.lock();
            if let Some(i) = inner.parents.iter().position(|p| p.ptr_eq(&self.this)) {
                inner.parents.swap_remove(i);
            }
        }
        Ok(())
    }
    /// After a change of interest: what is ready already counts as an edge.
    fn kick(&self, item: &Arc<Item>) {
        if matches!(item.check(), Some((_, now)) if !now.is_empty()) {
            item.enqueue();
        }
    }

    /// Takes up to `max` events that are ready now; calls `report` with each and says how many. Never waits: for that there is
    /// [`Epoll::wait_queue`].
    pub fn collect(&self, max: usize, mut report: impl FnMut(EpollEvent)) -> usize {
        let mut budget = None;
        let mut again: SmallVec<[Arc<Item>; 4]> = SmallVec::new();
        let mut done = 0;
        while done < max && budget != Some(0) {
            let item = {
                let mut list = self.ready.list.lock();
                budget = Some(budget.unwrap_or(list.len()).saturating_sub(1));
                list.pop_front()
            };
            let Some(item) = item else { break };
            // From here on a wake lists the item again, so that no edge is lost between the check and the return.
            let interest = {
                let mut s = item.state.lock();
                s.queued = false;
                s.interest()
            };
            let Some((event, now)) = item.check_for(interest) else {
                self.forget(&item);
                continue;
            };
            if now.is_empty() {
                continue;
            }
            if event.events & EPOLLONESHOT != 0 {
                let mut s = item.state.lock();
                if s.disabled || s.removed {
                    continue; // Another thread took it.
                }
                s.disabled = true;
            } else if event.events & EPOLLET == 0 {
                again.push(item);
            }
            report(EpollEvent { events: now.bits(), data: event.data });
            done += 1;
        }
        for item in again {
            let mut s = item.state.lock();
            if !s.queued && !s.removed && !s.disabled {
                s.queued = true;
                drop(s);
                self.ready.list.lock().push_back(item);
            }
        }
        done
    }
    /// Where to wait for events.
    pub fn wait_queue(&self) -> &WaitQueue {
        &self.ready.queue
    }
    /// Drops an item whose file is gone.
    fn forget(&self, item: &Arc<Item>) {
        item.retire();
        let mut inner = self.inner.lock();
        if inner.items.get(&item.key).is_some_and(|i| Arc::ptr_eq(i, item)) {
            inner.items.remove(&item.key);
        }
    }
    /// Drops items whose files are gone. They go by themselves when they are reported; this frees the others.
    pub fn prune(&self) {
        let gone: Vec<_> = {
            let mut inner = self.inner.lock();
            inner.items.extract_if(|_, i| i.file.strong_count() == 0).map(|(_, i)| i).collect()
        };
        for i in &gone {
            i.retire();
        }
    }
    /// Files watched, including closed ones that were not pruned yet.
    pub fn len(&self) -> usize {
        self.inner.lock().items.len()
    }
    /// Whether nothing is watched.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Instances that this one watches.
    fn children(&self) -> Vec<Arc<Epoll>> {
        let items: Vec<_> = self.inner.lock().items.values().cloned().collect();
        items.iter().filter_map(|i| Epoll::of(&*i.file.upgrade()?)?.this.upgrade()).collect()
    }
    /// Whether `target` is this instance or below it. Chains are no longer than `MAX_DEPTH`, so the recursion is bounded.
    fn reaches(&self, target: &Epoll, left: usize) -> bool {
        core::ptr::eq(self, target) || left > 0 && self.children().iter().any(|c| c.reaches(target, left - 1))
    }
    /// Instances in the longest chain from this one down.
    fn depth_down(&self) -> usize {
        1 + self.children().iter().map(|c| c.depth_down()).max().unwrap_or(0)
    }
    /// Instances in the longest chain from this one up.
    fn depth_up(&self) -> usize {
        let parents: Vec<_> = self.inner.lock().parents.iter().filter_map(Weak::upgrade).collect();
        1 + parents.iter().map(|p| p.depth_up()).max().unwrap_or(0)
    }
}

impl FileOps for Epoll {
    fn lseeks(&self) -> bool {
        true
    }
    fn can_read(&self) -> bool {
        false
    }
    fn can_write(&self) -> bool {
        false
    }
    fn ready(&self, _f: &OpenFile, want: Events) -> Events {
        let listed: Vec<_> = self.ready.list.lock().iter().cloned().collect();
        let any = listed.iter().any(|i| matches!(i.check(), Some((_, now)) if !now.is_empty()));
        if any { want & Events::READABLE } else { Events::empty() }
    }
    fn queue(&self, _f: &OpenFile) -> Option<WaitQueue> {
        Some(self.ready.queue.clone())
    }
    fn ioctl(&self, _f: &OpenFile, _: &IoctlContext<'_>, _cmd: u32, _arg: u64) -> IoResult<u64> {
        Err(Errno::EINVAL.into())
    }
    fn on_close(&self, _f: &OpenFile) {
        let items = core::mem::take(&mut self.inner.lock().items);
        for i in items.values() {
            i.retire();
        }
        let listed = core::mem::take(&mut *self.ready.list.lock());
        drop(listed);
    }
    fn name(&self) -> String {
        String::from("anon_inode:[eventpoll]")
    }
    fn fdinfo(&self, _f: &OpenFile) -> String {
        let items: Vec<_> = self.inner.lock().items.values().cloned().collect();
        let mut lines: Vec<_> = items
            .iter()
            .map(|i| {
                let e = i.state.lock().event;
                (i.key.fd, format!("tfd: {:8} events: {:8x} data: {:16x}\n", i.key.fd, e.events, e.data))
            })
            .collect();
        lines.sort();
        lines.into_iter().map(|(_, l)| l).collect()
    }
}
