//! What the host tells this process of itself.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use abi::Errno;
use rustix::fs::{CWD, Mode, OFlags, openat};

/// This process's directory in `/proc`, for as long as it lives.
static OWN: OnceLock<OwnedFd> = OnceLock::new();

fn errno(e: rustix::io::Errno) -> Errno {
    Errno::from_raw(e.raw_os_error()).unwrap_or(Errno::EIO)
}

/// `/proc/self`, opened at the first call: a process that gives up its root calls this before.
///
/// Errors: the host's.
pub fn open_own_proc() -> Result<BorrowedFd<'static>, Errno> {
    if let Some(fd) = OWN.get() {
        return Ok(fd.as_fd());
    }
    // Of a mount of its own where the host permits: nothing else can be reached from there.
    let fd = match super::confine::detached_tree(std::path::Path::new("/proc/self"), true) {
        Ok(fd) => fd,
        Err(_) => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            openat(CWD, "/proc/self", flags, Mode::empty()).map_err(errno)?
        }
    };
    Ok(OWN.get_or_init(|| fd).as_fd())
}

/// Another descriptor of an open file, with other rights. Errors: what `open(2)` gives.
#[cfg(feature = "systrap")]
pub(crate) fn open_again(fd: BorrowedFd<'_>, flags: OFlags) -> Result<OwnedFd, Errno> {
    let link = format!("fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
    openat(open_own_proc()?, link, flags | OFlags::CLOEXEC, Mode::empty()).map_err(errno)
}

/// The address ranges that are mapped in this process, in order. Errors: `ENOMEM` if the host does not tell.
pub(crate) fn mapped_ranges() -> Result<Vec<(u64, u64)>, Errno> {
    let file = openat(open_own_proc()?, "maps", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let mut maps = String::new();
    std::fs::File::from(file.map_err(errno)?).read_to_string(&mut maps).map_err(|_| Errno::ENOMEM)?;
    let range = |line: &str| {
        let (a, b) = line.split_whitespace().next()?.split_once('-')?;
        Some((u64::from_str_radix(a, 16).ok()?, u64::from_str_radix(b, 16).ok()?))
    };
    Ok(maps.lines().filter_map(range).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_function_is_mapped() {
        let here = this_function_is_mapped as fn() as usize as u64;
        assert!(mapped_ranges().unwrap().iter().any(|(a, b)| (*a..*b).contains(&here)));
    }
}
