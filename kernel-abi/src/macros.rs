//! Declarations that check themselves.
//!
//! `constants!` and `layout!` declare what a kernel's header declares and name the item of `linux-raw-sys` (or `libc`) that says the
//! same. In test builds every value, size, alignment and offset is compared with it at compile time; each table and each structure
//! is also one test, so that the list of tests shows what was compared.

/// Declares constants of one family, and a table of their names.
///
/// `pub TABLE: type = module { NAME = value, OTHER = value => module2, }`: the values are compared with those of `module`, or
/// `module2`; `none` leaves one unchecked. With `if "arch"` before the brace they are compared only when building for that architecture.
macro_rules! constants {
    ($($(#[$meta:meta])* pub $table:ident: $ty:ty = $module:ident $(if $arch:literal)? {
        $($name:ident = $value:expr $(=> $other:ident)?,)*
    })*) => {$(
        $(pub const $name: $ty = $value;)*

        $(#[$meta])*
        pub const $table: crate::Names = crate::Names(&[$((stringify!($name), $name as u64)),*]);

        #[cfg(all(test, $(target_arch = $arch)?))]
        #[expect(non_snake_case, reason = "named after the table")]
        #[allow(clippy::unnecessary_cast, reason = "the headers' types differ")]
        mod $table {
            #[allow(unused_imports, reason = "each table uses one or two")]
            use linux_raw_sys::{auxvec, general, if_arp, if_ether, if_packet, ioctl, mempolicy, net, netlink, prctl, ptrace, system};

            #[test]
            fn as_in_linux() {
                // A value of 32 bits counts as equal whether or not the header makes it signed.
                const BITS: u32 = size_of::<$ty>() as u32 * 8;
                const MASK: u64 = u64::MAX >> (64 - BITS);
                $(const _: () = assert!(
                    super::$name as u64 & MASK == checked_by!($name, $module $(, $other)?) as u64 & MASK,
                    stringify!($name)
                );)*
            }
        }
    )*};
}

/// The path of the constant that checks `$name`.
#[cfg(test)]
macro_rules! checked_by {
    // In neither crate; other tests run with these.
    ($name:ident, none) => {
        super::$name
    };
    ($name:ident, $module:ident) => {
        $module::$name
    };
    ($name:ident, $module:ident, none) => {
        super::$name
    };
    ($name:ident, $module:ident, $other:ident) => {
        $other::$name
    };
}

/// Declares structures.
///
/// `pub struct Name = module::name { field: type, }`: the size, and the offset of each field, are compared with that structure.
/// `@pad` before a field marks padding and fields that the other one does not have. `= path.to.field` after the type gives the
/// field's place where the other one nests or names it differently. With `if "arch"` before the brace it is compared only when
/// building for that architecture. `pub struct Name = [size] { … }` has no counterpart: its size is compared, and as no structure
/// may have hidden padding, so are its offsets.
macro_rules! layout {
    () => {};
    ($(#[$meta:meta])* pub struct $name:ident = $module:ident::$raw:ident $(if $arch:literal)? {
        $($(#[$fmeta:meta])* $(@$pad:ident)? $field:ident: $ty:ty $(= $($path:ident).+)?,)*
    } $($rest:tt)*) => {
        layout!(@define $(#[$meta])* $name { $($(#[$fmeta])* $(#[doc = padding!($pad)])? $field: $ty,)* });

        #[cfg(all(test, $(target_arch = $arch)?))]
        #[test]
        #[allow(non_snake_case, reason = "named after the structure")]
        fn $name() {
            #[allow(unused_imports, reason = "each structure uses one")]
            use linux_raw_sys::{auxvec, general, if_arp, if_ether, if_packet, ioctl, mempolicy, net, netlink, prctl, ptrace, system};
            const _: () = assert!(size_of::<$name>() == size_of::<$module::$raw>(), concat!("size of ", stringify!($name)));
            $(offset_check!($name, $module::$raw, $(@$pad)? $field $(, $($path).+)?);)*
        }

        layout!($($rest)*);
    };
    ($(#[$meta:meta])* pub struct $name:ident = [$size:expr] {
        $($(#[$fmeta:meta])* $field:ident: $ty:ty,)*
    } $($rest:tt)*) => {
        layout!(@define $(#[$meta])* $name { $($(#[$fmeta])* $field: $ty,)* });

        #[cfg(test)]
        #[test]
        #[allow(non_snake_case, reason = "named after the structure")]
        fn $name() {
            const _: () = assert!(size_of::<$name>() == $size, concat!("size of ", stringify!($name)));
        }

        layout!($($rest)*);
    };
    (@define $(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident: $ty:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)]
        #[repr(C)]
        pub struct $name {
            $($(#[$fmeta])* pub $field: $ty,)*
        }

        impl Default for $name {
            fn default() -> Self {
                zerocopy::FromZeros::new_zeroed()
            }
        }
    };
}

/// The documentation of a field marked `@pad`.
macro_rules! padding {
    (pad) => {
        "Padding, or reserved; zero."
    };
}

/// Compares the offset of one field.
#[cfg(test)]
macro_rules! offset_check {
    ($name:ident, $module:ident::$raw:ident, @$pad:ident $field:ident) => {};
    ($name:ident, $module:ident::$raw:ident, $field:ident) => {
        offset_check!($name, $module::$raw, $field, $field);
    };
    ($name:ident, $module:ident::$raw:ident, $field:ident, $($path:ident).+) => {
        const _: () = assert!(
            core::mem::offset_of!($name, $field) == core::mem::offset_of!($module::$raw, $($path).+),
            concat!("offset of ", stringify!($name), ".", stringify!($field))
        );
    };
}
