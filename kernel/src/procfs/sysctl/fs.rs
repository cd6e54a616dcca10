//! `/proc/sys/fs`.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};

use kcore::id::{Gid, Uid};
use vfs::anon::pipe;

use super::{Access, Parameter, fixed};
use crate::task::Resources;

/// Open files of all processes; nothing limits them but memory.
const FILE_MAX: i64 = i64::MAX;

pub(super) static PARAMETERS: &[Parameter] = &[
    fixed("fs/file-max", |_| FILE_MAX.to_string()),
    fixed("fs/file-nr", |a| format!("{}\t0\t{FILE_MAX}", open_files(a))),
    fixed("fs/nr_open", |_| (1 << 20).to_string()),
    fixed("fs/overflowgid", |_| Gid::OVERFLOW.to_string()),
    fixed("fs/overflowuid", |_| Uid::OVERFLOW.to_string()),
    fixed("fs/pipe-max-size", |_| pipe::MAX_SIZE.to_string()),
    // Pages of pipes are not counted for each user.
    fixed("fs/pipe-user-pages-hard", |_| "0".into()),
    fixed("fs/pipe-user-pages-soft", |_| "0".into()),
    fixed("fs/suid_dumpable", |_| String::from("0")),
];

fn open_files(a: &Access) -> usize {
    let mut seen = BTreeSet::new();
    for task in a.kernel.processes().tasks() {
        let files = task.resources::<Resources>().and_then(Resources::files);
        seen.extend(files.iter().flat_map(|f| f.list()).map(|(_, file)| file.id()));
    }
    seen.len()
}
