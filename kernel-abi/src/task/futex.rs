//! `futex(2)`, `futex_waitv(2)`, robust lists.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

constants! {
    /// Operations of `futex(2)`.
    pub FUTEX_OPS: u32 = general {
        FUTEX_WAIT = 0,
        FUTEX_WAKE = 1,
        FUTEX_FD = 2,
        FUTEX_REQUEUE = 3,
        FUTEX_CMP_REQUEUE = 4,
        FUTEX_WAKE_OP = 5,
        FUTEX_LOCK_PI = 6,
        FUTEX_UNLOCK_PI = 7,
        FUTEX_TRYLOCK_PI = 8,
        FUTEX_WAIT_BITSET = 9,
        FUTEX_WAKE_BITSET = 10,
        FUTEX_WAIT_REQUEUE_PI = 11,
        FUTEX_CMP_REQUEUE_PI = 12,
        FUTEX_LOCK_PI2 = 13,
    }

    /// Flags of the operation.
    pub FUTEX_FLAGS: u32 = general {
        FUTEX_PRIVATE_FLAG = 0x80,
        FUTEX_CLOCK_REALTIME = 0x100,
    }

    /// Operations of `FUTEX_WAKE_OP`.
    pub FUTEX_WAKE_OPS: u32 = general {
        FUTEX_OP_SET = 0,
        FUTEX_OP_ADD = 1,
        FUTEX_OP_OR = 2,
        FUTEX_OP_ANDN = 3,
        FUTEX_OP_XOR = 4,
        FUTEX_OP_OPARG_SHIFT = 8,
    }

    /// Comparisons of `FUTEX_WAKE_OP`.
    pub FUTEX_WAKE_CMPS: u32 = general {
        FUTEX_OP_CMP_EQ = 0,
        FUTEX_OP_CMP_NE = 1,
        FUTEX_OP_CMP_LT = 2,
        FUTEX_OP_CMP_LE = 3,
        FUTEX_OP_CMP_GT = 4,
        FUTEX_OP_CMP_GE = 5,
    }

    /// Flags of `struct futex_waitv`.
    pub FUTEX2_FLAGS: u32 = general {
        FUTEX2_SIZE_U8 = 0,
        FUTEX2_SIZE_U16 = 1,
        FUTEX2_SIZE_U32 = 2,
        FUTEX2_SIZE_U64 = 3,
        FUTEX2_NUMA = 4,
        FUTEX2_MPOL = 8,
        FUTEX2_PRIVATE = 0x80,
    }

    /// Bits of the word of a robust or priority-inheriting futex.
    pub FUTEX_WORD: u32 = general {
        FUTEX_WAITERS = 0x8000_0000,
        FUTEX_OWNER_DIED = 0x4000_0000,
        FUTEX_TID_MASK = 0x3fff_ffff,
    }

    /// Matches every waiter.
    pub FUTEX_BITSETS: u32 = general {
        FUTEX_BITSET_MATCH_ANY = 0xffff_ffff,
    }

    /// Limits.
    pub FUTEX_LIMITS: usize = general {
        FUTEX_WAITV_MAX = 128,
        ROBUST_LIST_LIMIT = 2048,
    }
}

layout! {
    /// `struct futex_waitv`.
    pub struct FutexWaitv = general::futex_waitv {
        /// Expected value.
        val: u64,
        /// Address.
        uaddr: u64,
        /// `FUTEX2_*`.
        flags: u32,
        @pad __reserved: u32,
    }
    /// `struct robust_list_head`.
    pub struct RobustListHead = general::robust_list_head {
        /// First entry; the list ends where it comes back to the head. Bit 0 marks a priority-inheriting futex.
        list: u64,
        /// From an entry to its futex word.
        futex_offset: i64,
        /// Entry that is just being added or removed.
        list_op_pending: u64,
    }
}
