//! A memory file in a vector, a clock that stands still, and a task's view of one tmpfs.
#![allow(dead_code, missing_docs)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use kcore::cred::{Credentials, UserNamespace};
use kcore::frame::{FileOffset, FrameStore};
use kcore::host::{Clock, ClockSource, Entropy, Nanos};
use vfs::fs::devfs::DeviceRegistry;
use vfs::fs::tmpfs::{TmpFs, TmpFsOptions};
use vfs::{Errno, FsContext, MountIds, MountNamespace, Vfs};

#[derive(Default)]
pub(crate) struct VecStore(Mutex<(Vec<u8>, HashMap<u64, u32>)>);

impl FrameStore for VecStore {
    fn alloc(&self, pages: u64) -> Result<FileOffset, Errno> {
        let mut s = self.0.lock().unwrap();
        let at = s.0.len() as u64;
        s.0.resize((at + pages * 4096) as usize, 0);
        for i in 0..pages {
            s.1.insert(at / 4096 + i, 1);
        }
        Ok(FileOffset(at))
    }
    fn retain(&self, at: FileOffset, pages: u64) {
        let mut s = self.0.lock().unwrap();
        (0..pages).for_each(|i| *s.1.get_mut(&(at.0 / 4096 + i)).unwrap() += 1);
    }
    fn release(&self, at: FileOffset, pages: u64) {
        let mut s = self.0.lock().unwrap();
        (0..pages).for_each(|i| *s.1.get_mut(&(at.0 / 4096 + i)).unwrap() -= 1);
    }
    fn count(&self, at: FileOffset) -> u32 {
        self.0.lock().unwrap().1[&(at.0 / 4096)]
    }
    fn read(&self, at: FileOffset, dst: &mut [u8]) {
        let n = dst.len();
        dst.copy_from_slice(&self.0.lock().unwrap().0[at.0 as usize..][..n]);
    }
    fn write(&self, at: FileOffset, src: &[u8]) {
        self.0.lock().unwrap().0[at.0 as usize..][..src.len()].copy_from_slice(src);
    }
    fn copy(&self, from: FileOffset, to: FileOffset, len: u64) {
        self.0.lock().unwrap().0.copy_within(from.0 as usize..(from.0 + len) as usize, to.0 as usize);
    }
    fn zero(&self, at: FileOffset, len: u64) {
        self.0.lock().unwrap().0[at.0 as usize..][..len as usize].fill(0);
    }
    fn used_pages(&self) -> u64 {
        self.0.lock().unwrap().1.values().filter(|c| **c > 0).count() as u64
    }
    fn max_pages(&self) -> u64 {
        1 << 20
    }
}

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
    pub store: Arc<VecStore>,
    pub ids: Arc<MountIds>,
}

impl World {
    pub(crate) fn tmpfs(&self) -> Arc<TmpFs> {
        TmpFs::new(self.ids.next_dev(), Arc::new(Host), self.store.clone(), TmpFsOptions::default()).unwrap()
    }
    pub(crate) fn new() -> World {
        let (store, ids) = (Arc::new(VecStore::default()), Arc::new(MountIds::default()));
        let fs = TmpFs::new(ids.next_dev(), Arc::new(Host), store.clone(), TmpFsOptions::default()).unwrap();
        let ns = MountNamespace::new(ids.clone(), fs, 0, "none");
        let vfs = Vfs { clock: Arc::new(Host), special: Arc::new(DeviceRegistry::new(Arc::new(Host), None)) };
        let cred = Credentials::root(Arc::new(UserNamespace::default()));
        World { vfs, fs: FsContext::new(ns), cred, store, ids }
    }
}
