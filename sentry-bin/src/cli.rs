//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::tree::{self, Access, Bind, Root};
use crate::user::UserSpec;
use crate::{bench, compat, confine, debug_log, sandbox};

/// Runs unmodified Linux programs on a userspace kernel.
#[derive(Parser)]
#[command(name = "sentry-bin", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a command on the host's tree; all that it changes is kept in memory and gone afterwards.
    Do {
        #[command(flatten)]
        options: Options,
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Run a command with a directory as its root.
    Run {
        #[command(flatten)]
        options: Options,
        /// Keep all changes in memory.
        #[arg(long, conflicts_with = "readonly")]
        overlay: bool,
        /// Allow no changes.
        #[arg(long)]
        readonly: bool,
        /// The root directory.
        rootfs: PathBuf,
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Print the system calls and how much of each works.
    Compat {
        /// As a Markdown page.
        #[arg(long)]
        markdown: bool,
    },
    /// Print the host calls that each process of a sandbox may make.
    HostCalls {
        /// As a part of a Markdown page.
        #[arg(long)]
        markdown: bool,
    },
    /// Measure what the sandbox costs, natively and in the sandbox in turns.
    Bench(bench::BenchOptions),
    /// What `bench` runs on both sides.
    #[command(hide = true)]
    BenchGuest {
        /// The benchmark.
        name: String,
        #[command(flatten)]
        places: bench::Places,
    },
    /// A guest that sleeps, for `bench`.
    #[command(hide = true)]
    BenchIdle(bench::Idle),
}

/// What runs guest code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlatformName {
    /// Traced stub processes; works wherever ptrace(2) does.
    Ptrace,
    /// Stub processes under seccomp, which hand over through shared memory: fast; needs Linux 5.9 and FSGSBASE.
    Systrap,
}

/// What `do` and `run` share.
#[derive(Args)]
pub(crate) struct Options {
    /// What runs guest code: this and nothing else. Otherwise systrap, or ptrace where the host lacks what systrap needs.
    #[arg(long, value_enum)]
    pub(crate) platform: Option<PlatformName>,
    /// Print each system call to standard error.
    #[arg(long)]
    pub(crate) strace: bool,
    /// Append what the sandbox logs of itself to a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) debug_log: Option<PathBuf>,
    /// What the log has: error, warn, info, debug or trace, or such levels of parts (kernel=debug,platform=info).
    #[arg(long, value_name = "LEVELS", default_value = "info", value_parser = debug_log::filter, requires = "debug_log")]
    pub(crate) debug_level: String,
    /// Set a variable of the environment; without `=` take it from here.
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<OsString>,
    /// Show a file or directory of the host in the sandbox; with `:ro` read-only.
    #[arg(long = "bind", value_name = "SRC:DST[:ro]", value_parser = tree::value_parser())]
    pub(crate) binds: Vec<Bind>,
    /// Mount an empty tmpfs.
    #[arg(long = "tmpfs", value_name = "DST", value_parser = tree::absolute)]
    pub(crate) tmpfs: Vec<PathBuf>,
    /// User and group of the command, by name (as the sandbox's /etc/passwd and /etc/group have them) or number; otherwise
    /// the caller for `do`, and root for `run`.
    #[arg(long, value_name = "USER[:GROUP]")]
    pub(crate) user: Option<UserSpec>,
    /// Pass an open descriptor of this process, beside the standard streams.
    #[arg(long = "pass-fd", value_name = "FD", value_parser = clap::value_parser!(i32).range(3..1024))]
    pub(crate) pass_fds: Vec<i32>,
    /// Working directory of the command.
    #[arg(long, value_name = "DIR")]
    pub(crate) workdir: Option<PathBuf>,
    /// Refuse to start where the host does not permit every layer of confinement of the sandbox's own kernel.
    #[arg(long, conflicts_with = "unconfined")]
    pub(crate) require_confinement: bool,
    /// Leave the sandbox's own kernel unconfined, for debugging it.
    #[arg(long)]
    pub(crate) unconfined: bool,
    /// Host name in the sandbox.
    #[arg(long, default_value = "picket")]
    pub(crate) hostname: String,
}

/// Parses the command line and does what it says. Returns the status of the command that was run.
pub(crate) fn run() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::Do { options, command } => sandbox::run(&options, &Root::Host, &command),
        Command::Run { options, overlay, readonly, rootfs, command } => {
            let access = match (overlay, readonly) {
                (true, _) => Access::Overlay,
                (_, true) => Access::ReadOnly,
                _ => Access::Write,
            };
            sandbox::run(&options, &Root::Directory(rootfs, access), &command)
        }
        Command::Compat { markdown } => {
            compat::print(markdown);
            Ok(ExitCode::SUCCESS)
        }
        Command::HostCalls { markdown } => {
            confine::print(markdown);
            Ok(ExitCode::SUCCESS)
        }
        Command::Bench(options) => bench::run(&options).map(|()| ExitCode::SUCCESS),
        Command::BenchGuest { name, places } => Ok(bench::serve(&name, &places).map(|()| ExitCode::SUCCESS)?),
        Command::BenchIdle(idle) => Ok(bench::be_idle(idle).map(|()| ExitCode::SUCCESS)?),
    }
}
