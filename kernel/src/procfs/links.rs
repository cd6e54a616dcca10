//! `/proc/PID/{cwd,root,exe}`: links that lead to places without a walk.

use alloc::vec::Vec;

use abi::Errno;
use vfs::context::Caller;
use vfs::fs::pseudo::{PseudoAttr, PseudoLink, PseudoNode};
use vfs::ops::path_name;
use vfs::{MagicLink, Path};

use super::task::TaskRef;
use crate::task::Resources;

/// Which place.
#[derive(Clone, Copy)]
enum Which {
    Cwd,
    Root,
    Exe,
}

/// `/proc/PID/cwd`.
pub(super) fn cwd(of: &TaskRef) -> PseudoNode {
    PseudoNode::link(Place { of: of.clone(), which: Which::Cwd })
}
/// `/proc/PID/root`.
pub(super) fn root(of: &TaskRef) -> PseudoNode {
    PseudoNode::link(Place { of: of.clone(), which: Which::Root })
}
/// `/proc/PID/exe`.
pub(super) fn exe(of: &TaskRef) -> PseudoNode {
    PseudoNode::link(Place { of: of.clone(), which: Which::Exe })
}

/// A place as the caller would name it: from its own root.
pub(super) fn shown_path(path: &Path, caller: &Caller<'_>) -> Vec<u8> {
    let task: Option<&task::Task> = caller.task_as();
    let fs = task.and_then(|t| t.resources::<Resources>()?.fs());
    let root = fs.map_or_else(|| path.mount.root_path(), |fs| fs.view().root.clone());
    path_name(path, &root).0
}

struct Place {
    of: TaskRef,
    which: Which,
}

impl Place {
    /// Errors: `EACCES`; `ENOENT` if the task has ended.
    fn path(&self, caller: &Caller<'_>) -> Result<Path, Errno> {
        self.of.check_access(caller)?;
        let path = match self.which {
            Which::Cwd => self.of.view().map(|v| v.cwd.clone()),
            Which::Root => self.of.view().map(|v| v.root.clone()),
            Which::Exe => self.of.resources().and_then(Resources::image).map(|i| i.exe()),
        };
        path.ok_or(Errno::ENOENT)
    }
}

impl PseudoLink for Place {
    fn target(&self, caller: &Caller<'_>) -> Result<Vec<u8>, Errno> {
        self.path(caller).map(|p| shown_path(&p, caller))
    }
    fn magic(&self, caller: &Caller<'_>) -> Option<Result<MagicLink, Errno>> {
        Some(self.path(caller).map(MagicLink::Path))
    }
    fn attr(&self) -> PseudoAttr {
        self.of.owner(0o777)
    }
    fn alive(&self) -> bool {
        self.of.alive()
    }
}
