//! Lines about system calls, signals and ends, as `strace -f` writes them.
//!
//! A call that completes at once is one line. One that waits leaves its line open, so that it is seen; a line of another task in between
//! cuts it (`<unfinished ...>`), and then its end is a line of its own (`<... read resumed>`).

mod events;
mod forms;
mod show;
mod socket;
mod structs;
mod time;
mod values;

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use kcore::id::Pid;
use kcore::sync::{LockClass, Mutex};
use task::TaskId;

use crate::current::CurrentTask;
use crate::restart::restart_name;
use crate::syscall::{Entry, entry};
use values::{Values, errno_of};

static OPEN: LockClass = LockClass::new("open line of the trace", 960);
static CALL: LockClass = LockClass::new("traced call", 4);

/// Takes text about system calls, for `--strace`.
pub trait TraceSink: Send + Sync {
    /// Appends text: a line, or a part of one.
    fn text(&self, text: &str);
}

/// The trace of one kernel.
pub(crate) struct Strace {
    sink: Arc<dyn TraceSink>,
    /// Whose line stands open.
    open: Mutex<Option<TaskId>>,
}

/// A call that has begun.
#[derive(Debug)]
struct Call {
    entry: Option<&'static Entry>,
    nr: u64,
    args: [u64; 6],
    /// How many arguments are shown; the others are results.
    shown: usize,
    head: String,
    /// The comma before the next argument is there.
    has_comma: bool,
    /// The line stands open, or was cut.
    begun: bool,
}

/// The traced call of a task.
pub(crate) struct TracedCall(Mutex<Option<Call>>);

impl Default for TracedCall {
    fn default() -> TracedCall {
        TracedCall(Mutex::new(&CALL, None))
    }
}

impl Strace {
    pub(crate) fn new(sink: Arc<dyn TraceSink>) -> Strace {
        Strace { sink, open: Mutex::new(&OPEN, None) }
    }
    /// A line of its own.
    fn line(&self, tid: Pid, text: &str) {
        let mut open = self.open.lock();
        let cut = if open.take().is_some() { " <unfinished ...>\n" } else { "" };
        self.sink.text(&format!("{cut}[pid {:5}] {text}\n", tid.0));
    }
    /// Leaves a line open that says so far what `head` does.
    fn begin(&self, task: TaskId, tid: Pid, head: &str) {
        let mut open = self.open.lock();
        let cut = if open.replace(task).is_some() { " <unfinished ...>\n" } else { "" };
        self.sink.text(&format!("{cut}[pid {:5}] {head}", tid.0));
    }
    /// Ends the line that [`Strace::begin`] began with `head`; if it was cut, with a line that begins with `resumed`.
    fn end(&self, task: TaskId, tid: Pid, [head, resumed]: [&str; 2], tail: &str, result: &str) {
        let mut open = self.open.lock();
        if open.take_if(|t| *t == task).is_some() {
            let line = padded(head, tail);
            return self.sink.text(&format!("{}{result}\n", line.strip_prefix(head).unwrap_or(tail)));
        }
        drop(open);
        self.line(tid, &format!("{}{result}", padded(resumed, tail)));
    }
}

fn name(entry: Option<&Entry>, nr: u64) -> String {
    let known = u32::try_from(nr).ok().and_then(abi::nr::current::name);
    match entry.map(|e| e.name).or(known) {
        Some(name) => name.into(),
        None => format!("syscall_{nr:#x}"),
    }
}

impl Call {
    /// Shows arguments up to the first that is a result, or all of the rest once there are results.
    fn show_args(&mut self, values: &Values<'_>, out: &mut String) {
        let args = self.entry.map_or(&[][..], |e| e.args);
        while let Some(info) = args.get(self.shown) {
            let call = self.entry.map_or("", |e| e.name);
            if forms::is_absent(call, info.name, self.args) {
                self.shown += 1;
                continue;
            }
            let form = forms::form(call, info, self.args);
            if self.shown > 0 && !core::mem::take(&mut self.has_comma) {
                out.push_str(", ");
            }
            if values.result.is_none() && form.is_result() {
                self.has_comma = self.shown > 0;
                return;
            }
            let reg = self.args.get(self.shown).copied().unwrap_or(0);
            form.show(values, info, self.shown, reg, out);
            self.shown += 1;
        }
    }
}

impl CurrentTask {
    /// A call begins.
    pub(crate) fn trace_entry(&mut self, nr: u64, args: [u64; 6]) {
        if self.kernel.strace().is_none() {
            return;
        }
        let entry = u32::try_from(nr).ok().and_then(entry);
        let mut call =
            Call { entry, nr, args, shown: 0, has_comma: false, head: String::new(), begun: false };
        let mut head = name(entry, nr);
        head.push('(');
        if entry.is_none() {
            let args = args.map(|a| format!("{a:#x}"));
            head.push_str(&args.join(", "));
        }
        let mm = self.task.mm().clone();
        call.show_args(&Values { mm: &mm, args, result: None }, &mut head);
        call.head = head;
        *self.traced_call.0.get_mut() = Some(call);
    }
    /// The call is about to wait: what is known of it is shown.
    pub(crate) fn trace_wait(&self) {
        let Some(strace) = self.kernel.strace() else { return };
        let mut slot = self.traced_call.0.lock();
        if let Some(call) = slot.as_mut().filter(|c| !c.begun) {
            call.begun = true;
            strace.begin(self.task.core.id(), self.task.tid(), &call.head);
        }
    }
    /// The call has ended with `value` in the return register, unless the task ends with it.
    pub(crate) fn trace_exit(&mut self, value: u64) {
        let Some(mut call) = self.traced_call.0.get_mut().take() else { return };
        let kernel = self.kernel.clone();
        let Some(strace) = kernel.strace() else { return };
        let mut tail = String::new();
        let mm = self.task.mm().clone();
        let values = Values { mm: &mm, args: call.args, result: Some(value) };
        let mut result = String::from(" = ?");
        if self.exiting.is_none() {
            call.show_args(&values, &mut tail);
            result = shown_result(&call, value);
            forms::show_more(call.entry.map_or("", |e| e.name), &values, &mut result);
        }
        tail.push(')');
        let (id, tid) = (self.task.core.id(), self.task.tid());
        if call.begun {
            let resumed = format!("<... {} resumed>", name(call.entry, call.nr));
            strace.end(id, tid, [&call.head, &resumed], &tail, &result);
        } else {
            strace.line(tid, &format!("{}{result}", padded(&call.head, &tail)));
        }
    }
}

/// Fills up to the column where results begin.
fn padded(head: &str, tail: &str) -> String {
    const COLUMN: usize = 27;
    format!("{:COLUMN$}", format!("{head}{tail}"))
}

fn shown_result(call: &Call, value: u64) -> String {
    let address = matches!(call.entry.map(|e| e.name), Some("mmap" | "mremap" | "brk" | "shmat"));
    match (restart_name(value), errno_of(value)) {
        (Some(text), _) => format!(" = ? {text}"),
        (None, Some(e)) => format!(" = -1 {e:?} ({})", e.text()),
        (None, None) if call.entry.is_some_and(|e| e.name == "umask") => format!(" = 0{value:o}"),
        (None, None) if address => format!(" = {value:#x}"),
        (None, None) => format!(" = {}", value.cast_signed()),
    }
}
