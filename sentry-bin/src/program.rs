//! What the command is: its file, its environment, where it starts.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use abi::Errno;
use anyhow::{Context, Result, anyhow};
use kcore::cred::Credentials;
use vfs::{FsContext, OpCtx, Vfs, ops};

/// Where programs are looked for if the environment does not say.
const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const MAY_EXEC: u32 = 1;

/// Goes to `dir`. Errors: one line that says why that cannot be.
pub(crate) fn enter(vfs: &Vfs, fs: &FsContext, cred: &Credentials, dir: &Path) -> Result<()> {
    let view = fs.view();
    let ctx = OpCtx::new(vfs, &view, cred);
    let place = ops::lookup(&ctx, dir.as_os_str().as_bytes(), true)
        .and_then(|place| ops::chroot_check(&ctx, &place).map(|()| place))
        .map_err(|e| anyhow!("cannot start in {} of the sandbox: {}", dir.display(), e.text()))?;
    fs.set_cwd(place);
    Ok(())
}

/// The directory of this process. Errors: it is gone.
pub(crate) fn current_dir() -> Result<std::path::PathBuf> {
    std::env::current_dir().context("the current directory is gone")
}

/// This process's environment with `changes`: `NAME=VALUE`, or `NAME` for what it is here; `home` unless they say another one.
pub(crate) fn environment(changes: &[OsString], home: Option<&str>) -> Vec<Vec<u8>> {
    let mut env: Vec<(Vec<u8>, Vec<u8>)> =
        std::env::vars_os().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
    let home = home.map(|h| (b"HOME".to_vec(), Some(h.as_bytes().to_vec())));
    for (name, value) in home.into_iter().chain(changes.iter().map(|c| change(c))) {
        env.retain(|(n, _)| *n != name);
        env.extend(value.map(|v| (name, v)));
    }
    env.into_iter().map(|(n, v)| [&n[..], b"=", &v[..]].concat()).collect()
}

fn change(text: &OsStr) -> (Vec<u8>, Option<Vec<u8>>) {
    let bytes = text.as_bytes();
    match bytes.iter().position(|b| *b == b'=') {
        Some(i) => (bytes[..i].to_vec(), Some(bytes[i + 1..].to_vec())),
        None => (bytes.to_vec(), std::env::var_os(text).map(|v| v.as_bytes().to_vec())),
    }
}

/// The path of a command: itself if it has a slash, or else the first match in the sandbox along `PATH`.
///
/// Errors: `ENOENT`; `EACCES` if all that was found may not be executed.
pub(crate) fn find(
    vfs: &Vfs,
    fs: &FsContext,
    cred: &Credentials,
    name: &OsStr,
    env: &[Vec<u8>],
) -> Result<Vec<u8>, Errno> {
    let name = name.as_bytes();
    if name.contains(&b'/') {
        return Ok(name.to_vec());
    }
    let path = env.iter().find_map(|e| e.strip_prefix(b"PATH=")).unwrap_or(DEFAULT_PATH);
    let view = fs.view();
    let ctx = OpCtx::new(vfs, &view, cred);
    let mut error = Errno::ENOENT;
    for dir in path.split(|b| *b == b':').filter(|_| !name.is_empty()) {
        let candidate = [if dir.is_empty() { b"." } else { dir }, b"/", name].concat();
        let Ok(place) = ops::lookup(&ctx, &candidate, true) else { continue };
        if place.inode().attr().is_ok_and(|a| a.is_dir()) {
            continue;
        }
        match ops::access(&ctx, &place, MAY_EXEC) {
            Ok(()) => return Ok(candidate),
            Err(e) => error = e,
        }
    }
    Err(error)
}
