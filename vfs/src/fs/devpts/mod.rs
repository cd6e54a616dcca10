//! The file system of pseudoterminals, `pts(4)`: `ptmx` makes pairs, and their slave sides have names while they live. Each mount
//! of its own numbers them from 0.

mod inode;
mod options;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::{Arc, Weak};

use kcore::cred::Credentials;
use kcore::host::Clock;
use kcore::sync::{LockClass, Mutex};

use crate::Errno;
use crate::attr::StatFs;
use crate::consts::NAME_MAX;
use crate::inode::{FileSystem, Inode};
use crate::mount::Mount;
use crate::path::Path;
use crate::tty::{PtyMaster, Terminal};

pub use inode::PtsInode;
pub use options::DevPtsOptions;

static INSTANCE: LockClass = LockClass::new("devpts instance", 345);

/// Linux's `DEVPTS_SUPER_MAGIC`.
const MAGIC: u64 = 0x1cd1;

/// An instance: its own set of terminals.
pub struct DevPts {
    me: Weak<DevPts>,
    dev: u64,
    clock: Arc<dyn Clock>,
    root: Arc<PtsInode>,
    instance: Mutex<Instance>,
}

struct Instance {
    options: DevPtsOptions,
    ptmx: Arc<PtsInode>,
    slaves: BTreeMap<u32, Arc<PtsInode>>,
}

impl DevPts {
    /// An instance without terminals, with device number `dev`.
    pub fn new(dev: u64, clock: Arc<dyn Clock>, options: DevPtsOptions) -> Arc<DevPts> {
        Arc::new_cyclic(|me| {
            let instance = Instance {
                ptmx: PtsInode::ptmx(dev, options.ptmxmode, &clock),
                options,
                slaves: BTreeMap::new(),
            };
            DevPts {
                me: me.clone(),
                dev,
                root: PtsInode::root(me.clone(), dev, &clock),
                clock,
                instance: Mutex::new(&INSTANCE, instance),
            }
        })
    }
    /// The instance that is mounted as `mount`.
    pub fn of_mount(mount: &Mount) -> Option<Arc<DevPts>> {
        let fs: &dyn core::any::Any = &**mount.fs();
        fs.downcast_ref::<DevPts>().and_then(|d| d.me.upgrade())
    }
    /// Makes a terminal, as opening `ptmx` does; its slave side belongs to `cred`'s user and has a name below `mount`, which is
    /// one of this instance's mounts.
    ///
    /// Errors: `ENOSPC` if there are too many.
    pub fn open_master(&self, mount: &Arc<Mount>, cred: &Credentials) -> Result<Arc<PtyMaster>, Errno> {
        let tty = {
            let mut i = self.instance.lock();
            let index = (0..i.options.max).find(|n| !i.slaves.contains_key(n)).ok_or(Errno::ENOSPC)?;
            let tty = Terminal::new(index);
            let (uid, gid) = (i.options.uid.unwrap_or(cred.fsuid), i.options.gid.unwrap_or(cred.fsgid));
            let inode = PtsInode::slave(self.dev, tty.clone(), i.options.mode, uid, gid, &self.clock);
            i.slaves.insert(index, inode);
            tty
        };
        let me = self.me.clone();
        let release = Arc::new(move |index| {
            if let Some(fs) = me.upgrade() {
                let gone = fs.instance.lock().slaves.remove(&index);
                drop(gone);
            }
        });
        let name = alloc::format!("{}", tty.index());
        let (dentry, _) = mount.superblock().root().child(mount.superblock(), name.as_bytes())?;
        Ok(PtyMaster::new(tty, Some(Path { mount: mount.clone(), dentry }), release))
    }
    fn ptmx(&self) -> Arc<PtsInode> {
        self.instance.lock().ptmx.clone()
    }
    fn slave(&self, index: u32) -> Option<Arc<PtsInode>> {
        self.instance.lock().slaves.get(&index).cloned()
    }
    fn indices(&self) -> alloc::vec::Vec<u32> {
        self.instance.lock().slaves.keys().copied().collect()
    }
}

impl FileSystem for DevPts {
    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }
    fn name(&self) -> &str {
        "devpts"
    }
    fn dev(&self) -> u64 {
        self.dev
    }
    fn statfs(&self) -> Result<StatFs, Errno> {
        Ok(StatFs {
            magic: MAGIC,
            bsize: 4096,
            namelen: NAME_MAX as u64,
            fsid: self.dev,
            ..StatFs::default()
        })
    }
    fn options(&self) -> String {
        self.instance.lock().options.show()
    }
    fn remount(&self, options: &str) -> Result<(), Errno> {
        let mut i = self.instance.lock();
        i.options = i.options.changed(options)?;
        i.ptmx.set_mode(i.options.ptmxmode);
        Ok(())
    }
}
