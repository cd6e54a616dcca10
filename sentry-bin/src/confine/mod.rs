//! The confinement of this process, before the first instruction of a guest. `docs/security.md` says what each layer is for.

mod calls;
mod guardian;
mod page;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use platform::host::confine::{
    FileCapabilities, Fork, Reach, Separation, allow_only, drop_privileges, enter_empty_root, fork_separated,
    restrict_files,
};
use platform::host::open_own_proc;
use rustix::process::geteuid;

use crate::cli::{Options, PlatformName};
use crate::host::HostTree;
pub(crate) use guardian::Guardian;
pub(crate) use page::print;

/// What is known of the host's permissions so far.
pub(crate) struct Confinement {
    /// What a process started for this has of its own. `None` if there is to be no confinement.
    separation: Option<Separation>,
    guardian: Option<Guardian>,
    required: bool,
    writes: bool,
    missing: Vec<String>,
}

/// Which side of the fork this is.
pub(crate) enum Side {
    /// The sandbox has ended; its status.
    Guardian(ExitCode),
    Sentry(Confinement),
}

impl Confinement {
    /// Starts the process that is to be confined, in namespaces of its own, while there is one thread. The one that was there before
    /// stays outside: it passes on signals and the end. `writes` says whether host files can be changed.
    ///
    /// Errors: the host refuses another process.
    pub(crate) fn begin(options: &Options, writes: bool) -> Result<Side> {
        let mut this = Confinement {
            separation: None,
            guardian: None,
            required: options.require_confinement,
            writes,
            missing: Vec::new(),
        };
        if options.unconfined {
            return Ok(Side::Sentry(this));
        }
        let (guardian, link) = guardian::link()?;
        // A guest's root that changes files of the host gives them to other users, and makes devices; the host permits that in its own
        // user namespace only.
        let same_users = writes && geteuid().is_root();
        match fork_separated(same_users).context("the host refuses a process")? {
            Fork::Parent(child) => {
                drop(guardian);
                Ok(Side::Guardian(guardian::guard(child, &link)))
            }
            Fork::Child(separation) => {
                drop(link);
                this.guardian = Some(guardian);
                this.separation = Some(separation);
                if separation == Separation::None {
                    this.missing.push("namespaces".into());
                }
                Ok(Side::Sentry(this))
            }
        }
    }
    /// Whether all other users look alike.
    pub(crate) fn has_one_user(&self) -> bool {
        self.separation == Some(Separation::OneUser)
    }
    /// The process outside, if there is one.
    pub(crate) fn take_guardian(&mut self) -> Option<Guardian> {
        self.guardian.take()
    }
    /// Leaves nothing to open but what is beneath these trees, and gives up privileges. While there is one thread; what is wanted of
    /// the host's own files must be open.
    ///
    /// Errors: the host does not tell of this process; a layer is missing that is required.
    pub(crate) fn enter(&mut self, trees: &[&HostTree]) -> Result<()> {
        let own = open_own_proc().context("/proc is not there")?;
        let Some(separation) = self.separation else { return Ok(()) };
        if separation != Separation::None {
            // A tree that stayed in the old root would lose what is mounted in it.
            let done = match trees.iter().all(|t| t.is_detached()) {
                true => enter_empty_root(),
                false => Err(io::ErrorKind::Unsupported.into()),
            };
            self.note("an empty root", done);
        }
        let mut reach: Vec<(BorrowedFd<'_>, Reach)> = vec![(own, Reach::Read)];
        reach.extend(
            trees
                .iter()
                .map(|t| (t.place().as_fd(), if t.is_writable() { Reach::Write } else { Reach::Read })),
        );
        self.note("Landlock", restrict_files(&reach));
        let keep = match (separation, self.writes) {
            (Separation::OneUser, _) => FileCapabilities::None,
            (_, true) => FileCapabilities::Write,
            (_, false) => FileCapabilities::Read,
        };
        self.note("dropping privileges", drop_privileges(keep));
        self.check()
    }
    /// From now on a host call that is not declared ends the sandbox. Errors: a layer is missing that is required.
    pub(crate) fn close(mut self, platform: PlatformName) -> Result<()> {
        if self.separation.is_none() {
            return Ok(());
        }
        let done = allow_only(&calls::sentry(platform, self.writes));
        self.note("a seccomp filter", done);
        self.check()?;
        if !self.missing.is_empty() {
            eprintln!(
                "sentry-bin: warning: the host does not permit all layers of confinement, missing: {}",
                self.missing.join(", ")
            );
        }
        Ok(())
    }
    fn note(&mut self, layer: &str, done: io::Result<()>) {
        if let Err(e) = done {
            self.missing.push(format!("{layer} ({e})"));
        }
    }
    fn check(&self) -> Result<()> {
        if self.required && !self.missing.is_empty() {
            bail!("--require-confinement: the host does not permit {}", self.missing.join(", "));
        }
        Ok(())
    }
}
