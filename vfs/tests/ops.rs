//! Path operations on tmpfs, end to end.

mod common;

use common::World;
use kcore::frame::FrameStore;
use kcore::io::{IoError, SliceSource, VecSink};
use kcore::sync::{LockClass, Mutex};
use vfs::consts::*;
use vfs::ops::{self, OpenHow};
use vfs::{Errno, FileKind, OpCtx, Whence};

struct Names(Vec<String>);
impl vfs::DirSink for Names {
    fn entry(&mut self, _: u64, _: u64, _: FileKind, name: &[u8]) -> bool {
        self.0.push(String::from_utf8_lossy(name).into_owned());
        true
    }
}

fn how(flags: u32) -> OpenHow {
    OpenHow { flags, mode: 0o666, resolve: 0 }
}

#[test]
fn files_directories_links_and_mounts() {
    let w = World::new();
    let view = w.fs.view();
    let cx = OpCtx::new(&w.vfs, &view, &w.cred);
    ops::mkdir(&cx, b"/a", 0o777).unwrap();
    assert_eq!(ops::mkdir(&cx, b"/a/", 0o777).unwrap_err(), Errno::EEXIST);
    ops::mkdir(&cx, b"/a/b/", 0o777).unwrap();
    let f = ops::open(&cx, b"/a/f", &how(O_CREAT | O_RDWR)).unwrap();
    let data: Vec<u8> = (0..10_000u32).map(|i| i as u8).collect();
    assert_eq!(f.write(&mut SliceSource::new(&data)).unwrap(), 10_000);
    assert_eq!(f.seek(Whence::Set, 0).unwrap(), 0);
    let mut out = VecSink::new(20_000);
    assert_eq!(f.read(&mut out).unwrap(), 10_000);
    assert_eq!(out.into_vec(), data);
    assert_eq!(f.stat().unwrap().mode, S_IFREG | 0o644);

    for (path, error) in [(&b"/a/b/"[..], Errno::EEXIST), (b"/a/none/", Errno::ENOENT)] {
        assert_eq!(ops::symlink(&cx, b"x", path).unwrap_err(), error);
        assert_eq!(ops::mknod(&cx, path, S_IFREG | 0o600, 0).unwrap_err(), error);
    }
    let dir = ops::open(&cx, b"/a", &how(O_RDONLY)).unwrap();
    assert_eq!(dir.seek(Whence::End, 0), Err(Errno::EINVAL));
    ops::symlink(&cx, b"../f", b"/a/b/s").unwrap();
    assert_eq!(ops::stat(&cx, b"a/b/s", true).unwrap().size, 10_000);
    assert_eq!(ops::readlink(&cx, b"/a/b/s").unwrap(), b"../f");
    ops::symlink(&cx, b"loop", b"/loop").unwrap();
    assert_eq!(ops::stat(&cx, b"/loop", true).unwrap_err(), Errno::ELOOP);
    assert_eq!(ops::stat(&cx, b"/a/f/", true).unwrap_err(), Errno::ENOTDIR);

    ops::link(&cx, b"/a/f", false, &cx, b"/g").unwrap();
    assert_eq!(f.stat().unwrap().nlink, 2);
    ops::rename(&cx, b"/a/b", &cx, b"/c", 0).unwrap();
    assert_eq!(ops::rename(&cx, b"/c", &cx, b"/c/d", 0).unwrap_err(), Errno::EINVAL);
    assert_eq!(ops::rmdir(&cx, b"/c").unwrap_err(), Errno::ENOTEMPTY);
    ops::rename(&cx, b"/g", &cx, b"/a", RENAME_EXCHANGE).unwrap();
    assert_eq!(ops::stat(&cx, b"/a", true).unwrap().size, 10_000);
    assert_eq!(ops::stat(&cx, b"/g/f", true).unwrap().size, 10_000);
    let (name, ok) = ops::path_name(f.path().unwrap(), &view.root);
    assert_eq!((name, ok), (b"/g/f".to_vec(), true));
    ops::unlink(&cx, b"/g/f").unwrap();
    assert_eq!(ops::path_name(f.path().unwrap(), &view.root).0, b"/g/f (deleted)");

    let d = ops::open(&cx, b"/", &how(O_DIRECTORY)).unwrap();
    let mut names = Names(vec![]);
    d.readdir(&mut names).unwrap();
    assert_eq!(names.0, [".", "..", "a", "c", "g", "loop"]);

    let at = ops::lookup(&cx, b"/g", true).unwrap();
    ops::mount(&cx, w.tmpfs(), &at, 0, "t").unwrap();
    drop(at);
    ops::mkdir(&cx, b"/g/inner", 0o755).unwrap();
    assert_eq!(ops::stat(&cx, b"/g/inner/../../c", true).unwrap().kind(), FileKind::Directory);
    let scoped = OpenHow { resolve: RESOLVE_BENEATH, ..how(0) };
    assert_eq!(ops::open(&cx, b"../c", &scoped).unwrap_err(), IoError::Errno(Errno::EXDEV));
    assert_eq!(ops::rename(&cx, b"/g/inner", &cx, b"/x", 0).unwrap_err(), Errno::EXDEV);
    assert_eq!(ops::rmdir(&cx, b"/g").unwrap_err(), Errno::EBUSY);
    ops::umount(&cx, b"/g", 0).unwrap();
    assert_eq!(ops::stat(&cx, b"/g/inner", true).unwrap_err(), Errno::ENOENT);
}

#[test]
fn truncation_holes_and_devices() {
    let w = World::new();
    let view = w.fs.view();
    let cx = OpCtx::new(&w.vfs, &view, &w.cred);
    let f = ops::open(&cx, b"/", &how(O_TMPFILE | O_RDWR)).unwrap();
    f.pwrite(8192, &mut SliceSource::new(b"x")).unwrap();
    assert_eq!(f.seek(Whence::Data, 0).unwrap(), 8192);
    assert_eq!(f.seek(Whence::Hole, 0).unwrap(), 0);
    f.truncate(3, &w.cred).unwrap();
    assert_eq!(f.seek(Whence::Data, 0).unwrap_err(), Errno::ENXIO);
    vfs::fs::devfs::populate(view.root.inode()).unwrap();
    let z = ops::open(&cx, b"/zero", &how(O_RDWR)).unwrap();
    let mut out = VecSink::new(5);
    assert_eq!(z.read(&mut out).unwrap(), 5);
    drop((f, z));
    assert_eq!(w.store.used_pages(), 0);
}

#[test]
fn a_mapped_file_is_named_while_an_address_space_is_locked() {
    static SPACE: LockClass = LockClass::new("an address space", 500);
    let w = World::new();
    let view = w.fs.view();
    let cx = OpCtx::new(&w.vfs, &view, &w.cred);
    let f = ops::open(&cx, b"/f", &how(O_CREAT | O_RDWR)).unwrap();
    let stat = f.stat().unwrap();
    let space = Mutex::new(&SPACE, ());
    let guard = space.lock();
    let info = f.mappable().unwrap().info();
    drop(guard);
    assert_eq!((info.dev, info.ino), (stat.dev, stat.ino));
}
