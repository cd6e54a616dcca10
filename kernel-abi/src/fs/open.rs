//! Opening and naming files: `open(2)`, `openat2(2)`, `lseek(2)`, `rename(2)`, `access(2)`, limits of names.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

/// The C library's name of `FASYNC`.
pub use crate::arch::current::open::FASYNC as O_ASYNC;
pub use crate::arch::current::open::*;

constants! {
    /// Flags of the `*at` system calls.
    pub AT_FLAGS: u32 = general {
        AT_SYMLINK_NOFOLLOW = 0x100,
        AT_REMOVEDIR = 0x200,
        AT_SYMLINK_FOLLOW = 0x400,
        AT_NO_AUTOMOUNT = 0x800,
        AT_EMPTY_PATH = 0x1000,
        AT_STATX_FORCE_SYNC = 0x2000,
        AT_STATX_DONT_SYNC = 0x4000,
        AT_RECURSIVE = 0x8000,
    }

    /// `AT_EACCESS` of `faccessat2(2)`, which shares its value with `AT_REMOVEDIR`.
    pub FACCESSAT_FLAGS: u32 = general {
        AT_EACCESS = 0x200,
    }

    /// Descriptors that stand for something else.
    pub SPECIAL_FDS: i32 = general {
        AT_FDCWD = -100,
        PIDFD_SELF_THREAD = -10000,
        PIDFD_SELF_THREAD_GROUP = -10001,
    }

    /// Flags of `execveat(2)`.
    pub EXECVEAT_FLAGS: u32 = general {
        AT_EXECVE_CHECK = 0x10000,
    }

    /// Flags of `name_to_handle_at(2)`.
    pub HANDLE_FLAGS: u32 = general {
        AT_HANDLE_FID = 0x200,
        AT_HANDLE_MNT_ID_UNIQUE = 1,
        AT_HANDLE_CONNECTABLE = 2,
    }

    /// How `openat2(2)` resolves a path.
    pub RESOLVE_FLAGS: u64 = general {
        RESOLVE_NO_XDEV = 1,
        RESOLVE_NO_MAGICLINKS = 2,
        RESOLVE_NO_SYMLINKS = 4,
        RESOLVE_BENEATH = 8,
        RESOLVE_IN_ROOT = 0x10,
        RESOLVE_CACHED = 0x20,
    }

    /// Where `lseek(2)` counts from.
    pub SEEK: u32 = general {
        SEEK_SET = 0,
        SEEK_CUR = 1,
        SEEK_END = 2,
        SEEK_DATA = 3,
        SEEK_HOLE = 4,
    }

    /// Flags of `renameat2(2)`.
    pub RENAME_FLAGS: u32 = general {
        RENAME_NOREPLACE = 1,
        RENAME_EXCHANGE = 2,
        RENAME_WHITEOUT = 4,
    }

    /// What `access(2)` asks for.
    pub ACCESS_MODES: u32 = general {
        F_OK = 0,
        X_OK = 1,
        W_OK = 2,
        R_OK = 4,
    }

    /// Times that `utimensat(2)` treats specially.
    pub UTIME: i64 = general {
        UTIME_NOW = 0x3fff_ffff,
        UTIME_OMIT = 0x3fff_fffe,
    }

    /// Limits of names and links.
    pub PATH_LIMITS: usize = general {
        NAME_MAX = 255,
        PATH_MAX = 4096,
        LINK_MAX = 127,
        PIPE_BUF = 4096,
    }
}

layout! {
    /// `struct open_how` of `openat2(2)`.
    pub struct OpenHow = general::open_how {
        /// `O_*`.
        flags: u64,
        /// Permissions of a created file.
        mode: u64,
        /// `RESOLVE_*`.
        resolve: u64,
    }
    /// `struct file_handle` of `name_to_handle_at(2)`, without the handle that follows it.
    pub struct FileHandle = libc::file_handle {
        /// Room for the handle, or its length.
        handle_bytes: u32,
        /// Its type, which only its file system understands.
        handle_type: i32,
    }
}
