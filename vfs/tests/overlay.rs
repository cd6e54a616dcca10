//! An overlay of tmpfs trees through path operations.

mod common;

use std::sync::{Arc, Mutex};

use common::World;
use kcore::cred::CapSet;
use kcore::frame::FrameStore;
use kcore::io::{SliceSource, VecSink};
use kcore::mappable::{MappingObserver, Removal};
use vfs::consts::*;
use vfs::fs::overlay::{OverlayFs, OverlayOptions};
use vfs::ops::{self, OpenHow};
use vfs::{Errno, FileSystem, FsContext, Mount, MountNamespace, OpCtx, OpenFile, Path, WriteOptions};

fn tree(w: &World) -> (Arc<MountNamespace>, Path) {
    let ns = MountNamespace::new(w.ids.clone(), w.tmpfs(), 0, "layer");
    let root = ns.root_path();
    (ns, root)
}

/// Runs `f` with the root of `ns` as `/`.
fn within<T>(w: &World, ns: &Arc<MountNamespace>, f: impl FnOnce(&OpCtx<'_>) -> T) -> T {
    let view = FsContext::new(ns.clone()).view();
    f(&OpCtx::new(&w.vfs, &view, &w.cred))
}

fn open(cx: &OpCtx<'_>, path: &str, flags: u32) -> Arc<OpenFile> {
    ops::open(cx, path.as_bytes(), &OpenHow { flags, mode: 0o644, resolve: 0 }).unwrap()
}

fn write(cx: &OpCtx<'_>, path: &str, text: &str) {
    let f = open(cx, path, O_CREAT | O_TRUNC | O_WRONLY);
    assert_eq!(f.write(&mut SliceSource::new(text.as_bytes())).unwrap(), text.len());
}

fn contents(f: &OpenFile) -> String {
    let mut out = VecSink::new(100);
    f.pread(0, &mut out).unwrap();
    String::from_utf8(out.into_vec()).unwrap()
}

fn read(cx: &OpCtx<'_>, path: &str) -> String {
    contents(&open(cx, path, O_RDONLY))
}

fn names(cx: &OpCtx<'_>, path: &str) -> Vec<String> {
    let place = ops::lookup(cx, path.as_bytes(), true).unwrap();
    let mut names: Vec<_> =
        place.inode().list().unwrap().into_iter().map(|e| String::from_utf8(e.name).unwrap()).collect();
    names.sort();
    names
}

/// A lower tree that `fill` filled, an empty upper tree, and the overlay of both.
fn overlay(
    w: &World,
    fill: impl FnOnce(&OpCtx<'_>),
) -> (Arc<MountNamespace>, Arc<MountNamespace>, Arc<MountNamespace>) {
    overlay_with(w, &OverlayOptions::default(), fill)
}

fn overlay_with(
    w: &World,
    options: &OverlayOptions,
    fill: impl FnOnce(&OpCtx<'_>),
) -> (Arc<MountNamespace>, Arc<MountNamespace>, Arc<MountNamespace>) {
    let ((lower_ns, lower), (upper_ns, upper)) = (tree(w), tree(w));
    within(w, &lower_ns, fill);
    let fs = OverlayFs::new(w.ids.next_dev(), vec![lower], Some(upper), options).unwrap();
    (lower_ns, upper_ns, MountNamespace::new(w.ids.clone(), fs, 0, "overlay"))
}

#[test]
fn writing_copies_up_and_leaves_the_lower_tree_alone() {
    let w = World::new();
    let (lower, upper, ns) = overlay(&w, |cx| {
        ops::mkdir(cx, b"/d", 0o750).unwrap();
        ops::mkdir(cx, b"/d/e", 0o711).unwrap();
        write(cx, "/d/e/f", "below");
        let f = ops::lookup(cx, b"/d/e/f", true).unwrap();
        ops::set_xattr(cx.cred, &f, b"user.note", b"kept", 0).unwrap();
        ops::chmod(cx.cred, &f, 0o4755).unwrap();
    });
    within(&w, &ns, |cx| {
        let reader = open(cx, "/d/e/f", O_RDONLY);
        let before = reader.stat().unwrap();
        let mut by = cx.cred.clone();
        by.effective = CapSet::EMPTY;
        let options = WriteOptions { by: Some(Arc::new(by)), ..WriteOptions::default() };
        let writer = open(cx, "/d/e/f", O_RDWR);
        writer.write_with(Some(5), &options, &mut SliceSource::new(b" above")).unwrap();
        assert_eq!(contents(&reader), "below above", "a file opened before sees the change");
        let after = ops::stat(cx, b"/d/e/f", true).unwrap();
        assert_eq!((before.dev, before.ino), (after.dev, after.ino));
        assert_eq!(before.mode & 0o7777, 0o4755);
        assert_eq!(after.mode & 0o7777, 0o755, "the write took the set-user-id bit away");
        let f = ops::lookup(cx, b"/d/e/f", true).unwrap();
        assert_eq!(ops::get_xattr(cx.cred, &f, b"user.note").unwrap(), b"kept");
        assert_eq!(ops::list_xattr(cx.cred, &f).unwrap(), [b"user.note"]);
        assert_eq!(ops::get_xattr(cx.cred, &f, b"trusted.overlay.origin"), Err(Errno::ENOTSUP));
    });
    within(&w, &lower, |cx| assert_eq!(read(cx, "/d/e/f"), "below"));
    within(&w, &upper, |cx| {
        assert_eq!(ops::stat(cx, b"/d", true).unwrap().mode & 0o7777, 0o750);
        assert_eq!(ops::stat(cx, b"/d/e", true).unwrap().mode & 0o7777, 0o711);
    });
}

#[test]
fn removed_names_are_whiteouts_and_replaced_directories_opaque() {
    let w = World::new();
    let (lower, upper, ns) = overlay(&w, |cx| {
        ops::mkdir(cx, b"/d", 0o755).unwrap();
        write(cx, "/d/old", "x");
        write(cx, "/f", "x");
    });
    within(&w, &ns, |cx| {
        ops::unlink(cx, b"/f").unwrap();
        assert_eq!(ops::stat(cx, b"/f", true), Err(Errno::ENOENT));
        assert_eq!(ops::rmdir(cx, b"/d"), Err(Errno::ENOTEMPTY));
        ops::unlink(cx, b"/d/old").unwrap();
        ops::rmdir(cx, b"/d").unwrap();
        assert!(names(cx, "/").is_empty());
        ops::mkdir(cx, b"/d", 0o755).unwrap();
        assert!(names(cx, "/d").is_empty(), "the new directory shows nothing of the old one");
        assert_eq!(ops::mknod(cx, b"/white", S_IFCHR, 0).err(), Some(Errno::EPERM));
    });
    within(&w, &upper, |cx| {
        let f = ops::stat(cx, b"/f", false).unwrap();
        assert_eq!((f.mode & S_IFMT, f.rdev), (S_IFCHR, 0));
        let d = ops::lookup(cx, b"/d", true).unwrap();
        assert_eq!(ops::get_xattr(cx.cred, &d, b"trusted.overlay.opaque").unwrap(), b"y");
    });
    within(&w, &lower, |cx| assert_eq!(names(cx, "/d"), ["old"]));
}

#[test]
fn renames_within_the_upper_tree_only_for_directories() {
    let w = World::new();
    let (_lower, upper, ns) = overlay(&w, |cx| {
        ops::mkdir(cx, b"/d", 0o755).unwrap();
        write(cx, "/d/f", "f");
        write(cx, "/g", "g");
    });
    within(&w, &ns, |cx| {
        assert_eq!(ops::rename(cx, b"/d", cx, b"/e", 0), Err(Errno::EXDEV));
        ops::rename(cx, b"/d/f", cx, b"/g", 0).unwrap();
        assert_eq!((read(cx, "/g"), names(cx, "/d").len()), ("f".into(), 0));
        ops::mkdir(cx, b"/new", 0o755).unwrap();
        write(cx, "/new/x", "x");
        assert_eq!(ops::rename(cx, b"/new", cx, b"/d", RENAME_NOREPLACE), Err(Errno::EEXIST));
        ops::rename(cx, b"/new", cx, b"/d", 0).unwrap();
        assert_eq!(names(cx, "/d"), ["x"], "opaque: the removed file stays hidden");
        assert_eq!(ops::rename(cx, b"/g", cx, b"/w", RENAME_WHITEOUT), Err(Errno::EINVAL));
        ops::rename(cx, b"/g", cx, b"/d", RENAME_EXCHANGE).unwrap();
        assert_eq!((read(cx, "/d"), names(cx, "/g")), ("f".into(), vec!["x".into()]));
    });
    within(&w, &upper, |cx| assert_eq!(names(cx, "/"), ["d", "g"]));
}

#[test]
fn names_of_one_lower_file_part_when_one_is_written() {
    let w = World::new();
    let (_lower, _upper, ns) = overlay(&w, |cx| {
        write(cx, "/one", "same");
        ops::link(cx, b"/one", false, cx, b"/two").unwrap();
    });
    within(&w, &ns, |cx| {
        let ino = |p: &str| ops::stat(cx, p.as_bytes(), true).unwrap().ino;
        assert_eq!(ino("/one"), ino("/two"));
        open(cx, "/one", O_RDWR).pwrite(0, &mut SliceSource::new(b"diff")).unwrap();
        assert_eq!((read(cx, "/one"), read(cx, "/two")), ("diff".into(), "same".into()));
        assert_ne!(ino("/one"), ino("/two"), "they are two files now");
        ops::link(cx, b"/one", false, cx, b"/three").unwrap();
        open(cx, "/three", O_RDWR).pwrite(0, &mut SliceSource::new(b"also")).unwrap();
        assert_eq!((read(cx, "/one"), ino("/one")), ("also".into(), ino("/three")));
        assert_eq!(ops::stat(cx, b"/one", true).unwrap().nlink, 2);
    });
}

#[test]
fn an_index_keeps_names_together() {
    let w = World::new();
    let options = OverlayOptions { index: true, ..OverlayOptions::default() };
    let (lower, _upper, ns) = overlay_with(&w, &options, |cx| {
        ops::mkdir(cx, b"/d", 0o755).unwrap();
        write(cx, "/one", "same");
        for name in ["/two", "/d/three", "/four"] {
            ops::link(cx, b"/one", false, cx, name.as_bytes()).unwrap();
        }
    });
    within(&w, &ns, |cx| {
        let seen = |p: &str| {
            let a = ops::stat(cx, p.as_bytes(), true).unwrap();
            (a.ino, a.nlink)
        };
        let ino = seen("/one").0;
        ops::unlink(cx, b"/one").unwrap();
        assert_eq!(seen("/two"), (ino, 3));
        open(cx, "/two", O_RDWR).pwrite(0, &mut SliceSource::new(b"diff")).unwrap();
        assert_eq!((read(cx, "/d/three"), seen("/d/three")), ("diff".into(), (ino, 3)));
        // A name that only the lower tree has moves with what it stands for now.
        ops::rename(cx, b"/four", cx, b"/d/five", 0).unwrap();
        assert_eq!(
            (read(cx, "/d/five"), names(cx, "/"), names(cx, "/d")),
            ("diff".into(), vec!["d".into(), "two".into()], vec!["five".into(), "three".into()])
        );
        ops::link(cx, b"/d/three", false, cx, b"/six").unwrap();
        assert_eq!(seen("/d/five"), (ino, 4));
        open(cx, "/six", O_RDWR).pwrite(0, &mut SliceSource::new(b"also")).unwrap();
        write(cx, "/other", "replaces");
        ops::rename(cx, b"/other", cx, b"/two", 0).unwrap();
        assert_eq!((read(cx, "/d/five"), seen("/d/five")), ("also".into(), (ino, 3)));
        let f = open(cx, "/six", O_RDONLY);
        for (name, left) in [("/six", 2), ("/d/five", 1), ("/d/three", 0)] {
            ops::unlink(cx, name.as_bytes()).unwrap();
            assert_eq!((f.stat().unwrap().nlink, contents(&f)), (left, "also".into()));
        }
        assert_eq!(names(cx, "/d"), [""; 0]);
    });
    within(&w, &lower, |cx| assert_eq!(read(cx, "/one"), "same"));
}

#[test]
fn unlinked_and_unnamed_files() {
    let w = World::new();
    let (_lower, _upper, ns) = overlay(&w, |cx| write(cx, "/f", "text"));
    within(&w, &ns, |cx| {
        let f = open(cx, "/f", O_RDONLY);
        ops::unlink(cx, b"/f").unwrap();
        assert_eq!((contents(&f), f.stat().unwrap().nlink), ("text".into(), 0));
        // A change of an unlinked lower file has no name to come back to.
        ops::chmod(cx.cred, f.path().unwrap(), 0o600).unwrap();
        assert_eq!((f.stat().unwrap().mode & 0o777, contents(&f)), (0o600, "text".into()));
        assert!(names(cx, "/").is_empty());
        let t = open(cx, "/", O_TMPFILE | O_RDWR);
        t.write(&mut SliceSource::new(b"unnamed")).unwrap();
        ops::link_path(t.path().unwrap(), cx, b"/f").unwrap();
        assert_eq!((read(cx, "/f"), names(cx, "/")), ("unnamed".into(), vec!["f".into()]));
    });
}

#[derive(Default)]
struct Told(Mutex<Vec<usize>>);

impl MappingObserver for Told {
    fn invalidate(&self, object: usize, _: u64, _: u64, _: Removal) {
        self.0.lock().unwrap().push(object);
    }
}

#[test]
fn mappings_follow_the_copy() {
    let w = World::new();
    let (_lower, _upper, ns) = overlay(&w, |cx| write(cx, "/f", "lower"));
    within(&w, &ns, |cx| {
        let mapped = open(cx, "/f", O_RDONLY).mappable().unwrap();
        let told = Arc::new(Told::default());
        let observer: Arc<dyn MappingObserver> = told.clone();
        mapped.observe(&observer);
        let text = || {
            let mut buf = [0; 5];
            mapped.page(0, false).unwrap().read(0, &mut buf);
            String::from_utf8(buf.to_vec()).unwrap()
        };
        assert_eq!(text(), "lower");
        let before = mapped.info();
        let f = open(cx, "/f", O_RDWR);
        f.pwrite(0, &mut SliceSource::new(b"upper")).unwrap();
        assert_eq!((text(), mapped.info()), ("upper".into(), before));
        let id = Arc::as_ptr(&mapped).cast::<()>().addr();
        assert_eq!(*told.0.lock().unwrap(), [id], "who maps it must fault again");
        assert!(Arc::ptr_eq(&mapped, &f.mappable().unwrap()));
        f.truncate(0, cx.cred).unwrap();
        assert_eq!(told.0.lock().unwrap().last(), Some(&id), "the upper file's changes are passed on");
    });
}

#[test]
fn several_lowers_and_no_upper() {
    let w = World::new();
    let ((top_ns, top), (low_ns, low)) = (tree(&w), tree(&w));
    within(&w, &low_ns, |cx| {
        ops::mkdir(cx, b"/d", 0o755).unwrap();
        ops::mkdir(cx, b"/o", 0o755).unwrap();
        for f in ["/d/a", "/d/b", "/o/hidden", "/gone"] {
            write(cx, f, "low");
        }
    });
    within(&w, &top_ns, |cx| {
        ops::mkdir(cx, b"/d", 0o755).unwrap();
        let o = ops::mkdir(cx, b"/o", 0o755).unwrap();
        ops::set_xattr(cx.cred, &o, b"trusted.overlay.opaque", b"y", 0).unwrap();
        write(cx, "/d/b", "top");
        ops::mknod(cx, b"/gone", S_IFCHR, 0).unwrap();
    });
    let fs = OverlayFs::new(w.ids.next_dev(), vec![top, low], None, &OverlayOptions::default()).unwrap();
    let ns = MountNamespace::new(w.ids.clone(), fs, 0, "overlay");
    within(&w, &ns, |cx| {
        assert_eq!(
            (names(cx, "/"), names(cx, "/d")),
            (vec!["d".into(), "o".into()], vec!["a".into(), "b".into()])
        );
        assert_eq!(
            (read(cx, "/d/a"), read(cx, "/d/b"), names(cx, "/o").len()),
            ("low".into(), "top".into(), 0)
        );
        assert_eq!(ops::mkdir(cx, b"/x", 0o755).err(), Some(Errno::EROFS));
        let d = ops::lookup(cx, b"/d/a", true).unwrap();
        assert_eq!(ops::chmod(cx.cred, &d, 0o600), Err(Errno::EROFS));
    });
}

#[test]
fn frames_are_freed_with_the_files() {
    let w = World::new();
    let (_lower, _upper, ns) = overlay(&w, |_| {});
    let used = w.store.used_pages();
    within(&w, &ns, |cx| {
        write(cx, "/f", &"x".repeat(10_000));
        assert!(w.store.used_pages() > used);
        ops::unlink(cx, b"/f").unwrap();
    });
    assert_eq!(w.store.used_pages(), used);
}

#[test]
fn what_cannot_be_an_overlay() {
    let w = World::new();
    let (_, _, ns) = overlay(&w, |_| {});
    let over = ns.root_path();
    let none = OverlayOptions::default();
    let new = |lowers, upper| OverlayFs::new(9, lowers, upper, &none).err();
    assert_eq!(new(vec![], Some(over.clone())), Some(Errno::EINVAL));
    assert_eq!(
        new(vec![over.clone()], Some(over.clone())),
        Some(Errno::EINVAL),
        "an overlay is no upper tree"
    );
    let (_ns, upper) = tree(&w);
    let stacked = OverlayFs::new(9, vec![over], Some(upper), &none).unwrap();
    assert_eq!(stacked.statfs().unwrap().magic, 0x794c_7630);
    drop(Mount::detached(1, stacked, 0, "stacked"));
}

#[test]
fn options() {
    let o = OverlayOptions::parse(b"lowerdir=/a\\:b:/c,upperdir=/u\\,v,workdir=/w,index=off").unwrap();
    assert!(!o.index && OverlayOptions::parse(b"lowerdir=/a,index=on").unwrap().index);
    assert_eq!((o.lowers, o.upper.unwrap()), (vec![b"/a:b".to_vec(), b"/c".to_vec()], b"/u,v".to_vec()));
    for bad in ["", "lowerdir=", "lowerdir=/a,upperdir=/u", "lowerdir=/a,metacopy=on", "lowerdir=/a,x"] {
        assert_eq!(OverlayOptions::parse(bad.as_bytes()), Err(Errno::EINVAL), "{bad}");
    }
}
