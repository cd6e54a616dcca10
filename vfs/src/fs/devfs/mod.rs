//! Character devices by number, and the usual ones. `/dev` itself is a tmpfs that [`populate`] fills.

use alloc::string::String;
use alloc::sync::Arc;

use hashbrown::HashMap;
use kcore::host::Entropy;
use kcore::id::{Gid, Uid};
use kcore::io::{IoResult, IoSink, IoSource};
use kcore::sync::{LockClass, RwLock};

use crate::Errno;
use crate::attr::{FileKind, InodeAttr, dev_major, dev_minor, make_dev};
use crate::consts::*;
use crate::context::{OpCtx, SpecialOpener};
use crate::file::{FileOps, OpenFile, Whence};
use crate::inode::{Inode, NewInode};
use crate::path::Path;

static DEVICES: LockClass = LockClass::new("device registry", 324);

/// Opens one character device at a place, with `O_*` flags; `Err(ENXIO)` and the like as it sees fit.
pub type DeviceOpener = Arc<dyn Fn(&Path, u32, &OpCtx<'_>) -> IoResult<Arc<dyn FileOps>> + Send + Sync>;

/// Which character device has which number; what is no character device goes to `next`.
pub struct DeviceRegistry {
    devices: RwLock<HashMap<(u32, u32), DeviceOpener>>,
    next: Option<Arc<dyn SpecialOpener>>,
}

impl DeviceRegistry {
    /// With null, zero, full, random and urandom. `next` opens FIFOs and block devices.
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
        r
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
            let opener = self.devices.read().get(&(dev_major(attr.rdev), dev_minor(attr.rdev))).cloned();
            return opener.map_or(Err(Errno::ENXIO.into()), |o| o(path, flags, ctx));
        }
        match &self.next {
            Some(n) => n.open(inode, attr, path, flags, ctx),
            None => Err(Errno::ENXIO.into()),
        }
    }
}

enum Mem {
    Null,
    Zero,
    Full,
    Random(Arc<dyn Entropy>),
}

impl FileOps for Mem {
    fn seekable(&self) -> bool {
        true
    }
    fn seek(&self, _: &OpenFile, _: u64, _: Whence, _: i64) -> Result<u64, Errno> {
        Ok(0)
    }
    fn read(&self, _: &OpenFile, _: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        let len = dst.remaining();
        match self {
            Mem::Null => Ok(0),
            Mem::Zero | Mem::Full => Ok(dst.write_zeros(len)?),
            Mem::Random(e) => {
                let mut buf = [0u8; 256];
                let mut done = 0;
                while done < len {
                    let n = buf.len().min(len - done);
                    e.fill(&mut buf[..n]);
                    match dst.write(&buf[..n]) {
                        Ok(k) => {
                            done += k;
                            if k < n {
                                break;
                            }
                        }
                        Err(_) if done > 0 => break,
                        Err(e) => return Err(e.into()),
                    }
                }
                Ok(done)
            }
        }
    }
    fn write(&self, _: &OpenFile, _: Option<u64>, src: &mut dyn IoSource) -> IoResult<usize> {
        match self {
            Mem::Full => Err(Errno::ENOSPC.into()),
            _ => Ok(src.remaining()),
        }
    }
    fn append(&self, f: &OpenFile, src: &mut dyn IoSource) -> IoResult<(usize, u64)> {
        Ok((self.write(f, None, src)?, 0))
    }
    fn name(&self) -> String {
        String::from("mem")
    }
}

/// Makes the usual nodes and links in the directory `dev` (of a tmpfs). Errors: the directory's.
pub fn populate(dev: &Arc<dyn Inode>) -> Result<(), Errno> {
    let new = |mode, rdev| NewInode { mode, uid: Uid::ROOT, gid: Gid::ROOT, rdev };
    let nodes: [(&[u8], u32, u32); 7] = [
        (b"null", 1, 3),
        (b"zero", 1, 5),
        (b"full", 1, 7),
        (b"random", 1, 8),
        (b"urandom", 1, 9),
        (b"tty", 5, 0),
        (b"ptmx", 5, 2),
    ];
    for (name, major, minor) in nodes {
        dev.mknod(name, &new(S_IFCHR | 0o666, make_dev(major, minor)))?;
    }
    let links: [(&[u8], &[u8]); 4] = [
        (b"fd", b"/proc/self/fd"),
        (b"stdin", b"/proc/self/fd/0"),
        (b"stdout", b"/proc/self/fd/1"),
        (b"stderr", b"/proc/self/fd/2"),
    ];
    for (name, target) in links {
        dev.symlink(name, target, &new(S_IFLNK | 0o777, 0))?;
    }
    for name in [&b"shm"[..], b"pts", b"mqueue"] {
        dev.mkdir(name, &new(S_IFDIR | 0o755, 0))?;
    }
    Ok(())
}
