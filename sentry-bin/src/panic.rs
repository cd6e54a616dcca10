//! Errors of the sandbox's own.

use std::sync::Arc;

use crate::terminal::RawMode;

/// Status after an error of the sandbox itself, as `env(1)` has it.
pub(crate) const INTERNAL: u8 = 125;

/// Lets a panic of any thread give the terminal back, say where it was, and end the process: the other threads would wait for ever for
/// the one that is gone. The host ends the stubs with it.
pub(crate) fn exit_after(raw: Option<Arc<RawMode>>) {
    std::panic::set_hook(Box::new(move |info| {
        if let Some(raw) = &raw {
            raw.restore();
        }
        tracing::error!(%info, "an error of the sandbox itself");
        eprintln!("sentry-bin: an error of the sandbox itself, please report it: {info}");
        std::process::exit(INTERNAL.into());
    }));
}
