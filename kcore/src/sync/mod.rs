//! Locks with ranks.
//!
//! They spin for a moment and then park through [`Parker`], so that a holder that the host preempted does not burn a core.

mod class;
mod mutex;
mod park;
mod rwlock;

pub use class::LockClass;
pub use mutex::{Mutex, MutexGuard};
pub use park::{Parker, set_parker};
pub use rwlock::{ReadGuard, RwLock, WriteGuard};
