//! Which platform runs guest code.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use platform::Platform;
use platform::host::HostMemory;
use platform::ptrace::PtracePlatform;
use platform::systrap::SystrapPlatform;

use crate::cli::PlatformName;

type Started = (Arc<dyn Platform>, PlatformName);

/// Starts the platform that is wanted. If none is, that is `systrap`, or `ptrace` with a line that says why. A platform has made its first
/// stub when it has started, so that whatever the host lacks is known before there is a guest.
///
/// Errors: one line that says what the host lacks for it, or for each of them.
pub(crate) fn choose(wanted: Option<PlatformName>, memory: &Arc<HostMemory>) -> Result<Started> {
    let started = match wanted {
        Some(PlatformName::Systrap) => systrap(memory)
            .map_err(|e| anyhow!("the systrap platform cannot run here: {e}; try --platform ptrace")),
        Some(PlatformName::Ptrace) => ptrace(memory)
            .map_err(|e| anyhow!("the ptrace platform cannot run here: {e}; try --platform systrap")),
        None => systrap(memory).or_else(|e| fall_back(&e, memory)),
    }?;
    tracing::info!(platform = started.0.caps().name, "a platform runs guest code");
    Ok(started)
}

fn fall_back(reason: &anyhow::Error, memory: &Arc<HostMemory>) -> Result<Started> {
    let started = ptrace(memory)
        .map_err(|e| anyhow!("no platform can run here: systrap, because {reason}; ptrace, because {e}"))?;
    eprintln!("sentry-bin: warning: the slower ptrace platform runs the command, because {reason}");
    Ok(started)
}

fn systrap(memory: &Arc<HostMemory>) -> Result<Started> {
    Ok((SystrapPlatform::new(memory)?, PlatformName::Systrap))
}

fn ptrace(memory: &Arc<HostMemory>) -> Result<Started> {
    Ok((PtracePlatform::new(memory)?, PlatformName::Ptrace))
}
