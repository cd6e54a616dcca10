//! A file tree in memory: `cargo run -p picket-vfs --example tmpfs`.

use std::sync::Arc;

use kcore::cred::{Credentials, UserNamespace};
use kcore::frame::HeapFrames;
use kcore::host::{Clock, ClockSource, Entropy, Nanos};
use kcore::io::{IoError, SliceSource, VecSink};
use vfs::consts::{O_CREAT, O_RDWR};
use vfs::fs::devfs::DeviceRegistry;
use vfs::fs::tmpfs::{TmpFs, TmpFsOptions};
use vfs::ops::{self, OpenHow};
use vfs::{DirSink, Errno, FileKind, FsContext, MountIds, MountNamespace, OpCtx, Vfs, Whence};

/// What the file system asks of its host.
struct Host;

impl Clock for Host {
    fn now(&self, _: ClockSource) -> Nanos {
        1_000_000_000
    }
}

impl Entropy for Host {
    fn fill(&self, dst: &mut [u8]) {
        dst.fill(4);
    }
}

struct Print;

impl DirSink for Print {
    fn entry(&mut self, _inode: u64, _next: u64, kind: FileKind, name: &[u8]) -> bool {
        println!("{kind:?} {}", String::from_utf8_lossy(name));
        true
    }
}

fn main() -> Result<(), Errno> {
    // A mount namespace with one tmpfs, seen by a task of root's.
    let ids = Arc::new(MountIds::default());
    let frames = Arc::new(HeapFrames::new(1024));
    let tmpfs = TmpFs::new(ids.next_dev(), Arc::new(Host), frames, TmpFsOptions::default())?;
    let fs = FsContext::new(MountNamespace::new(ids, tmpfs, 0, "tmpfs"));
    let vfs = Vfs { clock: Arc::new(Host), special: Arc::new(DeviceRegistry::new(Arc::new(Host), None)) };
    let root = Credentials::root(Arc::new(UserNamespace::default()));
    let view = fs.view();
    let cx = OpCtx::new(&vfs, &view, &root);

    ops::mkdir(&cx, b"/etc", 0o755)?;
    ops::symlink(&cx, b"etc/motd", b"/welcome")?;
    let create = OpenHow { flags: O_CREAT | O_RDWR, mode: 0o644, resolve: 0 };
    let file = ops::open(&cx, b"/welcome", &create).map_err(IoError::errno)?;
    file.write(&mut SliceSource::new(b"hello\n")).map_err(IoError::errno)?;

    file.seek(Whence::Set, 0)?;
    let mut text = VecSink::new(100);
    file.read(&mut text).map_err(IoError::errno)?;
    print!("/etc/motd: {}", String::from_utf8_lossy(&text.into_vec()));

    let how = OpenHow { flags: 0, ..create };
    ops::open(&cx, b"/", &how).map_err(IoError::errno)?.readdir(&mut Print)?;
    Ok(())
}
