//! `/proc/sys/vm`.

use alloc::string::ToString;

use abi::Errno;

use super::super::text::number;
use super::{Access, Parameter, fixed};
use crate::task::Resources;

pub(super) static PARAMETERS: &[Parameter] = &[
    Parameter { path: "vm/drop_caches", mode: 0o200, get: |_| "0".into(), set: Some(drop_caches) },
    fixed("vm/max_map_count", |_| mm::MAX_MAPPINGS.to_string()),
    fixed("vm/mmap_min_addr", |a| a.kernel.host().platform.caps().min_address.0.to_string()),
    // Memory is never promised with a look at what there is.
    fixed("vm/overcommit_memory", |_| "1".into()),
    fixed("vm/swappiness", |_| "0".into()),
];

/// Lets go of names that nobody uses. Errors: `EINVAL` but for 1 to 4.
fn drop_caches(a: &Access, data: &[u8]) -> Result<(), Errno> {
    let what: u32 = number(data)?;
    if !(1..=4).contains(&what) {
        return Err(Errno::EINVAL);
    }
    let fs = a.task.as_ref().and_then(|t| t.resources::<Resources>()?.fs());
    if what & 2 != 0
        && let Some(fs) = fs
    {
        fs.view().ns.mounts().iter().for_each(|m| m.superblock().shrink());
    }
    Ok(())
}
