//! Settings of a process: `comm`, `oom_*`, `limits`, `loginuid`, `coredump_filter`, `timerslack_ns`, `personality`.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use abi::Errno;
use kcore::cred::Cap;
use task::Task;
use task::rlimit::{INFINITY, Resource};
use vfs::context::Caller;

use super::task::TaskRef;
use super::text::{Text, line, number};
use crate::ptrace_access::{AccessMode, may_access};
use crate::task::Resources;

fn lines(value: impl Into<i128>) -> Result<Vec<u8>, Errno> {
    Ok((value.into().to_string() + "\n").into_bytes())
}

/// `comm`.
pub(super) fn comm(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    let raw = of.task.comm();
    let end = raw.iter().position(|b| *b == 0).unwrap_or(raw.len());
    Ok([&raw[..end], b"\n"].concat())
}

/// Writing to `comm`. Errors: `EINVAL` for a thread of another process.
pub(super) fn set_comm(of: &TaskRef, by: &Caller<'_>, data: &[u8]) -> Result<(), Errno> {
    let own = by.task_as::<Task>().is_some_and(|t| t.group().id() == of.task.group().id());
    if !own {
        return Err(Errno::EINVAL);
    }
    let end = data.iter().position(|b| *b == 0).unwrap_or(data.len());
    of.task.set_comm(&data[..end]);
    Ok(())
}

/// `limits`.
pub(super) fn limits(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    const ROWS: [(&str, &str); 16] = [
        ("Max cpu time", "seconds"),
        ("Max file size", "bytes"),
        ("Max data size", "bytes"),
        ("Max stack size", "bytes"),
        ("Max core file size", "bytes"),
        ("Max resident set", "bytes"),
        ("Max processes", "processes"),
        ("Max open files", "files"),
        ("Max locked memory", "bytes"),
        ("Max address space", "bytes"),
        ("Max file locks", "locks"),
        ("Max pending signals", "signals"),
        ("Max msgqueue size", "bytes"),
        ("Max nice priority", ""),
        ("Max realtime priority", ""),
        ("Max realtime timeout", "us"),
    ];
    let mut t = Text::default();
    line!(t, "{:<25} {:<20} {:<20} {:<10}", "Limit", "Soft Limit", "Hard Limit", "Units");
    let show = |n: u64| if n == INFINITY { String::from("unlimited") } else { n.to_string() };
    for (resource, (name, unit)) in Resource::ALL.into_iter().zip(ROWS) {
        let l = of.task.group().rlimit(resource);
        // What has no unit ends the line early.
        let unit = if unit.is_empty() { String::new() } else { alloc::format!("{unit:<10}") };
        line!(t, "{name:<25} {:<20} {:<20} {unit}", show(l.cur), show(l.max));
    }
    Ok(t.into_bytes())
}

/// `personality`.
pub(super) fn personality(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    Ok(alloc::format!("{:08x}\n", of.task.with_fields(|f| f.personality)).into_bytes())
}

/// `oom_score`: by the share of memory that the process uses, moved by its adjustment; 666 for one that uses nothing.
pub(super) fn oom_score(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    let total = i64::try_from(of.kernel()?.host().machine.memory >> 12).unwrap_or(i64::MAX).max(1);
    let adjustment = i64::from(of.task.group().oom_score_adj());
    let used = of.mm().map_or(0, |m| i64::try_from(m.stats().rss >> 12).unwrap_or(i64::MAX));
    let points = used.saturating_add(adjustment * (total / 1000));
    let immune = adjustment == -1000 || of.mm().is_none();
    lines(if immune { 0 } else { ((1000 + points.saturating_mul(1000) / total) * 2 / 3).max(0) })
}

/// `oom_score_adj`.
pub(super) fn oom_score_adj(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    lines(of.task.group().oom_score_adj())
}

/// Writing to `oom_score_adj`. Errors: `EINVAL` beyond ±1000, `EACCES` for a lower value than privilege ever set without it.
pub(super) fn set_oom_score_adj(of: &TaskRef, by: &Caller<'_>, data: &[u8]) -> Result<(), Errno> {
    let value: i32 = number(data)?;
    if !(-1000..=1000).contains(&value) {
        return Err(Errno::EINVAL);
    }
    adjust(of, by, value)
}

fn adjust(of: &TaskRef, by: &Caller<'_>, value: i32) -> Result<(), Errno> {
    let group = of.task.group();
    let privileged = by.cred.has_cap_in(Cap::SysResource, of.kernel()?.user_ns());
    if value < group.oom_score_adj_min() && !privileged {
        return Err(Errno::EACCES);
    }
    group.set_oom_score_adj(value);
    if privileged {
        group.set_oom_score_adj_min(value);
    }
    Ok(())
}

/// `oom_adj`, the older scale from -17 to 15.
pub(super) fn oom_adj(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    let value = of.task.group().oom_score_adj();
    lines(if value == 1000 { 15 } else { value * 17 / 1000 })
}

/// Writing to `oom_adj`. Errors: as [`set_oom_score_adj`].
pub(super) fn set_oom_adj(of: &TaskRef, by: &Caller<'_>, data: &[u8]) -> Result<(), Errno> {
    let value: i32 = number(data)?;
    match value {
        15 => adjust(of, by, 1000),
        -17..=14 => adjust(of, by, value * 1000 / 17),
        _ => Err(Errno::EINVAL),
    }
}

/// `loginuid`: who logged in; 4294967295 before anybody did.
pub(super) fn loginuid(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    Ok(of.task.with_fields(|f| f.login.uid).to_string().into_bytes())
}

/// Writing to `loginuid`. Errors: `EPERM` for another task, and without `CAP_AUDIT_CONTROL` once it is set.
pub(super) fn set_loginuid(of: &TaskRef, by: &Caller<'_>, data: &[u8]) -> Result<(), Errno> {
    let uid: u32 = number(data)?;
    let own = by.task_as::<Task>().is_some_and(|t| t.id() == of.task.id());
    let kernel = of.kernel()?;
    let unset = of.task.with_fields(|f| f.login.uid) == u32::MAX;
    if !own || !unset && !by.cred.has_cap_in(Cap::AuditControl, kernel.user_ns()) {
        return Err(Errno::EPERM);
    }
    let session = if uid == u32::MAX { u32::MAX } else { kernel.next_login_session() };
    of.task.with_fields(|f| f.login = task::task::Login { uid, session });
    Ok(())
}

/// `sessionid`: a number for each login.
pub(super) fn sessionid(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    Ok(of.task.with_fields(|f| f.login.session).to_string().into_bytes())
}

/// `coredump_filter`.
pub(super) fn coredump_filter(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    let image = of.resources().and_then(Resources::image);
    Ok(image.map_or_else(Vec::new, |i| alloc::format!("{:08x}\n", i.coredump_filter()).into_bytes()))
}

/// Writing to `coredump_filter`; the kinds of memory are those of `core(5)`.
pub(super) fn set_coredump_filter(of: &TaskRef, _: &Caller<'_>, data: &[u8]) -> Result<(), Errno> {
    const KINDS: u32 = 0x1ff;
    let text = core::str::from_utf8(data).map_err(|_| Errno::EINVAL)?.trim();
    let value = match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).map_err(|_| Errno::EINVAL)?,
        None => text.parse().map_err(|_| Errno::EINVAL)?,
    };
    let image = of.resources().and_then(Resources::image).ok_or(Errno::ESRCH)?;
    image.set_coredump_filter(value & KINDS);
    Ok(())
}

fn may_tune(of: &TaskRef, by: &Caller<'_>) -> Result<(), Errno> {
    if by.cred.has_cap_in(Cap::SysNice, &of.task.cred().user_ns) {
        return Ok(());
    }
    may_access(by.cred, by.task_as(), &of.task, AccessMode::Fs)
}

/// `timerslack_ns`.
pub(super) fn timer_slack(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    lines(of.task.with_fields(|f| f.prctl.timer_slack.get()))
}

/// Writing to `timerslack_ns`; 0 brings the default back. Errors: `EPERM`.
pub(super) fn set_timer_slack(of: &TaskRef, by: &Caller<'_>, data: &[u8]) -> Result<(), Errno> {
    may_tune(of, by)?;
    let value = number(data)?;
    of.task.with_fields(|f| f.prctl.timer_slack.set(value));
    Ok(())
}
