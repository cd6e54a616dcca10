//! Watching files, [`inotify(7)`](https://man7.org/linux/man-pages/man7/inotify.7.html).
//!
//! A watch is an [`InodeWatcher`] on the inode; the VFS tells it what happens. An instance queues what its watches want.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::sync::atomic::Ordering;

use hashbrown::HashMap;
use kcore::addr::GuestAddr;
use kcore::id::Uid;
use kcore::io::{IoError, IoResult, IoSink};
use kcore::sync::{LockClass, Mutex};
use kcore::user::{UserPtr, Write};
use kcore::wait::{Events, WaitQueue};

use crate::Errno;
use crate::consts::*;
use crate::file::{FileOps, IoctlContext};
use crate::inode::{Happened, Inode, InodeWatcher};
use crate::open_file::OpenFile;

mod quota;

use quota::{Counted, Share};

pub use quota::Quotas;

static INOTIFY: LockClass = LockClass::new("inotify", 365);

/// Events were lost.
pub const IN_Q_OVERFLOW: u32 = 0x4000;
/// The watch is gone.
pub const IN_IGNORED: u32 = 0x8000;
/// Only watch a directory.
pub const IN_ONLYDIR: u32 = 0x0100_0000;
/// Do not follow a symbolic link; the caller's path walk does that.
pub const IN_DONT_FOLLOW: u32 = 0x0200_0000;
/// No events that happen through a name that was removed.
pub const IN_EXCL_UNLINK: u32 = 0x0400_0000;
/// Fail if there is a watch already.
pub const IN_MASK_CREATE: u32 = 0x1000_0000;
/// Add to the mask of a watch that is there.
pub const IN_MASK_ADD: u32 = 0x2000_0000;
/// One event, then the watch goes.
pub const IN_ONESHOT: u32 = 0x8000_0000;
/// What can be watched for.
const ALL_EVENTS: u32 = 0xfff;
const FIONREAD: u32 = 0x541B;
const HEADER: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Event {
    wd: i32,
    mask: u32,
    cookie: u32,
    name: Vec<u8>,
}

impl Event {
    /// Bytes that the name takes, with its NUL and padding.
    fn name_len(&self) -> usize {
        if self.name.is_empty() { 0 } else { (self.name.len() + 1).next_multiple_of(HEADER) }
    }
    fn len(&self) -> usize {
        HEADER + self.name_len()
    }
    fn record(&self) -> Vec<u8> {
        let mut r = Vec::with_capacity(self.len());
        r.extend_from_slice(&self.wd.to_ne_bytes());
        for n in [self.mask, self.cookie, self.name_len() as u32] {
            r.extend_from_slice(&n.to_ne_bytes());
        }
        r.extend_from_slice(&self.name);
        r.resize(self.len(), 0);
        r
    }
}

/// One watch. Keeps its inode.
struct Watch {
    wd: i32,
    owner: Weak<Inotify>,
    inode: Arc<dyn Inode>,
    _counted: Counted,
}

impl InodeWatcher for Watch {
    fn event(&self, what: &Happened<'_>) {
        if let Some(i) = self.owner.upgrade() {
            i.happened(self.wd, what);
        }
    }
}

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    bytes: usize,
    watches: HashMap<i32, (Arc<Watch>, u32)>,
    last_wd: i32,
}

impl State {
    fn push(&mut self, limit: usize, event: Event) {
        if self.events.back() == Some(&event) {
            return;
        }
        let event = if self.events.len() < limit {
            event
        } else if self.events.back().is_some_and(|e| e.mask == IN_Q_OVERFLOW) {
            return;
        } else {
            Event { wd: -1, mask: IN_Q_OVERFLOW, cookie: 0, name: Vec::new() }
        };
        self.bytes += event.len();
        self.events.push_back(event);
    }
}

/// An instance: watches and the events that wait to be read.
pub struct Inotify {
    state: Mutex<State>,
    /// Events that may wait to be read.
    queued: usize,
    share: Share,
    queue: WaitQueue,
    this: Weak<Inotify>,
}

/// The identity of an inode, while it is held.
fn identity(inode: &Arc<dyn Inode>) -> *const () {
    core::ptr::from_ref(inode.common()).cast()
}

impl Inotify {
    /// An instance of `user` that watches nothing. Errors: `EMFILE` if the user has too many.
    pub fn new(quotas: &Arc<Quotas>, user: Uid) -> Result<Arc<Inotify>, Errno> {
        let share = Share::new(quotas, user)?;
        let queued = usize::try_from(quotas.queued.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        Ok(Arc::new_cyclic(|this| Inotify {
            state: Mutex::new(&INOTIFY, State::default()),
            queued,
            share,
            queue: WaitQueue::new(),
            this: this.clone(),
        }))
    }
    /// The instance behind `file`, if it is one.
    pub fn of(file: &OpenFile) -> Option<&Inotify> {
        file.ops_as()
    }
    /// `inotify_add_watch(2)` on an inode that the caller found and may read. Says the watch's number.
    ///
    /// Errors: `EINVAL` for flags that exclude each other, `EEXIST` with `IN_MASK_CREATE`, `ENOTDIR` with `IN_ONLYDIR`, `ENOSPC`.
    pub fn add_watch(&self, inode: &Arc<dyn Inode>, mask: u32) -> Result<i32, Errno> {
        if mask & IN_MASK_ADD != 0 && mask & IN_MASK_CREATE != 0 {
            return Err(Errno::EINVAL);
        }
        if mask & IN_ONLYDIR != 0 && inode.kind() != crate::attr::FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        let kept = mask & (ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK);
        let watch = {
            let mut s = self.state.lock();
            let s = &mut *s;
            if let Some((w, m)) = s.watches.values_mut().find(|(w, _)| identity(&w.inode) == identity(inode))
            {
                if mask & IN_MASK_CREATE != 0 {
                    return Err(Errno::EEXIST);
                }
                *m = if mask & IN_MASK_ADD != 0 { *m | kept } else { kept };
                return Ok(w.wd);
            }
            s.last_wd = s.last_wd.checked_add(1).ok_or(Errno::ENOSPC)?;
            let counted = self.share.watch()?;
            let w = Arc::new(Watch {
                wd: s.last_wd,
                owner: self.this.clone(),
                inode: inode.clone(),
                _counted: counted,
            });
            s.watches.insert(w.wd, (w.clone(), kept));
            w
        };
        let wd = watch.wd;
        let watcher: Arc<dyn InodeWatcher> = watch;
        inode.common().watch(&watcher);
        Ok(wd)
    }
    /// `inotify_rm_watch(2)`. Errors: `EINVAL` if there is no such watch.
    pub fn rm_watch(&self, wd: i32) -> Result<(), Errno> {
        let (watch, _) = {
            let mut s = self.state.lock();
            let w = s.watches.remove(&wd).ok_or(Errno::EINVAL)?;
            s.push(self.queued, Event { wd, mask: IN_IGNORED, cookie: 0, name: Vec::new() });
            w
        };
        self.queue.wake(Events::READABLE);
        detach(watch);
        Ok(())
    }
    fn happened(&self, wd: i32, what: &Happened<'_>) {
        let (mask, cookie) = (what.mask, what.cookie);
        let gone = {
            let mut s = self.state.lock();
            let Some((_, wanted)) = s.watches.get(&wd) else { return };
            let wanted = *wanted;
            if what.unlinked && wanted & IN_EXCL_UNLINK != 0 {
                return;
            }
            let ends = mask & (IN_DELETE_SELF | IN_UNMOUNT) != 0;
            let hit = mask & wanted & ALL_EVENTS != 0 || mask & IN_UNMOUNT != 0;
            if hit {
                let event = Event {
                    wd,
                    mask: mask & (ALL_EVENTS | IN_UNMOUNT | IN_ISDIR),
                    cookie,
                    name: what.name.unwrap_or_default().to_vec(),
                };
                s.push(self.queued, event);
            }
            if ends || hit && wanted & IN_ONESHOT != 0 {
                s.push(self.queued, Event { wd, mask: IN_IGNORED, cookie: 0, name: Vec::new() });
                s.watches.remove(&wd)
            } else if hit {
                None
            } else {
                return;
            }
        };
        self.queue.wake(Events::READABLE);
        if let Some((watch, _)) = gone {
            detach(watch);
        }
    }
}

fn detach(watch: Arc<Watch>) {
    let inode = watch.inode.clone();
    let watcher: Arc<dyn InodeWatcher> = watch;
    inode.common().unwatch(&watcher);
}

impl FileOps for Inotify {
    fn takes_rw_flags(&self) -> bool {
        false
    }
    fn lseeks(&self) -> bool {
        true
    }
    fn can_write(&self) -> bool {
        false
    }
    fn read(&self, _f: &OpenFile, _at: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        let mut done = 0;
        let mut s = self.state.lock();
        while let Some(event) = s.events.front() {
            let len = event.len();
            if len > dst.remaining() {
                if done == 0 {
                    return Err(Errno::EINVAL.into());
                }
                break;
            }
            match super::put(dst, &event.record()) {
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
                Ok(()) => {}
            }
            s.events.pop_front();
            s.bytes -= len;
            done += len;
        }
        if done == 0 { Err(IoError::Again) } else { Ok(done) }
    }
    fn ready(&self, _f: &OpenFile, want: Events) -> Events {
        if self.state.lock().events.is_empty() { Events::empty() } else { want & Events::READABLE }
    }
    fn queue(&self, _f: &OpenFile) -> Option<WaitQueue> {
        Some(self.queue.clone())
    }
    fn ioctl(&self, _f: &OpenFile, ctx: &IoctlContext<'_>, cmd: u32, arg: u64) -> IoResult<u64> {
        if cmd != FIONREAD {
            return Err(Errno::ENOTTY.into());
        }
        let n = i32::try_from(self.state.lock().bytes).unwrap_or(i32::MAX);
        UserPtr::<i32, Write>::new(GuestAddr(arg)).write(ctx.mem, &n)?;
        Ok(0)
    }
    fn on_close(&self, _f: &OpenFile) {
        let watches = core::mem::take(&mut self.state.lock().watches);
        for (watch, _) in watches.into_values() {
            detach(watch);
        }
    }
    fn name(&self) -> String {
        String::from("anon_inode:inotify")
    }
    fn fdinfo(&self, _f: &OpenFile) -> String {
        let mut all: Vec<_> =
            self.state.lock().watches.values().map(|(w, m)| (w.wd, *m, w.inode.clone())).collect();
        all.sort_by_key(|(wd, ..)| *wd);
        let mut text = String::new();
        for (wd, mask, inode) in all {
            let (ino, dev) = inode.attr().map_or((0, 0), |a| (a.ino, a.dev));
            let _ = writeln!(text, "inotify wd:{wd} ino:{ino:x} sdev:{dev:x} mask:{mask:x} ignored_mask:0");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::InodeAttr;
    use crate::inode::InodeCommon;
    use crate::path::Path;
    use kcore::io::VecSink;

    #[derive(Default)]
    struct Node(InodeCommon);
    impl Inode for Node {
        fn common(&self) -> &InodeCommon {
            &self.0
        }
        fn attr(&self) -> Result<InodeAttr, Errno> {
            Ok(InodeAttr { mode: S_IFREG, ..InodeAttr::default() })
        }
        fn open(self: Arc<Self>, _: &Path, _: u32) -> IoResult<Arc<dyn FileOps>> {
            Err(Errno::ENXIO.into())
        }
    }
    fn rig() -> (Arc<Inotify>, Arc<OpenFile>, Arc<dyn Inode>) {
        rig_with(&Arc::default())
    }
    fn rig_with(quotas: &Arc<Quotas>) -> (Arc<Inotify>, Arc<OpenFile>, Arc<dyn Inode>) {
        let i = Inotify::new(quotas, Uid(7)).unwrap();
        (i.clone(), OpenFile::new(i, 0, None), Arc::new(Node::default()))
    }
    fn events(f: &OpenFile) -> Vec<(i32, u32, u32, Vec<u8>)> {
        let mut sink = VecSink::new(1 << 16);
        if f.read(&mut sink) == Err(IoError::Again) {
            return Vec::new();
        }
        let bytes = sink.into_vec();
        let mut at = &bytes[..];
        let mut out = Vec::new();
        while !at.is_empty() {
            let n = |i: usize| u32::from_ne_bytes(at[i..i + 4].try_into().unwrap());
            let len = n(12) as usize;
            let name = at[16..16 + len].iter().copied().take_while(|b| *b != 0).collect();
            out.push((n(0) as i32, n(4), n(8), name));
            at = &at[16 + len..];
        }
        out
    }

    #[test]
    fn coalesces_equal_neighbours() {
        let (i, f, n) = rig();
        let wd = i.add_watch(&n, IN_MODIFY | IN_CREATE).unwrap();
        for _ in 0..3 {
            n.common().notify(IN_MODIFY, 0, None);
        }
        n.common().notify(IN_ACCESS, 0, None);
        n.common().notify(IN_CREATE | IN_ISDIR, 0, Some(b"dir"));
        n.common().notify(IN_MODIFY, 0, None);
        assert_eq!(f.read(&mut VecSink::new(15)), Err(Errno::EINVAL.into()));
        let expect = [
            (wd, IN_MODIFY, 0, b"".to_vec()),
            (wd, IN_CREATE | IN_ISDIR, 0, b"dir".to_vec()),
            (wd, IN_MODIFY, 0, b"".to_vec()),
        ];
        assert_eq!(events(&f), expect);
        assert!(events(&f).is_empty());
    }

    #[test]
    fn masks() {
        let (i, f, n) = rig();
        let wd = i.add_watch(&n, IN_MODIFY).unwrap();
        assert_eq!(i.add_watch(&n, IN_MODIFY | IN_MASK_CREATE), Err(Errno::EEXIST));
        assert_eq!(i.add_watch(&n, IN_OPEN | IN_MASK_ADD), Ok(wd));
        assert_eq!(i.add_watch(&n, IN_ONLYDIR | IN_OPEN), Err(Errno::ENOTDIR));
        assert_eq!(i.add_watch(&n, IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE), Err(Errno::EINVAL));
        n.common().notify(IN_MODIFY, 0, None);
        n.common().notify(IN_OPEN, 0, None);
        assert_eq!(events(&f).len(), 2);
        i.rm_watch(wd).unwrap();
        assert_eq!(i.rm_watch(wd), Err(Errno::EINVAL));
        assert_eq!(events(&f), [(wd, IN_IGNORED, 0, Vec::new())]);
        assert!(!n.common().is_watched());
    }

    #[test]
    fn one_shot_and_deletion_end_the_watch() {
        let (i, f, n) = rig();
        i.add_watch(&n, IN_OPEN | IN_ONESHOT).unwrap();
        n.common().notify(IN_OPEN, 0, None);
        n.common().notify(IN_OPEN, 0, None);
        assert_eq!(events(&f).iter().map(|e| e.1).collect::<Vec<_>>(), [IN_OPEN, IN_IGNORED]);
        assert_eq!(i.add_watch(&n, IN_OPEN), Ok(2));
        n.common().notify(IN_DELETE_SELF, 0, None);
        assert_eq!(events(&f), [(2, IN_IGNORED, 0, Vec::new())]);
    }

    #[test]
    fn overflow_is_told_once() {
        let quotas = Arc::new(Quotas::default());
        quotas.queued.store(2, Ordering::Relaxed);
        let (i, f, n) = rig_with(&quotas);
        i.add_watch(&n, IN_OPEN).unwrap();
        for c in 0..5 {
            n.common().notify(IN_OPEN, c, None);
        }
        let e = events(&f);
        assert_eq!(e.len(), 3);
        assert_eq!((e[2].0, e[2].1), (-1, IN_Q_OVERFLOW));
    }

    #[test]
    fn users_have_quotas() {
        let quotas = Arc::new(Quotas::default());
        quotas.instances.store(2, Ordering::Relaxed);
        quotas.watches.store(2, Ordering::Relaxed);
        let (i, _, n) = rig_with(&quotas);
        let (j, ..) = rig_with(&quotas);
        assert_eq!(Inotify::new(&quotas, Uid(7)).err(), Some(Errno::EMFILE));
        assert!(Inotify::new(&quotas, Uid(8)).is_ok());
        let others: [Arc<dyn Inode>; 2] = [Arc::new(Node::default()), Arc::new(Node::default())];
        i.add_watch(&n, IN_OPEN).unwrap();
        let wd = j.add_watch(&others[0], IN_OPEN).unwrap();
        assert_eq!(i.add_watch(&others[1], IN_OPEN), Err(Errno::ENOSPC));
        assert!(i.add_watch(&n, IN_MODIFY).is_ok(), "one that is there already");
        j.rm_watch(wd).unwrap();
        assert!(i.add_watch(&others[1], IN_OPEN).is_ok());
        drop(j);
        assert!(Inotify::new(&quotas, Uid(7)).is_ok());
    }
}
