//! Open files in messages.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use core::any::Any;

use netstack::unix::{PassedFile, References, UnixSocket};
use vfs::OpenFile;

use super::SocketFile;

/// An open file on its way.
pub(super) struct Passed(pub(super) Arc<OpenFile>);

struct Count(Weak<OpenFile>);

impl References for Count {
    fn count(&self) -> usize {
        self.0.strong_count()
    }
}

impl PassedFile for Passed {
    fn duplicate(&self) -> Box<dyn PassedFile> {
        Box::new(Passed(self.0.clone()))
    }
    fn socket(&self) -> Option<Arc<UnixSocket>> {
        SocketFile::of(&self.0).map(|s| s.unix().clone())
    }
    fn references(&self) -> Box<dyn References> {
        Box::new(Count(Arc::downgrade(&self.0)))
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        Box::new(self.0)
    }
}
