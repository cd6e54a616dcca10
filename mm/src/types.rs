//! What callers give to an address space and get from it.

use alloc::boxed::Box;
use alloc::sync::Arc;

use abi::Errno;
use kcore::addr::{GuestAddr, GuestRange};
use kcore::frame::FileOffset;
use kcore::mappable::Mappable;

bitflags::bitflags! {
    /// Accesses that a mapping allows, with the numbers of `PROT_*` in `mmap(2)`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct Prot: u8 {
        /// `PROT_READ`.
        const READ = 1;
        /// `PROT_WRITE`.
        const WRITE = 2;
        /// `PROT_EXEC`.
        const EXEC = 4;
    }
}

impl Prot {
    /// `PROT_NONE`.
    pub const NONE: Prot = Prot::empty();
    /// Readable and writable.
    pub const RW: Prot = Prot::READ.union(Prot::WRITE);
    /// Readable and executable.
    pub const RX: Prot = Prot::READ.union(Prot::EXEC);
}

bitflags::bitflags! {
    /// Properties of a mapping other than its protection (`VM_*` in Linux).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct VmFlags: u32 {
        /// Stores reach the object and other mappings of it (`sh` in `smaps`).
        const SHARED = 1 << 0;
        /// A stack that grows downwards on faults (`gd`).
        const GROWSDOWN = 1 << 1;
        /// Locked in memory (`lo`).
        const LOCKED = 1 << 2;
        /// Locked, but not populated (`MLOCK_ONFAULT`).
        const LOCK_ON_FAULT = 1 << 3;
        /// Absent in a child (`dc`).
        const DONTFORK = 1 << 4;
        /// Zeroed in a child (`wf`).
        const WIPEONFORK = 1 << 5;
        /// Not accounted (`nr`).
        const NORESERVE = 1 << 6;
        /// Not in core dumps (`dd`).
        const DONTDUMP = 1 << 7;
        /// Huge pages advised (`hg`).
        const HUGEPAGE = 1 << 8;
        /// Huge pages advised against (`nh`).
        const NOHUGEPAGE = 1 << 9;
        /// Shared anonymous memory: the object is the address space's own.
        const SHARED_ANON = 1 << 10;
        /// Stays as it is for good (`sl`).
        const SEALED = 1 << 11;
    }
}

/// One change of what the guest's hardware address space maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapOp {
    /// Map `range` to the memory file at `offset`, replacing what was there. The mapping is shared with the file.
    Map {
        /// Page-aligned guest addresses.
        range: GuestRange,
        /// Page-aligned offset in the memory file.
        offset: FileOffset,
        /// Allowed accesses.
        access: Prot,
        /// Whether the host should populate the pages at once.
        populate: bool,
        /// Whether the pages are seen through a private mapping: nobody else's stores are to be expected in them.
        private: bool,
    },
    /// Remove whatever is mapped in `range`.
    Unmap {
        /// Page-aligned guest addresses.
        range: GuestRange,
    },
    /// Change the access of what is mapped in `range`; pages that are not mapped stay so.
    Protect {
        /// Page-aligned guest addresses.
        range: GuestRange,
        /// Allowed accesses.
        access: Prot,
    },
}

/// The guest's hardware address space, kept as a subset of what an [`AddressSpace`](crate::AddressSpace) has resident.
pub trait SpaceBackend: Send + Sync {
    /// Carries out `ops` in order. When it returns, every thread of the space sees the result. Called with the address space's
    /// lock (rank 500) held.
    ///
    /// Errors: `ENOMEM` if the host refuses a mapping (the space then has the operations before it).
    fn apply(&self, ops: &[MapOp]) -> Result<(), Errno>;
    /// As `apply`, for a space where nothing runs yet. The host may be at it when this returns, and what it refuses is not told of: the
    /// guest comes back with a fault where it misses something. Default: as `apply`.
    fn apply_ahead(&self, ops: &[MapOp]) {
        let _ = self.apply(ops);
    }
    /// The guest will not run here again, and the address space is about to go. All that is mapped lies in `mapped`; `pages` stands for the
    /// frames, `bytes` of which are nobody else's: it is to be dropped as soon as no guest can reach them. Default: they are unmapped at once.
    fn end(&self, mapped: GuestRange, bytes: u64, pages: Box<dyn Send>) {
        let _ = bytes;
        if self.apply(&[MapOp::Unmap { range: mapped }]).is_ok() {
            drop(pages);
        } else {
            // Frames that the guest may still reach must never be used again.
            core::mem::forget(pages);
        }
    }
    /// The kernel has stored to private pages in `range` that their mapping does not let the guest write. Default: nothing.
    fn wrote(&self, range: GuestRange) {
        let _ = range;
    }
}

/// Where mappings may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// First address that may be mapped (`vm.mmap_min_addr`).
    pub min: GuestAddr,
    /// First address past the ones that may be mapped (`TASK_SIZE`).
    pub max: GuestAddr,
    /// Mappings without an address are placed below this one, top down.
    pub mmap_base: GuestAddr,
    /// Where the main stack ends.
    pub stack_top: GuestAddr,
}

/// Resource limits in bytes, `getrlimit(2)`; `u64::MAX` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `RLIMIT_AS`.
    pub as_bytes: u64,
    /// `RLIMIT_DATA`.
    pub data_bytes: u64,
    /// `RLIMIT_STACK`.
    pub stack_bytes: u64,
    /// `RLIMIT_MEMLOCK`; callers pass `u64::MAX` for tasks with `CAP_IPC_LOCK`.
    pub memlock_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { as_bytes: u64::MAX, data_bytes: u64::MAX, stack_bytes: 8 << 20, memlock_bytes: 8 << 20 }
    }
}

/// What a mapping was made from. What it is, the composition knows.
pub type Owner = Arc<dyn core::any::Any + Send + Sync>;

/// The file of a mapping.
#[derive(Clone)]
pub struct FileMapping {
    /// What is mapped.
    pub object: Arc<dyn Mappable>,
    /// Page-aligned byte offset of the first page.
    pub offset: u64,
    /// What the open mode (and `noexec`) allows: `READ` if it may be read, `WRITE` if open for writing, `EXEC` unless `noexec`.
    pub max_prot: Prot,
    /// The open file, kept as long as the mapping lives; procfs names the mapping by it.
    pub owner: Option<Owner>,
}

impl core::fmt::Debug for FileMapping {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "FileMapping({:#x}, {:?})", self.offset, self.max_prot)
    }
}

/// The arguments of [`AddressSpace::mmap`](crate::AddressSpace::mmap).
#[derive(Clone, Debug, Default)]
pub struct MmapRequest {
    /// Where, as a wish; or exactly there if `fixed`.
    pub addr: GuestAddr,
    /// Bytes; rounded up to pages.
    pub len: u64,
    /// Allowed accesses.
    pub prot: Prot,
    /// `MAP_SHARED` rather than `MAP_PRIVATE`.
    pub shared: bool,
    /// `MAP_FIXED`: replaces what is there.
    pub fixed: bool,
    /// `MAP_FIXED_NOREPLACE`: fails if something is there.
    pub noreplace: bool,
    /// `MAP_32BIT`: below 2 GiB, unless there is an address.
    pub low: bool,
    /// `MAP_GROWSDOWN`.
    pub grows_down: bool,
    /// `MAP_POPULATE`.
    pub populate: bool,
    /// `MAP_NORESERVE`.
    pub noreserve: bool,
    /// `MAP_LOCKED`.
    pub locked: bool,
    /// Never writable: anonymous memory that stands for a file open for reading only.
    pub read_only: bool,
    /// The file; without one the memory is anonymous.
    pub file: Option<FileMapping>,
    /// Name in `/proc/PID/maps`, such as `[stack]`.
    pub name: Option<&'static str>,
}

/// What a fault tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultAccess {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Exec,
    /// The backend cannot tell.
    Unknown,
}

/// What became of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultOutcome {
    /// Run the instruction again.
    Resumed,
    /// `SIGSEGV`.
    Segv {
        /// `si_code`: `SEGV_MAPERR` (1) or `SEGV_ACCERR` (2).
        code: i32,
    },
    /// `SIGBUS`.
    Bus {
        /// `si_code`: `BUS_ADRERR` (2).
        code: i32,
    },
}

impl FaultOutcome {
    pub(crate) const MAPERR: FaultOutcome = FaultOutcome::Segv { code: 1 };
    pub(crate) const ACCERR: FaultOutcome = FaultOutcome::Segv { code: 2 };
    pub(crate) const ADRERR: FaultOutcome = FaultOutcome::Bus { code: 2 };
}
