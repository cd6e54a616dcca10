//! Whole programs, started by this one. The source tree that they work on is made by `bench` on the host.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Benchmark, Op, Places, each, time};

pub(super) const ALL: &[Benchmark] = &[
    time("gcc build", |p| {
        program(
            "gcc",
            "for f in src/*.c; do gcc -O1 -c $f -o \"$T\"/$(basename $f).o || exit 1; done; gcc -o \"$T\"/all \"$T\"/*.o",
            p,
        )
    }),
    time("tar create+extract", |p| {
        program(
            "tar",
            "tar -cf \"$T\"/all.tar src entries && mkdir \"$T\"/x && tar -C \"$T\"/x -xf \"$T\"/all.tar && rm -r \"$T\"/x",
            p,
        )
    }),
    time("git status", |p| program("git", "git -C src status --short", p)),
    time("python3 start", |p| program("python3", "python3 -c pass", p)),
    time("sh start", |p| program("sh", "true", p)),
];

/// A script that runs in the tree and may write to `$T`, on a tmpfs. Errors: the program is missing.
fn program(name: &str, script: &'static str, places: &Places) -> io::Result<Op> {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).exists()));
    if !found {
        return Err(io::Error::other(format!("{name} is not installed")));
    }
    std::fs::create_dir_all(&places.tmpfs)?;
    let (root, tmpfs) = (places.root.clone(), places.tmpfs.clone());
    each(move || run(script, &root, &tmpfs))
}

fn run(script: &str, root: &Path, tmpfs: &Path) -> io::Result<()> {
    let mut command = Command::new("sh");
    command.args(["-c", script]).env("T", tmpfs).current_dir(root);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let output = command.output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}
