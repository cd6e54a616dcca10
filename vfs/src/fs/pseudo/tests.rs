use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use kcore::cred::Credentials;
use kcore::host::{Clock, ClockSource, Nanos};
use kcore::io::{SliceSink, SliceSource, VecSink};

use super::*;
use crate::context::Caller;
use crate::inode::FileSystem;
use crate::open_file::OpenFile;
use crate::{Errno, FileKind};

struct Now;

impl Clock for Now {
    fn now(&self, _: ClockSource) -> Nanos {
        5_000_000_000
    }
}

struct Who;

impl PseudoLink for Who {
    fn target(&self, caller: &Caller<'_>) -> Result<Vec<u8>, Errno> {
        caller.task_as::<u32>().map(|n| n.to_string().into_bytes()).ok_or(Errno::ENOENT)
    }
}

struct Counter(AtomicU32);

impl PseudoFile for Counter {
    fn content(&self) -> Result<Vec<u8>, Errno> {
        let n = self.0.fetch_add(1, Ordering::Relaxed);
        Ok(alloc::vec![b'0' + u8::try_from(n).unwrap(); 4])
    }
    fn write(&self, _: u64, data: &[u8]) -> Result<usize, Errno> {
        self.0.store(u32::from(*data.first().ok_or(Errno::EINVAL)? - b'0'), Ordering::Relaxed);
        Ok(data.len())
    }
}

fn fs() -> Arc<PseudoFs> {
    let root = FixedDir::new()
        .link("who", Who)
        .file("count", Counter(AtomicU32::new(1)))
        .dir("empty", FixedDir::new());
    PseudoFs::new("test", 7, 3, Arc::new(Now), Arc::new(root))
}

#[test]
fn lists_in_order_with_the_numbers_that_stat_tells() {
    let fs = fs();
    let list = fs.root().list().unwrap();
    let names: Vec<_> = list.iter().map(|e| (&e.name[..], e.kind)).collect();
    assert_eq!(
        names,
        [(&b"who"[..], FileKind::Symlink), (b"count", FileKind::Regular), (b"empty", FileKind::Directory)]
    );
    for e in &list {
        let attr = fs.root().lookup(&e.name).unwrap().attr().unwrap();
        assert_eq!((attr.ino, attr.kind(), attr.mtime.sec), (e.ino, e.kind, 5));
    }
    assert_eq!(fs.root().lookup(b"other").err(), Some(Errno::ENOENT));
}

#[test]
fn a_link_knows_who_asks() {
    let cred = Credentials::root(Arc::default());
    let link = fs().root().lookup(b"who").unwrap();
    let by = |task: &'static u32| link.readlink_for(&Caller { cred: &cred, task: Some(task) });
    assert_eq!((by(&7), by(&8)), (Ok(b"7".to_vec()), Ok(b"8".to_vec())));
    assert_eq!(link.readlink_for(&Caller { cred: &cred, task: None }), Err(Errno::ENOENT));
}

#[test]
fn a_reader_in_pieces_sees_one_state() {
    let cred = Credentials::root(Arc::default());
    let caller = Caller { cred: &cred, task: None };
    let PseudoNode::File(f) =
        FixedDir::new().file("count", Counter(AtomicU32::new(1))).lookup(b"count").unwrap()
    else {
        panic!("a file")
    };
    let file = OpenFile::new(f.open(2, &caller).unwrap(), 2, None);
    let mut buf = [0; 3];
    assert_eq!(file.read(&mut SliceSink::new(&mut buf)), Ok(3));
    assert_eq!(&buf, b"111");
    let mut rest = VecSink::new(10);
    assert_eq!(file.read(&mut rest), Ok(1));
    assert_eq!(rest.into_vec(), b"1", "kept from the first read");
    assert_eq!(file.pread(0, &mut SliceSink::new(&mut buf)), Ok(3));
    assert_eq!(&buf, b"222", "made anew at position 0");
    assert_eq!(file.write(&mut SliceSource::new(b"7")), Ok(1));
    assert_eq!(file.pread(0, &mut SliceSink::new(&mut buf)), Ok(3));
    assert_eq!(&buf, b"777");
}
