//! Files of a host, with a host that is a vector.

mod common;

use std::sync::{Arc, Mutex};

use common::World;
use kcore::frame::FrameStore;
use kcore::io::{SliceSource, VecSink};
use kcore::mappable::{Mappable, MappingObserver, Removal};
use kcore::raw::RawBytes;
use vfs::consts::*;
use vfs::fs::host::{HostFs, HostNode};
use vfs::fs::overlay::{OverlayFs, OverlayOptions};
use vfs::inode::DirEntry;
use vfs::ops::{self, OpenHow};
use vfs::{
    AttrChange, Errno, FsContext, InodeAttr, Mount, MountNamespace, OpCtx, OpenFile, StatFs, Timestamp,
    Whence,
};

/// One file named `f` in a directory.
#[derive(Default)]
struct Disk {
    data: Mutex<Vec<u8>>,
    /// Counts changes, as the modification time.
    changes: Mutex<i64>,
    reads: Mutex<usize>,
    /// How often the file's attributes were asked for.
    stats: Mutex<usize>,
    writes: Mutex<Vec<(u64, usize)>>,
}

impl Disk {
    fn change(&self, f: impl FnOnce(&mut Vec<u8>)) {
        f(&mut self.data.lock().unwrap());
        *self.changes.lock().unwrap() += 1;
    }
}

enum Node {
    Dir(Arc<Disk>),
    File(Arc<Disk>),
}

impl HostNode for Node {
    fn stat(&self) -> Result<InodeAttr, Errno> {
        Ok(match self {
            Node::Dir(_) => InodeAttr { dev: 1, ino: 2, mode: S_IFDIR | 0o755, ..InodeAttr::default() },
            Node::File(d) => {
                *d.stats.lock().unwrap() += 1;
                InodeAttr {
                    dev: 1,
                    ino: 3,
                    mode: S_IFREG | 0o644,
                    size: d.data.lock().unwrap().len() as u64,
                    mtime: Timestamp { sec: *d.changes.lock().unwrap(), nsec: 0 },
                    ..InodeAttr::default()
                }
            }
        })
    }
    fn lookup(&self, name: &[u8]) -> Result<(Arc<dyn HostNode>, InodeAttr), Errno> {
        match self {
            Node::Dir(d) if name == b"f" => {
                let node = Node::File(d.clone());
                let attr = node.stat()?;
                Ok((Arc::new(node), attr))
            }
            _ => Err(Errno::ENOENT),
        }
    }
    fn list(&self) -> Result<Vec<DirEntry>, Errno> {
        Ok(Vec::new())
    }
    fn readlink(&self) -> Result<Vec<u8>, Errno> {
        Err(Errno::EINVAL)
    }
    fn statfs(&self) -> Result<StatFs, Errno> {
        Ok(StatFs::default())
    }
    fn read_at(&self, at: u64, dst: RawBytes<'_>) -> Result<usize, Errno> {
        let Node::File(d) = self else { return Err(Errno::EISDIR) };
        *d.reads.lock().unwrap() += 1;
        let data = d.data.lock().unwrap();
        let rest = data.get(at as usize..).unwrap_or(&[]);
        let n = rest.len().min(dst.len());
        dst.write(0, &rest[..n]);
        Ok(n)
    }
    fn write_at(&self, at: u64, src: RawBytes<'_>) -> Result<usize, Errno> {
        let Node::File(d) = self else { return Err(Errno::EISDIR) };
        d.writes.lock().unwrap().push((at, src.len()));
        let (at, end) = (at as usize, at as usize + src.len());
        d.change(|v| {
            v.resize(v.len().max(end), 0);
            src.read(0, &mut v[at..end]);
        });
        Ok(src.len())
    }
    fn set_attr(&self, change: &AttrChange) -> Result<(), Errno> {
        if let (Node::File(d), Some(size)) = (self, change.size) {
            d.change(|v| v.resize(size as usize, 0));
        }
        Ok(())
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// Opens the file of a disk with `len` bytes.
fn opened(w: &World, len: usize, read_only: bool) -> (Arc<Disk>, Arc<OpenFile>) {
    let disk = Arc::new(Disk::default());
    disk.change(|v| *v = (0..len).map(|i| (i / 1000) as u8).collect());
    let fs = HostFs::new(Arc::new(Node::Dir(disk.clone())), 9, w.store.clone(), read_only).unwrap();
    let view = FsContext::new(MountNamespace::new(w.ids.clone(), fs, 0, "host")).view();
    let cx = OpCtx::new(&w.vfs, &view, &w.cred);
    let flags = if read_only { O_RDONLY } else { O_RDWR };
    let f = ops::open(&cx, b"/f", &OpenHow { flags, mode: 0, resolve: 0 }).unwrap();
    *disk.reads.lock().unwrap() = 0;
    (disk, f)
}

fn read(f: &OpenFile, at: u64, len: usize) -> Vec<u8> {
    let mut sink = VecSink::new(len);
    f.pread(at, &mut sink).unwrap();
    sink.into_vec()
}

fn byte(m: &Arc<dyn Mappable>, at: u64) -> u8 {
    let mut b = [0];
    m.page(at & !4095, false).unwrap().read((at % 4096) as usize, &mut b);
    b[0]
}

#[test]
fn a_file_below_an_overlay_is_looked_at_once_for_each_stat() {
    let w = World::new();
    let disk = Arc::new(Disk::default());
    let fs = HostFs::new(Arc::new(Node::Dir(disk.clone())), 9, w.store.clone(), true).unwrap();
    let lower = Mount::detached(1, fs, 0, "host").root_path();
    let upper = Mount::detached(2, w.tmpfs(), 0, "upper").root_path();
    let fs = OverlayFs::new(w.ids.next_dev(), vec![lower], Some(upper), &OverlayOptions::default()).unwrap();
    let view = FsContext::new(MountNamespace::new(w.ids.clone(), fs, 0, "overlay")).view();
    let cx = OpCtx::new(&w.vfs, &view, &w.cred);
    assert_eq!(ops::stat(&cx, b"/f", false).unwrap().size, 0);
    assert_eq!(*disk.stats.lock().unwrap(), 1, "finding it tells them");
    disk.change(|v| v.push(1));
    assert_eq!(ops::stat(&cx, b"/f", false).unwrap().size, 1);
    assert_eq!(*disk.stats.lock().unwrap(), 2);
    disk.change(|v| v.push(2));
    let f = ops::open(&cx, b"/f", &OpenHow { flags: O_RDONLY, mode: 0, resolve: 0 }).unwrap();
    assert_eq!(*disk.stats.lock().unwrap(), 3);
    disk.change(|v| v.push(3));
    assert_eq!(f.stat().unwrap().size, 3);
}

#[test]
fn a_shared_file_is_looked_at_once_for_each_stat() {
    let w = World::new();
    let disk = Arc::new(Disk::default());
    let fs = HostFs::new(Arc::new(Node::Dir(disk.clone())), 9, w.store.clone(), false).unwrap();
    let view = FsContext::new(MountNamespace::new(w.ids.clone(), fs, 0, "host")).view();
    let cx = OpCtx::new(&w.vfs, &view, &w.cred);
    for looks in 1..4 {
        disk.change(|v| v.push(1));
        assert_eq!(ops::stat(&cx, b"/f", false).unwrap().size, looks as u64);
        assert_eq!(*disk.stats.lock().unwrap(), looks);
    }
}

#[test]
fn reading_takes_no_guest_memory_and_few_calls() {
    let w = World::new();
    let (disk, f) = opened(&w, 300_000, true);
    assert_eq!(read(&f, 0, 400_000), *disk.data.lock().unwrap());
    assert_eq!(w.store.used_pages(), 0);
    let calls = *disk.reads.lock().unwrap();
    assert!(calls <= 4, "{calls} calls for 300 000 bytes");
    assert_eq!(read(&f, 300_000, 10), b"");
    assert_eq!(f.seek(Whence::End, 0), Ok(300_000));
}

#[test]
fn one_call_fills_the_pages_around_a_fault() {
    let w = World::new();
    let (disk, f) = opened(&w, 300_000, true);
    let m = f.mappable().unwrap();
    assert_eq!(byte(&m, 40 * 4096), (40 * 4096 / 1000) as u8);
    assert!(m.resident_page(33 * 4096).is_some() && m.resident_page(63 * 4096).is_some());
    assert_eq!(*disk.reads.lock().unwrap(), 1);
    assert_eq!(w.store.used_pages(), 32);
    assert_eq!(byte(&m, 299_999), 43);
    assert_eq!(m.page(74 * 4096, false).err(), Some(Errno::EFAULT), "past the last page");
    assert_eq!(read(&f, 39 * 4096, 8192)[..], disk.data.lock().unwrap()[39 * 4096..41 * 4096]);
}

#[test]
fn faults_from_front_to_back_read_more_and_more() {
    let w = World::new();
    let (disk, f) = opened(&w, 1000 * 4096, true);
    let m = f.mappable().unwrap();
    let mut reads = Vec::new();
    for page in 0..1000 {
        assert_eq!(byte(&m, page * 4096), (page * 4096 / 1000) as u8);
        if std::mem::take(&mut *disk.reads.lock().unwrap()) > 0 {
            reads.push(page);
        }
    }
    assert_eq!(reads, [0, 32, 64, 96, 128, 192, 320, 576, 832]);
    // Elsewhere they do not.
    let (disk, f) = opened(&w, 1000 * 4096, true);
    let m = f.mappable().unwrap();
    for page in [0, 64, 31, 128] {
        byte(&m, page * 4096);
    }
    assert_eq!(*disk.reads.lock().unwrap(), 3);
    assert!(m.resident_page(159 * 4096).is_some() && m.resident_page(160 * 4096).is_none());
}

#[derive(Default)]
struct Told(Mutex<Vec<(u64, u64)>>);

impl MappingObserver for Told {
    fn invalidate(&self, _: usize, from: u64, to: u64, _: Removal) {
        self.0.lock().unwrap().push((from, to));
    }
}

#[test]
fn what_the_host_changes_is_seen() {
    let w = World::new();
    let (disk, f) = opened(&w, 10_000, false);
    let m = f.mappable().unwrap();
    let told = Arc::new(Told::default());
    let observer: Arc<dyn MappingObserver> = told.clone();
    m.observe(&observer);
    assert_eq!(byte(&m, 5000), 5);
    disk.change(|v| v[5000] = 99);
    assert_eq!(read(&f, 5000, 1), [99]);
    assert_eq!(told.0.lock().unwrap().len(), 1, "who maps it must fault again");
    assert_eq!(byte(&m, 5000), 99);
    disk.change(|v| v.truncate(100));
    assert_eq!(f.stat().unwrap().size, 100);
    assert_eq!(m.page(4096, false).err(), Some(Errno::EFAULT));
    assert_eq!(read(&f, 0, 10_000).len(), 100);
}

#[test]
fn a_file_that_shrank_unseen_is_a_fault_and_no_more() {
    let w = World::new();
    let (disk, f) = opened(&w, 10_000, true);
    let m = f.mappable().unwrap();
    disk.change(|v| v.truncate(10));
    assert_eq!(m.page(8192, false).err(), Some(Errno::EFAULT));
    assert_eq!(read(&f, 8192, 10), b"");
    assert_eq!(byte(&m, 9), 0);
}

#[test]
fn stores_through_mappings_reach_the_host() {
    let w = World::new();
    let (disk, f) = opened(&w, 20_000, false);
    let m = f.mappable().unwrap();
    m.note_writable(true).unwrap();
    m.page(4096, true).unwrap().write(1, b"dirty");
    assert_eq!(byte(&m, 8192), 8, "a page that is only read");
    assert_eq!(read(&f, 4097, 5), b"dirty", "readers see it at once");
    f.pwrite(4096, &mut SliceSource::new(b"w")).unwrap();
    assert_eq!(byte(&m, 4096), b'w', "and writers are seen");
    disk.writes.lock().unwrap().clear();
    m.sync(0, 20_000).unwrap();
    assert_eq!(*disk.writes.lock().unwrap(), [(4096, 4096)], "only what may have been changed");
    assert_eq!(&disk.data.lock().unwrap()[4096..4102], b"wdirty");
    // While the mapping lives, the page may be changed again without notice.
    m.page(4096, false).unwrap().write(0, b"again!");
    m.note_writable(false).unwrap();
    assert_eq!(&disk.data.lock().unwrap()[4096..4102], b"again!");
    disk.writes.lock().unwrap().clear();
    f.sync(false).unwrap();
    assert!(disk.writes.lock().unwrap().is_empty(), "nothing is dirty any more");
    m.note_writable(true).unwrap();
    m.page(4096, true).unwrap().write(0, b"synced");
    f.path().unwrap().mount.fs().sync().unwrap();
    assert_eq!(&disk.data.lock().unwrap()[4096..4102], b"synced", "the file system writes all back");
}

#[test]
fn truncation_drops_pages() {
    let w = World::new();
    let (disk, f) = opened(&w, 20_000, false);
    let m = f.mappable().unwrap();
    byte(&m, 0);
    f.truncate(5000, &w.cred).unwrap();
    assert_eq!(disk.data.lock().unwrap().len(), 5000);
    assert_eq!(m.page(8192, false).err(), Some(Errno::EFAULT));
    f.truncate(9000, &w.cred).unwrap();
    assert_eq!(byte(&m, 5000), 0, "what was cut off is gone");
    assert_eq!(byte(&m, 4999), 4);
}
