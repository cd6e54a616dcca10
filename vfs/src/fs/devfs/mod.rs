//! Character devices by number, and the usual ones. `/dev` itself is a tmpfs that [`populate`] fills.

mod mem;
mod populate;
mod tty;

use alloc::sync::Arc;

use hashbrown::HashMap;
use kcore::host::Entropy;
use kcore::io::IoResult;
use kcore::sync::{LockClass, RwLock};

use crate::Errno;
use crate::attr::{FileKind, InodeAttr, dev_major, dev_minor};
use crate::consts::O_NOCTTY;
use crate::context::{OpCtx, SpecialOpener};
use crate::file::FileOps;
use crate::inode::Inode;
use crate::path::Path;
use crate::tty::Terminal;
use mem::Mem;

pub use mem::POOL_BITS;
pub use populate::populate;

static DEVICES: LockClass = LockClass::new("device registry", 324);

/// Opens one character device at a place, with `O_*` flags; `Err(ENXIO)` and the like as it sees fit.
pub type DeviceOpener = Arc<dyn Fn(&Path, u32, &OpCtx<'_>) -> IoResult<Arc<dyn FileOps>> + Send + Sync>;

/// Which character device has which number; what is no character device goes to `next`.
pub struct DeviceRegistry {
    devices: RwLock<HashMap<(u32, u32), DeviceOpener>>,
    next: Option<Arc<dyn SpecialOpener>>,
}

impl DeviceRegistry {
    /// With null, zero, full, random and urandom, and what leads to terminals: tty, ptmx, and the slave sides in
    /// [`DevPts`](crate::fs::devpts::DevPts). `next` opens FIFOs and block devices.
    pub fn new(entropy: Arc<dyn Entropy>, next: Option<Arc<dyn SpecialOpener>>) -> DeviceRegistry {
        let r = DeviceRegistry { devices: RwLock::new(&DEVICES, HashMap::new()), next };
        for (minor, mem) in [
            (3, Mem::Null),
            (5, Mem::Zero),
            (7, Mem::Full),
            (8, Mem::Random(entropy.clone())),
            (9, Mem::Random(entropy)),
        ] {
            let ops: Arc<dyn FileOps> = Arc::new(mem);
            r.register(1, minor, Arc::new(move |_, _, _| Ok(ops.clone())));
        }
        r.register(5, 0, Arc::new(|_, flags, ctx| tty::open_controlling(flags, ctx)));
        r.register(5, 2, Arc::new(|path, _, ctx| tty::open_ptmx(path, ctx)));
        r
    }
    /// Makes `/dev/console` the terminal `tty`. It is nobody's controlling terminal by being opened.
    pub fn set_console(&self, tty: &Arc<Terminal>) {
        let tty = tty.clone();
        self.register(5, 1, Arc::new(move |_, flags, ctx| Ok(tty.open_slave(flags | O_NOCTTY, ctx)?)));
    }
    /// Adds a device.
    pub fn register(&self, major: u32, minor: u32, opener: DeviceOpener) {
        self.devices.write().insert((major, minor), opener);
    }
}

impl SpecialOpener for DeviceRegistry {
    fn open(
        &self,
        inode: &Arc<dyn Inode>,
        attr: &InodeAttr,
        path: &Path,
        flags: u32,
        ctx: &OpCtx<'_>,
    ) -> IoResult<Arc<dyn FileOps>> {
        if attr.kind() == FileKind::Char {
            if dev_major(attr.rdev) == tty::SLAVE_MAJOR {
                return tty::open_slave(inode, flags, ctx);
            }
            let opener = self.devices.read().get(&(dev_major(attr.rdev), dev_minor(attr.rdev))).cloned();
            return opener.map_or(Err(Errno::ENXIO.into()), |o| o(path, flags, ctx));
        }
        match &self.next {
            Some(n) => n.open(inode, attr, path, flags, ctx),
            None => Err(Errno::ENXIO.into()),
        }
    }
}
