//! The initial stack: arguments, environment, auxiliary vector, `getauxval(3)`.

use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::{GuestAddr, GuestRange};
use kcore::cred::Credentials;
use kcore::user::UserMemory;
use mm::{AddressSpace, MmapRequest, Prot};

use super::image::Loaded;

/// Bytes that are mapped for the stack at once; it grows below them on faults.
const INITIAL: u64 = 132 << 10;
/// Longest single argument or environment string with its NUL (`MAX_ARG_STRLEN`).
const MAX_STRING: usize = 128 << 10;

const AT_PHDR: u64 = 3;
const AT_PHENT: u64 = 4;
const AT_PHNUM: u64 = 5;
const AT_PAGESZ: u64 = 6;
const AT_BASE: u64 = 7;
const AT_FLAGS: u64 = 8;
const AT_ENTRY: u64 = 9;
const AT_UID: u64 = 11;
const AT_EUID: u64 = 12;
const AT_GID: u64 = 13;
const AT_EGID: u64 = 14;
const AT_PLATFORM: u64 = 15;
const AT_HWCAP: u64 = 16;
const AT_CLKTCK: u64 = 17;
const AT_SECURE: u64 = 23;
const AT_RANDOM: u64 = 25;
const AT_EXECFN: u64 = 31;
const AT_SYSINFO_EHDR: u64 = 33;
const AT_MINSIGSTKSZ: u64 = 51;

/// What goes on the stack.
pub(crate) struct StackInfo<'a> {
    pub(crate) args: &'a [Vec<u8>],
    pub(crate) env: &'a [Vec<u8>],
    /// The path that was executed (`AT_EXECFN`).
    pub(crate) path: &'a [u8],
    pub(crate) loaded: &'a Loaded,
    /// The vDSO's image (`AT_SYSINFO_EHDR`).
    pub(crate) vdso: GuestAddr,
    pub(crate) cred: &'a Credentials,
    pub(crate) random: [u8; 16],
    /// Whether the program gained privileges (`AT_SECURE`).
    pub(crate) secure: bool,
    /// Room that a signal frame needs.
    pub(crate) min_signal_stack: u64,
    /// Most bytes of all strings and pointers to them.
    pub(crate) max_strings: u64,
}

/// Writes downwards.
struct Pusher<'a> {
    mm: &'a AddressSpace,
    at: GuestAddr,
}

impl Pusher<'_> {
    fn push(&mut self, bytes: &[u8]) -> Result<GuestAddr, Errno> {
        self.at = self.at.checked_sub(bytes.len() as u64).ok_or(Errno::E2BIG)?;
        if self.mm.copy_out(self.at, bytes) < bytes.len() {
            return Err(Errno::E2BIG);
        }
        Ok(self.at)
    }
    fn push_string(&mut self, s: &[u8]) -> Result<u64, Errno> {
        if s.len() >= MAX_STRING {
            return Err(Errno::E2BIG);
        }
        self.push(&[0])?;
        Ok(self.push(s)?.0)
    }
    fn push_strings(&mut self, strings: &[Vec<u8>]) -> Result<Vec<u64>, Errno> {
        // In reverse, so that they lie in order, as `ps` expects of them.
        let mut at = strings.iter().rev().map(|s| self.push_string(s)).collect::<Result<Vec<_>, _>>()?;
        at.reverse();
        Ok(at)
    }
}

/// Maps the stack and fills it; returns the first stack pointer and the auxiliary vector.
///
/// Errors: `E2BIG` if the strings are too many or too long, `ENOMEM`.
pub(crate) fn build(mm: &AddressSpace, info: &StackInfo<'_>) -> Result<(GuestAddr, Vec<u64>), Errno> {
    let strings = info.args.iter().chain(info.env).map(|s| s.len() as u64 + 9).sum::<u64>();
    if strings > info.max_strings {
        return Err(Errno::E2BIG);
    }
    let top = mm.layout().stack_top;
    let len = INITIAL + strings.next_multiple_of(4096);
    let mut prot = Prot::RW;
    prot.set(Prot::EXEC, info.loaded.exec_stack);
    mm.mmap(MmapRequest {
        addr: GuestAddr(top.0 - len),
        len,
        prot,
        fixed: true,
        grows_down: true,
        name: Some("[stack]"),
        ..MmapRequest::default()
    })?;
    let mut p = Pusher { mm, at: top };
    p.push(&[0; 8])?;
    let path = p.push_string(info.path)?;
    let env_end = p.at;
    let env = p.push_strings(info.env)?;
    let arg_end = p.at;
    let args = p.push_strings(info.args)?;
    // What `/proc/PID/cmdline` and `environ` show.
    mm.set_arg_range(range(p.at, arg_end)?);
    mm.set_env_range(range(arg_end, env_end)?);
    let platform = p.push_string(b"x86_64")?;
    let random = p.push(&info.random)?.0;
    let auxv = auxv(info, [path, platform, random]);
    let words = words(&args, &env, &auxv);
    p.at = GuestAddr((p.at.0 - words.len() as u64 * 8) & !15);
    p.at = p.at.checked_add(words.len() as u64 * 8).ok_or(Errno::E2BIG)?;
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    let sp = p.push(&bytes)?;
    mm.set_stack_start(sp);
    Ok((sp, auxv))
}

fn range(start: GuestAddr, end: GuestAddr) -> Result<GuestRange, Errno> {
    GuestRange::new(start, end).ok_or(Errno::E2BIG)
}

fn auxv(info: &StackInfo<'_>, [path, platform, random]: [u64; 3]) -> Vec<u64> {
    let (l, c) = (info.loaded, info.cred);
    let aux = [
        (AT_SYSINFO_EHDR, info.vdso.0),
        (AT_MINSIGSTKSZ, info.min_signal_stack),
        (AT_HWCAP, hwcap()),
        (AT_PAGESZ, 4096),
        (AT_CLKTCK, 100),
        (AT_PHDR, l.headers),
        (AT_PHENT, 56),
        (AT_PHNUM, l.header_count.into()),
        (AT_BASE, l.interp_base),
        (AT_FLAGS, 0),
        (AT_ENTRY, l.entry.0),
        (AT_UID, c.uid.0.into()),
        (AT_EUID, c.euid.0.into()),
        (AT_GID, c.gid.0.into()),
        (AT_EGID, c.egid.0.into()),
        (AT_SECURE, info.secure.into()),
        (AT_RANDOM, random),
        (AT_EXECFN, path),
        (AT_PLATFORM, platform),
        (0, 0),
    ];
    aux.iter().flat_map(|(k, v)| [*k, *v]).collect()
}

fn words(args: &[u64], env: &[u64], auxv: &[u64]) -> Vec<u64> {
    let mut words = alloc::vec![args.len() as u64];
    words.extend(args);
    words.push(0);
    words.extend(env);
    words.push(0);
    words.extend(auxv);
    words
}

/// `AT_HWCAP` of x86-64: the processor's `CPUID` leaf 1 `EDX`.
fn hwcap() -> u64 {
    #[cfg(target_arch = "x86_64")]
    return core::arch::x86_64::__cpuid(1).edx.into();
    #[cfg(not(target_arch = "x86_64"))]
    0
}
