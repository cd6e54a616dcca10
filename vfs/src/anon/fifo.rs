//! Named pipes, [`fifo(7)`](https://man7.org/linux/man-pages/man7/fifo.7.html).

use alloc::sync::{Arc, Weak};

use hashbrown::HashMap;
use kcore::io::IoResult;
use kcore::sync::{LockClass, Mutex};

use super::pipe::{Pipe, PipeEnd};
use crate::Errno;
use crate::attr::{FileKind, InodeAttr};
use crate::consts::*;
use crate::context::{OpCtx, SpecialOpener};
use crate::file::FileOps;
use crate::inode::Inode;
use crate::path::Path;

static FIFOS: LockClass = LockClass::new("fifo table", 349);

/// The pipes behind the FIFOs that are open in one kernel, by device and inode number.
pub struct FifoTable(Mutex<HashMap<(u64, u64), Weak<Pipe>>>);

impl Default for FifoTable {
    fn default() -> Self {
        FifoTable(Mutex::new(&FIFOS, HashMap::new()))
    }
}

impl FifoTable {
    /// No FIFO is open.
    pub fn new() -> FifoTable {
        FifoTable::default()
    }
    /// Opens the FIFO with attributes `attr`. Until it has a peer, [`FileOps::open_complete`] of the result is false unless
    /// `O_NONBLOCK` is in `flags`; wait on its queue.
    ///
    /// Errors: `EINVAL` for a mode that is neither reading nor writing, `ENXIO` for `O_WRONLY | O_NONBLOCK` without a reader.
    pub fn open(&self, attr: &InodeAttr, flags: u32) -> IoResult<Arc<dyn FileOps>> {
        if flags & O_ACCMODE == O_ACCMODE {
            return Err(Errno::EINVAL.into());
        }
        let mut table = self.0.lock();
        table.retain(|_, p| p.strong_count() > 0);
        let key = (attr.dev, attr.ino);
        let pipe = match table.get(&key).and_then(Weak::upgrade) {
            Some(p) => p,
            None => {
                let p = Pipe::new();
                table.insert(key, Arc::downgrade(&p));
                p
            }
        };
        if flags & O_ACCMODE == O_WRONLY && flags & O_NONBLOCK != 0 && pipe.lock().readers == 0 {
            return Err(Errno::ENXIO.into());
        }
        Ok(PipeEnd::open(&pipe, flags, Some(())))
    }
}

/// FIFOs are opened; other special files are `ENXIO`.
impl SpecialOpener for FifoTable {
    fn open(
        &self,
        _: &Arc<dyn Inode>,
        attr: &InodeAttr,
        _: &Path,
        flags: u32,
        _: &OpCtx<'_>,
    ) -> IoResult<Arc<dyn FileOps>> {
        match attr.kind() {
            FileKind::Fifo => FifoTable::open(self, attr, flags),
            _ => Err(Errno::ENXIO.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open_file::OpenFile;
    use kcore::wait::Events;

    fn open(t: &FifoTable, flags: u32) -> IoResult<Arc<OpenFile>> {
        let attr = InodeAttr { dev: 1, ino: 2, mode: S_IFIFO | 0o644, ..InodeAttr::default() };
        Ok(OpenFile::new(FifoTable::open(t, &attr, flags)?, flags, None))
    }
    fn done(f: &OpenFile) -> bool {
        f.ops().open_complete(f)
    }

    #[test]
    fn rendezvous() {
        let t = FifoTable::new();
        assert!(matches!(open(&t, O_WRONLY | O_NONBLOCK), Err(e) if e.errno() == Errno::ENXIO));
        let r = open(&t, O_RDONLY).unwrap();
        assert!(!done(&r));
        let w = open(&t, O_WRONLY).unwrap();
        assert!(done(&r) && done(&w));
        drop(w);
        // The peer came and went: still complete, and hung up.
        assert!(done(&r));
        assert_eq!(r.ready(Events::IN), Events::HUP);
    }

    #[test]
    fn non_blocking_reader_sees_no_hangup_before_a_writer() {
        let t = FifoTable::new();
        let r = open(&t, O_RDONLY | O_NONBLOCK).unwrap();
        assert!(done(&r));
        assert_eq!(r.ready(Events::IN), Events::empty());
        assert!(done(&open(&t, O_RDWR).unwrap()));
        assert_eq!(r.ready(Events::IN), Events::HUP);
    }
}
