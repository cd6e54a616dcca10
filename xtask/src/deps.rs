//! Which crate may depend on which. No subsystem knows another; they meet in `kcore` and are joined in `kernel`.
//!
//! Reads the manifests by line. That suffices for how they are written here, and what it does not understand it refuses.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::report::Report;

/// Each crate's folder and the folders it may depend on, for tests as well.
const RULES: &[(&str, &[&str])] = &[
    ("kernel-abi", &[]),
    ("kcore", &["kernel-abi"]),
    ("mm", &["kernel-abi", "kcore"]),
    ("vfs", &["kernel-abi", "kcore"]),
    ("netstack", &["kernel-abi", "kcore"]),
    ("task", &["kernel-abi", "kcore"]),
    ("platform", &["kernel-abi", "kcore"]),
    ("kernel", &["kernel-abi", "kcore", "mm", "vfs", "netstack", "task", "platform"]),
    ("sentry-bin", &["kernel-abi", "kcore", "mm", "vfs", "netstack", "task", "platform", "kernel"]),
    ("xtask", &[]),
];

/// One `name = ...` of a table of dependencies.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    /// The folder it names, if it does.
    path: Option<String>,
}

pub(crate) fn check(root: &Path) -> Result<Report, String> {
    let read = |path: &str| fs::read_to_string(root.join(path)).map_err(|e| format!("{path}: {e}"));
    let workspace = read("Cargo.toml")?;
    let folders = folders(&workspace);
    let mut report = Report::new("deps");
    let members = members(&workspace);
    if members.is_empty() {
        return Err("Cargo.toml: no members found".into());
    }
    for member in &members {
        check_crate(member, &read(&format!("{member}/Cargo.toml"))?, &folders, &mut report);
    }
    report.summary(format!("{} crates keep to their directions", members.len()));
    Ok(report)
}

fn check_crate(folder: &str, manifest: &str, folders: &BTreeMap<String, String>, report: &mut Report) {
    let Some((_, allowed)) = RULES.iter().find(|(f, _)| *f == folder) else {
        report.problem(format!("{folder}: has no rule in xtask/src/deps.rs"));
        return;
    };
    for entry in entries(manifest, is_dependency_table) {
        let by_path = entry.path.as_deref().and_then(|p| p.rsplit('/').next()).map(str::to_string);
        match by_path.or_else(|| folders.get(&entry.name).cloned()) {
            Some(target) if !allowed.contains(&target.as_str()) => {
                report.problem(format!("{folder} must not depend on {target}"));
            }
            None if folder == "xtask" => {
                report.problem(format!("xtask must not depend on anything, but does on {}", entry.name));
            }
            _ => {}
        }
    }
}

/// The folders of the workspace's members.
fn members(workspace: &str) -> Vec<String> {
    let after = workspace.split_once("\nmembers").or_else(|| workspace.split_once("members"));
    let list =
        after.and_then(|(_, rest)| rest.split_once('[')?.1.split_once(']')).map_or("", |(list, _)| list);
    list.split('"').skip(1).step_by(2).map(str::to_string).collect()
}

/// From the names under which the workspace offers its own crates to their folders.
fn folders(workspace: &str) -> BTreeMap<String, String> {
    let own = entries(workspace, |table| table == "workspace.dependencies");
    own.into_iter().filter_map(|e| Some((e.name, e.path?))).collect()
}

/// `dependencies` of any kind, also below `target.'...'`.
fn is_dependency_table(table: &str) -> bool {
    matches!(table, "dependencies" | "dev-dependencies" | "build-dependencies")
        || (table.starts_with("target.") && table.ends_with("dependencies"))
}

/// The entries of all tables that `wanted` accepts, given as `[table]` with a line each, or as `[table.name]`.
fn entries(manifest: &str, wanted: impl Fn(&str) -> bool) -> Vec<Entry> {
    let mut out: Vec<Entry> = Vec::new();
    let (mut inside, mut alone, mut depth) = (false, false, 0);
    for line in manifest.lines() {
        let line = line.split(" #").next().unwrap_or("").trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if depth == 0 && line.starts_with('[') {
            let table = line.trim_matches(['[', ']']).trim();
            inside = wanted(table);
            alone = false;
            if let Some((head, name)) = table.rsplit_once('.')
                && wanted(head)
            {
                alone = true;
                out.push(Entry { name: unquoted(name), path: None });
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| depth == 0) else {
            depth += nesting(line);
            continue;
        };
        depth += nesting(value);
        if inside {
            let name = unquoted(key.split('.').next().unwrap_or(key));
            let path = if key.trim().ends_with(".path") { quoted(value) } else { value_of(value, "path") };
            out.push(Entry { name, path });
        } else if alone
            && key.trim() == "path"
            && let Some(last) = out.last_mut()
        {
            last.path = quoted(value);
        }
    }
    out
}

/// How many more brackets and braces the text opens than it closes.
fn nesting(text: &str) -> i32 {
    text.chars().map(|c| i32::from("[{".contains(c)) - i32::from("]}".contains(c))).sum()
}

fn unquoted(key: &str) -> String {
    key.trim().trim_matches(['"', '\'']).to_string()
}

/// The first quoted string.
fn quoted(text: &str) -> Option<String> {
    text.split('"').nth(1).map(str::to_string)
}

/// The string that `key = "..."` gives in an inline table.
fn value_of(table: &str, key: &str) -> Option<String> {
    let field = |f: &&str| f.split('=').next().is_some_and(|k| k.trim() == key);
    quoted(table.split(['{', ',', '}']).find(field)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = r#"
[workspace]
members = ["kernel-abi", "mm",
  "vfs"]
default-members = ["mm"]
[workspace.dependencies]
abi = { package = "picket-abi", path = "kernel-abi", version = "0.1.0" }
mm = { package = "picket-mm", path = "mm" }
vfs = { package = "picket-vfs", path = "vfs" }
slab = { version = "0.4" }
"#;

    fn problems(folder: &str, manifest: &str) -> Vec<String> {
        let mut report = Report::new("deps");
        check_crate(folder, manifest, &folders(WORKSPACE), &mut report);
        report.problems
    }

    #[test]
    fn the_workspace_is_read() {
        assert_eq!(members(WORKSPACE), ["kernel-abi", "mm", "vfs"]);
        let own = folders(WORKSPACE);
        assert_eq!(own.get("abi").map(String::as_str), Some("kernel-abi"));
        assert!(!own.contains_key("slab"));
    }

    #[test]
    fn directions_are_kept() {
        assert_eq!(problems("vfs", "[dependencies]\nabi.workspace = true\nslab.workspace = true\n"), [""; 0]);
        assert_eq!(problems("vfs", "[dependencies]\nmm.workspace = true\n"), ["vfs must not depend on mm"]);
        assert_eq!(problems("kernel-abi", "[dependencies]\nvfs = { workspace = true }\n").len(), 1);
        assert_eq!(
            problems("kernel", "[dependencies]\nmm.workspace = true\nvfs.workspace = true\n"),
            [""; 0]
        );
    }

    #[test]
    fn every_way_to_write_a_dependency_counts() {
        for manifest in [
            "[dev-dependencies]\nmm = { workspace = true, features = [\"std\"] }\n",
            "[target.'cfg(unix)'.dependencies]\nmm.workspace = true\n",
            "[dependencies.mm]\nworkspace = true\n",
            "[dependencies.memory]\npackage = \"picket-mm\"\npath = \"../mm\"\n",
            "[dependencies]\nmemory = { package = \"picket-mm\", path = \"../mm\" }\n",
            "[dependencies]\nslab = { features = [\n  \"std\",\n] }\nmm.workspace = true # why\n",
        ] {
            assert_eq!(problems("vfs", manifest), ["vfs must not depend on mm"], "{manifest}");
        }
    }

    #[test]
    fn other_tables_do_not_count() {
        assert_eq!(problems("vfs", "[features]\nmm = [\"kcore/std\"]\n[package]\nmm = 1\n"), [""; 0]);
    }

    #[test]
    fn unknown_crates_and_dependencies_of_xtask_are_refused() {
        assert_eq!(problems("extra", "").len(), 1);
        assert_eq!(problems("xtask", "[dependencies]\nserde = \"1\"\n").len(), 1);
    }
}
