//! `/proc/PID/{mounts,mountinfo,mountstats}`.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use abi::Errno;
use kcore::io::{IoResult, IoSink};
use kcore::wait::{Events, WaitQueue};
use vfs::consts::*;
use vfs::context::Caller;
use vfs::fs::pseudo::{PseudoAttr, PseudoFile, PseudoNode, snapshot};
use vfs::ops::path_name;
use vfs::{FileOps, Mount, MountNamespace, OpenFile, dev_major, dev_minor};

use super::task::TaskRef;
use super::text::{Text, line};

/// What would break columns: these become octal escapes.
const SPECIAL: &[u8] = b" \t\n\\#";

type Row = fn(&mut Text, &Arc<Mount>, &[u8]);

/// `mounts`, in the format of `fstab(5)`.
pub(super) fn mounts(of: &TaskRef) -> PseudoNode {
    PseudoNode::file(Table { of: of.clone(), mode: 0o444, row: fstab_row })
}
/// `mountinfo`.
pub(super) fn mountinfo(of: &TaskRef) -> PseudoNode {
    PseudoNode::file(Table { of: of.clone(), mode: 0o444, row: info_row })
}
/// `mountstats`.
pub(super) fn mountstats(of: &TaskRef) -> PseudoNode {
    PseudoNode::file(Table { of: of.clone(), mode: 0o400, row: stats_row })
}

struct Table {
    of: TaskRef,
    mode: u32,
    row: Row,
}

impl PseudoFile for Table {
    fn content(&self) -> Result<Vec<u8>, Errno> {
        let view = self.of.view().ok_or(Errno::EINVAL)?;
        let mut t = Text::default();
        for mount in view.ns.mounts() {
            // What lies outside of the task's root is not shown.
            let (at, reached) = path_name(&mount.root_path(), &view.root);
            if reached {
                (self.row)(&mut t, &mount, &at);
            }
        }
        Ok(t.into_bytes())
    }
    fn open(self: Arc<Self>, _: u32, _: &Caller<'_>) -> IoResult<Arc<dyn FileOps>> {
        let ns = self.of.view().ok_or(Errno::EINVAL)?.ns.clone();
        let seen = AtomicU64::new(ns.changes());
        let content = snapshot(move || self.content(), |_, _| Err(Errno::EINVAL));
        Ok(Arc::new(OpenTable { content, ns, seen }))
    }
    fn attr(&self) -> PseudoAttr {
        self.of.owner(self.mode)
    }
    fn alive(&self) -> bool {
        self.of.alive()
    }
}

/// An open table. A change of the mounts is an exceptional condition, until it is asked for.
struct OpenTable {
    content: Arc<dyn FileOps>,
    ns: Arc<MountNamespace>,
    /// How many changes there were when somebody last asked.
    seen: AtomicU64,
}

impl FileOps for OpenTable {
    fn seekable(&self) -> bool {
        true
    }
    fn read(&self, f: &OpenFile, at: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        self.content.read(f, at, dst)
    }
    fn ready(&self, _: &OpenFile, want: Events) -> Events {
        let now = self.ns.changes();
        let changed = self.seen.swap(now, Ordering::SeqCst) != now;
        let exceptional = if changed { Events::ERR | Events::PRI } else { Events::empty() };
        (Events::READABLE | exceptional) & (want | Events::ALWAYS)
    }
    fn queue(&self, _: &OpenFile) -> Option<WaitQueue> {
        Some(self.ns.change_queue().clone())
    }
}

/// Options of the mount itself.
fn mount_options(m: &Mount) -> String {
    let flags = m.flags();
    let names = [
        (MS_NOSUID, "nosuid"),
        (MS_NODEV, "nodev"),
        (MS_NOEXEC, "noexec"),
        (MS_NOATIME, "noatime"),
        (MS_NODIRATIME, "nodiratime"),
        (MS_RELATIME, "relatime"),
        (MS_NOSYMFOLLOW, "nosymfollow"),
    ];
    let on = names.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name);
    let access = if flags & MS_RDONLY != 0 { "ro" } else { "rw" };
    core::iter::once(access).chain(on).collect::<Vec<_>>().join(",")
}

fn append(mut options: String, more: &str) -> String {
    if !more.is_empty() {
        options.push(',');
        options.push_str(more);
    }
    options
}

fn source(m: &Mount) -> &str {
    if m.source().is_empty() { "none" } else { m.source() }
}

fn fstab_row(t: &mut Text, m: &Arc<Mount>, at: &[u8]) {
    t.escaped(source(m).as_bytes(), SPECIAL);
    t.bytes(b" ");
    t.escaped(at, SPECIAL);
    let mut options = mount_options(m);
    if m.is_read_only() {
        options.replace_range(..2, "ro");
    }
    line!(t, " {} {} 0 0", m.fs().name(), append(options, &m.fs().options()));
}

fn info_row(t: &mut Text, m: &Arc<Mount>, at: &[u8]) {
    let parent = m.parent().map_or(m.id(), |p| p.mount.id());
    let dev = m.fs().dev();
    t.put(format_args!("{} {parent} {}:{} ", m.id(), dev_major(dev), dev_minor(dev)));
    t.escaped(&root_in_fs(m), SPECIAL);
    t.bytes(b" ");
    t.escaped(at, SPECIAL);
    t.put(format_args!(" {} {}- {} ", mount_options(m), propagation(m), m.fs().name()));
    t.escaped(source(m).as_bytes(), SPECIAL);
    let access = if m.fs().is_read_only() { "ro" } else { "rw" };
    line!(t, " {}", append(access.into(), &m.fs().options()));
}

fn propagation(m: &Mount) -> String {
    match m.propagation() {
        MS_SHARED => alloc::format!("shared:{} ", m.id()),
        MS_UNBINDABLE => "unbindable ".into(),
        _ => String::new(),
    }
}

/// The part of the file system that the mount shows.
pub(crate) fn root_in_fs(m: &Arc<Mount>) -> Vec<u8> {
    let mut names = Vec::new();
    let mut at = m.root().clone();
    while let Some(up) = at.parent() {
        names.push(at.name());
        at = up;
    }
    let mut out = Vec::new();
    for name in names.iter().rev() {
        out.push(b'/');
        out.extend_from_slice(name);
    }
    if out.is_empty() {
        out.push(b'/');
    }
    if m.root().is_unlinked() {
        out.extend_from_slice(b"//deleted");
    }
    out
}

fn stats_row(t: &mut Text, m: &Arc<Mount>, at: &[u8]) {
    t.bytes(b"device ");
    t.escaped(source(m).as_bytes(), SPECIAL);
    t.bytes(b" mounted on ");
    t.escaped(at, SPECIAL);
    line!(t, " with fstype {}", m.fs().name());
}
