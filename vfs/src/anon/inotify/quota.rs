//! How much users may watch.

use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU32, Ordering};

use hashbrown::HashMap;
use kcore::id::Uid;
use kcore::sync::{LockClass, Mutex};

use crate::Errno;

static USERS: LockClass = LockClass::new("users of inotify", 366);

/// The bounds of `/proc/sys/fs/inotify`, and how much each user has.
pub struct Quotas {
    /// `max_queued_events`: events of an instance made from now on that may wait to be read.
    pub queued: AtomicU32,
    /// `max_user_instances`.
    pub instances: AtomicU32,
    /// `max_user_watches`.
    pub watches: AtomicU32,
    users: Mutex<HashMap<Uid, Weak<User>>>,
}

impl Default for Quotas {
    fn default() -> Quotas {
        Quotas {
            queued: AtomicU32::new(16384),
            instances: AtomicU32::new(128),
            watches: AtomicU32::new(65536),
            users: Mutex::new(&USERS, HashMap::new()),
        }
    }
}

/// What one user has.
#[derive(Default)]
struct User {
    instances: Arc<AtomicU32>,
    watches: Arc<AtomicU32>,
}

/// One more of something, until it is dropped.
pub(super) struct Counted(Arc<AtomicU32>);

impl Counted {
    /// `None` if there are as many as `limit` already.
    fn one_more(count: &Arc<AtomicU32>, limit: u32) -> Option<Counted> {
        let more = |n: u32| if n < limit { n.checked_add(1) } else { None };
        count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Counted(count.clone()))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An instance's part of what its user has.
pub(super) struct Share {
    quotas: Arc<Quotas>,
    user: Arc<User>,
    _instance: Counted,
}

impl Share {
    /// For one more instance of `user`. Errors: `EMFILE`.
    pub(super) fn new(quotas: &Arc<Quotas>, user: Uid) -> Result<Share, Errno> {
        let user = {
            let mut users = quotas.users.lock();
            let known = users.get(&user).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                users.retain(|_, u| u.strong_count() > 0);
                let new = Arc::new(User::default());
                users.insert(user, Arc::downgrade(&new));
                new
            })
        };
        let instance = Counted::one_more(&user.instances, quotas.instances.load(Ordering::Relaxed));
        Ok(Share { quotas: quotas.clone(), user, _instance: instance.ok_or(Errno::EMFILE)? })
    }
    /// One more watch. Errors: `ENOSPC`.
    pub(super) fn watch(&self) -> Result<Counted, Errno> {
        let limit = self.quotas.watches.load(Ordering::Relaxed);
        Counted::one_more(&self.user.watches, limit).ok_or(Errno::ENOSPC)
    }
}
