//! A tracer's view of its tracee's memory, whatever its protection.

use alloc::sync::Arc;

use abi::Errno;
use kcore::addr::GuestAddr;
use mm::AddressSpace;
use task::Task;

use crate::task::Resources;

fn memory_of(task: &Task) -> Result<Arc<AddressSpace>, Errno> {
    task.resources::<Resources>().and_then(Resources::mm).ok_or(Errno::ESRCH)
}

/// `PTRACE_PEEKDATA`: a word. Errors: `EIO`, `ESRCH`.
pub(super) fn peek(task: &Task, at: GuestAddr) -> Result<u64, Errno> {
    let mut word = [0; 8];
    let got = memory_of(task)?.copy_in_unchecked_prot(at, &mut word);
    if got == word.len() { Ok(u64::from_le_bytes(word)) } else { Err(Errno::EIO) }
}

/// `PTRACE_POKEDATA`: a word. Errors: `EIO`, `ESRCH`.
pub(super) fn poke(task: &Task, at: GuestAddr, word: u64) -> Result<(), Errno> {
    let word = word.to_le_bytes();
    if memory_of(task)?.copy_out_force(at, &word) == word.len() { Ok(()) } else { Err(Errno::EIO) }
}
