//! The files that scripted guests find.

use std::sync::Arc;

use kcore::cred::{Credentials, UserNamespace};
use kcore::frame::FrameStore;
use kcore::io::SliceSource;
use kernel::{Kernel, procfs};
use vfs::consts::{O_CREAT, O_WRONLY};
use vfs::fs::devfs::populate;
use vfs::fs::devpts::{DevPts, DevPtsOptions};
use vfs::fs::tmpfs::{TmpFs, TmpFsOptions};
use vfs::ops::{self, OpenHow};
use vfs::{FileSystem, FsContext, MountIds, MountNamespace, OpCtx};

use super::{ARENA, ARENA_LEN};

/// A tree with a program whose memory is `arena`, a few files, `/dev`, `/dev/pts` and `/proc`.
pub(super) fn new(kernel: &Arc<Kernel>, arena: &[u8]) -> Arc<MountNamespace> {
    let ids = Arc::new(MountIds::default());
    let (clock, store) = (kernel.host().clock.clone(), kernel.host().frames.clone() as Arc<dyn FrameStore>);
    let tmpfs =
        || TmpFs::new(ids.next_dev(), clock.clone(), store.clone(), TmpFsOptions::default()).expect("memory");
    let ns = MountNamespace::new(ids.clone(), tmpfs(), 0, "root");
    let view = FsContext::new(ns.clone()).view();
    let cred = Credentials::root(Arc::new(UserNamespace::default()));
    let cx = OpCtx::new(kernel.vfs(), &view, &cred);
    let file = |path: &[u8], content: &[u8]| {
        let how = OpenHow { flags: O_CREAT | O_WRONLY, mode: 0o755, resolve: 0 };
        let file = ops::open(&cx, path, &how).expect("a new file");
        file.write(&mut SliceSource::new(content)).expect("memory");
    };
    let mount = |path: &[u8], fs: Arc<dyn FileSystem>| {
        let at =
            ops::lookup(&cx, path, true).or_else(|_| ops::mkdir(&cx, path, 0o755)).expect("a new directory");
        ns.mount(fs, &at, 0, "fuzz").expect("a free place");
    };
    file(b"/init", &program(arena));
    file(b"/script", b"#!/init x\n");
    file(b"/f", &[b'x'; 5000]);
    ops::mkdir(&cx, b"/d", 0o755).expect("a new directory");
    file(b"/d/g", b"text");
    ops::symlink(&cx, b"d/g", b"/s").expect("a new link");
    let dev = tmpfs();
    populate(&dev.root()).expect("memory");
    mount(b"/dev", dev);
    mount(b"/dev/pts", DevPts::new(ids.next_dev(), clock.clone(), DevPtsOptions::default()));
    let pids = kernel.processes().root_ns().clone();
    mount(b"/proc", procfs::new(kernel, pids, ids.next_dev(), "").expect("no options"));
    ns
}

/// A program file: one segment at [`ARENA`] that begins with `arena`.
fn program(arena: &[u8]) -> Vec<u8> {
    const HEAD: u64 = 0x1000;
    let len = arena.len().min(ARENA_LEN) as u64;
    let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let half = |out: &mut Vec<u8>, v: u16| out.extend_from_slice(&v.to_le_bytes());
    let word = |out: &mut Vec<u8>, v: u32| out.extend_from_slice(&v.to_le_bytes());
    let long = |out: &mut Vec<u8>, v: u64| out.extend_from_slice(&v.to_le_bytes());
    // ET_EXEC, EM_X86_64, entry, program headers at 64.
    [2, 62].into_iter().for_each(|v| half(&mut out, v));
    word(&mut out, 1);
    [ARENA, 64, 0].into_iter().for_each(|v| long(&mut out, v));
    word(&mut out, 0);
    [64, 56, 1, 0, 0, 0].into_iter().for_each(|v| half(&mut out, v));
    // PT_LOAD, readable and writable.
    [1, 6].into_iter().for_each(|v| word(&mut out, v));
    [HEAD, ARENA, ARENA, len, ARENA_LEN as u64, 0x1000].into_iter().for_each(|v| long(&mut out, v));
    out.resize(HEAD as usize, 0);
    out.extend_from_slice(&arena[..len as usize]);
    out
}
