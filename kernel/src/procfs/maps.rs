//! `/proc/PID/maps`.

use alloc::string::String;
use alloc::vec::Vec;

use abi::Errno;
use mm::{Prot, VmaInfo};
use vfs::ops::path_name;
use vfs::{OpenFile, Path, dev_major, dev_minor};

use super::task::TaskRef;
use super::text::Text;

/// `maps`.
pub(super) fn maps(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    let mut t = Text::default();
    let Some(mm) = of.mm() else { return Ok(Vec::new()) };
    let root = of.view().map(|v| v.root.clone());
    for vma in mm.vmas() {
        header(&mut t, &vma, root.as_ref());
    }
    Ok(t.into_bytes())
}

/// The line of one mapping; names of files are from `root`. The name begins in column 73.
pub(super) fn header(t: &mut Text, v: &VmaInfo, root: Option<&Path>) {
    let start = t.len();
    let bit = |p, c| if v.prot.contains(p) { c } else { '-' };
    let (dev, ino) = v.object.as_ref().map_or((0, 0), |o| (o.dev, o.ino));
    t.put(format_args!(
        "{:08x}-{:08x} {}{}{}{} {:08x} {:02x}:{:02x} {} ",
        v.range.start().0,
        v.range.end().0,
        bit(Prot::READ, 'r'),
        bit(Prot::WRITE, 'w'),
        bit(Prot::EXEC, 'x'),
        if v.shared { 's' } else { 'p' },
        v.offset,
        dev_major(dev),
        dev_minor(dev),
        ino
    ));
    let name = label(v, root);
    if !name.is_empty() {
        t.pad_line(start, 73);
        t.escaped(&name, b"\n");
    }
    t.bytes(b"\n");
}

fn label(v: &VmaInfo, root: Option<&Path>) -> Vec<u8> {
    if let Some(name) = &v.anon_name {
        let kind = if v.shared { "anon_shmem" } else { "anon" };
        return alloc::format!("[{kind}:{name}]").into_bytes();
    }
    if let Some(name) = v.name {
        return name.into();
    }
    let file = v.owner.as_ref().and_then(|o| o.downcast_ref::<OpenFile>());
    match file.and_then(OpenFile::path) {
        Some(path) => path_name(path, root.unwrap_or(&path.mount.root_path())).0,
        None => v.object.as_ref().map_or(String::new(), |o| o.name.clone()).into_bytes(),
    }
}
