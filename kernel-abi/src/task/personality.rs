//! `personality(2)`: the kind of system in the lowest byte, and what is to be different.

/// Linux with a 32-bit machine's name.
pub const PER_LINUX32: u32 = 0x0008;
/// The part that is the kind of system.
pub const PER_MASK: u32 = 0x00ff;
/// Releases are shown as 2.6 ones.
pub const UNAME26: u32 = 0x002_0000;
/// Addresses of programs are always the same.
pub const ADDR_NO_RANDOMIZE: u32 = 0x004_0000;
/// Signal handlers get the descriptor, not the address, of their function.
pub const FDPIC_FUNCPTRS: u32 = 0x008_0000;
/// Page 0 holds zeros.
pub const MMAP_PAGE_ZERO: u32 = 0x010_0000;
/// Mappings grow upwards from a third of the address space.
pub const ADDR_COMPAT_LAYOUT: u32 = 0x020_0000;
/// What can be read can be executed.
pub const READ_IMPLIES_EXEC: u32 = 0x040_0000;
/// Addresses have 32 bits.
pub const ADDR_LIMIT_32BIT: u32 = 0x080_0000;
/// Inode numbers have 16 bits.
pub const SHORT_INODE: u32 = 0x100_0000;
/// Times have no fractions of seconds.
pub const WHOLE_SECONDS: u32 = 0x200_0000;
/// `select(2)` and such leave their timeout as it was.
pub const STICKY_TIMEOUTS: u32 = 0x400_0000;
/// Addresses have 3 GiB.
pub const ADDR_LIMIT_3GB: u32 = 0x800_0000;
/// What a program with other privileges than its caller's does not take over.
pub const PER_CLEAR_ON_SETID: u32 =
    READ_IMPLIES_EXEC | ADDR_NO_RANDOMIZE | ADDR_COMPAT_LAYOUT | MMAP_PAGE_ZERO;
