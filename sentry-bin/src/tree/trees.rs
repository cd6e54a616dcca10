//! The host's trees that a sandbox shows, opened before this process is confined.

use std::path::Path;

use abi::Errno;
use anyhow::{Result, anyhow, bail};
use vfs::FileKind;

use super::{Access, Bind, Root};
use crate::host::{HostTree, Owners};

/// See the module.
pub(crate) struct HostTrees {
    root: HostTree,
    binds: Vec<HostTree>,
}

/// Whether files of the host can be changed.
pub(crate) fn is_changed(root: &Root, binds: &[Bind]) -> bool {
    matches!(root, Root::Directory(_, Access::Write)) || binds.iter().any(|b| !b.read_only)
}

impl HostTrees {
    /// Opens them. `one_user` if this process knows no users but its own. Errors: one line that says what is missing or refused.
    pub(crate) fn open(root: &Root, binds: &[Bind], one_user: bool) -> Result<HostTrees> {
        let (dir, writable, owners) = match root {
            Root::Host => (Path::new("/"), false, Owners::of_host(one_user)),
            Root::Directory(dir, access) => (&**dir, *access == Access::Write, Owners::of_root()),
        };
        let refused = |e: Errno| anyhow!("cannot use {} as the root: {}", dir.display(), e.text());
        let top = HostTree::open(dir, writable, owners).map_err(refused)?;
        if top.node().stat()?.kind() != FileKind::Directory {
            bail!(refused(Errno::ENOTDIR));
        }
        let bind = |b: &Bind| {
            let tree = HostTree::open(&b.source, !b.read_only, owners);
            tree.map_err(|e| anyhow!("cannot bind {}: {}", b.source.display(), e.text()))
        };
        Ok(HostTrees { root: top, binds: binds.iter().map(bind).collect::<Result<_>>()? })
    }
    /// The root.
    pub(crate) fn root(&self) -> &HostTree {
        &self.root
    }
    /// The others, as the command line has them.
    pub(crate) fn binds(&self) -> &[HostTree] {
        &self.binds
    }
    /// All of them.
    pub(crate) fn all(&self) -> Vec<&HostTree> {
        std::iter::once(&self.root).chain(&self.binds).collect()
    }
}
