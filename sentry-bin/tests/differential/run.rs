//! Runs cases here and in the sandbox, and compares the reports.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::case::Case;

/// A sandbox that takes longer for a batch hangs.
const LIMIT: Duration = Duration::from_secs(300);

/// A tmpfs, here and in the sandbox.
const TMPFS: &str = "/dev/shm";

/// How one case differs.
#[derive(Debug)]
pub(crate) struct Difference {
    /// Its number among those that were run.
    pub(crate) case: usize,
    /// The lines before the first that differs.
    before: String,
    /// The first line that differs, here and in the sandbox.
    lines: String,
}

impl Difference {
    /// What differs, without what came before.
    pub(crate) fn lines(&self) -> &str {
        &self.lines
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.before, self.lines)
    }
}

/// The compiled guest and where it runs.
pub(crate) struct Runner {
    platform: &'static str,
    guest: PathBuf,
}

impl Runner {
    /// Compiles the guest. `None`, after saying so, where the comparison would not be fair: the sandbox's user is root.
    pub(crate) fn new(platform: &'static str) -> Option<Runner> {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: needs root, because the sandbox's user is root");
            return None;
        }
        let dir = std::env::temp_dir().join(format!(
            "picket-differential-{}-{platform}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        fs::create_dir_all(&dir).expect("the temporary directory is writable");
        let guest = dir.join("guest");
        compile(&files_in("guest"), &guest);
        Some(Runner { platform, guest })
    }

    /// What the program `name` of `programs/` writes, here and in the sandbox.
    pub(crate) fn outputs(&self, name: &str) -> (String, String) {
        let source = files_in("programs").into_iter().find(|f| f.file_stem().is_some_and(|s| s == name));
        let program = self.dir().join(name);
        compile(&[source.expect("there is such a program")], &program);
        let here = self.output_here("", &mut Command::new(&program));
        let there = self.output("sandbox", "", &mut self.sandbox(&format!("/mnt/{name}")));
        (here, there)
    }

    fn dir(&self) -> &Path {
        self.guest.parent().expect("it is in a directory")
    }

    /// Runs `program` in a sandbox, which finds our directory below `/mnt`.
    fn sandbox(&self, program: &str) -> Command {
        let mut sandbox = Command::new(env!("CARGO_BIN_EXE_sentry-bin"));
        let mut bind = self.dir().as_os_str().to_owned();
        bind.push(":/mnt:ro");
        sandbox.args(["do", "--platform", self.platform]);
        sandbox.arg("--bind").arg(bind).args(["--workdir", "/", "--", program]);
        sandbox
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
        let here = reports(&self.output_here(&input, Command::new(&self.guest).arg(TMPFS)));
        let there = reports(&self.output("sandbox", &input, self.sandbox("/mnt/guest").arg(TMPFS)));
        let compare = |i: usize| {
            let want = here.get(&i).map_or("not run: the guest ended\n", String::as_str);
            let got = there.get(&i).map_or("not run: the sandbox hangs or ended\n", String::as_str);
            difference(want, got).map(|(before, lines)| Difference { case: i, before, lines })
        };
        // When the sandbox died in one case, the later ones say nothing.
        let last = there.keys().max().map_or(0, |n| n + 1);
        (0..cases.len()).filter(|i| *i <= last).filter_map(compare).collect()
    }

    /// As [`Runner::output`], on the host, and nobody else does so meanwhile: all descriptors that belong to no file system share one inode there,
    /// so that who locks one of them (`flock`) locks those of other processes out.
    fn output_here(&self, input: &str, command: &mut Command) -> String {
        let turn = File::create(std::env::temp_dir().join("picket-differential.lock")).expect("writable");
        turn.lock().expect("a file can be locked");
        self.output("host", input, command)
    }

    /// Runs a program on `input` and gives what it writes.
    fn output(&self, name: &str, input: &str, command: &mut Command) -> String {
        let dir = self.dir();
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
        String::from_utf8_lossy(&fs::read(&to).expect("just written")).into_owned()
    }
}

/// The C sources of a folder beside this.
fn files_in(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential").join(folder);
    let files = fs::read_dir(&folder).expect("the sources are there");
    let files = files.map(|f| f.expect("the folder is readable").path());
    files.filter(|f| f.extension().is_some_and(|e| e == "c")).collect()
}

fn compile(sources: &[PathBuf], program: &Path) {
    let built = Command::new("gcc").args(["-O1", "-static", "-w", "-o"]).arg(program).args(sources).status();
    assert!(built.is_ok_and(|s| s.success()), "gcc compiles {}", program.display());
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

/// The lines of two reports that are the same, and the first that differs; `None` if all are the same.
pub(crate) fn difference(here: &str, there: &str) -> Option<(String, String)> {
    if here == there {
        return None;
    }
    let (here, there): (Vec<_>, Vec<_>) = (here.lines().collect(), there.lines().collect());
    let same = here.iter().zip(&there).take_while(|(a, b)| a == b).count();
    let before = here[..same].iter().map(|line| format!("         {line}\n")).collect();
    let line = |lines: &[&str]| lines.get(same).map_or("(nothing)", |l| *l).to_owned();
    Some((before, format!("here:    {}\nsandbox: {}\n", line(&here), line(&there))))
}
