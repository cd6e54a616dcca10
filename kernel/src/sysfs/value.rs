//! Files with one value.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Display;

use abi::Errno;
use vfs::fs::pseudo::PseudoFile;

/// A value that does not change, with the newline that ends it.
pub(super) struct Value(String);

impl Value {
    pub(super) fn new(value: impl Display) -> Value {
        Value(alloc::format!("{value}\n"))
    }
}

impl PseudoFile for Value {
    fn content(&self) -> Result<Vec<u8>, Errno> {
        Ok(self.0.clone().into_bytes())
    }
}
