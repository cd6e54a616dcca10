//! `/proc/sys/kernel`: limits of System V IPC, those of the reader's namespace.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;

use abi::Errno;
use task::ipc::{IpcNamespace, Tunable};

use super::super::text::number;
use super::{Access, Parameter, fixed, tunable};
use crate::task::Resources;

/// Most objects of a kind, whatever the limit says.
const IPCMNI: u64 = 32768;
const INT_MAX: u64 = i32::MAX.unsigned_abs() as u64;

pub(super) static PARAMETERS: &[Parameter] = &[
    // The number of queues has followed nothing for long.
    fixed("kernel/auto_msgmni", |_| "0".into()),
    tunable(
        "kernel/msg_next_id",
        |a| show_id(of(a).msg.next_id()),
        |a, d| {
            of(a).msg.set_next_id(read_id(d)?);
            Ok(())
        },
    ),
    tunable("kernel/msgmax", |a| show(&of(a).msg.msgmax), |a, d| set(&of(a).msg.msgmax, d, INT_MAX)),
    tunable("kernel/msgmnb", |a| show(&of(a).msg.msgmnb), |a, d| set(&of(a).msg.msgmnb, d, INT_MAX)),
    tunable("kernel/msgmni", |a| show(&of(a).msg.msgmni), |a, d| set(&of(a).msg.msgmni, d, IPCMNI)),
    tunable("kernel/sem", semaphores, set_semaphores),
    tunable(
        "kernel/sem_next_id",
        |a| show_id(of(a).sem.next_id()),
        |a, d| {
            of(a).sem.set_next_id(read_id(d)?);
            Ok(())
        },
    ),
    tunable(
        "kernel/shm_next_id",
        |a| show_id(of(a).shm.next_id()),
        |a, d| {
            of(a).shm.set_next_id(read_id(d)?);
            Ok(())
        },
    ),
    // Segments stay until they are removed.
    fixed("kernel/shm_rmid_forced", |_| "0".into()),
    tunable("kernel/shmall", |a| show(&of(a).shm.shmall), |a, d| set(&of(a).shm.shmall, d, u64::MAX)),
    tunable("kernel/shmmax", |a| show(&of(a).shm.shmmax), |a, d| set(&of(a).shm.shmmax, d, u64::MAX)),
    tunable("kernel/shmmni", |a| show(&of(a).shm.shmmni), |a, d| set(&of(a).shm.shmmni, d, IPCMNI)),
];

fn of(a: &Access) -> Arc<IpcNamespace> {
    let own = a.task.as_ref().and_then(|t| t.resources::<Resources>()?.ipc());
    own.unwrap_or_else(|| a.kernel.ipc().sysv.clone())
}

fn show(limit: &Tunable) -> String {
    limit.get().to_string()
}

/// Errors: `EINVAL` for what is no number or above `most`.
fn set(limit: &Tunable, data: &[u8], most: u64) -> Result<(), Errno> {
    let value: u64 = number(data)?;
    if value > most {
        return Err(Errno::EINVAL);
    }
    limit.set(value);
    Ok(())
}

/// The number that the next object shall have, or -1.
fn show_id(id: Option<u32>) -> String {
    id.map_or_else(|| "-1".into(), |id| id.to_string())
}

fn read_id(data: &[u8]) -> Result<Option<u32>, Errno> {
    let id: i32 = number(data)?;
    Ok(u32::try_from(id).ok())
}

fn semaphores(a: &Access) -> String {
    let sem = &of(a).sem;
    format!("{}\t{}\t{}\t{}", show(&sem.semmsl), show(&sem.semmns), show(&sem.semopm), show(&sem.semmni))
}

/// As many of the four as are given. Errors: `EINVAL`.
fn set_semaphores(a: &Access, data: &[u8]) -> Result<(), Errno> {
    let ns = of(a);
    let all = [
        (&ns.sem.semmsl, INT_MAX),
        (&ns.sem.semmns, INT_MAX),
        (&ns.sem.semopm, INT_MAX),
        (&ns.sem.semmni, IPCMNI),
    ];
    for ((limit, most), word) in
        all.into_iter().zip(data.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty()))
    {
        set(limit, word, most)?;
    }
    Ok(())
}
