//! `/proc/sys/fs`.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::ops::RangeInclusive;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use abi::Errno;
use kcore::id::{Gid, Uid};
use vfs::anon::inotify::Quotas;
use vfs::fs::mqueue::{HARD_MSGMAX, HARD_MSGSIZEMAX, MqueueFs, MqueueLimits};

use super::super::text::number;
use super::{Access, Parameter, fixed, tunable};
use crate::task::Resources;

/// Open files of all processes; nothing limits them but memory.
const FILE_MAX: i64 = i64::MAX;

pub(super) static PARAMETERS: &[Parameter] = &[
    fixed("fs/file-max", |_| FILE_MAX.to_string()),
    fixed("fs/file-nr", |a| format!("{}\t0\t{FILE_MAX}", open_files(a))),
    tunable(
        "fs/inotify/max_queued_events",
        |a| show_quota(a, |q| &q.queued),
        |a, d| set_quota(a, d, |q| &q.queued),
    ),
    tunable(
        "fs/inotify/max_user_instances",
        |a| show_quota(a, |q| &q.instances),
        |a, d| set_quota(a, d, |q| &q.instances),
    ),
    tunable(
        "fs/inotify/max_user_watches",
        |a| show_quota(a, |q| &q.watches),
        |a, d| set_quota(a, d, |q| &q.watches),
    ),
    tunable(
        "fs/lease-break-time",
        |a| a.kernel.lease_break_time().to_string(),
        |a, d| {
            a.kernel.set_lease_break_time(number(d)?);
            Ok(())
        },
    ),
    fixed("fs/leases-enable", |_| "1".into()),
    tunable(
        "fs/mqueue/msg_default",
        |a| show(a, |l| &l.msg_default),
        |a, d| set(a, d, |l| &l.msg_default, 1..=MSGMAX),
    ),
    tunable("fs/mqueue/msg_max", |a| show(a, |l| &l.msg_max), |a, d| set(a, d, |l| &l.msg_max, 1..=MSGMAX)),
    tunable(
        "fs/mqueue/msgsize_default",
        |a| show(a, |l| &l.msgsize_default),
        |a, d| set(a, d, |l| &l.msgsize_default, MSGSIZEMIN..=MSGSIZEMAX),
    ),
    tunable(
        "fs/mqueue/msgsize_max",
        |a| show(a, |l| &l.msgsize_max),
        |a, d| set(a, d, |l| &l.msgsize_max, MSGSIZEMIN..=MSGSIZEMAX),
    ),
    tunable(
        "fs/mqueue/queues_max",
        |a| show(a, |l| &l.queues_max),
        |a, d| set(a, d, |l| &l.queues_max, 0..=i32::MAX.unsigned_abs().into()),
    ),
    fixed("fs/nr_open", |_| (1 << 20).to_string()),
    fixed("fs/overflowgid", |_| Gid::OVERFLOW.to_string()),
    fixed("fs/overflowuid", |_| Uid::OVERFLOW.to_string()),
    tunable(
        "fs/pipe-max-size",
        |a| a.kernel.pipe_max_size().to_string(),
        |a, d| a.kernel.set_pipe_max_size(number(d)?),
    ),
    // Pages of pipes are not counted for each user.
    fixed("fs/pipe-user-pages-hard", |_| "0".into()),
    fixed("fs/pipe-user-pages-soft", |_| "0".into()),
    fixed("fs/suid_dumpable", |_| String::from("0")),
];

const MSGMAX: u64 = HARD_MSGMAX.unsigned_abs();
const MSGSIZEMIN: u64 = 128;
const MSGSIZEMAX: u64 = HARD_MSGSIZEMAX.unsigned_abs();

type Limit = fn(&MqueueLimits) -> &AtomicU64;

/// The message queues of the reader's IPC namespace.
fn mqueue(a: &Access) -> Arc<MqueueFs> {
    let own = a.task.as_ref().and_then(|t| t.resources::<Resources>()?.mqueue());
    own.unwrap_or_else(|| a.kernel.ipc().mqueue.clone())
}

fn show(a: &Access, limit: Limit) -> String {
    limit(mqueue(a).limits()).load(Ordering::Relaxed).to_string()
}

/// Errors: `EINVAL` for what is no number or outside of `range`.
fn set(a: &Access, data: &[u8], limit: Limit, range: RangeInclusive<u64>) -> Result<(), Errno> {
    let value = number(data)?;
    if !range.contains(&value) {
        return Err(Errno::EINVAL);
    }
    limit(mqueue(a).limits()).store(value, Ordering::Relaxed);
    Ok(())
}

type Quota = fn(&Quotas) -> &AtomicU32;

fn show_quota(a: &Access, quota: Quota) -> String {
    quota(a.kernel.inotify()).load(Ordering::Relaxed).to_string()
}

/// Errors: `EINVAL` for what is no number or negative.
fn set_quota(a: &Access, data: &[u8], quota: Quota) -> Result<(), Errno> {
    let value = u32::try_from(number::<i32>(data)?).map_err(|_| Errno::EINVAL)?;
    quota(a.kernel.inotify()).store(value, Ordering::Relaxed);
    Ok(())
}

fn open_files(a: &Access) -> usize {
    let mut seen = BTreeSet::new();
    for task in a.kernel.processes().tasks() {
        let files = task.resources::<Resources>().and_then(Resources::files);
        seen.extend(files.iter().flat_map(|f| f.list()).map(|(_, file)| file.id()));
    }
    seen.len()
}
