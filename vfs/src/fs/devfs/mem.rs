//! The devices that are nothing but bytes: `null(4)`, `full(4)`, `random(4)`.

use alloc::string::String;
use alloc::sync::Arc;

use kcore::addr::GuestAddr;
use kcore::host::Entropy;
use kcore::io::{IoResult, IoSink, IoSource};
use kcore::user::{UserPtr, Write};

use crate::Errno;
use crate::file::{FileOps, IoctlContext, OpenFile, Whence};

/// How much randomness there is, `ioctl(2)` of `random(4)`.
const RNDGETENTCNT: u32 = 0x8004_5200;
/// Bits that the entropy pool holds, as Linux has had it since 5.18.
pub const POOL_BITS: i32 = 256;

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
    fn ioctl(&self, _: &OpenFile, ctx: &IoctlContext<'_>, cmd: u32, arg: u64) -> IoResult<u64> {
        match (self, cmd) {
            (Mem::Random(_), RNDGETENTCNT) => {
                UserPtr::<i32, Write>::new(GuestAddr(arg)).write(ctx.mem, &POOL_BITS)?;
                Ok(0)
            }
            (Mem::Random(_), _) => Err(Errno::EINVAL.into()),
            _ => Err(Errno::ENOTTY.into()),
        }
    }
    fn name(&self) -> String {
        String::from("mem")
    }
}
