//! Runs guest threads: each is a future, polled by a fixed set of workers.

mod executor;
mod runnable;

pub use executor::Executor;
