//! Mounts: `mount(2)`, `umount2(2)`, `mount_setattr(2)`, `fsopen(2)`, `statmount(2)`.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

constants! {
    /// Flags of `mount(2)`.
    pub MOUNT_FLAGS: u32 = general {
        MS_RDONLY = 1,
        MS_NOSUID = 2,
        MS_NODEV = 4,
        MS_NOEXEC = 8,
        MS_SYNCHRONOUS = 0x10,
        MS_REMOUNT = 0x20,
        MS_MANDLOCK = 0x40,
        MS_DIRSYNC = 0x80,
        MS_NOSYMFOLLOW = 0x100,
        MS_NOATIME = 0x400,
        MS_NODIRATIME = 0x800,
        MS_BIND = 0x1000,
        MS_MOVE = 0x2000,
        MS_REC = 0x4000,
        MS_SILENT = 0x8000,
        MS_POSIXACL = 0x10000,
        MS_UNBINDABLE = 0x20000,
        MS_PRIVATE = 0x40000,
        MS_SLAVE = 0x80000,
        MS_SHARED = 0x10_0000,
        MS_RELATIME = 0x20_0000,
        MS_I_VERSION = 0x80_0000,
        MS_STRICTATIME = 0x100_0000,
        MS_LAZYTIME = 0x200_0000,
        MS_MGC_VAL = 0xc0ed_0000,
        MS_MGC_MSK = 0xffff_0000,
    }

    /// Flags of `umount2(2)`.
    pub UMOUNT_FLAGS: u32 = general {
        MNT_FORCE = 1,
        MNT_DETACH = 2,
        MNT_EXPIRE = 4,
        UMOUNT_NOFOLLOW = 8,
    }

    /// Attributes of `mount_setattr(2)` and `fsmount(2)`.
    pub MOUNT_ATTRS: u64 = general {
        MOUNT_ATTR_RDONLY = 1,
        MOUNT_ATTR_NOSUID = 2,
        MOUNT_ATTR_NODEV = 4,
        MOUNT_ATTR_NOEXEC = 8,
        MOUNT_ATTR__ATIME = 0x70,
        MOUNT_ATTR_RELATIME = 0,
        MOUNT_ATTR_NOATIME = 0x10,
        MOUNT_ATTR_STRICTATIME = 0x20,
        MOUNT_ATTR_NODIRATIME = 0x80,
        MOUNT_ATTR_IDMAP = 0x10_0000,
        MOUNT_ATTR_NOSYMFOLLOW = 0x20_0000,
    }

    /// Flags of `open_tree(2)`.
    pub OPEN_TREE_FLAGS: u32 = general {
        OPEN_TREE_CLONE = 1,
        OPEN_TREE_CLOEXEC = 0x80000,
    }

    /// Flags of `move_mount(2)`.
    pub MOVE_MOUNT_FLAGS: u32 = general {
        MOVE_MOUNT_F_SYMLINKS = 1,
        MOVE_MOUNT_F_AUTOMOUNTS = 2,
        MOVE_MOUNT_F_EMPTY_PATH = 4,
        MOVE_MOUNT_T_SYMLINKS = 0x10,
        MOVE_MOUNT_T_AUTOMOUNTS = 0x20,
        MOVE_MOUNT_T_EMPTY_PATH = 0x40,
        MOVE_MOUNT_SET_GROUP = 0x100,
        MOVE_MOUNT_BENEATH = 0x200,
    }

    /// Flags of `fsopen(2)`.
    pub FSOPEN_FLAGS: u32 = general {
        FSOPEN_CLOEXEC = 1,
    }

    /// Flags of `fsmount(2)`.
    pub FSMOUNT_FLAGS: u32 = general {
        FSMOUNT_CLOEXEC = 1,
    }

    /// Flags of `fspick(2)`.
    pub FSPICK_FLAGS: u32 = general {
        FSPICK_CLOEXEC = 1,
        FSPICK_SYMLINK_NOFOLLOW = 2,
        FSPICK_NO_AUTOMOUNT = 4,
        FSPICK_EMPTY_PATH = 8,
    }

    /// What `statmount(2)` asks for.
    pub STATMOUNT_MASK: u64 = general {
        STATMOUNT_SB_BASIC = 1,
        STATMOUNT_MNT_BASIC = 2,
        STATMOUNT_PROPAGATE_FROM = 4,
        STATMOUNT_MNT_ROOT = 8,
        STATMOUNT_MNT_POINT = 0x10,
        STATMOUNT_FS_TYPE = 0x20,
        STATMOUNT_MNT_NS_ID = 0x40,
        STATMOUNT_MNT_OPTS = 0x80,
        STATMOUNT_FS_SUBTYPE = 0x100,
        STATMOUNT_SB_SOURCE = 0x200,
        STATMOUNT_OPT_ARRAY = 0x400,
        STATMOUNT_OPT_SEC_ARRAY = 0x800,
        STATMOUNT_SUPPORTED_MASK = 0x1000,
        STATMOUNT_MNT_UIDMAP = 0x2000,
        STATMOUNT_MNT_GIDMAP = 0x4000,
    }
}

layout! {
    /// `struct mount_attr` of `mount_setattr(2)`.
    pub struct MountAttr = general::mount_attr {
        /// Attributes to set.
        attr_set: u64,
        /// Attributes to clear.
        attr_clr: u64,
        /// `MS_SHARED` and its kin, or 0.
        propagation: u64,
        /// User namespace for `MOUNT_ATTR_IDMAP`.
        userns_fd: u64,
    }
    /// `struct statmount`, without the strings that follow it.
    pub struct Statmount = general::statmount {
        /// Size, with the strings.
        size: u32,
        /// Options of the file system, as a place among the strings.
        mnt_opts: u32,
        /// What is told.
        mask: u64,
        /// Device number of the file system.
        sb_dev_major: u32,
        /// Its lower part.
        sb_dev_minor: u32,
        /// Magic number of the file system's type.
        sb_magic: u64,
        /// `MS_RDONLY`, `MS_SYNCHRONOUS`, `MS_DIRSYNC`, `MS_LAZYTIME`.
        sb_flags: u32,
        /// Type of the file system, among the strings.
        fs_type: u32,
        /// Number of the mount.
        mnt_id: u64,
        /// Number of the mount that it is on.
        mnt_parent_id: u64,
        /// Number of the mount in `mountinfo`.
        mnt_id_old: u32,
        /// Number of the mount that it is on, in `mountinfo`.
        mnt_parent_id_old: u32,
        /// `MOUNT_ATTR_*`.
        mnt_attr: u64,
        /// `MS_SHARED` and its kin.
        mnt_propagation: u64,
        /// Peer group.
        mnt_peer_group: u64,
        /// Peer group that events come from.
        mnt_master: u64,
        /// Nearest peer group below the root that events come from.
        propagate_from: u64,
        /// The part of the file system that shows, among the strings.
        mnt_root: u32,
        /// Where it is mounted, among the strings.
        mnt_point: u32,
        /// Number of the mount namespace.
        mnt_ns_id: u64,
        /// Subtype of the file system, among the strings.
        fs_subtype: u32,
        /// What is mounted, among the strings.
        sb_source: u32,
        /// How many options there are one by one.
        opt_num: u32,
        /// Where they are.
        opt_array: u32,
        /// How many options of security modules there are.
        opt_sec_num: u32,
        /// Where they are.
        opt_sec_array: u32,
        /// What the kernel can tell.
        supported_mask: u64,
        /// Lines of the mount's map of users.
        mnt_uidmap_num: u32,
        /// Where they are.
        mnt_uidmap: u32,
        /// Lines of the mount's map of groups.
        mnt_gidmap_num: u32,
        /// Where they are.
        mnt_gidmap: u32,
        @pad __spare2: [u64; 43],
    }
    /// `struct mnt_id_req` of `statmount(2)` and `listmount(2)`.
    pub struct MntIdReq = general::mnt_id_req {
        /// Size of this structure.
        size: u32,
        @pad spare: u32,
        /// Mount.
        mnt_id: u64,
        /// What is asked for.
        param: u64,
        /// Mount namespace.
        mnt_ns_id: u64,
    }
}
