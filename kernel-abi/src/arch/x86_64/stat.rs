//! `struct stat` of x86-64.

layout! {
    /// What `stat(2)` fills.
    pub struct Stat = general::stat if "x86_64" {
        /// File system.
        st_dev: u64,
        /// Inode number.
        st_ino: u64,
        /// Number of hard links.
        st_nlink: u64,
        /// Type and permissions.
        st_mode: u32,
        /// Owner.
        st_uid: u32,
        /// Group.
        st_gid: u32,
        @pad __pad0: u32,
        /// Device, if this is one.
        st_rdev: u64,
        /// Size in bytes.
        st_size: i64,
        /// Preferred size of transfers.
        st_blksize: i64,
        /// Blocks of 512 bytes.
        st_blocks: i64,
        /// Last access, seconds.
        st_atime: i64,
        /// Last access, nanoseconds.
        st_atime_nsec: i64,
        /// Last change of the contents, seconds.
        st_mtime: i64,
        /// Last change of the contents, nanoseconds.
        st_mtime_nsec: i64,
        /// Last change of the inode, seconds.
        st_ctime: i64,
        /// Last change of the inode, nanoseconds.
        st_ctime_nsec: i64,
        @pad __unused: [i64; 3],
    }
}
