//! Programs that talk to a terminal, on a terminal of the host with `sentry-bin` on it and a user who types and reads.

mod editors;
mod languages;
mod monitors;
mod multiplexer;
mod pagers;
mod pty;
mod readline;
mod recorders;
mod screen;
mod session;
mod shell;
