//! The kernel under a simulated machine: many schedules of the same guests, each of which can be replayed.
#![expect(unreachable_pub, reason = "modules of a test binary")]

mod determinism;
mod os;
mod planted;
mod scenarios;
mod seeds;
mod world;
