//! Proof that the libraries build without `std`.
//!
//! `#![no_std]` in a crate says nothing of its dependencies. So each is checked against a sysroot that has core and alloc of
//! the installed toolchain and nothing else: whatever asks for `std`, however deep, does not compile. That needs neither another
//! target nor the standard library's sources, and works offline. `--target` keeps build scripts and procedural macros on
//! the normal sysroot.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::report::Report;

/// Folder and package of each library that must build without `std`.
const LIBRARIES: &[(&str, &str)] = &[
    ("kernel-abi", "picket-abi"),
    ("kcore", "picket-core"),
    ("mm", "picket-mm"),
    ("vfs", "picket-vfs"),
    ("netstack", "picket-net"),
    ("task", "picket-task"),
    ("platform", "picket-platform"),
    ("kernel", "picket-kernel"),
];

/// What the sysroot holds.
const PARTS: &[&str] =
    &["core", "alloc", "compiler_builtins", "rustc_std_workspace_core", "rustc_std_workspace_alloc"];

pub(crate) fn check(root: &Path, skip: &[String]) -> Result<Report, String> {
    let chosen = chosen(skip)?;
    let mut report = Report::new("nostd");
    let host = host(&rustc(&["-vV"])?)?;
    let installed = PathBuf::from(rustc(&["--print", "sysroot"])?.trim());
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let work = root.join(target).join("nostd");
    let sysroot = work.join("sysroot");
    let libraries = Path::new("lib/rustlib").join(&host).join("lib");
    fill(&installed.join(&libraries), &sysroot.join(&libraries))?;
    for (folder, package) in &chosen {
        if !build(root, package, &host, &sysroot, &work.join("target"))? {
            report.problem(format!("{folder} ({package}) does not build without std"));
        }
    }
    for name in skip {
        report.warn(format!("{name} was skipped"));
    }
    report.summary(format!("{} libraries build against core and alloc", chosen.len()));
    Ok(report)
}

/// The libraries to check. Skipping one that does not exist is an error: it is a typing mistake.
fn chosen(skip: &[String]) -> Result<Vec<(&'static str, &'static str)>, String> {
    let named = |name: &String, (folder, package): &(&str, &str)| name == folder || name == package;
    if let Some(unknown) = skip.iter().find(|s| !LIBRARIES.iter().any(|l| named(s, l))) {
        return Err(format!("--skip {unknown}: no such library"));
    }
    Ok(LIBRARIES.iter().filter(|l| !skip.iter().any(|s| named(s, l))).copied().collect())
}

fn rustc(args: &[&str]) -> Result<String, String> {
    let program = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let out = Command::new(&program).args(args).output().map_err(|e| format!("rustc: {e}"))?;
    if !out.status.success() {
        return Err(format!("rustc {}: {}", args.join(" "), out.status));
    }
    String::from_utf8(out.stdout).map_err(|e| format!("rustc: {e}"))
}

fn host(version: &str) -> Result<String, String> {
    let line = version.lines().find_map(|l| l.strip_prefix("host: "));
    line.map(str::to_string).ok_or_else(|| "rustc -vV names no host".into())
}

/// Whether the file belongs to one of `PARTS`: `lib<part>-<hash>.rlib` or `.rmeta`.
fn belongs(file: &str) -> bool {
    let stem = file.strip_suffix(".rlib").or_else(|| file.strip_suffix(".rmeta"));
    let part = stem.and_then(|s| s.strip_prefix("lib")).and_then(|s| s.rsplit_once('-'));
    part.is_some_and(|(name, _)| PARTS.contains(&name))
}

/// Makes `to` anew, with links to the parts in `from`.
fn fill(from: &Path, to: &Path) -> Result<(), String> {
    let fail = |e| format!("{}: {e}", to.display());
    if to.exists() {
        fs::remove_dir_all(to).map_err(fail)?;
    }
    fs::create_dir_all(to).map_err(fail)?;
    let mut links = 0;
    for entry in fs::read_dir(from).map_err(|e| format!("{}: {e}", from.display()))? {
        let entry = entry.map_err(fail)?;
        if entry.file_name().to_str().is_some_and(belongs) {
            symlink(entry.path(), to.join(entry.file_name())).map_err(fail)?;
            links += 1;
        }
    }
    if links == 0 {
        return Err(format!("{}: no standard library there", from.display()));
    }
    Ok(())
}

fn build(root: &Path, package: &str, host: &str, sysroot: &Path, target: &Path) -> Result<bool, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Flags separated by a unit separator, so that the path may contain blanks.
    let mut flags = OsString::from("--sysroot\u{1f}");
    flags.push(sysroot);
    let status = Command::new(cargo)
        .current_dir(root)
        .args(["check", "--quiet", "--lib", "--no-default-features", "--target", host, "--package", package])
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .env("CARGO_TARGET_DIR", target)
        .status()
        .map_err(|e| format!("cargo: {e}"))?;
    Ok(status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_skipped_by_either_name() {
        let left = chosen(&["vfs".into(), "picket-mm".into()]).unwrap();
        assert_eq!(left.len(), LIBRARIES.len() - 2);
        assert!(!left.iter().any(|(folder, _)| ["vfs", "mm"].contains(folder)));
        assert!(chosen(&["vsf".into()]).is_err());
    }

    #[test]
    fn the_sysroot_has_no_std() {
        assert!(belongs("libcore-120cbae4e86ec454.rlib") && belongs("liballoc-6e6d.rmeta"));
        assert!(belongs("librustc_std_workspace_core-00.rlib"));
        for other in ["libstd-1.rlib", "libproc_macro-1.rlib", "libstd-1.so", "libcore.a", "libcore-1.so"] {
            assert!(!belongs(other), "{other}");
        }
    }

    #[test]
    fn the_host_is_found() {
        assert_eq!(host("rustc 1.0\nhost: x86_64-unknown-linux-gnu\n").unwrap(), "x86_64-unknown-linux-gnu");
        assert!(host("rustc 1.0\n").is_err());
    }

    #[test]
    fn a_sysroot_is_made_anew() {
        let dir = env::temp_dir().join(format!("xtask-nostd-{}", std::process::id()));
        let (from, to) = (dir.join("from"), dir.join("to"));
        fs::create_dir_all(&from).unwrap();
        assert!(fill(&from, &to).is_err());
        for name in ["libcore-1.rlib", "libstd-1.rlib"] {
            fs::write(from.join(name), "").unwrap();
        }
        for _ in 0..2 {
            fill(&from, &to).unwrap();
            let names: Vec<_> = fs::read_dir(&to).unwrap().map(|e| e.unwrap().file_name()).collect();
            assert_eq!(names, ["libcore-1.rlib"]);
        }
        fs::remove_dir_all(&dir).unwrap();
    }
}
