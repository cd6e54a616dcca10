//! What stands for machine code: closures, each at an address.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::future::Future;
use core::pin::Pin;

use kcore::sync::{LockClass, Mutex};

use super::guest::{Guest, SignalArgs};

static CODE: LockClass = LockClass::new("simulated code", 961);

/// Where the first closure is.
pub(super) const CODE_START: u64 = 0x40_0000;
/// Distance of closures.
const ROUTINE: u64 = 16;
/// Where, from the address of a closure, its memory accesses happen.
pub(super) const ACCESS_AT: u64 = 4;
/// Where, from the address of a closure, the program counter is after its `syscall` instructions.
pub(super) const SYSCALL_END: u64 = 10;
/// Length of a `syscall` instruction.
pub(super) const SYSCALL_LEN: u64 = 2;

/// A closure that runs; its output is an exit status, which means nothing for a handler.
pub(super) type Body = Pin<Box<dyn Future<Output = u8> + Send>>;

/// What a thread does when its closure has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// `exit_group(2)`.
    Process,
    /// `exit(2)`.
    Thread,
    /// `rt_sigreturn(2)`, with the stack pointer that the handler was entered with.
    Handler { sp: u64 },
}

enum Routine {
    Program(Arc<dyn Fn(Guest) -> Body + Send + Sync>),
    Handler(Arc<dyn Fn(Guest, SignalArgs) -> Body + Send + Sync>),
    /// What a new task does: it starts after the system call by which its parent made it.
    Child(Box<dyn FnOnce(Guest) -> Body + Send>, Ending),
}

/// All closures of a simulation.
pub(super) struct Code(Mutex<(u64, BTreeMap<u64, Routine>)>);

impl Code {
    pub(super) fn new() -> Code {
        Code(Mutex::new(&CODE, (CODE_START + 0x1000, BTreeMap::new())))
    }
    fn add(&self, routine: Routine) -> u64 {
        let mut code = self.0.lock();
        let at = code.0;
        code.0 += ROUTINE;
        code.1.insert(at, routine);
        at
    }
    pub(super) fn add_program<Fut>(&self, f: impl Fn(Guest) -> Fut + Send + Sync + 'static) -> u64
    where
        Fut: Future<Output = u8> + Send + 'static,
    {
        self.add(Routine::Program(Arc::new(move |g| Box::pin(f(g)))))
    }
    pub(super) fn add_handler<Fut>(&self, f: impl Fn(Guest, SignalArgs) -> Fut + Send + Sync + 'static) -> u64
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        let body = move |g, args| -> Body {
            let handler = f(g, args);
            Box::pin(async move {
                handler.await;
                0
            })
        };
        self.add(Routine::Handler(Arc::new(body)))
    }
    pub(super) fn add_child<Fut>(&self, f: impl FnOnce(Guest) -> Fut + Send + 'static, ending: Ending) -> u64
    where
        Fut: Future<Output = u8> + Send + 'static,
    {
        self.add(Routine::Child(Box::new(move |g| Box::pin(f(g))), ending))
    }
    /// Forgets a child that was not made.
    pub(super) fn remove(&self, at: u64) {
        let removed = self.0.lock().1.remove(&at);
        drop(removed);
    }
    /// What runs when the program counter gets to `rip`: its address, its future, and how it ends. `None` if there is nothing.
    pub(super) fn enter(
        &self,
        rip: u64,
        sp: u64,
        guest: Guest,
        args: SignalArgs,
    ) -> Option<(u64, Body, Ending)> {
        let at = rip & !(ROUTINE - 1);
        let mut code = self.0.lock();
        match code.1.get(&at)? {
            Routine::Program(f) if rip == at => {
                let f = f.clone();
                drop(code);
                Some((at, f(guest), Ending::Process))
            }
            Routine::Handler(f) if rip == at => {
                let f = f.clone();
                drop(code);
                Some((at, f(guest, args), Ending::Handler { sp }))
            }
            Routine::Child(..) if rip == at + SYSCALL_END => {
                let routine = code.1.remove(&at);
                drop(code);
                let Some(Routine::Child(f, ending)) = routine else { return None };
                Some((at, f(guest), ending))
            }
            _ => None,
        }
    }
}
