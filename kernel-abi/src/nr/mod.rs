//! System-call numbers and names, per architecture.
//!
//! ```
//! use abi::nr;
//! assert_eq!(nr::x86_64::openat, 257);
//! assert_eq!(nr::x86_64::name(257), Some("openat"));
//! assert_eq!(nr::aarch64::number("openat"), Some(56));
//! ```

/// Declares the numbers of one architecture, in rising order: number, name, name in the kernel's headers. Builds of the tests for that
/// architecture compare them with the headers.
macro_rules! numbers {
    ($arch:literal; $($nr:literal $name:ident $header:ident,)*) => {
        $(
            #[doc = concat!("`", stringify!($name), "(2)`")]
            #[allow(non_upper_case_globals, reason = "system calls are written in lower case")]
            pub const $name: u32 = $nr;
        )*

        /// All system calls by rising number.
        pub const ALL: &[(u32, &str)] = &[$(($nr, stringify!($name))),*];

        /// The name of a system call, or `None` if the number has none.
        pub fn name(nr: u32) -> Option<&'static str> {
            ALL.binary_search_by_key(&nr, |(n, _)| *n).ok().map(|i| ALL[i].1)
        }

        /// The number of a system call, or `None` if this architecture has none of that name.
        pub fn number(name: &str) -> Option<u32> {
            ALL.iter().find(|(_, n)| *n == name).map(|(nr, _)| *nr)
        }

        #[cfg(test)]
        mod tests {
            #[test]
            fn numbers_rise() {
                assert!(super::ALL.windows(2).all(|w| w[0].0 < w[1].0));
                assert!(super::ALL.iter().all(|(nr, name)| super::name(*nr) == Some(name)));
            }

            #[cfg(target_arch = $arch)]
            #[test]
            fn as_in_linux() {
                $(const _: () = assert!($nr == linux_raw_sys::general::$header, stringify!($name));)*
            }
        }
    };
}

pub mod aarch64;
pub mod x86_64;

#[cfg(target_arch = "aarch64")]
pub use aarch64 as current;
#[cfg(not(target_arch = "aarch64"))]
pub use x86_64 as current;
