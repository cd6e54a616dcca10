//! What is in the directory of a process and of a thread.

use super::task::{Entry, Kind, Scope, ThreadsDir};
use super::{fd, links, maps, mem, mounts, net, ns, smaps, stat, status, tuning, user_maps};
use vfs::fs::pseudo::PseudoNode;

const fn entry(name: &'static str, mode: u32, scope: Scope, kind: Kind) -> Entry {
    Entry { name, mode, scope, kind }
}

/// All entries, in the order in which Linux lists them.
pub(super) static ENTRIES: &[Entry] = &{
    use Kind::{Guarded, Node, Read, ReadWrite};
    use Scope::{Both, Process, Thread};
    [
        entry("task", 0o555, Process, Node(|t| PseudoNode::dir(ThreadsDir(t.clone())))),
        entry("fd", 0o500, Both, Node(fd::descriptors)),
        entry("fdinfo", 0o555, Both, Node(fd::infos)),
        entry("ns", 0o511, Both, Node(ns::dir)),
        entry("net", 0o555, Both, Node(net::dir)),
        entry("environ", 0o400, Both, Guarded(mem::environ)),
        entry("auxv", 0o400, Both, Guarded(mem::auxv)),
        entry("status", 0o444, Both, Read(status::status)),
        entry("personality", 0o400, Both, Guarded(tuning::personality)),
        entry("limits", 0o444, Both, Read(tuning::limits)),
        entry("sched", 0o644, Both, Read(stat::sched)),
        entry("comm", 0o644, Both, ReadWrite(tuning::comm, tuning::set_comm)),
        entry("cmdline", 0o444, Both, Read(mem::cmdline)),
        entry("stat", 0o444, Both, Node(stat::node)),
        entry("statm", 0o444, Both, Read(stat::statm)),
        entry("maps", 0o444, Both, Guarded(maps::maps)),
        entry("children", 0o444, Thread, Read(stat::children)),
        entry("mem", 0o600, Both, Node(mem::node)),
        entry("cwd", 0o777, Both, Node(links::cwd)),
        entry("root", 0o777, Both, Node(links::root)),
        entry("exe", 0o777, Both, Node(links::exe)),
        entry("mounts", 0o444, Both, Node(mounts::mounts)),
        entry("mountinfo", 0o444, Both, Node(mounts::mountinfo)),
        entry("mountstats", 0o400, Process, Node(mounts::mountstats)),
        entry("clear_refs", 0o200, Both, ReadWrite(|_| Err(abi::Errno::EINVAL), smaps::clear_refs)),
        entry("smaps", 0o444, Both, Guarded(smaps::smaps)),
        entry("smaps_rollup", 0o444, Process, Guarded(smaps::rollup)),
        entry("pagemap", 0o400, Both, Node(mem::pagemap)),
        entry("wchan", 0o444, Both, Read(|_| Ok(b"0".to_vec()))),
        entry("stack", 0o400, Both, Read(|_| Err(abi::Errno::EACCES))),
        entry("schedstat", 0o444, Both, Read(stat::schedstat)),
        entry("cgroup", 0o444, Both, Read(|_| Ok(b"0::/\n".to_vec()))),
        entry("oom_score", 0o444, Both, Read(tuning::oom_score)),
        entry("oom_adj", 0o644, Both, ReadWrite(tuning::oom_adj, tuning::set_oom_adj)),
        entry("oom_score_adj", 0o644, Both, ReadWrite(tuning::oom_score_adj, tuning::set_oom_score_adj)),
        entry("loginuid", 0o644, Both, ReadWrite(tuning::loginuid, tuning::set_loginuid)),
        entry("sessionid", 0o444, Both, Read(tuning::sessionid)),
        entry(
            "coredump_filter",
            0o644,
            Process,
            ReadWrite(tuning::coredump_filter, tuning::set_coredump_filter),
        ),
        entry("io", 0o400, Both, Guarded(stat::io)),
        entry("uid_map", 0o644, Both, Node(user_maps::uid_map)),
        entry("gid_map", 0o644, Both, Node(user_maps::gid_map)),
        entry("setgroups", 0o644, Both, Node(user_maps::setgroups)),
        entry("timerslack_ns", 0o666, Process, ReadWrite(tuning::timer_slack, tuning::set_timer_slack)),
    ]
};
