//! Whole programs, unmodified: what they print and how they end must be the same in the sandbox as on the host.
//!
//! Each case is a shell script that runs in a fresh directory natively and in `sentry-bin do`, on each platform. With
//! `PICKET_TEST_ROOTFS` naming a Debian tree, and as root, the cases marked so also run in `sentry-bin run` on that tree, read-write,
//! against `chroot`, on the default platform. `PICKET_TEST_PLATFORM` chooses one platform for all.

mod build;
mod databases;
mod debugging;
mod editors;
mod files;
mod filters;
mod harness;
mod identity;
mod python;
mod scripting;
mod shell;
mod signals;
mod system;
mod versioning;
