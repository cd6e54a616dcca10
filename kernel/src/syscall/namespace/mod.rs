//! Namespaces, [`namespaces(7)`](https://man7.org/linux/man-pages/man7/namespaces.7.html): making them, leaving and entering them.

mod ioctl;
mod make;
mod setns;
mod unshare;

pub(super) use ioctl::namespace_ioctl;
pub(super) use make::make;
pub(super) use setns::setns;
pub(super) use unshare::unshare;
