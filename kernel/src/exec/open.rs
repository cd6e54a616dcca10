//! Opening the file of a program.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::cred::Cap;
use kcore::id::Fd;
use vfs::consts::{MS_NOEXEC, O_RDONLY, S_IFLNK, S_IFMT, S_IFREG};
use vfs::{OpCtx, OpenFile, Path};

/// How `execveat(2)` names a program.
#[derive(Clone, Debug)]
pub(crate) enum ProgramName {
    /// By a path, from the working directory.
    Path(Vec<u8>),
    /// By a path from a directory.
    At {
        /// The descriptor's number, for the name that the program learns.
        fd: Fd,
        /// The directory.
        dir: Path,
        /// The path from there.
        path: Vec<u8>,
        /// Whether a symbolic link at the end is followed.
        follow: bool,
    },
    /// By a descriptor of its file (`AT_EMPTY_PATH`).
    File {
        /// Its number.
        fd: Fd,
        /// The file.
        file: Arc<OpenFile>,
        /// Whether an interpreter of a script could not open it, as the descriptor will be closed.
        closes: bool,
    },
}

const MAY_EXEC: u32 = 1;
const MAY_READ: u32 = 4;

/// A program's file, and where it is.
pub(crate) struct ProgramFile {
    pub(crate) place: Path,
    pub(crate) file: Arc<OpenFile>,
    /// Whether the caller could read it; if not, the process that runs it cannot be looked into.
    pub(crate) readable: bool,
}

impl ProgramName {
    /// The path that the program learns (`AT_EXECFN`), and that an interpreter of a script gets.
    pub(crate) fn shown(&self) -> Vec<u8> {
        match self {
            ProgramName::Path(path) => path.clone(),
            ProgramName::At { fd, path, .. } => [format!("/dev/fd/{fd}/").as_bytes(), path].concat(),
            ProgramName::File { fd, .. } => format!("/dev/fd/{fd}").into_bytes(),
        }
    }
    /// Whether the interpreter of a script could not open it by that path.
    pub(crate) fn is_inaccessible(&self) -> bool {
        matches!(self, ProgramName::File { closes: true, .. })
    }
    /// The place that it names. Errors: of path walks; `ELOOP` for a link that is not to be followed.
    fn place(&self, ctx: &OpCtx<'_>) -> Result<Path, Errno> {
        match self {
            ProgramName::Path(path) => vfs::ops::lookup(ctx, path, true),
            ProgramName::At { dir, path, follow, .. } => {
                let place = vfs::ops::lookup(&ctx.at(dir.clone()), path, *follow)?;
                let is_link = place.inode().attr()?.mode & S_IFMT == S_IFLNK;
                if is_link { Err(Errno::ELOOP) } else { Ok(place) }
            }
            ProgramName::File { file, .. } => file.path().cloned().ok_or(Errno::EACCES),
        }
    }
    /// Opens the program. Errors: as [`ProgramName::place`] in general; `EACCES` unless it is a regular file with an execute bit for the caller,
    /// on a mount that lets programs run.
    pub(crate) fn open(&self, ctx: &OpCtx<'_>) -> Result<ProgramFile, Errno> {
        let place = self.place(ctx)?;
        if place.inode().attr()?.mode & S_IFMT != S_IFREG || place.mount.flags() & MS_NOEXEC != 0 {
            return Err(Errno::EACCES);
        }
        let caller = ctx.caller();
        place.inode().permission_for(&caller, MAY_EXEC)?;
        let readable = place.inode().permission_for(&caller, MAY_READ).is_ok();
        // A file that may be executed need not be readable by the caller: the kernel reads it.
        let mut cred = ctx.cred.clone();
        cred.effective = cred.effective.with(Cap::DacReadSearch);
        let ctx = OpCtx { cred: &cred, ..ctx.clone() };
        let ops = place.inode().clone().open_for(&place, O_RDONLY, &ctx.caller());
        let file = OpenFile::new(ops.map_err(kcore::io::IoError::errno)?, O_RDONLY, Some(place.clone()));
        Ok(ProgramFile { place, file, readable })
    }
}
