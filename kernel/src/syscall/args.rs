//! How the raw registers of a system call become typed arguments.

use alloc::string::String;
use core::any::TypeId;
use core::ffi::c_char;
use core::fmt::Write as _;

use kcore::addr::GuestAddr;
use kcore::id::{Fd, Pid};
use kcore::user::{UserPtr, Write};

/// What is behind an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A string that ends with a zero.
    Text,
    /// Bytes that the call loads; the next argument says how many.
    Loaded,
    /// Bytes that the call stores, as many as it returns.
    Stored,
    /// Something else, or nothing.
    Other,
}

/// A type that an argument register can hold. Linux defines for each argument which bits of the register count; that is
/// what `from_reg` takes, and nothing is checked that a handler should check.
pub(crate) trait Arg: Sized {
    /// Name in tables.
    const KIND: &'static str;
    /// What is behind it.
    fn shape() -> Shape {
        Shape::Other
    }
    /// The argument in this register.
    fn from_reg(reg: u64) -> Self;
    /// Appends the register as traces show it.
    fn show(reg: u64, out: &mut String);
}

/// The low 32 bits, as a signed number: what a C `int` argument is.
pub(crate) fn low_int(reg: u64) -> i32 {
    let [a, b, c, d, ..] = reg.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

macro_rules! arg {
    ($ty:ty, $kind:literal, $reg:ident => $value:expr, $fmt:literal) => {
        impl Arg for $ty {
            const KIND: &'static str = $kind;
            fn from_reg($reg: u64) -> Self {
                $value
            }
            fn show($reg: u64, out: &mut String) {
                // Writing to a string cannot fail.
                let _ = write!(out, $fmt, $value);
            }
        }
    };
}

arg!(i32, "int", reg => low_int(reg), "{}");
arg!(u32, "uint", reg => low_int(reg).cast_unsigned(), "{:#x}");
arg!(u64, "ulong", reg => reg, "{:#x}");
arg!(i64, "long", reg => reg.cast_signed(), "{}");
arg!(Fd, "fd", reg => Fd(low_int(reg)), "{}");
arg!(Pid, "pid", reg => Pid(low_int(reg)), "{}");
arg!(GuestAddr, "addr", reg => GuestAddr(reg), "{}");

impl Arg for usize {
    const KIND: &'static str = "size";
    fn from_reg(reg: u64) -> Self {
        // Picket runs on 64-bit hosts; a smaller host would see any larger length as the largest.
        usize::try_from(reg).unwrap_or(usize::MAX)
    }
    fn show(reg: u64, out: &mut String) {
        let _ = write!(out, "{reg}");
    }
}

impl<T: 'static, M: 'static> Arg for UserPtr<T, M> {
    const KIND: &'static str = "ptr";
    fn shape() -> Shape {
        let (pointee, mode) = (TypeId::of::<T>(), TypeId::of::<M>());
        if pointee == TypeId::of::<c_char>() {
            Shape::Text
        } else if pointee != TypeId::of::<u8>() {
            Shape::Other
        } else if mode == TypeId::of::<Write>() {
            Shape::Stored
        } else {
            Shape::Loaded
        }
    }
    fn from_reg(reg: u64) -> Self {
        UserPtr::new(GuestAddr(reg))
    }
    fn show(reg: u64, out: &mut String) {
        let _ = if reg == 0 { write!(out, "NULL") } else { write!(out, "{reg:#x}") };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ints_take_the_low_half_only() {
        assert_eq!(i32::from_reg(0xffff_ffff_ffff_ffff), -1);
        assert_eq!(Fd::from_reg(0x1_0000_0003), Fd(3));
        assert_eq!(u32::from_reg(u64::MAX), u32::MAX);
    }
}
