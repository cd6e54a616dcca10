//! Nice values and I/O priorities, [`getpriority(2)`](https://man7.org/linux/man-pages/man2/getpriority.2.html),
//! [`ioprio_set(2)`](https://man7.org/linux/man-pages/man2/ioprio_set.2.html).

use abi::Errno;
use kcore::cred::Cap;
use task::Task;
use task::rlimit::Resource;

use super::SysResult;
use super::target::{Who, may_schedule};
use crate::current::CurrentTask;

fn who(which: i32, first: i32) -> Result<Who, Errno> {
    match which.checked_sub(first) {
        Some(0) => Ok(Who::Process),
        Some(1) => Ok(Who::Group),
        Some(2) => Ok(Who::User),
        _ => Err(Errno::EINVAL),
    }
}

/// Whether `RLIMIT_NICE` of a task lets it have this nice value.
pub(super) fn nice_allowed(task: &Task, nice: i32) -> bool {
    let needed = u64::try_from(20 - nice).unwrap_or(0);
    needed <= task.group().rlimit(Resource::Nice).cur
}

/// `getpriority(2)`: 20 less the nice value, so that no result looks like an error. Errors: `EINVAL`, `ESRCH`.
pub(super) fn getpriority(cx: &mut CurrentTask, which: i32, n: i32) -> SysResult {
    let tasks = cx.tasks_of(who(which, 0)?, n);
    let best = tasks.iter().map(|t| 20 - t.with_fields(|f| f.sched.nice)).max();
    u64::try_from(best.ok_or(Errno::ESRCH)?).map_err(|_| Errno::EINVAL)
}

/// `setpriority(2)`. Errors: `EINVAL`, `ESRCH`, `EPERM` for somebody else's task, `EACCES` for a lower nice value without privilege.
pub(super) fn setpriority(cx: &mut CurrentTask, which: i32, n: i32, nice: i32) -> SysResult {
    let which = who(which, 0)?;
    let nice = nice.clamp(-20, 19);
    let me = cx.task.cred();
    let mut result = Err(Errno::ESRCH);
    for t in cx.tasks_of(which, n) {
        let now = t.with_fields(|f| f.sched.nice);
        if !may_schedule(&me, &t.cred()) {
            result = Err(Errno::EPERM);
        } else if nice < now && !nice_allowed(&t, nice) && !me.has_cap_in(Cap::SysNice, cx.kernel().user_ns())
        {
            result = Err(Errno::EACCES);
        } else {
            t.with_fields(|f| f.sched.nice = nice);
            if result == Err(Errno::ESRCH) {
                result = Ok(0);
            }
        }
    }
    result
}

const CLASS_SHIFT: u16 = 13;
const CLASS_BE: u16 = 2;

/// `ioprio_set(2)`. Errors: `EINVAL`, `ESRCH`, `EPERM`.
pub(super) fn ioprio_set(cx: &mut CurrentTask, which: i32, n: i32, value: i32) -> SysResult {
    let value = u16::try_from(value).map_err(|_| Errno::EINVAL)?;
    let me = cx.task.cred();
    let init_ns = cx.kernel().user_ns();
    match value >> CLASS_SHIFT {
        0 if value & 7 != 0 => return Err(Errno::EINVAL),
        1 if !me.has_cap_in(Cap::SysAdmin, init_ns) && !me.has_cap_in(Cap::SysNice, init_ns) => {
            return Err(Errno::EPERM);
        }
        0..=3 => {}
        _ => return Err(Errno::EINVAL),
    }
    let tasks = cx.tasks_of(who(which, 1)?, n);
    if tasks.is_empty() {
        return Err(Errno::ESRCH);
    }
    for t in tasks {
        let uid = t.cred().uid;
        if uid != me.euid && uid != me.uid && !me.has_cap_in(Cap::SysNice, init_ns) {
            return Err(Errno::EPERM);
        }
        t.with_fields(|f| f.sched.ioprio = value);
    }
    Ok(0)
}

/// What a task that has no I/O priority gets by its nice value.
fn effective_ioprio(t: &Task) -> u16 {
    t.with_fields(|f| {
        if f.sched.ioprio >> CLASS_SHIFT != 0 {
            return f.sched.ioprio;
        }
        let level = u16::try_from((f.sched.nice + 20) / 5).unwrap_or(4);
        CLASS_BE << CLASS_SHIFT | level
    })
}

/// `ioprio_get(2)`: of many tasks the best one. Errors: `EINVAL`, `ESRCH`.
pub(super) fn ioprio_get(cx: &mut CurrentTask, which: i32, n: i32) -> SysResult {
    let which = who(which, 1)?;
    let tasks = cx.tasks_of(which, n);
    let value = if which == Who::Process {
        tasks.first().map(|t| t.with_fields(|f| f.sched.ioprio))
    } else {
        tasks.iter().map(|t| effective_ioprio(t)).min()
    };
    Ok(value.ok_or(Errno::ESRCH)?.into())
}
