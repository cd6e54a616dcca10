//! Capabilities, and the way to new ones.

use std::io;

use super::check;

/// Capabilities over files, which a process keeps that acts for a guest's root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileCapabilities {
    /// None.
    None,
    /// Those to read what belongs to others.
    Read,
    /// Those to change it, to give it away and to make devices.
    Write,
}

const CHOWN: u32 = 0;
const DAC_OVERRIDE: u32 = 1;
const DAC_READ_SEARCH: u32 = 2;
const FOWNER: u32 = 3;
const FSETID: u32 = 4;
const MKNOD: u32 = 27;
const SETFCAP: u32 = 31;

impl FileCapabilities {
    fn mask(self) -> u32 {
        let list: &[u32] = match self {
            FileCapabilities::None => &[],
            FileCapabilities::Read => &[DAC_READ_SEARCH],
            FileCapabilities::Write => {
                &[CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, MKNOD, SETFCAP]
            }
        };
        list.iter().map(|c| 1 << c).sum()
    }
}

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Gives up all capabilities of the calling thread but those of `keep` that it has, and every way to get others (`no_new_privs`).
///
/// Errors: the host's; none is known for these calls.
pub fn drop_privileges(keep: FileCapabilities) -> io::Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header { version: VERSION_3, pid: 0 };
    let mut sets = [Sets::default(); 2];
    // SAFETY: the header and two sets are what this version reads and writes.
    check(unsafe { libc::syscall(libc::SYS_capget, &raw const header, sets.as_mut_ptr()) })?;
    let left = sets[0].permitted & keep.mask();
    // SAFETY: the calls take no pointers.
    unsafe {
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into())?;
        check(libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0).into())?;
        // Without the privilege to do so there is nothing in the bounding set that could be got.
        let mut capability = 0;
        while libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) == 0 {
            capability += 1;
        }
    }
    let sets = [Sets { effective: left, permitted: left, inheritable: 0 }, Sets::default()];
    // SAFETY: as above.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) }).map(drop)
}
