//! What guests do under many schedules, and what must be true of it under all of them.
//!
//! Each scenario is a program that works in any process. The numbers in it follow from the seed.

pub mod events;
pub mod futex;
pub mod ipc;
pub mod locks;
pub mod pipes;
pub mod processes;
pub mod signals;
pub mod sockets;

use std::pin::Pin;

use platform::sim::Guest;

use crate::os::Os;
use crate::seeds::explore;

type Program = fn(Os) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! scenarios {
    ($($module:ident: $($name:ident $seeds:literal),*;)*) => {
        /// All of them.
        static ALL: &[Program] = &[$($(|os| Box::pin($module::$name(os))),*),*];

        mod each {
            $(mod $module {
                $(#[test]
                fn $name() {
                    let name = concat!(stringify!($module), "::", stringify!($name));
                    super::super::explore(name, $seeds, super::super::alone(super::super::$module::$name));
                })*
            })*
        }
    };
}

scenarios! {
    futex: mutex 100, shared_mutex 100, pi_mutex 100, bounded_buffer 100, timeouts 100, robust 100, any_of 100;
    pipes: records 100, many_readers 100, spliced 100, broken 100;
    signals: ping_pong 100, queued 100, threads 100, interrupted 100, job_control 100, children 100, masked 100,
        faults 100;
    processes: tree 100, orphans 100, ignored 100, competing 100, exit_group 100,
        exec 100, vfork 100;
    events: semaphore 100, full_counter 100, workers 100, exclusive 100, timer 100, nested 100;
    sockets: echo 100, messages 100, descriptors 100, hang_up 100,
        full_receiver 100;
    locks: whole_file 100, records 100;
    ipc: semaphore 100, messages 100, queue 100;
}

/// A scenario as a program of its own.
pub fn alone<F, Fut>(
    scenario: F,
) -> impl Fn(Guest) -> Pin<Box<dyn Future<Output = u8> + Send>> + Clone + Send + Sync
where
    F: Fn(Os) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    move |g| {
        let scenario = scenario.clone();
        Box::pin(async move {
            scenario(Os::begin(g).await).await;
            0
        })
    }
}

/// Several scenarios at once, as processes.
pub async fn mixed(g: Guest) -> u8 {
    let os = Os::begin(g).await;
    let mut rng = os.rng(0);
    let mut children = Vec::new();
    for _ in 0..2 + rng.below(3) {
        let program = *rng.pick(ALL);
        let run = async move |os: Os| {
            program(os).await;
            0
        };
        children.push(os.fork(run).await);
    }
    for child in children {
        os.join(child).await;
    }
    os.print("all is well").await;
    0
}

#[test]
fn stress() {
    explore("stress", 1000, mixed);
}
