//! Runs cases here and in the sandbox, and compares the reports.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::case::Case;

/// A sandbox that takes longer for a batch hangs.
const LIMIT: Duration = Duration::from_secs(240);

/// How one case differs.
#[derive(Debug)]
pub(crate) struct Difference {
    /// Its number among those that were run.
    pub(crate) case: usize,
    /// The first line that differs, here and in the sandbox, and the lines before.
    text: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The compiled guest and where it runs.
pub(crate) struct Runner {
    guest: PathBuf,
    /// A directory of a memory file system of the host: as in the sandbox.
    host_dir: PathBuf,
}

impl Runner {
    /// Compiles the guest. `None`, after saying so, where the comparison would not be fair: the sandbox's user is root.
    pub(crate) fn new() -> Option<Runner> {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: needs root, because the sandbox's user is root");
            return None;
        }
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/guest");
        let files = fs::read_dir(&sources).expect("the guest's sources are there");
        let files = files.map(|f| f.expect("the folder is readable").path());
        let dir = std::env::temp_dir().join(format!(
            "picket-differential-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        fs::create_dir_all(&dir).expect("the temporary directory is writable");
        let guest = dir.join("guest");
        let built = Command::new("gcc")
            .args(["-O1", "-static", "-o"])
            .arg(&guest)
            .args(files.filter(|f| f.extension().is_some_and(|e| e == "c")))
            .status();
        assert!(built.is_ok_and(|s| s.success()), "gcc compiles the guest");
        let shm = Path::new("/dev/shm");
        let host_dir = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
        Some(Runner { guest, host_dir })
    }

    /// Runs the cases and gives those whose reports differ.
    pub(crate) fn differences(&self, cases: &[Case]) -> Vec<Difference> {
        let mut input = String::new();
        for (i, case) in cases.iter().enumerate() {
            writeln!(input, "case {i}").expect("a string takes it");
            for op in &case.0 {
                writeln!(input, "{op}").expect("a string takes it");
            }
        }
        let here = self.run("host", &input, Command::new(&self.guest).arg(&self.host_dir));
        let dir = self.guest.parent().expect("it is in a directory");
        let mut sandbox = Command::new(env!("CARGO_BIN_EXE_sentry-bin"));
        let mut bind = dir.as_os_str().to_owned();
        bind.push(":/mnt:ro");
        sandbox.arg("do").arg("--bind").arg(bind).args(["--workdir", "/", "--", "/mnt/guest", "/tmp"]);
        let there = self.run("sandbox", &input, &mut sandbox);
        let compare = |i: usize| {
            let want = here.get(&i).unwrap_or_else(|| panic!("the guest runs case {i} here"));
            let got = there.get(&i).map_or("not run: the sandbox hangs or ended\n", String::as_str);
            difference(want, got).map(|text| Difference { case: i, text })
        };
        // When the sandbox died in one case, the later ones say nothing.
        let last = there.keys().max().map_or(0, |n| n + 1);
        (0..cases.len()).filter(|i| *i <= last).filter_map(compare).collect()
    }

    /// Runs a guest on `input` and gives its report of each case.
    fn run(&self, name: &str, input: &str, command: &mut Command) -> HashMap<usize, String> {
        let dir = self.guest.parent().expect("it is in a directory");
        let (from, to, err) =
            (dir.join(name).with_extension("in"), dir.join(name), dir.join(name).with_extension("err"));
        fs::write(&from, input).expect("the temporary directory is writable");
        let mut child = command
            .stdin(File::open(&from).expect("just written"))
            .stdout(File::create(&to).expect("writable"))
            .stderr(File::create(&err).expect("writable"))
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {}: {e}", command.get_program().display()));
        let start = Instant::now();
        while child.try_wait().expect("it is our child").is_none() {
            if start.elapsed() > LIMIT {
                child.kill().ok();
                child.wait().ok();
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let errors = fs::read_to_string(&err).unwrap_or_default();
        if !errors.is_empty() {
            println!("{name}: {errors}");
        }
        reports(&String::from_utf8_lossy(&fs::read(&to).expect("just written")))
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if let Some(dir) = self.guest.parent() {
            fs::remove_dir_all(dir).ok();
        }
    }
}

/// Splits the guest's output into cases. The last one counts only if something follows it: the guest did not end in it.
fn reports(output: &str) -> HashMap<usize, String> {
    let mut all = HashMap::new();
    let mut current: Option<(usize, String)> = None;
    for line in output.lines() {
        let start = line.strip_prefix("case ").and_then(|n| n.parse().ok());
        if start.is_some() || line == "end" {
            all.extend(current.take());
            current = start.map(|n| (n, String::new()));
        } else if let Some((_, text)) = &mut current {
            text.push_str(line);
            text.push('\n');
        }
    }
    all
}

/// The first differing line of two reports, after the last lines that are the same; `None` if all are.
fn difference(here: &str, there: &str) -> Option<String> {
    if here == there {
        return None;
    }
    let (here, there): (Vec<_>, Vec<_>) = (here.lines().collect(), there.lines().collect());
    let same = here.iter().zip(&there).take_while(|(a, b)| a == b).count();
    let mut text = String::new();
    for line in &here[..same] {
        writeln!(text, "         {line}").ok()?;
    }
    writeln!(text, "here:    {}", here.get(same).unwrap_or(&"(nothing)")).ok()?;
    writeln!(text, "sandbox: {}", there.get(same).unwrap_or(&"(nothing)")).ok()?;
    Some(text)
}
