//! The tree of mounts that the sandbox starts with.

mod bind;
mod trees;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use abi::Errno;
use anyhow::{Context, Result, anyhow, bail};
use kcore::cred::{Credentials, UserNamespace};
use kcore::frame::FrameStore;
use kcore::host::Clock;
use kcore::id::Gid;
use kernel::{Kernel, procfs, sysfs};
use platform::host::HostEntropy;
use vfs::consts::{MS_NOATIME, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, O_CREAT, O_WRONLY};
use vfs::fs::devfs::{DeviceRegistry, populate};
use vfs::fs::devpts::{DevPts, DevPtsOptions};
use vfs::fs::host::HostFs;
use vfs::fs::overlay::{OverlayFs, OverlayOptions};
use vfs::fs::tmpfs::{TmpFs, TmpFsOptions};
use vfs::ops::{self, OpenHow};
use vfs::{FileKind, FileSystem, FsContext, FsView, Mount, MountIds, MountNamespace, OpCtx, Vfs};

use crate::host::HostTree;
pub(crate) use bind::{Bind, absolute, value_parser};
pub(crate) use trees::{HostTrees, is_changed};

/// The group that terminals belong to, as distributions number it.
const TTY_GROUP: Gid = Gid(5);

/// What `/` is.
#[derive(Clone, Debug)]
pub(crate) enum Root {
    /// The host's tree, with all changes in memory.
    Host,
    /// A directory of the host.
    Directory(PathBuf, Access),
}

/// What happens to a directory that is the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Changes reach it.
    Write,
    /// Nothing can be changed.
    ReadOnly,
    /// Changes stay in memory.
    Overlay,
}

/// Builds a tree; it lives as long as this takes.
pub(crate) struct Builder {
    ids: Arc<MountIds>,
    clock: Arc<dyn Clock>,
    store: Arc<dyn FrameStore>,
    vfs: Vfs,
    cred: Credentials,
    ns: Arc<MountNamespace>,
    /// Whether missing mount points may be made: they then exist in memory only.
    may_create: bool,
}

impl Builder {
    /// Starts with the root alone. Errors: one line that says what the host refuses.
    pub(crate) fn new(
        root: &Root,
        top: &HostTree,
        store: &Arc<dyn FrameStore>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Builder> {
        let ids = Arc::new(MountIds::default());
        let access = match root {
            Root::Host => Access::Overlay,
            Root::Directory(_, access) => *access,
        };
        let mut fs: Arc<dyn FileSystem> =
            HostFs::new(top.node().clone(), ids.next_dev(), store.clone(), !top.is_writable())?;
        if access == Access::Overlay {
            fs = in_memory(&ids, fs, store, clock)?;
        }
        let flags = if access == Access::ReadOnly { MS_RDONLY } else { 0 };
        let special = Arc::new(DeviceRegistry::new(Arc::new(HostEntropy), None));
        Ok(Builder {
            ns: MountNamespace::new(ids.clone(), fs, flags, "root"),
            ids,
            clock: clock.clone(),
            store: store.clone(),
            vfs: Vfs { clock: clock.clone(), special },
            cred: Credentials::root(Arc::new(UserNamespace::default())),
            may_create: access == Access::Overlay,
        })
    }
    /// The mounts, with all that was added.
    pub(crate) fn namespace(self) -> Arc<MountNamespace> {
        self.ns
    }
    fn view(&self) -> Arc<FsView> {
        FsContext::new(self.ns.clone()).view()
    }
    fn new_tmpfs(&self, mode: u32) -> Result<Arc<TmpFs>> {
        new_tmpfs(&self.ids, &self.store, &self.clock, mode)
    }
    /// Mounts `/dev`, if the root has or can get such a directory. Errors: one line.
    pub(crate) fn add_devices(&self) -> Result<()> {
        let dev = self.new_tmpfs(0o755)?;
        populate(&dev.root())?;
        let Some(at) = self.place(Path::new("/dev"), FileKind::Directory)? else { return Ok(()) };
        self.ns.mount(dev, &at, MS_NOSUID, "dev").context("cannot mount /dev")?;
        let options =
            DevPtsOptions { gid: Some(TTY_GROUP), mode: 0o620, ptmxmode: 0o666, ..DevPtsOptions::default() };
        let pts = DevPts::new(self.ids.next_dev(), self.clock.clone(), options);
        self.mount_below_dev("/dev/pts", pts, MS_NOSUID | MS_NOEXEC, "devpts")?;
        self.mount_below_dev("/dev/shm", self.new_tmpfs(0o1777)?, MS_NOSUID | MS_NODEV, "shm")?;
        Ok(())
    }
    fn mount_below_dev(&self, at: &str, fs: Arc<dyn FileSystem>, flags: u32, source: &str) -> Result<()> {
        let place = self.mount_point(Path::new(at), FileKind::Directory, Path::new(source))?;
        self.ns.mount(fs, &place, flags, source).map_err(|e| anyhow!("cannot mount {at}: {}", e.text()))?;
        Ok(())
    }
    /// Mounts `/proc`, if the root has or can get such a directory. Errors: one line.
    pub(crate) fn add_proc(&self, kernel: &Arc<Kernel>) -> Result<()> {
        let Some(at) = self.place(Path::new("/proc"), FileKind::Directory)? else { return Ok(()) };
        let ns = kernel.processes().root_ns().clone();
        let fs = procfs::new(kernel, ns, self.ids.next_dev(), "").map_err(|e| anyhow!("{}", e.text()))?;
        self.ns.mount(fs, &at, MS_NOSUID | MS_NODEV | MS_NOEXEC, "proc").context("cannot mount /proc")?;
        Ok(())
    }
    /// Mounts `/sys`, if the root has or can get such a directory. Errors: one line.
    pub(crate) fn add_sys(&self, kernel: &Arc<Kernel>) -> Result<()> {
        let Some(at) = self.place(Path::new("/sys"), FileKind::Directory)? else { return Ok(()) };
        let flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
        self.ns
            .mount(sysfs::new(kernel, self.ids.next_dev()), &at, flags, "sysfs")
            .context("cannot mount /sys")?;
        Ok(())
    }
    /// Mounts an empty tmpfs. Errors: one line that says why it cannot be mounted there.
    pub(crate) fn add_tmpfs(&self, at: &Path) -> Result<()> {
        let place = self.mount_point(at, FileKind::Directory, at)?;
        let fs = self.new_tmpfs(0o1777)?;
        self.ns
            .mount(fs, &place, MS_NOSUID | MS_NODEV, "tmpfs")
            .map_err(|e| anyhow!("cannot mount a tmpfs at {}: {}", at.display(), e.text()))?;
        Ok(())
    }
    /// Shows a file or directory of the host. Errors: one line that says what is missing or refused.
    pub(crate) fn add_bind(&self, bind: &Bind, tree: &HostTree) -> Result<()> {
        let fs = HostFs::new(tree.node().clone(), self.ids.next_dev(), self.store.clone(), bind.read_only)?;
        let place = self.mount_point(&bind.target, fs.root().kind(), &bind.source)?;
        let flags = if bind.read_only { MS_RDONLY } else { 0 };
        let source = bind.source.to_string_lossy();
        self.ns.mount(fs, &place, flags | MS_NODEV, &source).map_err(|e| {
            anyhow!("cannot bind {} to {}: {}", bind.source.display(), bind.target.display(), e.text())
        })?;
        Ok(())
    }
    fn mount_point(&self, at: &Path, kind: FileKind, what: &Path) -> Result<vfs::Path> {
        match self.place(at, kind)? {
            Some(place) => Ok(place),
            None => bail!(
                "cannot mount {} at {}: the root has no such place, and only an overlay can get one",
                what.display(),
                at.display()
            ),
        }
    }
    /// The place `at`; a missing one is made if that changes memory only. `None` if it is missing and stays so.
    fn place(&self, at: &Path, kind: FileKind) -> Result<Option<vfs::Path>> {
        let view = self.view();
        let ctx = OpCtx::new(&self.vfs, &view, &self.cred);
        let bytes = at.as_os_str().as_bytes();
        let refused = |e: Errno| anyhow!("cannot use {} as a mount point: {}", at.display(), e.text());
        match ops::lookup(&ctx, bytes, true) {
            Ok(place) => return Ok(Some(place)),
            Err(Errno::ENOENT) if self.may_create => {}
            Err(Errno::ENOENT) => return Ok(None),
            Err(e) => return Err(refused(e)),
        }
        let parents: Vec<&Path> = at.ancestors().skip(1).filter(|p| p.parent().is_some()).collect();
        for dir in parents.into_iter().rev() {
            match ops::mkdir(&ctx, dir.as_os_str().as_bytes(), 0o755) {
                Ok(_) | Err(Errno::EEXIST) => {}
                Err(e) => return Err(refused(e)),
            }
        }
        match kind {
            FileKind::Directory => drop(ops::mkdir(&ctx, bytes, 0o755).map_err(refused)?),
            _ => {
                let how = OpenHow { flags: O_CREAT | O_WRONLY, mode: 0o644, resolve: 0 };
                ops::open(&ctx, bytes, &how).map_err(|e| refused(e.errno()))?;
            }
        }
        Ok(Some(ops::lookup(&ctx, bytes, true).map_err(refused)?))
    }
}

fn new_tmpfs(
    ids: &MountIds,
    store: &Arc<dyn FrameStore>,
    clock: &Arc<dyn Clock>,
    mode: u32,
) -> Result<Arc<TmpFs>> {
    let options = TmpFsOptions { mode, ..TmpFsOptions::default() };
    Ok(TmpFs::new(ids.next_dev(), clock.clone(), store.clone(), options)?)
}

/// `lower` with all changes in a tmpfs above it. Errors: what the layers say.
fn in_memory(
    ids: &MountIds,
    lower: Arc<dyn FileSystem>,
    store: &Arc<dyn FrameStore>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<OverlayFs>> {
    let upper = new_tmpfs(ids, store, clock, 0o755)?;
    let layer = |fs, name| Mount::detached(ids.next_mount(), fs, MS_NOATIME, name).root_path();
    let options = OverlayOptions {
        text: "lowerdir=host,upperdir=memory,workdir=memory,index=on".into(),
        index: true,
        ..OverlayOptions::default()
    };
    let (lower, upper) = (layer(lower, "host"), layer(upper, "memory"));
    Ok(OverlayFs::new(ids.next_dev(), vec![lower], Some(upper), &options)?)
}
