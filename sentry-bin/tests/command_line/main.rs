//! What `sentry-bin` promises to the process that starts it: statuses, messages, signals, descriptors, and that nothing stays behind.

mod bench;
mod confinement;
mod log;
mod platforms;
mod refusals;
mod remains;
mod roots;
mod sandbox;
mod status;
mod trace;
