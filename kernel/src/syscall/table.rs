//! The declaration of every system call: number, name, arguments, handler, status. Dispatch, traces and the compatibility page come
//! from it, and so can generators of test programs.

use alloc::string::String;
use core::ffi::c_char;
use core::fmt::Write;

use abi::Errno;
use abi::fs::fcntl::Iovec;
use abi::fs::poll::{EpollEvent, Pollfd};
use abi::ipc::Sembuf;
use kcore::addr::GuestAddr;
use kcore::id::{Fd, Pid};
use kcore::user::{Read as R, UserPtr, Write as W};

use super::args::{Arg, Shape};
use super::{
    SysResult, allocate, attributes, clock_set, clone, copy, cred, cross, descriptor, directory, dirent,
    epoll, eventfd, execve, fcntl, futex, inotify, ioctl, ipc, itimer, limits, locks, memfd, memory, mount,
    mount_query, mqueue, names, namespace, open, pidfd, pipe, poll, posix_timer, prctl, priority, process,
    ptrace, read_write, rusage, sched, seccomp, select, signal, signalfd, socket, splice, stat, statfs, sync,
    system, time, timerfd, wait, xattr, xattrat,
};
use crate::current::CurrentTask;

/// How much of a system call works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All that programs use.
    Full,
    /// A part; the text says what is missing.
    Partial(&'static str),
}

impl Status {
    /// Whether there is a handler at all.
    pub const fn is_implemented(self) -> bool {
        matches!(self, Status::Full | Status::Partial(_))
    }
}

/// One argument.
#[derive(Clone, Copy, Debug)]
pub struct ArgInfo {
    /// Its name.
    pub name: &'static str,
    /// What the register holds: `int`, `fd`, `ptr`, …
    pub kind: &'static str,
    /// What is behind it, if it is a pointer.
    pub(crate) shape: fn() -> Shape,
    show: fn(u64, &mut String),
}

/// One system call.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its number on x86-64.
    pub number: u32,
    /// Its name.
    pub name: &'static str,
    /// Its arguments.
    pub args: &'static [ArgInfo],
    /// How much of it works.
    pub status: Status,
}

macro_rules! call {
    (async, $f:path, $cx:ident, $($a:expr),*) => { $f($cx, $($a),*).await };
    (sync, $f:path, $cx:ident, $($a:expr),*) => { $f($cx, $($a),*) };
}

macro_rules! syscalls {
    ($($nr:literal $name:ident($($arg:ident: $ty:ty),*) => $mode:ident $handler:path, $status:expr;)*) => {
        static TABLE: &[Entry] = &[$(Entry {
            number: $nr,
            name: stringify!($name),
            args: &[$(ArgInfo { name: stringify!($arg), kind: <$ty as Arg>::KIND, shape: <$ty as Arg>::shape, show: <$ty as Arg>::show }),*],
            status: $status,
        }),*];

        /// Calls the handler of `nr`. Errors: the handler's; `ENOSYS` if there is none.
        pub(super) async fn dispatch(cx: &mut CurrentTask, nr: u32, args: [u64; 6]) -> SysResult {
            match nr {
                $($nr => {
                    let mut _regs = args.into_iter();
                    $(let $arg = <$ty as Arg>::from_reg(_regs.next().unwrap_or(0));)*
                    call!($mode, $handler, cx, $($arg),*)
                })*
                _ => Err(Errno::ENOSYS),
            }
        }
    };
}

use Status::{Full, Partial};

syscalls! {
    0 read(fd: Fd, buf: UserPtr<u8, W>, count: usize) => async read_write::read, Full;
    1 write(fd: Fd, buf: UserPtr<u8, R>, count: usize) => async read_write::write, Full;
    2 open(path: UserPtr<c_char>, flags: u32, mode: u32) => async open::open, Full;
    3 close(fd: Fd) => sync descriptor::close, Full;
    4 stat(path: UserPtr<c_char>, buf: GuestAddr) => sync stat::stat, Full;
    5 fstat(fd: Fd, buf: GuestAddr) => sync stat::fstat, Full;
    6 lstat(path: UserPtr<c_char>, buf: GuestAddr) => sync stat::lstat, Full;
    7 poll(fds: UserPtr<Pollfd, W>, count: usize, timeout: i32) => async poll::poll, Full;
    8 lseek(fd: Fd, offset: i64, whence: u32) => sync read_write::lseek, Full;
    9 mmap(addr: GuestAddr, len: u64, prot: u32, flags: u32, fd: Fd, offset: u64) => sync memory::mmap, Partial("no huge pages");
    10 mprotect(addr: GuestAddr, len: u64, prot: u32) => sync memory::mprotect, Full;
    11 munmap(addr: GuestAddr, len: u64) => sync memory::munmap, Full;
    12 brk(addr: GuestAddr) => sync memory::brk, Full;
    13 rt_sigaction(sig: i32, new: GuestAddr, old: GuestAddr, size: usize) => sync signal::rt_sigaction, Full;
    14 rt_sigprocmask(how: i32, new: GuestAddr, old: GuestAddr, size: usize) => sync signal::rt_sigprocmask, Full;
    15 rt_sigreturn() => sync signal::rt_sigreturn, Full;
    16 ioctl(fd: Fd, request: u32, arg: u64) => async ioctl::ioctl, Full;
    17 pread64(fd: Fd, buf: UserPtr<u8, W>, count: usize, offset: i64) => sync read_write::pread64, Full;
    18 pwrite64(fd: Fd, buf: UserPtr<u8, R>, count: usize, offset: i64) => async read_write::pwrite64, Full;
    19 readv(fd: Fd, iov: UserPtr<Iovec>, count: usize) => async read_write::readv, Full;
    20 writev(fd: Fd, iov: UserPtr<Iovec>, count: usize) => async read_write::writev, Full;
    21 access(path: UserPtr<c_char>, mode: u32) => sync attributes::access, Full;
    22 pipe(fds: GuestAddr) => sync pipe::pipe, Full;
    23 select(count: i32, read: GuestAddr, write: GuestAddr, except: GuestAddr, timeout: GuestAddr) => async select::select, Full;
    24 sched_yield() => async sched::sched_yield, Full;
    25 mremap(old: GuestAddr, old_len: u64, new_len: u64, flags: u32, new: GuestAddr) => sync memory::mremap, Full;
    26 msync(addr: GuestAddr, len: u64, flags: u32) => sync memory::msync, Full;
    27 mincore(addr: GuestAddr, len: u64, out: GuestAddr) => sync memory::mincore, Full;
    28 madvise(addr: GuestAddr, len: u64, advice: i32) => sync memory::madvise, Full;
    29 shmget(key: i32, size: u64, flags: u32) => sync ipc::shmget, Partial("no huge pages");
    30 shmat(shmid: i32, addr: GuestAddr, flags: u32) => sync ipc::shmat, Full;
    31 shmctl(shmid: i32, cmd: u32, buf: GuestAddr) => sync ipc::shmctl, Full;
    32 dup(fd: Fd) => sync descriptor::dup, Full;
    33 dup2(old: Fd, new: Fd) => sync descriptor::dup2, Full;
    34 pause() => async signal::pause, Full;
    35 nanosleep(req: GuestAddr, rem: GuestAddr) => async time::nanosleep, Full;
    36 getitimer(which: i32, out: GuestAddr) => sync itimer::getitimer, Full;
    37 alarm(seconds: u32) => sync itimer::alarm, Full;
    38 setitimer(which: i32, new: GuestAddr, old: GuestAddr) => sync itimer::setitimer, Full;
    39 getpid() => sync process::getpid, Full;
    40 sendfile(out: Fd, input: Fd, offset: UserPtr<i64>, count: usize) => async copy::sendfile, Full;
    41 socket(family: i32, kind: u32, protocol: i32) => sync socket::socket, Partial("AF_UNIX only");
    42 connect(fd: Fd, addr: GuestAddr, len: i32) => async socket::connect, Full;
    43 accept(fd: Fd, addr: GuestAddr, len: GuestAddr) => async socket::accept, Full;
    44 sendto(fd: Fd, buf: GuestAddr, len: usize, flags: u32, addr: GuestAddr, addr_len: i32) => async socket::sendto, Partial("no urgent data");
    45 recvfrom(fd: Fd, buf: GuestAddr, len: usize, flags: u32, addr: GuestAddr, addr_len: GuestAddr) => async socket::recvfrom, Partial("no urgent data");
    46 sendmsg(fd: Fd, msg: GuestAddr, flags: u32) => async socket::sendmsg, Partial("no urgent data");
    47 recvmsg(fd: Fd, msg: GuestAddr, flags: u32) => async socket::recvmsg, Partial("no urgent data, no SCM_PIDFD");
    48 shutdown(fd: Fd, how: i32) => sync socket::shutdown, Full;
    49 bind(fd: Fd, addr: GuestAddr, len: i32) => sync socket::bind, Full;
    50 listen(fd: Fd, backlog: i32) => sync socket::listen, Full;
    51 getsockname(fd: Fd, addr: GuestAddr, len: GuestAddr) => sync socket::getsockname, Full;
    52 getpeername(fd: Fd, addr: GuestAddr, len: GuestAddr) => sync socket::getpeername, Full;
    53 socketpair(family: i32, kind: u32, protocol: i32, fds: GuestAddr) => sync socket::socketpair, Full;
    54 setsockopt(fd: Fd, level: i32, name: u32, value: GuestAddr, len: i32) => sync socket::setsockopt, Partial("no filters");
    55 getsockopt(fd: Fd, level: i32, name: u32, value: GuestAddr, len: GuestAddr) => sync socket::getsockopt, Partial("no SO_PEERPIDFD");
    56 clone(flags: u64, stack: GuestAddr, ptid: GuestAddr, ctid: GuestAddr, tls: u64) => async clone::clone, Partial("no network, cgroup and time namespaces");
    57 fork() => async clone::fork, Full;
    58 vfork() => async clone::vfork, Full;
    59 execve(path: UserPtr<c_char>, argv: GuestAddr, envp: GuestAddr) => async execve::execve, Full;
    60 exit(status: i32) => sync process::exit, Full;
    61 wait4(pid: Pid, status: GuestAddr, options: u32, rusage: GuestAddr) => async wait::wait4, Full;
    62 kill(pid: Pid, sig: i32) => sync signal::kill, Full;
    63 uname(buf: GuestAddr) => sync system::uname, Full;
    64 semget(key: i32, count: i32, flags: u32) => sync ipc::semget, Full;
    65 semop(semid: i32, ops: UserPtr<Sembuf>, count: u32) => async ipc::semop, Full;
    66 semctl(semid: i32, num: i32, cmd: u32, arg: u64) => sync ipc::semctl, Full;
    67 shmdt(addr: GuestAddr) => sync ipc::shmdt, Full;
    68 msgget(key: i32, flags: u32) => sync ipc::msgget, Full;
    69 msgsnd(msqid: i32, msg: GuestAddr, size: usize, flags: u32) => async ipc::msgsnd, Full;
    70 msgrcv(msqid: i32, msg: GuestAddr, size: usize, kind: i64, flags: u32) => async ipc::msgrcv, Full;
    71 msgctl(msqid: i32, cmd: u32, buf: GuestAddr) => sync ipc::msgctl, Full;
    72 fcntl(fd: Fd, cmd: u32, arg: u64) => async fcntl::fcntl, Full;
    73 flock(fd: Fd, op: u32) => async locks::flock, Full;
    74 fsync(fd: Fd) => sync sync::fsync, Full;
    75 fdatasync(fd: Fd) => sync sync::fdatasync, Full;
    76 truncate(path: UserPtr<c_char>, len: i64) => async allocate::truncate, Full;
    77 ftruncate(fd: Fd, len: i64) => sync allocate::ftruncate, Full;
    78 getdents(fd: Fd, buf: GuestAddr, size: u32) => sync dirent::getdents, Full;
    79 getcwd(buf: GuestAddr, size: usize) => sync directory::getcwd, Full;
    80 chdir(path: UserPtr<c_char>) => sync directory::chdir, Full;
    81 fchdir(fd: Fd) => sync directory::fchdir, Full;
    82 rename(old: UserPtr<c_char>, new: UserPtr<c_char>) => sync names::rename, Full;
    83 mkdir(path: UserPtr<c_char>, mode: u32) => sync names::mkdir, Full;
    84 rmdir(path: UserPtr<c_char>) => sync names::rmdir, Full;
    85 creat(path: UserPtr<c_char>, mode: u32) => async open::creat, Full;
    86 link(old: UserPtr<c_char>, new: UserPtr<c_char>) => sync names::link, Full;
    87 unlink(path: UserPtr<c_char>) => sync names::unlink, Full;
    88 symlink(target: UserPtr<c_char>, path: UserPtr<c_char>) => sync names::symlink, Full;
    89 readlink(path: UserPtr<c_char>, buf: GuestAddr, size: i32) => sync names::readlink, Full;
    90 chmod(path: UserPtr<c_char>, mode: u32) => sync attributes::chmod, Full;
    91 fchmod(fd: Fd, mode: u32) => sync attributes::fchmod, Full;
    92 chown(path: UserPtr<c_char>, uid: u32, gid: u32) => sync attributes::chown, Full;
    93 fchown(fd: Fd, uid: u32, gid: u32) => sync attributes::fchown, Full;
    94 lchown(path: UserPtr<c_char>, uid: u32, gid: u32) => sync attributes::lchown, Full;
    95 umask(mask: u32) => sync directory::umask, Full;
    96 gettimeofday(tv: GuestAddr, tz: GuestAddr) => sync time::gettimeofday, Full;
    97 getrlimit(resource: u32, out: GuestAddr) => sync limits::getrlimit, Full;
    98 getrusage(who: i32, out: GuestAddr) => sync rusage::getrusage, Full;
    99 sysinfo(out: GuestAddr) => sync system::sysinfo, Full;
    100 times(out: GuestAddr) => sync rusage::times, Full;
    101 ptrace(request: u32, pid: Pid, addr: u64, data: u64) => async ptrace::ptrace, Partial("debug registers do not watch reads");
    102 getuid() => sync cred::getuid, Full;
    103 syslog(action: i32, buf: UserPtr<u8, W>, len: i32) => async system::syslog, Full;
    104 getgid() => sync cred::getgid, Full;
    105 setuid(uid: u32) => sync cred::setuid, Full;
    106 setgid(gid: u32) => sync cred::setgid, Full;
    107 geteuid() => sync cred::geteuid, Full;
    108 getegid() => sync cred::getegid, Full;
    109 setpgid(pid: Pid, pgid: Pid) => sync process::setpgid, Full;
    110 getppid() => sync process::getppid, Full;
    111 getpgrp() => sync process::getpgrp, Full;
    112 setsid() => sync process::setsid, Full;
    113 setreuid(ruid: u32, euid: u32) => sync cred::setreuid, Full;
    114 setregid(rgid: u32, egid: u32) => sync cred::setregid, Full;
    115 getgroups(size: i32, list: GuestAddr) => sync cred::getgroups, Full;
    116 setgroups(size: usize, list: UserPtr<u32>) => sync cred::setgroups, Full;
    117 setresuid(ruid: u32, euid: u32, suid: u32) => sync cred::setresuid, Full;
    118 getresuid(ruid: GuestAddr, euid: GuestAddr, suid: GuestAddr) => sync cred::getresuid, Full;
    119 setresgid(rgid: u32, egid: u32, sgid: u32) => sync cred::setresgid, Full;
    120 getresgid(rgid: GuestAddr, egid: GuestAddr, sgid: GuestAddr) => sync cred::getresgid, Full;
    121 getpgid(pid: Pid) => sync process::getpgid, Full;
    122 setfsuid(uid: u32) => sync cred::setfsuid, Full;
    123 setfsgid(gid: u32) => sync cred::setfsgid, Full;
    124 getsid(pid: Pid) => sync process::getsid, Full;
    125 capget(header: GuestAddr, data: GuestAddr) => sync cred::capget, Full;
    126 capset(header: GuestAddr, data: UserPtr<[u32; 3]>) => sync cred::capset, Full;
    127 rt_sigpending(set: GuestAddr, size: usize) => sync signal::rt_sigpending, Full;
    128 rt_sigtimedwait(set: GuestAddr, info: GuestAddr, timeout: GuestAddr, size: usize) => async signal::rt_sigtimedwait, Full;
    129 rt_sigqueueinfo(pid: Pid, sig: i32, info: GuestAddr) => sync signal::rt_sigqueueinfo, Full;
    130 rt_sigsuspend(mask: GuestAddr, size: usize) => async signal::rt_sigsuspend, Full;
    131 sigaltstack(new: GuestAddr, old: GuestAddr) => sync signal::sigaltstack, Full;
    132 utime(path: UserPtr<c_char>, times: GuestAddr) => sync attributes::utime, Full;
    133 mknod(path: UserPtr<c_char>, mode: u32, dev: u32) => sync names::mknod, Full;
    135 personality(persona: u32) => sync process::personality, Partial("other kinds of systems, and the flags but for addresses, names, times and READ_IMPLIES_EXEC, are kept without effect");
    136 ustat(dev: u32, out: GuestAddr) => sync statfs::ustat, Full;
    137 statfs(path: UserPtr<c_char>, buf: GuestAddr) => sync statfs::statfs, Full;
    138 fstatfs(fd: Fd, buf: GuestAddr) => sync statfs::fstatfs, Full;
    139 sysfs(option: u32, arg: u64, buf: GuestAddr) => sync mount::sysfs, Full;
    140 getpriority(which: i32, who: i32) => sync priority::getpriority, Full;
    141 setpriority(which: i32, who: i32, nice: i32) => sync priority::setpriority, Partial("kept; the executor serves all tasks alike");
    142 sched_setparam(pid: Pid, param: GuestAddr) => sync sched::sched_setparam, Partial("kept; the executor serves all tasks alike");
    143 sched_getparam(pid: Pid, param: GuestAddr) => sync sched::sched_getparam, Full;
    144 sched_setscheduler(pid: Pid, policy: i32, param: GuestAddr) => sync sched::sched_setscheduler, Partial("kept; the executor serves all tasks alike; no SCHED_DEADLINE");
    145 sched_getscheduler(pid: Pid) => sync sched::sched_getscheduler, Full;
    146 sched_get_priority_max(policy: u32) => sync sched::sched_get_priority_max, Full;
    147 sched_get_priority_min(policy: u32) => sync sched::sched_get_priority_min, Full;
    148 sched_rr_get_interval(pid: Pid, out: GuestAddr) => sync sched::sched_rr_get_interval, Full;
    149 mlock(addr: GuestAddr, len: u64) => sync memory::mlock, Full;
    150 munlock(addr: GuestAddr, len: u64) => sync memory::munlock, Full;
    151 mlockall(flags: u32) => sync memory::mlockall, Full;
    152 munlockall() => sync memory::munlockall, Full;
    153 vhangup() => sync system::vhangup, Full;
    155 pivot_root(new_root: UserPtr<c_char>, put_old: UserPtr<c_char>) => sync mount::pivot_root, Full;
    157 prctl(option: u32, arg2: u64, arg3: u64, arg4: u64, arg5: u64) => sync prctl::prctl, Partial("no traps of the time-stamp counter; PR_SET_MM does not move the heap");
    158 arch_prctl(code: i32, addr: u64) => sync process::arch_prctl, Partial("FS and GS bases only");
    159 adjtimex(buf: GuestAddr) => sync clock_set::adjtimex, Partial("the clock cannot be changed");
    160 setrlimit(resource: u32, new: GuestAddr) => sync limits::setrlimit, Partial("RLIMIT_CPU, RTTIME, CORE and RSS are kept, without effect");
    161 chroot(path: UserPtr<c_char>) => sync directory::chroot, Full;
    162 sync() => sync statfs::sync, Partial("files of the host are left to the host's own write-back");
    164 settimeofday(time: GuestAddr, zone: GuestAddr) => sync clock_set::settimeofday, Partial("the clock cannot be changed");
    165 mount(source: UserPtr<c_char>, target: UserPtr<c_char>, kind: UserPtr<c_char>, flags: u64, data: UserPtr<c_char>) => sync mount::mount, Partial("tmpfs, devpts, mqueue and proc only; no propagation");
    166 umount2(path: UserPtr<c_char>, flags: u32) => sync mount::umount2, Full;
    170 sethostname(name: UserPtr<u8>, len: i32) => sync system::sethostname, Full;
    171 setdomainname(name: UserPtr<u8>, len: i32) => sync system::setdomainname, Full;
    186 gettid() => sync process::gettid, Full;
    187 readahead(fd: Fd, offset: i64, count: usize) => sync allocate::readahead, Full;
    188 setxattr(path: UserPtr<c_char>, name: UserPtr<c_char>, value: GuestAddr, size: usize, flags: u32) => sync xattr::setxattr, Full;
    189 lsetxattr(path: UserPtr<c_char>, name: UserPtr<c_char>, value: GuestAddr, size: usize, flags: u32) => sync xattr::lsetxattr, Full;
    190 fsetxattr(fd: Fd, name: UserPtr<c_char>, value: GuestAddr, size: usize, flags: u32) => sync xattr::fsetxattr, Full;
    191 getxattr(path: UserPtr<c_char>, name: UserPtr<c_char>, buf: GuestAddr, size: usize) => sync xattr::getxattr, Full;
    192 lgetxattr(path: UserPtr<c_char>, name: UserPtr<c_char>, buf: GuestAddr, size: usize) => sync xattr::lgetxattr, Full;
    193 fgetxattr(fd: Fd, name: UserPtr<c_char>, buf: GuestAddr, size: usize) => sync xattr::fgetxattr, Full;
    194 listxattr(path: UserPtr<c_char>, buf: GuestAddr, size: usize) => sync xattr::listxattr, Full;
    195 llistxattr(path: UserPtr<c_char>, buf: GuestAddr, size: usize) => sync xattr::llistxattr, Full;
    196 flistxattr(fd: Fd, buf: GuestAddr, size: usize) => sync xattr::flistxattr, Full;
    197 removexattr(path: UserPtr<c_char>, name: UserPtr<c_char>) => sync xattr::removexattr, Full;
    198 lremovexattr(path: UserPtr<c_char>, name: UserPtr<c_char>) => sync xattr::lremovexattr, Full;
    199 fremovexattr(fd: Fd, name: UserPtr<c_char>) => sync xattr::fremovexattr, Full;
    200 tkill(tid: Pid, sig: i32) => sync signal::tkill, Full;
    201 time(out: GuestAddr) => sync time::time, Full;
    202 futex(addr: GuestAddr, op: u32, value: u32, timeout: GuestAddr, addr2: GuestAddr, value3: u32) => async futex::futex, Full;
    203 sched_setaffinity(pid: Pid, len: usize, mask: GuestAddr) => sync sched::sched_setaffinity, Partial("kept; any worker may serve a task");
    204 sched_getaffinity(pid: Pid, len: u32, mask: GuestAddr) => sync sched::sched_getaffinity, Full;
    213 epoll_create(size: i32) => sync epoll::epoll_create, Full;
    216 remap_file_pages(start: GuestAddr, len: u64, prot: u64, page: u64, flags: u32) => sync memory::remap_file_pages, Partial("within one mapping only");
    217 getdents64(fd: Fd, buf: GuestAddr, size: u32) => sync dirent::getdents64, Full;
    218 set_tid_address(addr: GuestAddr) => sync process::set_tid_address, Full;
    219 restart_syscall() => sync signal::restart_syscall, Full;
    220 semtimedop(semid: i32, ops: UserPtr<Sembuf>, count: u32, timeout: GuestAddr) => async ipc::semtimedop, Full;
    221 fadvise64(fd: Fd, offset: i64, len: i64, advice: i32) => sync allocate::fadvise64, Full;
    222 timer_create(clock: i32, event: GuestAddr, out: GuestAddr) => sync posix_timer::timer_create, Full;
    223 timer_settime(id: i32, flags: u32, new: GuestAddr, old: GuestAddr) => sync posix_timer::timer_settime, Full;
    224 timer_gettime(id: i32, out: GuestAddr) => sync posix_timer::timer_gettime, Full;
    225 timer_getoverrun(id: i32) => sync posix_timer::timer_getoverrun, Full;
    226 timer_delete(id: i32) => sync posix_timer::timer_delete, Full;
    227 clock_settime(clock: i32, time: GuestAddr) => sync clock_set::clock_settime, Partial("the clock cannot be changed");
    228 clock_gettime(clock: i32, out: GuestAddr) => sync time::clock_gettime, Full;
    229 clock_getres(clock: i32, out: GuestAddr) => sync time::clock_getres, Full;
    230 clock_nanosleep(clock: i32, flags: u32, req: GuestAddr, rem: GuestAddr) => async time::clock_nanosleep, Partial("a change of the real-time clock is noticed at the end only");
    231 exit_group(status: i32) => sync process::exit_group, Full;
    232 epoll_wait(epoll: Fd, events: UserPtr<EpollEvent, W>, max: i32, timeout: i32) => async epoll::epoll_wait, Full;
    233 epoll_ctl(epoll: Fd, op: u32, fd: Fd, event: GuestAddr) => sync epoll::epoll_ctl, Full;
    234 tgkill(tgid: Pid, tid: Pid, sig: i32) => sync signal::tgkill, Full;
    235 utimes(path: UserPtr<c_char>, times: GuestAddr) => sync attributes::utimes, Full;
    240 mq_open(name: UserPtr<c_char>, flags: u32, mode: u32, attr: GuestAddr) => sync mqueue::mq_open, Full;
    241 mq_unlink(name: UserPtr<c_char>) => sync mqueue::mq_unlink, Full;
    242 mq_timedsend(queue: Fd, msg: UserPtr<u8>, len: usize, priority: u32, timeout: GuestAddr) => async mqueue::mq_timedsend, Full;
    243 mq_timedreceive(queue: Fd, buf: GuestAddr, len: usize, priority: GuestAddr, timeout: GuestAddr) => async mqueue::mq_timedreceive, Full;
    244 mq_notify(queue: Fd, event: GuestAddr) => sync mqueue::mq_notify, Partial("no SIGEV_THREAD, which needs a netlink socket");
    245 mq_getsetattr(queue: Fd, new: GuestAddr, old: GuestAddr) => sync mqueue::mq_getsetattr, Full;
    247 waitid(kind: u32, id: i32, info: GuestAddr, options: u32, rusage: GuestAddr) => async wait::waitid, Full;
    251 ioprio_set(which: i32, who: i32, ioprio: i32) => sync priority::ioprio_set, Partial("kept, without effect");
    252 ioprio_get(which: i32, who: i32) => sync priority::ioprio_get, Full;
    253 inotify_init() => sync inotify::inotify_init, Full;
    254 inotify_add_watch(fd: Fd, path: UserPtr<c_char>, mask: u32) => sync inotify::inotify_add_watch, Full;
    255 inotify_rm_watch(fd: Fd, watch: i32) => sync inotify::inotify_rm_watch, Full;
    257 openat(dir: Fd, path: UserPtr<c_char>, flags: u32, mode: u32) => async open::openat, Full;
    258 mkdirat(dir: Fd, path: UserPtr<c_char>, mode: u32) => sync names::mkdirat, Full;
    259 mknodat(dir: Fd, path: UserPtr<c_char>, mode: u32, dev: u32) => sync names::mknodat, Full;
    260 fchownat(dir: Fd, path: UserPtr<c_char>, uid: u32, gid: u32, flags: u32) => sync attributes::fchownat, Full;
    261 futimesat(dir: Fd, path: UserPtr<c_char>, times: GuestAddr) => sync attributes::futimesat, Full;
    262 newfstatat(dir: Fd, path: UserPtr<c_char>, buf: GuestAddr, flags: u32) => sync stat::newfstatat, Full;
    263 unlinkat(dir: Fd, path: UserPtr<c_char>, flags: u32) => sync names::unlinkat, Full;
    264 renameat(olddir: Fd, old: UserPtr<c_char>, newdir: Fd, new: UserPtr<c_char>) => sync names::renameat, Full;
    265 linkat(olddir: Fd, old: UserPtr<c_char>, newdir: Fd, new: UserPtr<c_char>, flags: u32) => sync names::linkat, Full;
    266 symlinkat(target: UserPtr<c_char>, dir: Fd, path: UserPtr<c_char>) => sync names::symlinkat, Full;
    267 readlinkat(dir: Fd, path: UserPtr<c_char>, buf: GuestAddr, size: i32) => sync names::readlinkat, Full;
    268 fchmodat(dir: Fd, path: UserPtr<c_char>, mode: u32) => sync attributes::fchmodat, Full;
    269 faccessat(dir: Fd, path: UserPtr<c_char>, mode: u32) => sync attributes::faccessat, Full;
    270 pselect6(count: i32, read: GuestAddr, write: GuestAddr, except: GuestAddr, timeout: GuestAddr, mask: GuestAddr) => async select::pselect6, Full;
    271 ppoll(fds: UserPtr<Pollfd, W>, count: usize, timeout: GuestAddr, mask: GuestAddr, size: usize) => async poll::ppoll, Full;
    272 unshare(flags: u64) => sync namespace::unshare, Partial("no network, cgroup and time namespaces");
    273 set_robust_list(head: GuestAddr, len: usize) => sync futex::set_robust_list, Full;
    274 get_robust_list(pid: Pid, head: GuestAddr, len: GuestAddr) => sync futex::get_robust_list, Full;
    275 splice(input: Fd, in_offset: UserPtr<i64>, out: Fd, out_offset: UserPtr<i64>, count: usize, flags: u32) => async splice::splice, Partial("not from terminals");
    276 tee(input: Fd, out: Fd, count: usize, flags: u32) => async splice::tee, Full;
    277 sync_file_range(fd: Fd, offset: i64, len: i64, flags: u32) => sync sync::sync_file_range, Full;
    278 vmsplice(fd: Fd, iov: UserPtr<Iovec>, count: usize, flags: u32) => async splice::vmsplice, Full;
    280 utimensat(dir: Fd, path: UserPtr<c_char>, times: GuestAddr, flags: u32) => sync attributes::utimensat, Full;
    281 epoll_pwait(epoll: Fd, events: UserPtr<EpollEvent, W>, max: i32, timeout: i32, mask: GuestAddr, size: usize) => async epoll::epoll_pwait, Full;
    282 signalfd(fd: Fd, mask: GuestAddr, size: usize) => sync signalfd::signalfd, Partial("reads the signals of the thread that made it, not of the reader");
    283 timerfd_create(clock: i32, flags: u32) => sync timerfd::timerfd_create, Full;
    284 eventfd(initial: u32) => sync eventfd::eventfd, Full;
    285 fallocate(fd: Fd, mode: u32, offset: i64, len: i64) => sync allocate::fallocate, Full;
    286 timerfd_settime(fd: Fd, flags: u32, new: GuestAddr, old: GuestAddr) => sync timerfd::timerfd_settime, Full;
    287 timerfd_gettime(fd: Fd, out: GuestAddr) => sync timerfd::timerfd_gettime, Full;
    288 accept4(fd: Fd, addr: GuestAddr, len: GuestAddr, flags: u32) => async socket::accept4, Full;
    289 signalfd4(fd: Fd, mask: GuestAddr, size: usize, flags: u32) => sync signalfd::signalfd4, Partial("reads the signals of the thread that made it, not of the reader");
    290 eventfd2(initial: u32, flags: u32) => sync eventfd::eventfd2, Full;
    291 epoll_create1(flags: u32) => sync epoll::epoll_create1, Full;
    292 dup3(old: Fd, new: Fd, flags: u32) => sync descriptor::dup3, Full;
    293 pipe2(fds: GuestAddr, flags: u32) => sync pipe::pipe2, Full;
    294 inotify_init1(flags: u32) => sync inotify::inotify_init1, Full;
    295 preadv(fd: Fd, iov: UserPtr<Iovec>, count: usize, offset: i64) => sync read_write::preadv, Full;
    296 pwritev(fd: Fd, iov: UserPtr<Iovec>, count: usize, offset: i64) => async read_write::pwritev, Full;
    297 rt_tgsigqueueinfo(tgid: Pid, tid: Pid, sig: i32, info: GuestAddr) => sync signal::rt_tgsigqueueinfo, Full;
    299 recvmmsg(fd: Fd, list: GuestAddr, count: u32, flags: u32, timeout: GuestAddr) => async socket::recvmmsg, Partial("no urgent data, no SCM_PIDFD");
    302 prlimit64(pid: Pid, resource: u32, new: GuestAddr, old: GuestAddr) => sync limits::prlimit64, Partial("RLIMIT_CPU, RTTIME, CORE and RSS are kept, without effect");
    305 clock_adjtime(clock: i32, buf: GuestAddr) => sync clock_set::clock_adjtime, Partial("the clock cannot be changed");
    306 syncfs(fd: Fd) => sync statfs::syncfs, Partial("files of the host are left to the host's own write-back");
    307 sendmmsg(fd: Fd, list: GuestAddr, count: u32, flags: u32) => async socket::sendmmsg, Partial("no urgent data");
    308 setns(fd: Fd, kinds: u32) => sync namespace::setns, Partial("no network, cgroup and time namespaces");
    309 getcpu(cpu: GuestAddr, node: GuestAddr, unused: GuestAddr) => sync system::getcpu, Full;
    310 process_vm_readv(pid: Pid, local: UserPtr<Iovec>, local_count: usize, remote: UserPtr<Iovec>, remote_count: usize, flags: u64) => sync cross::process_vm_readv, Full;
    311 process_vm_writev(pid: Pid, local: UserPtr<Iovec>, local_count: usize, remote: UserPtr<Iovec>, remote_count: usize, flags: u64) => sync cross::process_vm_writev, Full;
    312 kcmp(first: Pid, second: Pid, what: u32, first_id: u64, second_id: u64) => sync cross::kcmp, Partial("no order of different parts; no KCMP_EPOLL_TFD");
    314 sched_setattr(pid: Pid, attr: GuestAddr, flags: u32) => sync sched::sched_setattr, Partial("kept; the executor serves all tasks alike; no SCHED_DEADLINE, no utilization clamps");
    315 sched_getattr(pid: Pid, attr: GuestAddr, size: u32, flags: u32) => sync sched::sched_getattr, Full;
    316 renameat2(olddir: Fd, old: UserPtr<c_char>, newdir: Fd, new: UserPtr<c_char>, flags: u32) => sync names::renameat2, Full;
    317 seccomp(operation: u32, flags: u32, args: GuestAddr) => sync seccomp::seccomp, Partial("no listeners");
    318 getrandom(buf: GuestAddr, count: usize, flags: u32) => sync system::getrandom, Full;
    319 memfd_create(name: UserPtr<c_char>, flags: u32) => sync memfd::memfd_create, Partial("no MFD_HUGETLB");
    322 execveat(dir: Fd, path: UserPtr<c_char>, argv: GuestAddr, envp: GuestAddr, flags: u32) => async execve::execveat, Full;
    324 membarrier(command: u32, flags: u32) => sync memory::membarrier, Partial("no barriers of restartable sequences and of instruction fetches");
    325 mlock2(addr: GuestAddr, len: u64, flags: u32) => sync memory::mlock2, Full;
    326 copy_file_range(input: Fd, in_offset: UserPtr<i64>, out: Fd, out_offset: UserPtr<i64>, count: usize, flags: u32) => async copy::copy_file_range, Full;
    327 preadv2(fd: Fd, iov: UserPtr<Iovec>, count: usize, offset: i64, high: u64, flags: u32) => async read_write::preadv2, Full;
    328 pwritev2(fd: Fd, iov: UserPtr<Iovec>, count: usize, offset: i64, high: u64, flags: u32) => async read_write::pwritev2, Full;
    329 pkey_mprotect(addr: GuestAddr, len: u64, prot: u32, key: i32) => sync memory::pkey_mprotect, Full;
    330 pkey_alloc(flags: u64, rights: u64) => sync memory::pkey_alloc, Full;
    331 pkey_free(key: i32) => sync memory::pkey_free, Full;
    332 statx(dir: Fd, path: UserPtr<c_char>, flags: u32, mask: u32, buf: GuestAddr) => sync stat::statx, Full;
    424 pidfd_send_signal(pidfd: Fd, sig: i32, info: GuestAddr, flags: u32) => sync pidfd::pidfd_send_signal, Full;
    434 pidfd_open(pid: Pid, flags: u32) => sync pidfd::pidfd_open, Full;
    435 clone3(args: GuestAddr, size: usize) => async clone::clone3, Partial("no network, cgroup and time namespaces; no cgroups");
    436 close_range(first: u32, last: u32, flags: u32) => sync descriptor::close_range, Full;
    437 openat2(dir: Fd, path: UserPtr<c_char>, how: GuestAddr, size: usize) => async open::openat2, Full;
    438 pidfd_getfd(pidfd: Fd, fd: Fd, flags: u32) => sync pidfd::pidfd_getfd, Full;
    439 faccessat2(dir: Fd, path: UserPtr<c_char>, mode: u32, flags: u32) => sync attributes::faccessat2, Full;
    440 process_madvise(pidfd: Fd, iov: UserPtr<Iovec>, count: usize, advice: i32, flags: u32) => sync memory::process_madvise, Full;
    441 epoll_pwait2(epoll: Fd, events: UserPtr<EpollEvent, W>, max: i32, timeout: GuestAddr, mask: GuestAddr, size: usize) => async epoll::epoll_pwait2, Full;
    449 futex_waitv(waiters: GuestAddr, n: u32, flags: u32, timeout: GuestAddr, clock: i32) => async futex::futex_waitv, Full;
    452 fchmodat2(dir: Fd, path: UserPtr<c_char>, mode: u32, flags: u32) => sync attributes::fchmodat2, Full;
    454 futex_wake(addr: GuestAddr, mask: u64, n: i32, flags: u32) => sync futex::futex_wake, Full;
    455 futex_wait(addr: GuestAddr, value: u64, mask: u64, flags: u32, timeout: GuestAddr, clock: i32) => async futex::futex_wait, Full;
    456 futex_requeue(waiters: GuestAddr, flags: u32, wake: i32, requeue: i32) => sync futex::futex_requeue, Full;
    457 statmount(request: GuestAddr, buf: GuestAddr, size: usize, flags: u32) => sync mount_query::statmount, Partial("no options one by one, no peer groups");
    458 listmount(request: GuestAddr, ids: GuestAddr, count: usize, flags: u32) => sync mount_query::listmount, Full;
    462 mseal(addr: GuestAddr, len: u64, flags: u64) => sync memory::mseal, Full;
    463 setxattrat(dir: Fd, path: UserPtr<c_char>, flags: u32, name: UserPtr<c_char>, args: GuestAddr, size: usize) => sync xattrat::setxattrat, Full;
    464 getxattrat(dir: Fd, path: UserPtr<c_char>, flags: u32, name: UserPtr<c_char>, args: GuestAddr, size: usize) => sync xattrat::getxattrat, Full;
    465 listxattrat(dir: Fd, path: UserPtr<c_char>, flags: u32, buf: GuestAddr, size: usize) => sync xattrat::listxattrat, Full;
    466 removexattrat(dir: Fd, path: UserPtr<c_char>, flags: u32, name: UserPtr<c_char>) => sync xattrat::removexattrat, Full;
}

/// All declared system calls, by number.
pub fn entries() -> &'static [Entry] {
    TABLE
}

/// The system call of this number; `None` means that it answers `ENOSYS`.
pub fn entry(number: u32) -> Option<&'static Entry> {
    TABLE.binary_search_by_key(&number, |e| e.number).ok().map(|i| &TABLE[i])
}

/// A call with its arguments.
pub(crate) fn call_text(nr: u64, args: [u64; 6]) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    match u32::try_from(nr).ok().and_then(entry) {
        Some(e) => {
            let _ = write!(out, "{}(", e.name);
            for (i, (info, reg)) in e.args.iter().zip(args).enumerate() {
                let _ = write!(out, "{}{}=", if i > 0 { ", " } else { "" }, info.name);
                (info.show)(reg, &mut out);
            }
            out.push(')');
        }
        None => {
            let _ = write!(out, "syscall_{nr}({args:x?})");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise() {
        assert!(TABLE.is_sorted_by_key(|e| e.number), "binary search needs the table in order");
        assert!(TABLE.windows(2).all(|w| w[0].number != w[1].number));
        assert_eq!(entry(231).unwrap().name, "exit_group");
        assert!(entry(9999).is_none());
    }

    #[test]
    fn calls_name_their_arguments() {
        assert_eq!(call_text(3, [u64::MAX, 0, 0, 0, 0, 0]), "close(fd=-1)");
        assert_eq!(call_text(12, [0; 6]), "brk(addr=0x0)");
        assert_eq!(call_text(9999, [0; 6]), "syscall_9999([0, 0, 0, 0, 0, 0])");
    }
}
