//! `/proc/PID/{uid_map,gid_map,setgroups}`, [`user_namespaces(7)`](https://man7.org/linux/man-pages/man7/user_namespaces.7.html).

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::cred::{Cap, Credentials, UserNamespace};
use kcore::io::IoResult;
use kcore::user_ns::IdExtent;
use vfs::FileOps;
use vfs::context::Caller;
use vfs::fs::pseudo::{PseudoAttr, PseudoFile, PseudoNode, snapshot};

use super::task::TaskRef;
use super::text::{Text, line};

/// A map or the switch has to be written at once.
const PAGE: usize = 4096;

/// Which file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Users,
    Groups,
    Setgroups,
}

/// `/proc/PID/uid_map`.
pub(super) fn uid_map(of: &TaskRef) -> PseudoNode {
    PseudoNode::file(MapFile { of: of.clone(), which: Which::Users })
}
/// `/proc/PID/gid_map`.
pub(super) fn gid_map(of: &TaskRef) -> PseudoNode {
    PseudoNode::file(MapFile { of: of.clone(), which: Which::Groups })
}
/// `/proc/PID/setgroups`.
pub(super) fn setgroups(of: &TaskRef) -> PseudoNode {
    PseudoNode::file(MapFile { of: of.clone(), which: Which::Setgroups })
}

struct MapFile {
    of: TaskRef,
    which: Which,
}

impl PseudoFile for MapFile {
    fn open(self: Arc<Self>, _: u32, caller: &Caller<'_>) -> IoResult<Arc<dyn FileOps>> {
        self.of.check_alive()?;
        let which = self.which;
        let ns = self.of.task.cred().user_ns.clone();
        let opener = Arc::new(caller.cred.clone());
        let (of, by) = (ns.clone(), opener.clone());
        let read = move || Ok(if which == Which::Setgroups { switch(&of) } else { show(&of, which, &by) });
        let write = move |at: u64, data: &[u8]| {
            if at != 0 || data.len() >= PAGE {
                return Err(Errno::EINVAL);
            }
            match which {
                Which::Setgroups => set_switch(&ns, &opener, data)?,
                _ => set(&ns, which, &opener, data)?,
            }
            Ok(data.len())
        };
        Ok(snapshot(read, write))
    }
    fn attr(&self) -> PseudoAttr {
        self.of.owner(0o644)
    }
    fn alive(&self) -> bool {
        self.of.alive()
    }
}

/// The lines of a map. Numbers outside are those of the reader's namespace, or of the one around if that is the map's own.
fn show(ns: &Arc<UserNamespace>, which: Which, reader: &Credentials) -> Vec<u8> {
    let mut t = Text::default();
    let Some(parent) = &ns.parent else {
        line!(t, "{:10} {:10} {:10}", 0, 0, u32::MAX);
        return t.into_bytes();
    };
    let around = if Arc::ptr_eq(ns, &reader.user_ns) { parent } else { &reader.user_ns };
    let (map, seen): (_, fn(&UserNamespace, u32) -> Option<u32>) = match which {
        Which::Users => (&ns.uid_map, |ns, n| ns.inside_uid(kcore::id::Uid(n))),
        _ => (&ns.gid_map, |ns, n| ns.inside_gid(kcore::id::Gid(n))),
    };
    for e in map.extents() {
        line!(t, "{:10} {:10} {:10}", e.inside, seen(around, e.outside).unwrap_or(u32::MAX), e.count);
    }
    t.into_bytes()
}

/// Errors: `EINVAL` for lines that are none; `EPERM` for who may not set them.
fn set(ns: &Arc<UserNamespace>, which: Which, opener: &Credentials, data: &[u8]) -> Result<(), Errno> {
    let parent = ns.parent.as_ref().ok_or(Errno::EPERM)?;
    let here = &opener.user_ns;
    if !Arc::ptr_eq(here, ns) && !Arc::ptr_eq(here, parent) || !opener.has_cap_in(Cap::SysAdmin, ns) {
        return Err(Errno::EPERM);
    }
    let lines = parse(data)?;
    let cap = if which == Which::Users { Cap::Setuid } else { Cap::Setgid };
    if !maps_oneself(ns, which, opener, &lines) && !opener.has_cap_in(cap, parent) {
        return Err(Errno::EPERM);
    }
    if which == Which::Users { ns.set_uid_map(&lines) } else { ns.set_gid_map(&lines) }
}

/// Who made a namespace may map its own user there, and its group if `setgroups` is forbidden.
fn maps_oneself(ns: &UserNamespace, which: Which, opener: &Credentials, lines: &[IdExtent]) -> bool {
    let ([line], Some(parent)) = (lines, &ns.parent) else { return false };
    line.count == 1
        && ns.owner == Some(opener.euid)
        && match which {
            Which::Users => parent.uid(line.outside) == Some(opener.euid),
            _ => ns.setgroups_denied() && parent.gid(line.outside) == Some(opener.egid),
        }
}

fn parse(data: &[u8]) -> Result<Vec<IdExtent>, Errno> {
    let text = core::str::from_utf8(data).map_err(|_| Errno::EINVAL)?;
    let line = |line: &str| {
        let mut words = line.split_ascii_whitespace().map(|w| w.parse().map_err(|_| Errno::EINVAL));
        let mut next = || words.next().ok_or(Errno::EINVAL)?;
        let extent = IdExtent { inside: next()?, outside: next()?, count: next()? };
        if words.next().is_some() { Err(Errno::EINVAL) } else { Ok(extent) }
    };
    text.trim_end_matches('\n').lines().map(line).collect()
}

fn switch(ns: &UserNamespace) -> Vec<u8> {
    if ns.setgroups_denied() { b"deny\n".to_vec() } else { b"allow\n".to_vec() }
}

/// Errors: `EINVAL` for other words; `EPERM` for who may not, and for what cannot be taken back.
fn set_switch(ns: &Arc<UserNamespace>, opener: &Credentials, data: &[u8]) -> Result<(), Errno> {
    if !opener.has_cap_in(Cap::SysAdmin, ns) {
        return Err(Errno::EPERM);
    }
    match data.trim_ascii_end() {
        b"deny" => ns.deny_setgroups(),
        b"allow" if ns.setgroups_denied() => Err(Errno::EPERM),
        b"allow" => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}
