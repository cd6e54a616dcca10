//! A clock that stands still, and a task's view of one tmpfs.
#![allow(dead_code, missing_docs)]

use std::sync::Arc;

use kcore::cred::{Credentials, UserNamespace};
use kcore::frame::HeapFrames;
use kcore::host::{Clock, ClockSource, Entropy, Nanos};
use vfs::fs::devfs::DeviceRegistry;
use vfs::fs::tmpfs::{TmpFs, TmpFsOptions};
use vfs::{FsContext, MountIds, MountNamespace, Vfs};

pub(crate) struct Host;
impl Clock for Host {
    fn now(&self, _: ClockSource) -> Nanos {
        1_000_000_000
    }
}
impl Entropy for Host {
    fn fill(&self, dst: &mut [u8]) {
        dst.fill(7);
    }
}

pub(crate) struct World {
    pub vfs: Vfs,
    pub fs: Arc<FsContext>,
    pub cred: Credentials,
    pub store: Arc<HeapFrames>,
    pub ids: Arc<MountIds>,
}

impl World {
    pub(crate) fn tmpfs(&self) -> Arc<TmpFs> {
        TmpFs::new(self.ids.next_dev(), Arc::new(Host), self.store.clone(), TmpFsOptions::default()).unwrap()
    }
    pub(crate) fn new() -> World {
        let (store, ids) = (Arc::new(HeapFrames::new(1 << 20)), Arc::new(MountIds::default()));
        let fs = TmpFs::new(ids.next_dev(), Arc::new(Host), store.clone(), TmpFsOptions::default()).unwrap();
        let ns = MountNamespace::new(ids.clone(), fs, 0, "none");
        let vfs = Vfs { clock: Arc::new(Host), special: Arc::new(DeviceRegistry::new(Arc::new(Host), None)) };
        let cred = Credentials::root(Arc::new(UserNamespace::default()));
        World { vfs, fs: FsContext::new(ns), cred, store, ids }
    }
}
