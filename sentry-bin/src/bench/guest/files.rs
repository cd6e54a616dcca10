//! Files: opening, attributes, directories, and content from end to end.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Benchmark, Op, each, expect, sys, throughput, time};

/// Length of the file that is read and written from end to end.
pub(crate) const LARGE: u64 = 32 << 20;
/// Entries of the directory that is listed.
pub(crate) const ENTRIES: usize = 1000;
const CHUNK: usize = 64 << 10;

pub(super) const ALL: &[Benchmark] = &[
    time("open+close tmpfs", |p| open(&small(&p.tmpfs)?)),
    time("open+close root", |p| open(&p.root.join("small"))),
    time("open+close shared", |p| open(&p.shared.join("small"))),
    time("stat tmpfs", |p| stat(&small(&p.tmpfs)?)),
    time("stat root", |p| stat(&p.root.join("small"))),
    time("stat shared", |p| stat(&p.shared.join("small"))),
    time("getdents 1000 tmpfs", |p| list(&fill(p.tmpfs.join("entries"))?)),
    time("getdents 1000 root", |p| list(&p.root.join("entries"))),
    throughput("file read tmpfs", LARGE, |p| read(&large(&p.tmpfs)?)),
    throughput("file read root", LARGE, |p| read(&p.root.join("large"))),
    throughput("file read shared", LARGE, |p| read(&p.shared.join("large"))),
    throughput("file write tmpfs", LARGE, |p| write(&p.tmpfs)),
    throughput("file write root", LARGE, |p| write(&p.root)),
    throughput("file write shared", LARGE, |p| write(&p.shared)),
];

fn c_string(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

fn open(path: &Path) -> io::Result<Op> {
    let path = c_string(path)?;
    each(move || sys::open_and_close(&path).map(drop))
}

fn stat(path: &Path) -> io::Result<Op> {
    let path = c_string(path)?;
    each(move || sys::stat(&path).map(drop))
}

fn small(dir: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(dir)?;
    fs::write(dir.join("small"), b"small")?;
    Ok(dir.join("small"))
}

fn large(dir: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(dir)?;
    fs::write(dir.join("large"), vec![b'x'; LARGE as usize])?;
    Ok(dir.join("large"))
}

/// Makes a directory with files in it.
pub(crate) fn fill(dir: PathBuf) -> io::Result<PathBuf> {
    fs::create_dir_all(&dir)?;
    for i in 0..ENTRIES {
        fs::write(dir.join(format!("entry-{i:04}")), [])?;
    }
    Ok(dir)
}

fn list(dir: &Path) -> io::Result<Op> {
    let dir = File::open(dir)?;
    let mut buf = vec![0; 32 << 10];
    each(move || {
        sys::rewind(&dir)?;
        let mut bytes = 0;
        loop {
            match sys::getdents(&dir, &mut buf)? {
                0 => return expect(bytes > ENTRIES * 24, "entries are missing"),
                n => bytes += n,
            }
        }
    })
}

fn read(path: &Path) -> io::Result<Op> {
    let file = File::open(path)?;
    let mut buf = vec![0; CHUNK];
    each(move || {
        sys::rewind(&file)?;
        let mut left = LARGE;
        while left > 0 {
            match sys::read(&file, &mut buf)? {
                0 => return expect(false, "the file is shorter"),
                n => left -= n as u64,
            }
        }
        Ok(())
    })
}

/// Writes over a file of its own.
fn write(dir: &Path) -> io::Result<Op> {
    fs::create_dir_all(dir)?;
    let path = dir.join(format!("written-{}", std::process::id()));
    let file = File::create(&path)?;
    // Nothing stays behind, however the process ends.
    fs::remove_file(&path)?;
    let buf = vec![b'y'; CHUNK];
    each(move || {
        sys::rewind(&file)?;
        (0..LARGE / CHUNK as u64).try_for_each(|_| expect(sys::write(&file, &buf)? == CHUNK, "a short write"))
    })
}
