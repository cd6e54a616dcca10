//! A child process in namespaces of its own.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use super::check;

/// What a child has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separation {
    /// Users, mounts, processes, network, IPC and names. In its user namespace the child has all users that this process has, each with
    /// its own number.
    AllUsers,
    /// As [`Separation::AllUsers`], but the child has one user, this process's.
    OneUser,
    /// All namespaces but that of users, which takes privilege.
    SameUsers,
    /// Nothing: the host refuses namespaces.
    None,
}

/// Which side of a fork this is.
#[derive(Debug)]
pub enum Fork {
    /// The process that was there before, with its child's number.
    Parent(i32),
    /// The child, which dies with its parent.
    Child(Separation),
}

const OTHERS: libc::c_int =
    libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;

/// Forks a child into namespaces of its own, of which it is the first process; without a user namespace if `same_users`, when this
/// process has the privilege. What the host refuses the child goes without, and is told.
///
/// Errors: the host's if it refuses any process; `EBUSY` if this process has more than one thread.
pub fn fork_separated(same_users: bool) -> io::Result<Fork> {
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    let (mine, theirs) = UnixStream::pair()?;
    let attempts = [(libc::CLONE_NEWUSER | OTHERS, false), (OTHERS, true), (0, true)];
    let mut result = Err(io::Error::from_raw_os_error(libc::EPERM));
    for (flags, without_users) in attempts.into_iter().skip(usize::from(same_users)) {
        result = fork(flags);
        match result {
            Ok(0) => {
                drop(mine);
                return child(theirs, without_users, flags).map(Fork::Child);
            }
            Ok(pid) => {
                drop(theirs);
                parent(mine, pid, !without_users)?;
                return Ok(Fork::Parent(pid));
            }
            Err(_) => {}
        }
    }
    result.map(Fork::Parent)
}

/// Zero in the child.
fn fork(flags: libc::c_int) -> io::Result<i32> {
    // Where the C library keeps the thread's number, which is another one in the child.
    let mut tid: *mut libc::pid_t = core::ptr::null_mut();
    const PR_GET_TID_ADDRESS: libc::c_int = 40;
    // SAFETY: `tid` is a valid place for the result; where the host does not know the request it stays null.
    unsafe { libc::prctl(PR_GET_TID_ADDRESS, &raw mut tid, 0, 0, 0) };
    let with_tid = if tid.is_null() { 0 } else { libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID };
    let flags = flags | with_tid | libc::SIGCHLD;
    // SAFETY: as `fork`, in a process with one thread: the child may do what this process may. The host writes the child's number where
    // the C library has it.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0usize, 0usize, tid, 0usize) };
    check(pid).map(|p| p as i32)
}

/// Gives the child its users, once that dies with this process: one that is killed sooner leaves a child that it has told nothing, and that ends
/// for that. Errors: the child is gone.
fn parent(mut child: UnixStream, pid: i32, users: bool) -> io::Result<()> {
    child.read_exact(&mut [0])?;
    let all = users && map_all(pid).is_ok();
    if users && !all {
        // What fails here shows in what the child may do.
        map_one(pid).ok();
    }
    child.write_all(&[u8::from(all)])
}

/// Every user keeps its number. Errors: the host's, most of all `EPERM` without privilege.
fn map_all(pid: i32) -> io::Result<()> {
    for map in ["uid_map", "gid_map"] {
        let mine = fs::read_to_string(format!("/proc/self/{map}"))?;
        let same = mine.lines().filter_map(|line| {
            let mut fields = line.split_whitespace();
            let (inside, _, count) = (fields.next()?, fields.next()?, fields.next()?);
            Some(format!("{inside} {inside} {count}\n"))
        });
        fs::write(format!("/proc/{pid}/{map}"), same.collect::<String>())?;
    }
    Ok(())
}

fn map_one(pid: i32) -> io::Result<()> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    fs::write(format!("/proc/{pid}/setgroups"), "deny")?;
    fs::write(format!("/proc/{pid}/uid_map"), format!("{uid} {uid} 1\n"))?;
    fs::write(format!("/proc/{pid}/gid_map"), format!("{gid} {gid} 1\n"))
}

fn child(mut parent: UnixStream, without_users: bool, flags: libc::c_int) -> io::Result<Separation> {
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) }.into())?;
    let mut all = [0];
    // A parent that died before has closed its end.
    parent.write_all(&all)?;
    parent.read_exact(&mut all)?;
    Ok(match (without_users, flags) {
        (_, 0) => Separation::None,
        (true, _) => Separation::SameUsers,
        _ if all == [1] => Separation::AllUsers,
        _ => Separation::OneUser,
    })
}
