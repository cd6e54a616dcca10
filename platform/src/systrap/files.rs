//! The files that make up the shared memory of sentry and stubs.

use core::ffi::CStr;
use core::sync::atomic::Ordering;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use abi::Errno;

use super::code;
use super::filter;
use super::layout::*;
use super::patches::MAX_PATCHES;
use super::shared::{SharedFile, futex_wake};

/// Stubs that can exist at a time.
pub(super) const MAX_STUBS: u64 = 1 << 16;
/// Host threads that run guest code, in all stubs together.
pub(super) const MAX_AREAS: u64 = 1 << 16;
/// Offset in the control file of the words where threads sleep, by the number of their area, and then mappers, by that of their stub.
pub(super) const WAKE_WORDS: u64 = (MAX_AREAS + 1) * AREA_LEN;
pub(super) const WAKES_LEN: u64 = ((MAX_AREAS + 1 + MAX_STUBS) * 4).next_multiple_of(PAGE);
const _: () = assert!(WAKES + WAKES_LEN <= AREAS);

/// A word in the pages of [`WAKES`], where a thread or a mapper sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WakeWord(u64);

impl WakeWord {
    /// Of the thread with this area.
    pub(super) fn of_thread(area: u64) -> WakeWord {
        WakeWord(area / AREA_LEN * 4)
    }

    /// Of the mapper of the stub with this number.
    pub(super) fn of_mapper(number: u64) -> WakeWord {
        WakeWord((MAX_AREAS + 1 + number) * 4)
    }

    /// Its address in stubs whose region begins at `base`.
    pub(super) fn address(self, base: u64) -> u64 {
        base + WAKES + self.0
    }

    /// Has whoever is about to sleep there look again first at what it waits for.
    pub(super) fn change(self, control: &SharedFile) {
        control.atomic(WAKE_WORDS + self.0).fetch_add(1, Ordering::SeqCst);
    }

    /// Wakes who sleeps there.
    pub(super) fn wake(self, control: &SharedFile) {
        futex_wake(control.atomic(WAKE_WORDS + self.0), 1);
    }
}

/// See the module.
pub(super) struct Files {
    /// The memory file of the guests, which somebody else owns.
    pub(super) memory: i32,
    /// The doorbell, the seed's page, the areas of threads from [`AREA_LEN`] on, and after these the words where threads and mappers sleep.
    pub(super) control: Arc<SharedFile>,
    pub(super) ops: Arc<SharedFile>,
    pub(super) ops_read_only: i32,
    pub(super) acks: Arc<SharedFile>,
    pub(super) patches: Arc<SharedFile>,
    pub(super) patches_read_only: i32,
    pub(super) code: i32,
    _owned: [OwnedFd; 3],
}

impl Files {
    /// Makes them; the stub's code is for a region that begins at `base`. Errors: the host refuses memory or descriptors.
    pub(super) fn new(memory: i32, base: u64) -> Result<Files, Errno> {
        let name: &CStr = c"picket-stubs";
        let ops = SharedFile::new(name, MAX_STUBS * PAGE)?;
        let patches = SharedFile::new(name, MAX_PATCHES * 2 * PAGE)?;
        let (ops_read_only, patches_read_only, code) =
            (ops.read_only()?, patches.read_only()?, code_file(base)?);
        Ok(Files {
            memory,
            control: Arc::new(SharedFile::new(name, WAKE_WORDS + WAKES_LEN)?),
            ops: Arc::new(ops),
            ops_read_only: ops_read_only.as_raw_fd(),
            acks: Arc::new(SharedFile::new(name, MAX_STUBS * PAGE)?),
            patches: Arc::new(patches),
            patches_read_only: patches_read_only.as_raw_fd(),
            code: code.as_raw_fd(),
            _owned: [ops_read_only, patches_read_only, code],
        })
    }
}

/// The stub's code with the filter of guests, behind a descriptor that cannot be written through.
fn code_file(base: u64) -> Result<OwnedFd, Errno> {
    let mut bytes = code::image();
    let filter = filter::guest(base + CODE, bytes.len() as u64);
    let program = bytes.len().next_multiple_of(8);
    let descriptor = code::guest_fprog() as usize;
    bytes[descriptor..descriptor + 8].copy_from_slice(&(filter.len() as u64).to_le_bytes());
    bytes[descriptor + 8..descriptor + 16].copy_from_slice(&(base + CODE + program as u64).to_le_bytes());
    bytes.resize(program, 0xcc);
    bytes.extend(filter::bytes(&filter));
    if bytes.len() as u64 > CODE_LEN {
        return Err(Errno::ENOSPC);
    }
    bytes.resize(CODE_LEN as usize, 0xcc);
    let file = SharedFile::new(c"picket-stub-code", CODE_LEN)?;
    file.copy_in(0, &bytes);
    file.read_only()
}
