//! Starting programs.

mod open;
mod privilege;

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::cred::Credentials;
use platform::UserRegs;
use vfs::{FdTable, FsContext, OpCtx};

pub(crate) use open::ProgramName;

use crate::current::CurrentTask;
use crate::image::Executable;
use crate::kernel::Kernel;
use crate::loader::{self, ElfFile, Script, StackInfo};
use crate::personality;
use crate::space::{Memory, new_memory};
use crate::task::{Parts, Resources, Task};
use task::InitSpec;
use task::ipc::SemUndo;
use task::rlimit::{Resource, Rlimits};

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
    /// What it may use.
    pub rlimits: Rlimits,
}

/// What to load, and for whom.
pub(crate) struct LoadRequest<'a> {
    /// Who executes; `None` for a kernel's first program.
    pub(crate) task: Option<&'a task::Task>,
    pub(crate) cred: &'a Credentials,
    pub(crate) fs: &'a FsContext,
    /// Whether tasks of other processes share `fs`.
    pub(crate) fs_is_shared: bool,
    pub(crate) name: ProgramName,
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) env: Vec<Vec<u8>>,
    /// How far the stack may grow.
    pub(crate) stack_limit: u64,
}

/// A program that is loaded and not yet run.
pub(crate) struct Program {
    pub(crate) memory: Memory,
    pub(crate) regs: UserRegs,
    /// What `comm` becomes.
    pub(crate) name: Vec<u8>,
    pub(crate) cred: Credentials,
    /// Whether it must distrust its environment (`AT_SECURE`).
    pub(crate) secure: bool,
    /// Whether others may look into the process (`PR_GET_DUMPABLE`).
    pub(crate) dumpable: bool,
}

/// Most bytes of the strings of a program under a stack limit: a quarter of it, but no less than 128 KiB and no more
/// than 6 MiB, as far as the stack may grow at all.
pub(crate) fn max_strings(stack_limit: u64) -> u64 {
    (stack_limit / 4).clamp(128 << 10, 6 << 20).min(stack_limit)
}

/// Loads a program into a new process without a parent; [`Kernel::start`] lets it run.
///
/// Errors: as [execve(2)](https://man7.org/linux/man-pages/man2/execve.2.html), and `EAGAIN` without a process number.
pub fn exec(kernel: &Arc<Kernel>, req: ExecRequest) -> Result<CurrentTask, Errno> {
    let rlimits = req.rlimits;
    let program = load(
        kernel,
        LoadRequest {
            task: None,
            cred: &req.cred,
            fs: &req.fs,
            fs_is_shared: false,
            name: ProgramName::Path(req.path),
            args: req.args,
            env: req.env,
            stack_limit: rlimits.get(Resource::Stack).cur,
        },
    )?;
    let thread = kernel.host().platform.new_thread(&program.memory.space)?;
    let processes = kernel.processes();
    let cred = Arc::new(program.cred);
    let spec = InitSpec { ns: processes.root_ns().clone(), cred, rlimits, comm: [0; 16] };
    let parts = Parts {
        memory: program.memory,
        files: req.files,
        fs: req.fs,
        uts: kernel.uts().clone(),
        ipc: kernel.ipc().clone(),
        undo: SemUndo::new(),
        pids: processes.root_ns().clone(),
    };
    let core = processes.spawn_init(spec, Resources::new(parts.clone()))?;
    core.set_comm(&program.name);
    parts.undo.enter();
    Ok(CurrentTask::new(kernel, Task::new(core, parts), thread, program.regs))
}

/// Loads a program into a new memory. Nothing of the caller changes, whatever happens.
pub(crate) fn load(kernel: &Kernel, req: LoadRequest<'_>) -> Result<Program, Errno> {
    let view = req.fs.view();
    let mut ctx = OpCtx::new(kernel.vfs(), &view, req.cred);
    if let Some(task) = req.task {
        ctx = ctx.by(task);
    }
    let shown = req.name.shown();
    let mut args = req.args;
    let mut program = req.name.open(&ctx)?;
    let comm = match &req.name {
        ProgramName::File { .. } => program.place.dentry.name(),
        _ => shown.rsplit(|b| *b == b'/').next().unwrap_or(&shown).to_vec(),
    };
    let mut readable = program.readable;
    // A script cannot be written either while it is being started.
    let mut exe = Executable::new(program.place.clone())?;
    let mut script_path = shown.clone();
    for depth in 0.. {
        let head = loader::read_head(&program.file)?;
        let Some(script) = Script::parse(&head) else { break };
        if depth == MAX_SCRIPTS {
            return Err(Errno::ELOOP);
        }
        if depth == 0 && req.name.is_inaccessible() {
            return Err(Errno::ENOENT);
        }
        let rest = args.split_off(args.len().min(1));
        args = alloc::vec![script.interpreter.clone()];
        args.extend(script.argument);
        args.push(core::mem::replace(&mut script_path, script.interpreter));
        args.extend(rest);
        program = ProgramName::Path(script_path.clone()).open(&ctx)?;
        readable &= program.readable;
        exe = Executable::new(program.place.clone())?;
    }
    let (cred, secure) = privilege::credentials(req.cred, req.task, &program.place, req.fs_is_shared)?;
    let elf = ElfFile::parse(&*program.file)?;
    let randomize = req.task.is_none_or(|t| personality::randomizes(t, secure));
    let memory = new_memory(kernel, exe, req.stack_limit, randomize)?;
    let entropy = &kernel.host().entropy;
    let place = if randomize { entropy.next_u64() } else { 0 };
    let open_interp = |name: &[u8]| ProgramName::Path(name.to_vec()).open(&ctx).map(|p| p.file);
    let loaded = loader::load(&memory.mm, &program.file, &elf, place, open_interp)?;
    let vdso = kernel.vdso()?.map(&memory.mm)?;
    let mut random = [0; 16];
    entropy.fill(&mut random);
    let info = StackInfo {
        args: &args,
        env: &req.env,
        path: &shown,
        loaded: &loaded,
        vdso,
        cred: &cred,
        random,
        secure,
        min_signal_stack: kernel.host().platform.caps().xsave_size as u64 + 1024,
        max_strings: max_strings(req.stack_limit),
    };
    let (sp, auxv) = loader::build_stack(&memory.mm, &info)?;
    memory.image.set_auxv(auxv);
    let regs =
        UserRegs { rip: loaded.start.0, rsp: sp.0, eflags: 0x202, cs: 0x33, ss: 0x2b, ..UserRegs::default() };
    let dumpable = readable && cred.euid == cred.uid && cred.egid == cred.gid;
    Ok(Program { memory, regs, name: comm, cred, secure, dumpable })
}
