//! Paths of arbitrary bytes, walked and changed on a tmpfs: nothing panics, a name that the kernel gives for a place leads back
//! there, and all memory comes back in the end.

use std::sync::Arc;

use kcore::cred::{Credentials, UserNamespace};
use kcore::frame::FrameStore;
use kcore::io::{SliceSource, VecSink};
use mm::{FrameAllocator, VecMemory};
use vfs::fs::devfs::DeviceRegistry;
use vfs::fs::tmpfs::{TmpFs, TmpFsOptions};
use vfs::ops::{self, OpenHow};
use vfs::{FileKind, FsContext, MountIds, MountNamespace, OpCtx, Vfs};

use crate::guest::{Chance, VirtualClock};
use crate::input::Input;

/// Components that paths are made of, beside the input's own bytes.
const NAMES: &[&[u8]] = &[b"a", b"b", b"c", b"..", b".", b"", b"d", b"loop", b"mnt"];

fn path(input: &mut Input<'_>) -> Vec<u8> {
    let kind = input.u8();
    if kind & 0xf0 == 0xf0 {
        let n = input.piece();
        // Long names and long paths.
        return n.repeat(1 + usize::from(kind & 0xf) * 16);
    }
    let mut path = if kind & 1 == 1 { b"/".to_vec() } else { Vec::new() };
    for i in 0..kind >> 1 & 7 {
        if i > 0 {
            path.push(b'/');
        }
        let name = usize::from(input.u8());
        match NAMES.get(name % 16) {
            Some(n) => path.extend_from_slice(n),
            None => path.extend_from_slice(input.take(name % 16)),
        }
    }
    if kind & 0x80 != 0 {
        path.push(b'/');
    }
    path
}

/// Does what the input says on a new tree.
pub fn run(bytes: &[u8]) {
    let frames = FrameAllocator::new(Arc::new(VecMemory::new(256)));
    let before = frames.used_pages();
    walk(bytes, frames.clone());
    assert_eq!(frames.used_pages(), before, "all pages come back");
}

fn walk(bytes: &[u8], frames: Arc<FrameAllocator>) {
    let clock = Arc::new(VirtualClock::default());
    let ids = Arc::new(MountIds::default());
    let tmpfs = || TmpFs::new(ids.next_dev(), clock.clone(), frames.clone(), TmpFsOptions::default()).ok();
    let Some(root) = tmpfs() else { return };
    let special = Arc::new(DeviceRegistry::new(Arc::new(Chance::default()), None));
    let vfs = Vfs { clock: clock.clone(), special };
    let ns = MountNamespace::new(ids.clone(), root, 0, "root");
    let fs = FsContext::new(ns.clone());
    let cred = Credentials::root(Arc::new(UserNamespace::default()));
    let mut input = Input::new(bytes);
    let mut open = Vec::new();
    while !input.is_empty() {
        let view = fs.view();
        let cx = OpCtx::new(&vfs, &view, &cred);
        let (op, first) = (input.u8(), path(&mut input));
        // Refusals are as good as successes.
        match op % 16 {
            0 => drop(ops::mkdir(&cx, &first, 0o755)),
            1 => drop(ops::rmdir(&cx, &first)),
            2 => drop(ops::unlink(&cx, &first)),
            3 => drop(ops::symlink(&cx, &path(&mut input), &first)),
            4 => drop(ops::link(&cx, &first, op & 16 != 0, &cx, &path(&mut input))),
            5 | 6 => drop(ops::rename(&cx, &first, &cx, &path(&mut input), u32::from(op >> 4 & 7))),
            7 | 8 => {
                let how = OpenHow {
                    flags: input.u32() & 0x7f_ffff,
                    mode: 0o644,
                    resolve: u64::from(op >> 4 & 0x1f),
                };
                if let Ok(file) = ops::open(&cx, &first, &how) {
                    file.write(&mut SliceSource::new(&first)).ok();
                    file.pread(0, &mut VecSink::new(64)).ok();
                    open.push(file);
                }
            }
            9 => {
                if let Ok(dir) = ops::lookup(&cx, &first, true)
                    && dir.inode().kind() == FileKind::Directory
                {
                    fs.set_cwd(dir);
                }
            }
            10 => {
                if let Ok(dir) = ops::lookup(&cx, &first, true)
                    && ops::chroot_check(&cx, &dir).is_ok()
                {
                    fs.set_root(dir);
                }
            }
            11 => drop(ops::readlink(&cx, &first)),
            12 => {
                if let (Ok(at), Some(new)) = (ops::lookup(&cx, &first, true), tmpfs())
                    && op & 16 != 0
                {
                    ops::mount(&cx, new, &at, 0, "fuzz").ok();
                } else {
                    ops::umount(&cx, &first, 0).ok();
                }
            }
            13 => {
                if let (Ok(from), Ok(to)) =
                    (ops::lookup(&cx, &first, true), ops::lookup(&cx, &path(&mut input), true))
                {
                    ops::bind(&cx, &from, &to, op & 16 != 0).ok();
                }
            }
            14 => drop(open.pop()),
            _ => drop(ops::stat(&cx, &first, op & 16 != 0)),
        }
        names_lead_back(&cx, &first);
    }
}

fn names_lead_back(cx: &OpCtx<'_>, path: &[u8]) {
    // What a mount covers has a name that leads to the mount, as on Linux; only from such a place does one get there.
    if !path.starts_with(b"/") || cx.view.ns.is_mount_point(&cx.view.root) {
        return;
    }
    let Ok(place) = ops::lookup(cx, path, true) else { return };
    let (name, reachable) = ops::path_name(&place, &cx.view.root);
    if !reachable || name.len() >= 4096 {
        return;
    }
    match ops::lookup(cx, &name, false) {
        Ok(again) => assert!(again.same(&place), "{} is another place", String::from_utf8_lossy(&name)),
        // A file that was removed keeps its last name.
        Err(e) => assert!(name.ends_with(b" (deleted)"), "{}: {e:?}", String::from_utf8_lossy(&name)),
    }
}
