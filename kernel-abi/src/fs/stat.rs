//! What files are: `stat(2)`, `statx(2)`, `getdents64(2)`, `statfs(2)`, extended attributes, inode flags.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

pub use crate::arch::current::stat::Stat;

constants! {
    /// Types of files, the part of `st_mode` under `S_IFMT`.
    pub FILE_TYPES: u32 = general {
        S_IFSOCK = 0o140000,
        S_IFLNK = 0o120000,
        S_IFREG = 0o100000,
        S_IFBLK = 0o60000,
        S_IFDIR = 0o40000,
        S_IFCHR = 0o20000,
        S_IFIFO = 0o10000,
        S_IFMT = 0o170000,
    }

    /// Permission bits of `st_mode`.
    pub MODE_BITS: u32 = general {
        S_ISUID = 0o4000,
        S_ISGID = 0o2000,
        S_ISVTX = 0o1000,
        S_IRWXU = 0o700,
        S_IRUSR = 0o400,
        S_IWUSR = 0o200,
        S_IXUSR = 0o100,
        S_IRWXG = 0o70,
        S_IRGRP = 0o40,
        S_IWGRP = 0o20,
        S_IXGRP = 0o10,
        S_IRWXO = 7,
        S_IROTH = 4,
        S_IWOTH = 2,
        S_IXOTH = 1,
    }

    /// Types of directory entries.
    pub DIRENT_TYPES: u8 = general {
        DT_UNKNOWN = 0,
        DT_FIFO = 1,
        DT_CHR = 2,
        DT_DIR = 4,
        DT_BLK = 6,
        DT_REG = 8,
        DT_LNK = 10,
        DT_SOCK = 12,
    }

    /// Fields of `struct statx`.
    pub STATX_MASK: u32 = general {
        STATX_TYPE = 1,
        STATX_MODE = 2,
        STATX_NLINK = 4,
        STATX_UID = 8,
        STATX_GID = 0x10,
        STATX_ATIME = 0x20,
        STATX_MTIME = 0x40,
        STATX_CTIME = 0x80,
        STATX_INO = 0x100,
        STATX_SIZE = 0x200,
        STATX_BLOCKS = 0x400,
        STATX_BASIC_STATS = 0x7ff,
        STATX_BTIME = 0x800,
        STATX_MNT_ID = 0x1000,
        STATX_DIOALIGN = 0x2000,
        STATX_MNT_ID_UNIQUE = 0x4000,
        STATX_SUBVOL = 0x8000,
        STATX_WRITE_ATOMIC = 0x10000,
        STATX_DIO_READ_ALIGN = 0x20000,
        STATX_ALL = 0xfff,
    }

    /// Attributes that `statx(2)` reports.
    pub STATX_ATTRIBUTES: u64 = general {
        STATX_ATTR_COMPRESSED = 4,
        STATX_ATTR_IMMUTABLE = 0x10,
        STATX_ATTR_APPEND = 0x20,
        STATX_ATTR_NODUMP = 0x40,
        STATX_ATTR_ENCRYPTED = 0x800,
        STATX_ATTR_AUTOMOUNT = 0x1000,
        STATX_ATTR_MOUNT_ROOT = 0x2000,
        STATX_ATTR_VERITY = 0x10_0000,
        STATX_ATTR_DAX = 0x20_0000,
        STATX_ATTR_WRITE_ATOMIC = 0x40_0000,
    }

    /// Flags of `setxattr(2)`.
    pub XATTR_FLAGS: u32 = general {
        XATTR_CREATE = 1,
        XATTR_REPLACE = 2,
    }

    /// Limits of extended attributes.
    pub XATTR_LIMITS: usize = general {
        XATTR_NAME_MAX = 255,
        XATTR_SIZE_MAX = 65536,
        XATTR_LIST_MAX = 65536,
    }

    /// File system types in `f_type` of `struct statfs`.
    pub FS_MAGIC: u64 = general {
        TMPFS_MAGIC = 0x102_1994,
        RAMFS_MAGIC = 0x8584_58f6,
        PROC_SUPER_MAGIC = 0x9fa0,
        SYSFS_MAGIC = 0x6265_6572,
        DEVPTS_SUPER_MAGIC = 0x1cd1,
        OVERLAYFS_SUPER_MAGIC = 0x794c_7630,
        PIPEFS_MAGIC = 0x5049_5045,
        SOCKFS_MAGIC = 0x534f_434b,
        ANON_INODE_FS_MAGIC = 0x904_1934,
        NSFS_MAGIC = 0x6e73_6673,
        PID_FS_MAGIC = 0x5049_4446,
        CGROUP_SUPER_MAGIC = 0x27_e0eb,
        CGROUP2_SUPER_MAGIC = 0x6367_7270,
        DEBUGFS_MAGIC = 0x6462_6720,
        TRACEFS_MAGIC = 0x7472_6163,
        SECURITYFS_MAGIC = 0x7363_6673,
        BINFMTFS_MAGIC = 0x4249_4e4d,
        BPF_FS_MAGIC = 0xcafe_4a11,
        HUGETLBFS_MAGIC = 0x9584_58f6,
        SECRETMEM_MAGIC = 0x5345_434d,
        EXT4_SUPER_MAGIC = 0xef53,
        BTRFS_SUPER_MAGIC = 0x9123_683e,
        XFS_SUPER_MAGIC = 0x5846_5342,
        F2FS_SUPER_MAGIC = 0xf2f5_2010,
        FUSE_SUPER_MAGIC = 0x6573_5546,
        NFS_SUPER_MAGIC = 0x6969,
        V9FS_MAGIC = 0x102_1997,
        SQUASHFS_MAGIC = 0x7371_7368,
        EROFS_SUPER_MAGIC_V1 = 0xe0f5_e1e2,
        ISOFS_SUPER_MAGIC = 0x9660,
        MSDOS_SUPER_MAGIC = 0x4d44,
        EXFAT_SUPER_MAGIC = 0x2011_bab0,
    }

    /// Mount flags in `f_flags` of `struct statfs`.
    pub ST_FLAGS: u64 = libc {
        ST_RDONLY = 1,
        ST_NOSUID = 2,
        ST_NODEV = 4,
        ST_NOEXEC = 8,
        ST_SYNCHRONOUS = 0x10,
        ST_MANDLOCK = 0x40,
        ST_NOATIME = 0x400,
        ST_NODIRATIME = 0x800,
        ST_RELATIME = 0x1000,
    }

    /// Inode flags of `FS_IOC_GETFLAGS`.
    pub INODE_FLAGS: u32 = general {
        FS_SECRM_FL = 1,
        FS_UNRM_FL = 2,
        FS_COMPR_FL = 4,
        FS_SYNC_FL = 8,
        FS_IMMUTABLE_FL = 0x10,
        FS_APPEND_FL = 0x20,
        FS_NODUMP_FL = 0x40,
        FS_NOATIME_FL = 0x80,
        FS_INDEX_FL = 0x1000,
        FS_JOURNAL_DATA_FL = 0x4000,
        FS_NOTAIL_FL = 0x8000,
        FS_DIRSYNC_FL = 0x10000,
        FS_TOPDIR_FL = 0x20000,
        FS_EXTENT_FL = 0x80000,
        FS_VERITY_FL = 0x10_0000,
        FS_NOCOW_FL = 0x80_0000,
        FS_DAX_FL = 0x200_0000,
        FS_INLINE_DATA_FL = 0x1000_0000,
        FS_PROJINHERIT_FL = 0x2000_0000,
        FS_CASEFOLD_FL = 0x4000_0000,
    }
}

layout! {
    /// `struct statx_timestamp`.
    pub struct StatxTimestamp = general::statx_timestamp {
        /// Seconds.
        tv_sec: i64,
        /// Nanoseconds.
        tv_nsec: u32,
        @pad __reserved: i32,
    }
    /// `struct statx`.
    pub struct Statx = general::statx {
        /// Which fields are filled: `STATX_*`.
        stx_mask: u32,
        /// Preferred size of transfers.
        stx_blksize: u32,
        /// `STATX_ATTR_*`.
        stx_attributes: u64,
        /// Number of hard links.
        stx_nlink: u32,
        /// Owner.
        stx_uid: u32,
        /// Group.
        stx_gid: u32,
        /// Type and permissions.
        stx_mode: u16,
        @pad __spare0: u16,
        /// Inode number.
        stx_ino: u64,
        /// Size in bytes.
        stx_size: u64,
        /// Blocks of 512 bytes.
        stx_blocks: u64,
        /// Which attributes the file system knows.
        stx_attributes_mask: u64,
        /// Last access.
        stx_atime: StatxTimestamp,
        /// Creation.
        stx_btime: StatxTimestamp,
        /// Last change of the inode.
        stx_ctime: StatxTimestamp,
        /// Last change of the contents.
        stx_mtime: StatxTimestamp,
        /// Major number, if this is a device.
        stx_rdev_major: u32,
        /// Minor number, if this is a device.
        stx_rdev_minor: u32,
        /// Major number of the file system.
        stx_dev_major: u32,
        /// Minor number of the file system.
        stx_dev_minor: u32,
        /// Mount.
        stx_mnt_id: u64,
        /// Alignment of memory for direct I/O.
        stx_dio_mem_align: u32,
        /// Alignment of offsets for direct I/O.
        stx_dio_offset_align: u32,
        /// Subvolume.
        stx_subvol: u64,
        /// Least size of an untorn write.
        stx_atomic_write_unit_min: u32,
        /// Largest size of an untorn write.
        stx_atomic_write_unit_max: u32,
        /// Most segments of an untorn write.
        stx_atomic_write_segments_max: u32,
        /// Alignment of offsets for direct reads.
        stx_dio_read_offset_align: u32,
        /// Largest size of an untorn write that is fast.
        stx_atomic_write_unit_max_opt: u32,
        @pad __spare2: u32,
        @pad __spare3: [u64; 8],
    }
    /// `struct linux_dirent64`, without the name that follows it.
    pub struct Dirent64 = [19 + DIRENT64_PAD] {
        /// Inode number.
        d_ino: u64,
        /// Offset of the next entry.
        d_off: i64,
        /// Length of this one with its name, NUL and padding.
        d_reclen: u16,
        /// `DT_*`. The name starts at the next byte, `DIRENT64_NAME`.
        d_type: u8,
        /// Where the name is.
        __name: [u8; DIRENT64_PAD],
    }
    /// `struct statfs` on 64-bit machines.
    pub struct Statfs = general::statfs64 {
        /// Type: `*_MAGIC`.
        f_type: i64,
        /// Preferred size of transfers.
        f_bsize: i64,
        /// Blocks of `f_frsize`.
        f_blocks: u64,
        /// Free ones.
        f_bfree: u64,
        /// Those that users other than root may take.
        f_bavail: u64,
        /// Inodes.
        f_files: u64,
        /// Free ones.
        f_ffree: u64,
        /// An identifier.
        f_fsid: [i32; 2],
        /// Longest name.
        f_namelen: i64,
        /// Size of a block.
        f_frsize: i64,
        /// `ST_*`.
        f_flags: i64,
        /// Zeros.
        f_spare: [i64; 4],
    }
    /// `struct xattr_args` of `setxattrat(2)`.
    pub struct XattrArgs = general::xattr_args {
        /// Address of the value.
        value: u64,
        /// Its size.
        size: u32,
        /// `XATTR_*`.
        flags: u32,
    }
    /// `struct fsxattr` of `FS_IOC_FSGETXATTR`.
    pub struct Fsxattr = general::fsxattr {
        /// `FS_XFLAG_*`.
        fsx_xflags: u32,
        /// Hint of the extent size.
        fsx_extsize: u32,
        /// Number of extents.
        fsx_nextents: u32,
        /// Project.
        fsx_projid: u32,
        /// Hint of the extent size for copies on write.
        fsx_cowextsize: u32,
        /// Zeros.
        fsx_pad: [u8; 8],
    }
}

const DIRENT64_PAD: usize = 5;
/// Offset of the name in `struct linux_dirent64`.
pub const DIRENT64_NAME: usize = core::mem::offset_of!(Dirent64, __name);

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use linux_raw_sys::general::linux_dirent64;

    use super::*;

    #[test]
    fn names_of_entries_start_as_in_linux() {
        assert_eq!(DIRENT64_NAME, offset_of!(linux_dirent64, d_name));
        assert_eq!(offset_of!(Dirent64, d_reclen), offset_of!(linux_dirent64, d_reclen));
        assert_eq!(offset_of!(Dirent64, d_type), offset_of!(linux_dirent64, d_type));
    }
}
