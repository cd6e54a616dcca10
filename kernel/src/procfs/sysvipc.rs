//! `/proc/sysvipc`: the System V objects of the reader's IPC namespace, `sysvipc(7)`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::cred::UserNamespace;
use kcore::io::IoResult;
use task::ipc::{IpcNamespace, Perm};
use task::{PidNamespace, PidNode, Task};
use vfs::FileOps;
use vfs::context::Caller;
use vfs::fs::pseudo::{FixedDir, PseudoFile, snapshot};

use super::Proc;
use super::text::{Text, line};
use crate::task::Resources;

/// What a reader sees: objects of its IPC namespace, processes by the numbers of the mount, users by those of its own namespace.
struct View {
    ipc: Arc<IpcNamespace>,
    pids: Arc<PidNamespace>,
    users: Arc<UserNamespace>,
}

impl View {
    fn pid(&self, p: Option<&Arc<PidNode>>) -> i32 {
        p.map_or(0, |p| p.in_ns(&self.pids).0)
    }
    /// Owner, owning group, creator, the creator's group.
    fn owners(&self, p: &Perm) -> [u32; 4] {
        let ns = &self.users;
        [ns.show_uid(p.uid), ns.show_gid(p.gid), ns.show_uid(p.cuid), ns.show_gid(p.cgid)]
    }
}

struct Table {
    proc: Arc<Proc>,
    make: fn(&View) -> Text,
}

impl PseudoFile for Table {
    fn open(self: Arc<Self>, _: u32, caller: &Caller<'_>) -> IoResult<Arc<dyn FileOps>> {
        let own = caller.task_as::<Task>().and_then(|t| t.resources::<Resources>()?.ipc());
        let ipc = match own {
            Some(ipc) => ipc,
            None => self.proc.kernel()?.ipc().sysv.clone(),
        };
        let view = View { ipc, pids: self.proc.ns.clone(), users: caller.cred.user_ns.clone() };
        let read = move || Ok::<Vec<u8>, Errno>((self.make)(&view).into_bytes());
        Ok(snapshot(read, |_, _| Err(Errno::EIO)))
    }
}

/// The directory `/proc/sysvipc`.
pub(super) fn dir(proc: &Arc<Proc>) -> FixedDir {
    let table = |make| Table { proc: proc.clone(), make };
    FixedDir::new().file("msg", table(msg)).file("sem", table(sem)).file("shm", table(shm))
}

fn msg(v: &View) -> Text {
    let mut t = Text::default();
    line!(
        t,
        "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime"
    );
    for q in v.ipc.msg.list() {
        let [uid, gid, cuid, cgid] = v.owners(&q.perm);
        let (sent, received) = (v.pid(q.lspid.as_ref()), v.pid(q.lrpid.as_ref()));
        line!(
            t,
            "{:10} {:10}  {:4o}  {:10} {:10} {sent:5} {received:5} {uid:5} {gid:5} {cuid:5} {cgid:5} {:10} {:10} {:10}",
            q.perm.key,
            q.perm.id,
            q.perm.mode,
            q.bytes,
            q.messages,
            q.stime,
            q.rtime,
            q.ctime
        );
    }
    t
}

fn sem(v: &View) -> Text {
    let mut t = Text::default();
    line!(t, "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime");
    for s in v.ipc.sem.list() {
        let [uid, gid, cuid, cgid] = v.owners(&s.perm);
        line!(
            t,
            "{:10} {:10}  {:4o} {:10} {uid:5} {gid:5} {cuid:5} {cgid:5} {:10} {:10}",
            s.perm.key,
            s.perm.id,
            s.perm.mode,
            s.count,
            s.otime,
            s.ctime
        );
    }
    t
}

fn shm(v: &View) -> Text {
    let mut t = Text::default();
    line!(
        t,
        "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap"
    );
    for s in v.ipc.shm.list() {
        let [uid, gid, cuid, cgid] = v.owners(&s.perm);
        let (made, last) = (v.pid(Some(&s.cpid)), v.pid(s.lpid.as_ref()));
        line!(
            t,
            "{:10} {:10}  {:4o} {:21} {made:5} {last:5}  {:5} {uid:5} {gid:5} {cuid:5} {cgid:5} {:10} {:10} {:10} {:21} {:21}",
            s.perm.key,
            s.perm.id,
            s.perm.mode,
            s.size,
            s.attached,
            s.atime,
            s.dtime,
            s.ctime,
            s.resident,
            0
        );
    }
    t
}
