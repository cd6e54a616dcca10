//! System V IPC, `sysvipc(7)`, and POSIX message queues, `mq_overview(7)`.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

constants! {
    /// Flags of `shmget(2)`, `semget(2)`, `msgget(2)` and of operations, and commands of all three `*ctl` calls.
    pub IPC: u32 = general {
        IPC_CREAT = 0o1000 => none,
        IPC_EXCL = 0o2000 => none,
        IPC_NOWAIT = 0o4000 => none,
        IPC_RMID = 0 => none,
        IPC_SET = 1 => none,
        IPC_STAT = 2 => none,
        IPC_INFO = 3 => none,
    }

    /// Flags and commands of shared memory.
    pub SHM: u32 = general {
        SHM_HUGETLB = 0o4000 => none,
        SHM_NORESERVE = 0o10000 => none,
        SHM_RDONLY = 0o10000 => none,
        SHM_RND = 0o20000 => none,
        SHM_REMAP = 0o40000 => none,
        SHM_EXEC = 0o100_000 => none,
        SHM_LOCK = 11 => none,
        SHM_UNLOCK = 12 => none,
        SHM_STAT = 13 => none,
        SHM_INFO = 14 => none,
        SHM_STAT_ANY = 15 => none,
        SHM_DEST = 0o1000 => none,
        SHM_LOCKED = 0o2000 => none,
    }

    /// Flags and commands of semaphores.
    pub SEM: u32 = general {
        SEM_UNDO = 0x1000 => none,
        GETPID = 11 => none,
        GETVAL = 12 => none,
        GETALL = 13 => none,
        GETNCNT = 14 => none,
        GETZCNT = 15 => none,
        SETVAL = 16 => none,
        SETALL = 17 => none,
        SEM_STAT = 18 => none,
        SEM_INFO = 19 => none,
        SEM_STAT_ANY = 20 => none,
    }

    /// Flags and commands of message queues.
    pub MSG: u32 = general {
        MSG_NOERROR = 0o10000 => none,
        MSG_EXCEPT = 0o20000 => none,
        MSG_COPY = 0o40000 => none,
        MSG_STAT = 11 => none,
        MSG_INFO = 12 => none,
        MSG_STAT_ANY = 13 => none,
    }
}

/// The key of objects that no key finds.
pub const IPC_PRIVATE: i32 = 0;

layout! {
    /// `struct ipc64_perm`.
    pub struct IpcPerm = [48] {
        /// Key.
        key: i32,
        /// Owner.
        uid: u32,
        /// Owning group.
        gid: u32,
        /// Creator.
        cuid: u32,
        /// The creator's group.
        cgid: u32,
        /// Permissions, and `SHM_DEST`, `SHM_LOCKED`.
        mode: u32,
        /// How often numbers were used anew.
        seq: u16,
        /// Padding.
        __pad2: [u16; 3],
        /// Reserved.
        __unused: [u64; 2],
    }
    /// `struct shmid64_ds`.
    pub struct ShmidDs = [112] {
        /// Who may use it.
        shm_perm: IpcPerm,
        /// Bytes.
        shm_segsz: u64,
        /// When it was last attached.
        shm_atime: i64,
        /// When it was last detached.
        shm_dtime: i64,
        /// When it was made or changed.
        shm_ctime: i64,
        /// Who made it.
        shm_cpid: i32,
        /// Who attached or detached it last.
        shm_lpid: i32,
        /// How many mappings there are.
        shm_nattch: u64,
        /// Reserved.
        __unused: [u64; 2],
    }
    /// `struct shminfo64`.
    pub struct Shminfo = [72] {
        /// Largest segment.
        shmmax: u64,
        /// Smallest segment.
        shmmin: u64,
        /// Most segments.
        shmmni: u64,
        /// Most segments of a process.
        shmseg: u64,
        /// Most pages in all.
        shmall: u64,
        /// Reserved.
        __unused: [u64; 4],
    }
    /// `struct shm_info`.
    pub struct ShmInfo = [48] {
        /// Segments.
        used_ids: i32,
        /// Padding.
        __pad: u32,
        /// Their pages.
        shm_tot: u64,
        /// Those in memory.
        shm_rss: u64,
        /// Those swapped out.
        shm_swp: u64,
        /// Unused.
        swap_attempts: u64,
        /// Unused.
        swap_successes: u64,
    }
    /// `struct semid64_ds` of x86.
    pub struct SemidDs = [104] {
        /// Who may use it.
        sem_perm: IpcPerm,
        /// When an operation was last made.
        sem_otime: i64,
        /// Reserved.
        __unused1: u64,
        /// When it was made or changed.
        sem_ctime: i64,
        /// Reserved.
        __unused2: u64,
        /// How many semaphores.
        sem_nsems: u64,
        /// Reserved.
        __unused3: [u64; 2],
    }
    /// `struct seminfo`.
    pub struct Seminfo = [40] {
        /// Unused.
        semmap: i32,
        /// Most sets.
        semmni: i32,
        /// Most semaphores.
        semmns: i32,
        /// Unused.
        semmnu: i32,
        /// Most semaphores of a set.
        semmsl: i32,
        /// Most operations of a call.
        semopm: i32,
        /// Unused.
        semume: i32,
        /// Unused; the number of sets for `SEM_INFO`.
        semusz: i32,
        /// Largest value.
        semvmx: i32,
        /// Largest adjustment; the number of semaphores for `SEM_INFO`.
        semaem: i32,
    }
    /// `struct sembuf`.
    pub struct Sembuf = [6] {
        /// Which semaphore of the set.
        sem_num: u16,
        /// What to add; 0 waits for zero.
        sem_op: i16,
        /// `IPC_NOWAIT`, `SEM_UNDO`.
        sem_flg: u16,
    }
    /// `struct msqid64_ds`.
    pub struct MsqidDs = [120] {
        /// Who may use it.
        msg_perm: IpcPerm,
        /// When a message was last sent.
        msg_stime: i64,
        /// When a message was last received.
        msg_rtime: i64,
        /// When it was made or changed.
        msg_ctime: i64,
        /// Bytes in it.
        msg_cbytes: u64,
        /// Messages in it.
        msg_qnum: u64,
        /// Most bytes in it.
        msg_qbytes: u64,
        /// Who sent last.
        msg_lspid: i32,
        /// Who received last.
        msg_lrpid: i32,
        /// Reserved.
        __unused: [u64; 2],
    }
    /// `struct msginfo`.
    pub struct Msginfo = [32] {
        /// Unused; the number of queues for `MSG_INFO`.
        msgpool: i32,
        /// Unused; the number of messages for `MSG_INFO`.
        msgmap: i32,
        /// Largest message.
        msgmax: i32,
        /// Most bytes of a new queue.
        msgmnb: i32,
        /// Most queues.
        msgmni: i32,
        /// Unused.
        msgssz: i32,
        /// Unused; the bytes in all queues for `MSG_INFO`.
        msgtql: i32,
        /// Unused.
        msgseg: u16,
        /// Padding.
        __pad: u16,
    }
    /// `struct mq_attr`.
    pub struct MqAttr = [64] {
        /// `O_NONBLOCK`.
        mq_flags: i64,
        /// Most messages.
        mq_maxmsg: i64,
        /// Largest message.
        mq_msgsize: i64,
        /// Messages in it.
        mq_curmsgs: i64,
        /// Reserved.
        __reserved: [i64; 4],
    }
}
