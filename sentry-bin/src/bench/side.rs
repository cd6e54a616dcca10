//! Where a benchmark runs: on the host, in this sandbox, in another one.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::tree::Tree;
use crate::cli::PlatformName;

/// See the module.
pub(super) struct Side {
    pub(super) name: String,
    /// This program.
    program: PathBuf,
    /// What is put before a command.
    before: Vec<OsString>,
    /// Whether changes of the shared directory reach the host.
    pub(super) shares: bool,
}

impl Side {
    fn new(name: String, before: Vec<OsString>, shares: bool) -> Result<Side> {
        let program = std::env::current_exe().context("this program's file is not known")?;
        Ok(Side { name, program, before, shares })
    }
    /// The host.
    pub(super) fn native() -> Result<Side> {
        Side::new("native".into(), Vec::new(), true)
    }
    /// This sandbox.
    pub(super) fn sandbox(platform: PlatformName, tree: &Tree) -> Result<Side> {
        let name = platform.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned());
        let shared = tree.places().shared.clone().into_os_string();
        let mut bind = shared.clone();
        bind.push(":");
        bind.push(shared);
        let mut side = Side::new(name, Vec::new(), true)?;
        let options = ["do", "--platform", side.name.as_str(), "--bind"].map(OsString::from);
        side.before =
            [vec![side.program.clone().into_os_string()], options.into(), vec![bind, "--".into()]].concat();
        Ok(side)
    }
    /// gVisor's.
    pub(super) fn runsc() -> Result<Side> {
        let before = ["runsc", "--rootless=false", "--network=none", "do"].map(OsString::from);
        Side::new("runsc".into(), before.into(), false)
    }
    /// The command that runs `command` there.
    pub(super) fn command(&self, command: &[OsString]) -> Command {
        let all: Vec<&OsString> = self.before.iter().chain(command).collect();
        let mut c = Command::new(all[0]);
        c.args(&all[1..]);
        c
    }
    /// The command that runs this program there.
    pub(super) fn guest(&self, args: &[OsString]) -> Command {
        self.command(&[&[self.program.clone().into_os_string()], args].concat())
    }
}
