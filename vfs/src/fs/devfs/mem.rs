//! The devices that are nothing but bytes: `null(4)`, `full(4)`, `random(4)`.

use alloc::string::String;
use alloc::sync::Arc;

use kcore::host::Entropy;
use kcore::io::{IoResult, IoSink, IoSource};

use crate::Errno;
use crate::file::{FileOps, OpenFile, Whence};

/// One of them.
pub(super) enum Mem {
    Null,
    Zero,
    Full,
    Random(Arc<dyn Entropy>),
}

impl FileOps for Mem {
    fn seekable(&self) -> bool {
        true
    }
    fn seek(&self, _: &OpenFile, _: u64, _: Whence, _: i64) -> Result<u64, Errno> {
        Ok(0)
    }
    fn takes_nowait(&self) -> bool {
        true
    }
    fn splices_from(&self) -> bool {
        !matches!(self, Mem::Null)
    }
    fn maps_zeros(&self) -> bool {
        matches!(self, Mem::Zero)
    }
    fn read(&self, _: &OpenFile, _: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        let len = dst.remaining();
        match self {
            Mem::Null => Ok(0),
            Mem::Zero | Mem::Full => Ok(dst.write_zeros(len)?),
            Mem::Random(e) => {
                let mut buf = [0u8; 256];
                let mut done = 0;
                while done < len {
                    let n = buf.len().min(len - done);
                    e.fill(&mut buf[..n]);
                    match dst.write(&buf[..n]) {
                        Ok(k) => {
                            done += k;
                            if k < n {
                                break;
                            }
                        }
                        Err(_) if done > 0 => break,
                        Err(e) => return Err(e.into()),
                    }
                }
                Ok(done)
            }
        }
    }
    fn write(&self, _: &OpenFile, _: Option<u64>, src: &mut dyn IoSource) -> IoResult<usize> {
        match self {
            Mem::Full => Err(Errno::ENOSPC.into()),
            _ => Ok(src.remaining()),
        }
    }
    fn append(&self, f: &OpenFile, src: &mut dyn IoSource) -> IoResult<(usize, u64)> {
        Ok((self.write(f, None, src)?, 0))
    }
    fn name(&self) -> String {
        String::from("mem")
    }
}
