//! Readiness and events as files: `poll(2)`, `select(2)`, `epoll(7)`, `eventfd(2)`, `timerfd_create(2)`, `signalfd(2)`, `inotify(7)`.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

pub use crate::arch::current::epoll::EpollEvent;

constants! {
    /// Events of `poll(2)`.
    pub POLL_EVENTS: u16 = general {
        POLLIN = 1,
        POLLPRI = 2,
        POLLOUT = 4,
        POLLERR = 8,
        POLLHUP = 0x10,
        POLLNVAL = 0x20,
        POLLRDNORM = 0x40,
        POLLRDBAND = 0x80,
        POLLWRNORM = 0x100,
        POLLWRBAND = 0x200,
        POLLMSG = 0x400,
        POLLREMOVE = 0x1000,
        POLLRDHUP = 0x2000,
    }

    /// Events and flags of `epoll_ctl(2)`.
    pub EPOLL_EVENTS: u32 = general {
        EPOLLIN = 1,
        EPOLLPRI = 2,
        EPOLLOUT = 4,
        EPOLLERR = 8,
        EPOLLHUP = 0x10,
        EPOLLNVAL = 0x20,
        EPOLLRDNORM = 0x40,
        EPOLLRDBAND = 0x80,
        EPOLLWRNORM = 0x100,
        EPOLLWRBAND = 0x200,
        EPOLLMSG = 0x400,
        EPOLLRDHUP = 0x2000,
        EPOLLEXCLUSIVE = 0x1000_0000,
        EPOLLWAKEUP = 0x2000_0000,
        EPOLLONESHOT = 0x4000_0000,
        EPOLLET = 0x8000_0000,
    }

    /// Operations of `epoll_ctl(2)`.
    pub EPOLL_OPS: u32 = general {
        EPOLL_CTL_ADD = 1,
        EPOLL_CTL_DEL = 2,
        EPOLL_CTL_MOD = 3,
    }

    /// Flags of `epoll_create1(2)`.
    pub EPOLL_FLAGS: u32 = general {
        EPOLL_CLOEXEC = 0o2000000,
    }

    /// Flags of `eventfd2(2)`.
    pub EVENTFD_FLAGS: u32 = general {
        EFD_SEMAPHORE = 1,
        EFD_CLOEXEC = 0o2000000,
        EFD_NONBLOCK = 0o4000,
    }

    /// Flags of `timerfd_create(2)`.
    pub TIMERFD_FLAGS: u32 = general {
        TFD_CLOEXEC = 0o2000000,
        TFD_NONBLOCK = 0o4000,
    }

    /// Flags of `timerfd_settime(2)`.
    pub TIMERFD_SET_FLAGS: u32 = general {
        TFD_TIMER_ABSTIME = 1,
        TFD_TIMER_CANCEL_ON_SET = 2,
    }

    /// Flags of `signalfd4(2)`.
    pub SIGNALFD_FLAGS: u32 = libc {
        SFD_CLOEXEC = 0o2000000,
        SFD_NONBLOCK = 0o4000,
    }

    /// Events and flags of `inotify(7)`.
    pub INOTIFY_EVENTS: u32 = general {
        IN_ACCESS = 1,
        IN_MODIFY = 2,
        IN_ATTRIB = 4,
        IN_CLOSE_WRITE = 8,
        IN_CLOSE_NOWRITE = 0x10,
        IN_OPEN = 0x20,
        IN_MOVED_FROM = 0x40,
        IN_MOVED_TO = 0x80,
        IN_CREATE = 0x100,
        IN_DELETE = 0x200,
        IN_DELETE_SELF = 0x400,
        IN_MOVE_SELF = 0x800,
        IN_UNMOUNT = 0x2000,
        IN_Q_OVERFLOW = 0x4000,
        IN_IGNORED = 0x8000,
        IN_ONLYDIR = 0x100_0000,
        IN_DONT_FOLLOW = 0x200_0000,
        IN_EXCL_UNLINK = 0x400_0000,
        IN_MASK_CREATE = 0x1000_0000,
        IN_MASK_ADD = 0x2000_0000,
        IN_ISDIR = 0x4000_0000,
        IN_ONESHOT = 0x8000_0000,
        IN_ALL_EVENTS = 0xfff,
    }

    /// Flags of `inotify_init1(2)`.
    pub INOTIFY_FLAGS: u32 = general {
        IN_CLOEXEC = 0o2000000,
        IN_NONBLOCK = 0o4000,
    }

    /// Sizes of the sets of `select(2)`.
    pub SELECT_LIMITS: usize = libc {
        FD_SETSIZE = 1024,
    }
}

layout! {
    /// `struct pollfd`.
    pub struct Pollfd = general::pollfd {
        /// Descriptor; a negative one is skipped.
        fd: i32,
        /// Events asked for.
        events: u16,
        /// Events found.
        revents: u16,
    }
    /// `struct inotify_event`, without the name that follows it.
    pub struct InotifyEvent = general::inotify_event {
        /// Watch.
        wd: i32,
        /// `IN_*`.
        mask: u32,
        /// Joins the two halves of a rename.
        cookie: u32,
        /// Length of the name with its NULs.
        len: u32,
    }
    /// `struct signalfd_siginfo`.
    pub struct SignalfdSiginfo = libc::signalfd_siginfo {
        /// Signal.
        ssi_signo: u32,
        /// Unused.
        ssi_errno: i32,
        /// `SI_*` and its kin.
        ssi_code: i32,
        /// Sender.
        ssi_pid: u32,
        /// Its user.
        ssi_uid: u32,
        /// Descriptor, for `SIGIO`.
        ssi_fd: i32,
        /// Timer.
        ssi_tid: u32,
        /// Events, for `SIGIO`.
        ssi_band: u32,
        /// Overrun of the timer.
        ssi_overrun: u32,
        /// Trap that caused it.
        ssi_trapno: u32,
        /// Exit status or signal of the child.
        ssi_status: i32,
        /// Integer sent along.
        ssi_int: i32,
        /// Pointer sent along.
        ssi_ptr: u64,
        /// Processor time of the child in user mode.
        ssi_utime: u64,
        /// Processor time of the child in the kernel.
        ssi_stime: u64,
        /// Address of the fault.
        ssi_addr: u64,
        /// Least significant bit of the address.
        ssi_addr_lsb: u16,
        @pad __pad2: u16,
        /// System call, for `SIGSYS`.
        ssi_syscall: i32,
        /// Address of that call.
        ssi_call_addr: u64,
        /// Its architecture.
        ssi_arch: u32,
        @pad __pad: [u8; 28],
    }
}
