//! Developer tasks of the workspace: `cargo xtask TASK`. Uses the standard library alone, so that it builds in a second.
#![forbid(unsafe_code)]

mod deps;
mod nostd;
mod report;
mod sizes;
mod source;
mod unsafety;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use report::Report;

const USAGE: &str = "\
usage: cargo xtask TASK [OPTIONS]

  check   all of the tasks below; takes their options
  deps    dependency directions between the crates
  sizes   length of source files; --update lowers xtask/sizes.txt to what is true now
  unsafe  where unsafe code may be
  nostd   builds the libraries against core and alloc alone; --skip CRATE (repeatable)
";

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Args {
    task: String,
    skip: Vec<String>,
    update: bool,
}

fn parse(args: impl IntoIterator<Item = String>) -> Result<Args, String> {
    let mut args = args.into_iter();
    let mut out = Args::default();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--skip" => out.skip.push(args.next().ok_or("--skip needs the name of a crate")?),
            "--update" => out.update = true,
            "-h" | "--help" => out.task = "help".into(),
            _ if arg.starts_with("--skip=") => out.skip.push(arg["--skip=".len()..].into()),
            _ if arg.starts_with('-') => return Err(format!("unknown option {arg}")),
            _ if out.task.is_empty() => out.task = arg,
            _ => return Err(format!("unexpected argument {arg}")),
        }
    }
    Ok(out)
}

/// The workspace's folder: the parent of this crate's.
fn root() -> PathBuf {
    let here =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    here.parent().map_or_else(|| ".".into(), Path::to_path_buf)
}

fn run(args: &Args) -> Result<bool, String> {
    let root = root();
    let mut ok = true;
    let mut done = |report: Report| ok &= report.print();
    match args.task.as_str() {
        "deps" => done(deps::check(&root)?),
        "sizes" => done(sizes::check(&root, args.update)?),
        "unsafe" => done(unsafety::check(&root)?),
        "nostd" => done(nostd::check(&root, &args.skip)?),
        "check" => {
            done(deps::check(&root)?);
            done(sizes::check(&root, args.update)?);
            done(unsafety::check(&root)?);
            done(nostd::check(&root, &args.skip)?);
        }
        "help" => print!("{USAGE}"),
        "" => return Err(USAGE.into()),
        other => return Err(format!("unknown task {other}\n\n{USAGE}")),
    }
    Ok(ok)
}

fn main() -> ExitCode {
    match parse(env::args().skip(1)).and_then(|args| run(&args)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("xtask: {e}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> Result<Args, String> {
        parse(words.iter().map(|w| (*w).to_string()))
    }

    #[test]
    fn options_are_collected_around_the_task() {
        let a = args(&["--skip", "vfs", "check", "--skip=mm", "--update"]).unwrap();
        assert_eq!(a, Args { task: "check".into(), skip: vec!["vfs".into(), "mm".into()], update: true });
    }

    #[test]
    fn mistakes_are_refused() {
        assert!(args(&["check", "--skip"]).is_err());
        assert!(args(&["--frob"]).is_err());
        assert!(args(&["check", "twice"]).is_err());
        assert!(run(&args(&["frob"]).unwrap()).is_err());
    }
}
