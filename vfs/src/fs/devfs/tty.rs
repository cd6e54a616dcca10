//! Devices that lead to terminals, `tty(4)`, `ptmx(4)`.

use alloc::sync::Arc;
use core::any::Any;

use kcore::io::IoResult;

use crate::Errno;
use crate::consts::O_NOCTTY;
use crate::context::OpCtx;
use crate::file::FileOps;
use crate::fs::devpts::{DevPts, PtsInode};
use crate::inode::Inode;
use crate::path::Path;
use crate::tty::Terminal;
use crate::walk::Walk;

/// Major device number of slave sides (`UNIX98_PTY_SLAVE_MAJOR`).
pub(super) const SLAVE_MAJOR: u32 = 136;

/// Opens `/dev/tty`: the caller's controlling terminal. Errors: `ENXIO` if it has none; as [`Terminal::open_slave`].
pub(super) fn open_controlling(flags: u32, ctx: &OpCtx<'_>) -> IoResult<Arc<dyn FileOps>> {
    let tty = ctx
        .job
        .and_then(kcore::job::JobCaller::controlling_tty)
        .and_then(Terminal::of)
        .ok_or(Errno::ENXIO)?;
    Ok(tty.open_slave(flags | O_NOCTTY, ctx)?)
}

/// Opens a slave side. Errors: `EIO` for a node that is not in devpts; as [`Terminal::open_slave`].
pub(super) fn open_slave(inode: &Arc<dyn Inode>, flags: u32, ctx: &OpCtx<'_>) -> IoResult<Arc<dyn FileOps>> {
    let any: &dyn Any = &**inode;
    let tty = any.downcast_ref::<PtsInode>().and_then(PtsInode::terminal).ok_or(Errno::EIO)?;
    Ok(tty.open_slave(flags, ctx)?)
}

/// Opens `ptmx`, which makes a terminal: in the devpts that it is in, or in the one mounted at `pts` beside it.
/// Errors: `ENODEV` if there is none; `ENOSPC`.
pub(super) fn open_ptmx(path: &Path, ctx: &OpCtx<'_>) -> IoResult<Arc<dyn FileOps>> {
    let mount = match DevPts::of_mount(&path.mount) {
        Some(_) => path.mount.clone(),
        None => {
            let dentry = path.dentry.parent().ok_or(Errno::ENODEV)?;
            let beside = ctx.at(Path { mount: path.mount.clone(), dentry });
            let mut walk = Walk::new(&beside, b"pts", 0)?;
            walk.finish(true).map_err(|_| Errno::ENODEV)?;
            walk.here().mount
        }
    };
    let fs = DevPts::of_mount(&mount).ok_or(Errno::ENODEV)?;
    Ok(fs.open_master(&mount, ctx.cred)?)
}
