//! Changes of mounts.

mod common;

use common::World;
use kcore::io::SliceSource;
use vfs::consts::*;
use vfs::fs::tmpfs::TmpFsOptions;
use vfs::ops::{self, OpenHow};
use vfs::{Errno, FileSystem, OpCtx};

fn how(flags: u32) -> OpenHow {
    OpenHow { flags, mode: 0o644, resolve: 0 }
}

#[test]
fn an_expired_mount_goes_when_nobody_used_it() {
    let w = World::new();
    let view = w.fs.view();
    let cx = OpCtx::new(&w.vfs, &view, &w.cred);
    let at = ops::mkdir(&cx, b"/m", 0o755).unwrap();
    ops::mount(&cx, w.tmpfs(), &at, 0, "t").unwrap();
    assert_eq!(ops::umount(&cx, b"/m", MNT_EXPIRE | MNT_DETACH), Err(Errno::EINVAL));
    assert_eq!(ops::umount(&cx, b"/m", MNT_EXPIRE), Err(Errno::EAGAIN));
    ops::stat(&cx, b"/m", true).unwrap();
    assert_eq!(ops::umount(&cx, b"/m", MNT_EXPIRE), Err(Errno::EAGAIN), "it was used");
    assert_eq!(ops::umount(&cx, b"/m", MNT_EXPIRE), Ok(()));
    assert_eq!(ops::umount(&cx, b"/m", 0), Err(Errno::EINVAL));
}

#[test]
fn read_only_mounts_and_file_systems() {
    let w = World::new();
    let view = w.fs.view();
    let cx = OpCtx::new(&w.vfs, &view, &w.cred);
    let at = ops::mkdir(&cx, b"/m", 0o755).unwrap();
    ops::mount(&cx, w.tmpfs(), &at, 0, "t").unwrap();
    let top = ops::lookup(&cx, b"/m", true).unwrap();
    let f = ops::open(&cx, b"/m/f", &how(O_CREAT | O_RDWR)).unwrap();
    assert_eq!(ops::reconfigure(&cx, &top, MS_RDONLY), Err(Errno::EBUSY));
    assert_eq!(ops::remount(&cx, &top, MS_RDONLY, ""), Err(Errno::EBUSY));
    f.write(&mut SliceSource::new(b"x")).unwrap();
    drop(f);
    ops::remount(&cx, &top, MS_RDONLY, "size=1m").unwrap();
    assert_eq!(ops::mkdir(&cx, b"/m/d", 0o755).err(), Some(Errno::EROFS));
    ops::remount(&cx, &top, 0, "").unwrap();
    ops::reconfigure(&cx, &top, MS_RDONLY | MS_NODEV).unwrap();
    assert_eq!(ops::mkdir(&cx, b"/m/d", 0o755).err(), Some(Errno::EROFS));
    assert_eq!(ops::reconfigure(&cx, &at, 0), Err(Errno::EINVAL), "not the root of a mount");
}

#[test]
fn pivoting_swaps_the_root_and_lets_the_old_one_go() {
    let w = World::new();
    let view = w.fs.view();
    let cx = OpCtx::new(&w.vfs, &view, &w.cred);
    let at = ops::mkdir(&cx, b"/new", 0o755).unwrap();
    let new = ops::mount(&cx, w.tmpfs(), &at, 0, "new").unwrap();
    let put_old = ops::mkdir(&cx, b"/new/old", 0o755).unwrap();
    let root = view.root.clone();
    assert_eq!(ops::pivot_root(&cx, &root, &put_old).err(), Some(Errno::EBUSY));
    assert_eq!(ops::pivot_root(&cx, &put_old, &put_old).err(), Some(Errno::EINVAL));
    let old = ops::pivot_root(&cx, &new.root_path(), &put_old).unwrap();
    assert!(old.same(&root) && view.ns.root_path().same(&new.root_path()));
    let moved = vfs::FsContext::new(view.ns.clone()).view();
    let cx = OpCtx::new(&w.vfs, &moved, &w.cred);
    assert!(ops::stat(&cx, b"/old/new", true).is_ok());
    assert_eq!(ops::umount(&cx, b"/old", MNT_DETACH), Ok(()));
    assert_eq!(view.ns.mounts().len(), 1);
}

#[test]
fn limits_of_a_tmpfs_change_at_remount() {
    let w = World::new();
    let fs = w.tmpfs();
    fs.remount("size=8k,nr_inodes=2").unwrap();
    assert_eq!(fs.options(), "size=8k,nr_inodes=2");
    assert_eq!(fs.statfs().unwrap().blocks, 2);
    assert_eq!(fs.remount("size=x"), Err(Errno::EINVAL));
    assert_eq!(fs.remount("nr_inodes=0"), Ok(()), "no limit");
    assert_eq!(TmpFsOptions::for_memory(8192).size, 4096);
}
