//! Copies from file to file: [`sendfile(2)`](https://man7.org/linux/man-pages/man2/sendfile.2.html),
//! [`copy_file_range(2)`](https://man7.org/linux/man-pages/man2/copy_file_range.2.html).

use alloc::vec;

use abi::Errno;
use kcore::id::Fd;
use kcore::io::{IoError, SliceSink, SliceSource};
use kcore::user::UserPtr;
use kcore::wait::Events;
use vfs::anon::PipeEnd;
use vfs::consts::O_APPEND;
use vfs::{FileKind, OpenFile, Whence, WriteOptions};

use super::SysResult;
use super::blocking::blocking;
use super::read_write::{raise_for, sync_after_write, write_options};
use super::sched::let_others_run;
use super::splice::{
    advance_offset, check_spliceable, check_splices_from, file_to_pipe, limited, read_offset,
};
use crate::current::CurrentTask;

/// Bytes that are under way at once.
const CHUNK: usize = 64 << 10;
/// Bytes between regular files, which never wait, after which others may run.
const TURN: usize = 4 << 20;

/// Between files that never wait a copy may be long: now and then it lets others run, and a signal that kills ends it.
struct Turns<'a> {
    cx: &'a CurrentTask,
    since: usize,
}

impl Turns<'_> {
    /// Counts `n` bytes. Errors: `EINTR` if the task is to die.
    async fn moved(&mut self, n: usize) -> Result<(), Errno> {
        self.since += n;
        if self.since >= TURN {
            self.since = 0;
            let_others_run().await;
            if self.cx.task.core.fatal_pending() {
                return Err(Errno::EINTR);
            }
        }
        Ok(())
    }
}

/// A position as a signed number, which no file exceeds.
fn signed(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

/// The position becomes `at`. Errors: as `lseek`.
fn set_position(file: &OpenFile, at: u64) -> Result<(), Errno> {
    file.seek(Whence::Set, signed(at)).map(drop)
}

/// `sendfile(2)`.
pub(super) async fn sendfile(
    cx: &mut CurrentTask,
    out: Fd,
    input: Fd,
    ptr: UserPtr<i64>,
    n: usize,
) -> SysResult {
    let given = read_offset(cx, ptr)?;
    let input = cx.task.files().get_open(input)?;
    if !input.readable() {
        return Err(Errno::EBADF);
    }
    let seekable = input.ops().seekable();
    if given.is_some() && !seekable {
        return Err(Errno::ESPIPE);
    }
    let at = given.map_or(Ok(input.offset()), |at| u64::try_from(at).map_err(|_| Errno::EINVAL))?;
    let out = cx.task.files().get_open(out)?;
    if !out.writable() {
        return Err(Errno::EBADF);
    }
    let n = limited(n);
    let done = if let Some(pipe) = PipeEnd::of(&out) {
        if PipeEnd::of(&input).is_some() {
            return Err(Errno::EINVAL);
        }
        file_to_pipe(cx, &input, seekable.then_some(at), (&out, pipe), n, false).await?
    } else {
        if !input.ops().lseeks() || out.flags() & O_APPEND != 0 {
            return Err(Errno::EINVAL);
        }
        if n == 0 {
            return Ok(0);
        }
        check_splices_from(&input)?;
        cx.may_write_tty(&out)?;
        send(cx, &input, at, &out, n).await?
    };
    if given.is_none() && seekable {
        set_position(&input, at.saturating_add(done as u64))?;
    }
    advance_offset(cx, ptr, given, done)?;
    Ok(done as u64)
}

/// Writes up to `n` bytes that `input` has at `at` to `out`, and waits until it has taken them. Errors: those of reading and
/// writing, if nothing was sent.
async fn send(cx: &CurrentTask, input: &OpenFile, at: u64, out: &OpenFile, n: usize) -> Result<usize, Errno> {
    let options = write_options(cx);
    let mut buf = vec![0; n.min(CHUNK)];
    let mut done = 0;
    let mut turns = Turns { cx, since: 0 };
    while done < n {
        let want = (n - done).min(CHUNK);
        let chunk = buf.get_mut(..want).unwrap_or_default();
        let got = match input.pread(at.saturating_add(done as u64), &mut SliceSink::new(chunk)) {
            Ok(0) => break,
            Ok(got) => {
                check_spliceable(out)?;
                got
            }
            Err(_) if done > 0 => break,
            Err(e) => return Err(e.errno()),
        };
        if turns.moved(got).await.is_err() {
            break;
        }
        let (sent, result) = write_all(cx, out, chunk.get(..got).unwrap_or_default(), &options).await;
        done += sent;
        if let Err(e) = result {
            raise_for(cx, e, out, options.limit);
            if done == 0 {
                return Err(e);
            }
            // What was sent counts; the call is not repeated.
            cx.forget_interruption();
            break;
        }
        if sent < got {
            break;
        }
    }
    sync_after_write(out, out.flags())?;
    Ok(done)
}

/// Writes `bytes`; says how many, and what ended it early.
async fn write_all(
    cx: &CurrentTask,
    out: &OpenFile,
    bytes: &[u8],
    options: &WriteOptions,
) -> (usize, Result<(), Errno>) {
    let mut sent = 0;
    while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
        let attempt = || out.write_with(None, options, &mut SliceSource::new(rest));
        match blocking(cx, out, Events::WRITABLE, attempt).await {
            Ok(0) => break,
            Ok(n) => sent += n,
            Err(e) => return (sent, Err(e)),
        }
    }
    (sent, Ok(()))
}

/// `copy_file_range(2)`. Each file system copies within itself only, so two of them are `EXDEV`.
pub(super) async fn copy_file_range(
    cx: &mut CurrentTask,
    input: Fd,
    in_ptr: UserPtr<i64>,
    out: Fd,
    out_ptr: UserPtr<i64>,
    n: usize,
    flags: u32,
) -> SysResult {
    let input = cx.task.files().get_open(input)?;
    let out = cx.task.files().get_open(out)?;
    let in_given = read_offset(cx, in_ptr)?;
    let out_given = read_offset(cx, out_ptr)?;
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    check_modes(&input, &out)?;
    let from = in_given.unwrap_or_else(|| signed(input.offset()));
    let to = out_given.unwrap_or_else(|| signed(out.offset()));
    let (source, target) = (input.stat()?, out.stat()?);
    if source.dev != target.dev {
        return Err(Errno::EXDEV);
    }
    let asked = n as u64;
    // As Linux has it: only what leaves 64 bits is an overflow, and that comes before negative offsets.
    if [from, to].iter().any(|at| at.cast_unsigned().checked_add(asked).is_none()) {
        return Err(Errno::EOVERFLOW);
    }
    let (Ok(from), Ok(to)) = (u64::try_from(from), u64::try_from(to)) else {
        return Err(Errno::EINVAL);
    };
    let len = asked.min(source.size.saturating_sub(from));
    if source.ino == target.ino && to + len > from && to < from + len {
        return Err(Errno::EINVAL);
    }
    let n = limited(usize::try_from(len).unwrap_or(usize::MAX));
    let options = write_options(cx);
    let done = copy(cx, (&input, from), (&out, to), n, &options)
        .await
        .inspect_err(|e| raise_for(cx, *e, &out, options.limit))?;
    sync_after_write(&out, out.flags())?;
    let count = done as u64;
    if in_given.is_none() {
        set_position(&input, from.saturating_add(count))?;
    }
    if out_given.is_none() {
        set_position(&out, to.saturating_add(count))?;
    }
    advance_offset(cx, in_ptr, in_given, done)?;
    advance_offset(cx, out_ptr, out_given, done)?;
    Ok(count)
}

/// Errors: `EISDIR`, `EINVAL` for what is not a regular file, `EBADF` for files that are not open for it or append.
fn check_modes(input: &OpenFile, out: &OpenFile) -> Result<(), Errno> {
    let kind = |file: &OpenFile| file.inode().map(|i| i.kind());
    let kinds = [kind(input), kind(out)];
    if kinds.contains(&Some(FileKind::Directory)) {
        return Err(Errno::EISDIR);
    }
    if kinds.iter().any(|k| *k != Some(FileKind::Regular)) {
        return Err(Errno::EINVAL);
    }
    if !input.readable() || !out.writable() || out.flags() & O_APPEND != 0 {
        return Err(Errno::EBADF);
    }
    Ok(())
}

/// Copies up to `n` bytes between regular files, which never wait. Errors: those of reading and writing, if nothing was copied.
async fn copy(
    cx: &CurrentTask,
    (input, from): (&OpenFile, u64),
    (out, to): (&OpenFile, u64),
    n: usize,
    options: &WriteOptions,
) -> Result<usize, Errno> {
    let mut buf = vec![0; n.min(CHUNK)];
    let mut done = 0;
    let mut turns = Turns { cx, since: 0 };
    while done < n {
        let chunk = buf.get_mut(..(n - done).min(CHUNK)).unwrap_or_default();
        let moved = done as u64;
        let step = input.pread(from.saturating_add(moved), &mut SliceSink::new(chunk)).and_then(|got| {
            let bytes = chunk.get(..got).unwrap_or_default();
            out.write_with(Some(to.saturating_add(moved)), options, &mut SliceSource::new(bytes))
        });
        match step {
            Ok(0) => break,
            Ok(written) => {
                done += written;
                if turns.moved(written).await.is_err() {
                    break;
                }
            }
            Err(_) if done > 0 => break,
            Err(e) => return Err(IoError::errno(e)),
        }
    }
    Ok(done)
}
