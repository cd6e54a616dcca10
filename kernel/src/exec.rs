//! Starting programs.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::cred::{Cap, Credentials};
use platform::UserRegs;
use vfs::consts::{O_CLOEXEC, O_RDONLY, S_IFMT, S_IFREG};
use vfs::ops::{OpenHow, open};
use vfs::{FdTable, FsContext, OpCtx, OpenFile};

use crate::current::CurrentTask;
use crate::image::Executable;
use crate::kernel::Kernel;
use crate::loader::{self, ElfFile, Script, StackInfo};
use crate::space::{Memory, new_memory};
use crate::task::{Parts, Resources, Task};
use task::InitSpec;
use task::rlimit::Rlimits;

/// How deep scripts may run scripts, as Linux has it.
const MAX_SCRIPTS: usize = 5;

/// A program to start as the first task of a kernel.
pub struct ExecRequest {
    /// Its path, from the working directory of `fs`.
    pub path: Vec<u8>,
    /// Arguments, the first one its name.
    pub args: Vec<Vec<u8>>,
    /// Environment, `NAME=VALUE`.
    pub env: Vec<Vec<u8>>,
    /// Descriptors.
    pub files: Arc<FdTable>,
    /// View of the tree.
    pub fs: Arc<FsContext>,
    /// Who runs it.
    pub cred: Credentials,
}

/// A program that is loaded and not yet run.
pub(crate) struct Program {
    pub(crate) memory: Memory,
    pub(crate) regs: UserRegs,
    pub(crate) name: Vec<u8>,
}

/// Loads a program into a new process without a parent; [`Kernel::start`] lets it run.
///
/// Errors: as [execve(2)](https://man7.org/linux/man-pages/man2/execve.2.html), and `EAGAIN` without a process number.
pub fn exec(kernel: &Arc<Kernel>, req: ExecRequest) -> Result<CurrentTask, Errno> {
    let program = load(kernel, None, &req.fs, &req.cred, &req.path, req.args, &req.env)?;
    let thread = kernel.host().platform.new_thread(&program.memory.space)?;
    let processes = kernel.processes();
    let spec = InitSpec {
        ns: processes.root_ns().clone(),
        cred: Arc::new(req.cred),
        rlimits: Rlimits::default(),
        comm: [0; 16],
    };
    let parts = Parts { memory: program.memory, files: req.files, fs: req.fs, uts: kernel.uts().clone() };
    let core = processes.spawn_init(spec, Resources::new(parts.clone()))?;
    core.set_comm(&program.name);
    Ok(CurrentTask::new(kernel, Task::new(core, parts), thread, program.regs))
}

/// Loads `path`, for `caller` if there is one, into a new memory. Nothing of the caller changes, whatever happens.
pub(crate) fn load(
    kernel: &Kernel,
    caller: Option<&task::Task>,
    fs: &FsContext,
    cred: &Credentials,
    path: &[u8],
    mut args: Vec<Vec<u8>>,
    env: &[Vec<u8>],
) -> Result<Program, Errno> {
    let view = fs.view();
    let mut ctx = OpCtx::new(kernel.vfs(), &view, cred);
    if let Some(task) = caller {
        ctx = ctx.by(task);
    }
    let mut file_path = path.to_vec();
    let mut file = open_program(&ctx, &file_path)?;
    for depth in 0.. {
        let head = loader::read_head(&file)?;
        let Some(script) = Script::parse(&head) else { break };
        if depth == MAX_SCRIPTS {
            return Err(Errno::ELOOP);
        }
        let rest = args.split_off(args.len().min(1));
        args = alloc::vec![script.interpreter.clone()];
        args.extend(script.argument);
        args.push(core::mem::replace(&mut file_path, script.interpreter));
        args.extend(rest);
        file = open_program(&ctx, &file_path)?;
    }
    let elf = ElfFile::parse(&*file)?;
    let exe = Executable::new(file.path().cloned().ok_or(Errno::EACCES)?)?;
    let memory = new_memory(kernel, exe)?;
    let entropy = &kernel.host().entropy;
    let loaded = loader::load(&memory.mm, &file, &elf, entropy.next_u64(), |name| open_program(&ctx, name))?;
    let mut random = [0; 16];
    entropy.fill(&mut random);
    let info = StackInfo {
        args: &args,
        env,
        path,
        loaded: &loaded,
        cred,
        random,
        secure: false,
        min_signal_stack: kernel.host().platform.caps().xsave_size as u64 + 1024,
    };
    let (sp, auxv) = loader::build_stack(&memory.mm, &info)?;
    memory.image.set_auxv(auxv);
    let regs =
        UserRegs { rip: loaded.start.0, rsp: sp.0, eflags: 0x202, cs: 0x33, ss: 0x2b, ..UserRegs::default() };
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path).to_vec();
    Ok(Program { memory, regs, name })
}

/// Opens a file to execute. Errors: `EACCES` unless it is a regular file with an execute bit for the caller.
fn open_program(ctx: &OpCtx<'_>, path: &[u8]) -> Result<Arc<OpenFile>, Errno> {
    let place = vfs::ops::lookup(ctx, path, true)?;
    let attr = place.inode().attr()?;
    if attr.mode & S_IFMT != S_IFREG {
        return Err(Errno::EACCES);
    }
    const MAY_EXEC: u32 = 1;
    place.inode().permission(ctx.cred, MAY_EXEC)?;
    // A file that may be executed need not be readable by the caller: the kernel reads it.
    let mut cred = ctx.cred.clone();
    cred.effective = cred.effective.with(Cap::DacReadSearch);
    let ctx = OpCtx { cred: &cred, ..ctx.clone() };
    let how = OpenHow { flags: O_RDONLY | O_CLOEXEC, mode: 0, resolve: 0 };
    open(&ctx, path, &how).map_err(kcore::io::IoError::errno)
}
