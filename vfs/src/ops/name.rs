//! Places as text: `getcwd(2)`, `/proc/PID/exe`, `/proc/PID/mountinfo`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::Errno;
use crate::context::FsView;
use crate::path::Path;

/// The path from `root` to `path`, and whether `root` is above it at all (if not, the path is from the top).
pub fn path_name(path: &Path, root: &Path) -> (Vec<u8>, bool) {
    let deleted = path.dentry.is_unlinked();
    let mut names: Vec<Vec<u8>> = Vec::new();
    let mut at = path.clone();
    let reached = loop {
        if at.same(root) {
            break true;
        }
        if Arc::ptr_eq(&at.dentry, at.mount.root()) {
            match at.mount.parent() {
                Some(p) => at = p,
                None => break false,
            }
            continue;
        }
        match at.dentry.parent() {
            Some(p) => {
                names.push(at.dentry.name());
                at.dentry = p;
            }
            None => break false,
        }
    };
    let mut out = Vec::new();
    for n in names.iter().rev() {
        out.push(b'/');
        out.extend_from_slice(n);
    }
    if out.is_empty() {
        out.push(b'/');
    }
    if deleted {
        out.extend_from_slice(b" (deleted)");
    }
    (out, reached)
}

/// [`getcwd(2)`](https://man7.org/linux/man-pages/man2/getcwd.2.html). Errors: `ENOENT` if it was removed.
pub fn getcwd(view: &FsView) -> Result<Vec<u8>, Errno> {
    if view.cwd.dentry.is_unlinked() {
        return Err(Errno::ENOENT);
    }
    let (name, reached) = path_name(&view.cwd, &view.root);
    Ok(if reached { name } else { [b"(unreachable)", &name[..]].concat() })
}
