//! The files that benchmarks work on.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::guest::{LARGE, Places, fill};

/// Source files of the tree that is compiled.
const SOURCES: usize = 10;
/// Functions in each of them.
const FUNCTIONS: usize = 25;

/// Directories on the host, gone when dropped.
pub(super) struct Tree {
    top: PathBuf,
    places: Places,
}

impl Tree {
    /// Makes and fills them in the directory for temporary files. Errors: the host's.
    pub(super) fn new() -> io::Result<Tree> {
        let id = format!("picket-bench-{}", std::process::id());
        let top = std::env::temp_dir().join(&id);
        let places = Places {
            root: top.join("root"),
            shared: top.join("shared"),
            tmpfs: Path::new("/dev/shm").join(&id),
        };
        let tree = Tree { top, places };
        let (root, shared) = (&tree.places.root, &tree.places.shared);
        for dir in [root, shared] {
            fs::create_dir_all(dir)?;
            fs::write(dir.join("small"), b"small")?;
            fs::write(dir.join("large"), vec![b'x'; LARGE as usize])?;
        }
        fill(root.join("entries"))?;
        let nothing = root.join("nothing");
        fs::write(&nothing, nothing_elf())?;
        fs::set_permissions(&nothing, fs::Permissions::from_mode(0o755))?;
        sources(&root.join("src"))?;
        Ok(tree)
    }
    pub(super) fn places(&self) -> &Places {
        &self.places
    }
    /// A program that only exits.
    pub(super) fn nothing(&self) -> OsString {
        self.places.root.join("nothing").into()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.top).ok();
        fs::remove_dir_all(&self.places.tmpfs).ok();
    }
}

/// A static program that only calls `exit_group(0)`.
fn nothing_elf() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let code = [0x31, 0xff, 0xb8, 231, 0, 0, 0, 0x0f, 0x05]; // xor edi, edi; mov eax, 231; syscall
    let len = HEADERS + code.len() as u64;
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let mut put = |bytes: &[u8]| elf.extend_from_slice(bytes);
    put(&2u16.to_le_bytes()); // ET_EXEC
    put(&62u16.to_le_bytes()); // EM_X86_64
    put(&1u32.to_le_bytes());
    [BASE + HEADERS, 64, 0].iter().for_each(|w| put(&w.to_le_bytes()));
    put(&0u32.to_le_bytes());
    [64u16, 56, 1, 0, 0, 0].iter().for_each(|w| put(&w.to_le_bytes()));
    [1u32, 5].iter().for_each(|w| put(&w.to_le_bytes())); // PT_LOAD, readable and executable
    [0, BASE, BASE, len, len, 0x1000].iter().for_each(|w| put(&w.to_le_bytes()));
    put(&code);
    elf
}

/// A tree of C files, under version control where git is installed.
fn sources(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let names: String = (0..SOURCES).map(|i| format!("int work_{i}(const char *text, int n);\n")).collect();
    fs::write(dir.join("all.h"), names)?;
    for i in 0..SOURCES {
        fs::write(dir.join(format!("work{i}.c")), source(i))?;
    }
    let calls: String = (0..SOURCES).map(|i| format!("    n = work_{i}(argv[0], n);\n")).collect();
    let main = format!(
        "#include \"all.h\"\nint main(int argc, char **argv) {{\n    int n = argc;\n{calls}    return n & 63;\n}}\n"
    );
    fs::write(dir.join("main.c"), main)?;
    let script = "git init -q . && git add . && git -c user.name=n -c user.email=e -c commit.gpgsign=false commit -qm all";
    // Without git, the benchmarks that need it say so.
    Command::new("sh")
        .args(["-c", script])
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map(drop)
}

fn source(i: usize) -> String {
    let functions: String = (0..FUNCTIONS)
        .map(|j| {
            format!(
                "static int step_{j}(const char *t, int n) {{\n    char b[64];\n    snprintf(b, sizeof b, \"%d %s\", n, t);\n    \
                 for (size_t k = 0; k < strlen(b); k++) n = n * {} + isalpha(b[k]) + {j};\n    return n;\n}}\n",
                2 * j + 3
            )
        })
        .collect();
    let calls: String = (0..FUNCTIONS).map(|j| format!("    n = step_{j}(text, n);\n")).collect();
    format!(
        "#include <ctype.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <sys/socket.h>\n#include \"all.h\"\n\
         {functions}int work_{i}(const char *text, int n) {{\n{calls}    return n;\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_program_runs() {
        let tree = Tree::new().unwrap();
        assert!(Command::new(tree.nothing()).status().unwrap().success());
        let top = tree.top.clone();
        drop(tree);
        assert!(!top.exists());
    }
}
