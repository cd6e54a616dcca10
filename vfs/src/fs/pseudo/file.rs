//! Open pseudo files.

use alloc::sync::Arc;
use alloc::vec::Vec;

use kcore::io::{IoResult, IoSink, IoSource};
use kcore::sync::{LockClass, Mutex};

use crate::Errno;
use crate::file::FileOps;
use crate::open_file::OpenFile;

static SNAPSHOT: LockClass = LockClass::new("pseudo file content", 331);

/// Most bytes that one write takes.
const MAX_WRITE: usize = 64 << 10;

/// An open file whose content is made at each read from position 0 and kept for the reads after it, so that a reader in pieces
/// sees one state.
pub struct Snapshot<R, W> {
    read: R,
    write: W,
    content: Mutex<Option<Arc<Vec<u8>>>>,
}

/// An open file with the content that `read` makes, and with `write` for what is written: at a position, these bytes.
pub fn snapshot<R, W>(read: R, write: W) -> Arc<Snapshot<R, W>>
where
    R: Fn() -> Result<Vec<u8>, Errno> + Send + Sync + 'static,
    W: Fn(u64, &[u8]) -> Result<usize, Errno> + Send + Sync + 'static,
{
    Arc::new(Snapshot { read, write, content: Mutex::new(&SNAPSHOT, None) })
}

impl<R, W> FileOps for Snapshot<R, W>
where
    R: Fn() -> Result<Vec<u8>, Errno> + Send + Sync + 'static,
    W: Fn(u64, &[u8]) -> Result<usize, Errno> + Send + Sync + 'static,
{
    fn seekable(&self) -> bool {
        true
    }
    fn read(&self, _: &OpenFile, at: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        let at = at.unwrap_or(0);
        let kept = if at == 0 { None } else { self.content.lock().clone() };
        let content = match kept {
            Some(c) => c,
            None => {
                let new = Arc::new((self.read)()?);
                *self.content.lock() = Some(new.clone());
                new
            }
        };
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(content.len());
        if from == content.len() {
            return Ok(0);
        }
        Ok(dst.write(&content[from..])?)
    }
    fn write(&self, _: &OpenFile, at: Option<u64>, src: &mut dyn IoSource) -> IoResult<usize> {
        let mut buf = alloc::vec![0; src.remaining().min(MAX_WRITE)];
        let n = src.read(&mut buf)?;
        Ok((self.write)(at.unwrap_or(0), &buf[..n])?)
    }
}
