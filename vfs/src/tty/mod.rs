//! Terminals, `tty(4)`, `pty(7)`, `termios(3)`.
//!
//! [`LineDiscipline`] is what happens between the keys and the program: editing, echo, signals, flow control. It knows no files,
//! tasks or locks. A [`Terminal`] is a pseudoterminal pair around one: programs hold its slave side as [`TtyFile`]s, whoever plays
//! the keyboard and screen holds its [`PtyMaster`]. Job control needs to know the caller: see [`kcore::job`].
//!
//! ```
//! use kcore::io::{SliceSource, VecSink};
//! use vfs::tty::{Effects, LineDiscipline};
//!
//! let mut tty = LineDiscipline::default();
//! let mut effects = Effects::default();
//! tty.receive(b"helk\x7flo\n\x03", &mut effects);
//! assert_eq!(effects.signals, [2], "Ctrl-C is SIGINT");
//! // It also threw away what was typed.
//! assert!(!tty.can_read());
//! tty.receive(b"ls\n", &mut effects);
//! let mut line = VecSink::new(80);
//! tty.read(&mut line).unwrap();
//! assert_eq!(line.into_vec(), b"ls\n");
//! ```

mod discipline;
mod file;
mod ioctl;
mod job;
mod master;
mod modes;
mod open;
mod terminal;

pub use discipline::{Effects, LineDiscipline};
pub use file::{ReadRule, TtyFile};
pub use master::PtyMaster;
pub use modes::{Modes, SetWhen};
pub use terminal::Terminal;
