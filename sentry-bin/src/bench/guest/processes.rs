//! Processes and threads that come and go.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;

use super::{Benchmark, Op, Places, each, sys, time};

pub(super) const ALL: &[Benchmark] = &[
    time("fork+exit+wait", |_| each(|| sys::wait_for(sys::fork(|| {})?))),
    time("fork+exec+wait", |p| fork_exec(p, false)),
    time("fork+exec+wait dynamic", |p| fork_exec(p, true)),
    time("thread create+join", |_| {
        each(|| {
            let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(|| {})?;
            thread.join().map_err(|_| io::Error::other("a thread panicked"))
        })
    }),
];

/// The program is one that does nothing, or a dynamically linked one that does nothing.
fn fork_exec(places: &Places, dynamic: bool) -> io::Result<Op> {
    let path = if dynamic { "/bin/true".into() } else { places.root.join("nothing") };
    if !path.exists() {
        return Err(io::Error::other(format!("{} is missing", path.display())));
    }
    let path = CString::new(path.as_os_str().as_bytes())?;
    each(move || {
        let child = sys::fork(|| {
            sys::exec(&path);
            // What ends it shows in its status.
            std::process::abort();
        })?;
        sys::wait_for(child)
    })
}
