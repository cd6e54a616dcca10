//! Finding Rust sources and looking at them without a parser.

use std::fs;
use std::path::Path;

/// The crates' folders, in order of dependency.
pub(crate) const CRATES: &[&str] =
    &["kernel-abi", "kcore", "mm", "vfs", "netstack", "task", "platform", "kernel", "sentry-bin", "xtask"];

/// A source file.
pub(crate) struct Source {
    /// Path below the workspace's folder, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All `.rs` files of `folder`, sorted by path. A missing folder has none.
pub(crate) fn files(root: &Path, folder: &str) -> Result<Vec<Source>, String> {
    let mut out = Vec::new();
    if root.join(folder).is_dir() {
        walk(root, folder, &mut out)?;
    }
    out.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(out)
}

fn walk(root: &Path, folder: &str, out: &mut Vec<Source>) -> Result<(), String> {
    let fail = |e| format!("{folder}: {e}");
    for entry in fs::read_dir(root.join(folder)).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let kind = entry.file_type().map_err(fail)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{folder}/{name}");
        if kind.is_dir() && name != "target" && !name.starts_with('.') {
            walk(root, &path, out)?;
        } else if kind.is_file() && name.ends_with(".rs") {
            let text = fs::read_to_string(entry.path()).map_err(|e| format!("{path}: {e}"))?;
            out.push(Source { path, text });
        }
    }
    Ok(())
}

/// Whether the path is that of tests: a `tests` or `benches` folder, or `tests.rs`.
pub(crate) fn is_test(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "benches" | "tests.rs"))
}

/// The source with comments, strings and character literals blanked out; line breaks stay.
pub(crate) fn code_only(text: &str) -> String {
    let src: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < src.len() {
        let end = match src[i] {
            '/' if src.get(i + 1) == Some(&'/') => line_end(&src, i),
            '/' if src.get(i + 1) == Some(&'*') => block_comment_end(&src, i),
            '"' => string_end(&src, i),
            'r' if !in_word(&src, i) => raw_string_end(&src, i).unwrap_or(i),
            // `br"..."` and `cr"..."`: the prefix is blanked with the string.
            'b' | 'c' if !in_word(&src, i) && src.get(i + 1) == Some(&'r') => {
                raw_string_end(&src, i + 1).unwrap_or(i)
            }
            '\'' => char_end(&src, i).unwrap_or(i),
            _ => i,
        };
        if end == i {
            out.push(src[i]);
            i += 1;
        } else {
            out.extend(src[i..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            i = end;
        }
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn in_word(src: &[char], i: usize) -> bool {
    i > 0 && is_word(src[i - 1])
}

fn line_end(src: &[char], at: usize) -> usize {
    src[at..].iter().position(|c| *c == '\n').map_or(src.len(), |n| at + n)
}

fn block_comment_end(src: &[char], at: usize) -> usize {
    let (mut i, mut depth) = (at, 0);
    while i < src.len() {
        match (src[i], src.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return i;
        }
    }
    src.len()
}

fn string_end(src: &[char], at: usize) -> usize {
    let mut i = at + 1;
    while i < src.len() {
        match src[i] {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    src.len()
}

/// Where the raw string whose `r` is at `at` ends, if it is one (and no raw identifier or plain word).
fn raw_string_end(src: &[char], at: usize) -> Option<usize> {
    let hashes = src[at + 1..].iter().take_while(|c| **c == '#').count();
    let open = at + 1 + hashes;
    if src.get(open) != Some(&'"') {
        return None;
    }
    let mut i = open + 1;
    while i < src.len() {
        if src[i] == '"' && src[i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes {
            return Some(i + 1 + hashes);
        }
        i += 1;
    }
    Some(src.len())
}

/// Where the character literal at `at` ends, if it is one and no lifetime.
fn char_end(src: &[char], at: usize) -> Option<usize> {
    match src.get(at + 1)? {
        '\\' => src.get(at + 3..)?.iter().position(|c| *c == '\'').map(|n| at + 4 + n),
        _ if src.get(at + 2) == Some(&'\'') => Some(at + 3),
        _ => None,
    }
}

/// Numbers, from 1, of the lines where `word` stands by itself.
pub(crate) fn lines_with_word(code: &str, word: &str) -> Vec<usize> {
    let has = |line: &str| line.split(|c| !is_word(c)).any(|w| w == word);
    code.lines().enumerate().filter(|(_, line)| has(line)).map(|(i, _)| i + 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<usize> {
        lines_with_word(&code_only(text), "unsafe")
    }

    #[test]
    fn code_is_found() {
        assert_eq!(words("fn f() {\n    unsafe { g() }\n}\n#[unsafe(no_mangle)]"), [2, 4]);
        assert_eq!(words("let c = '\"'; unsafe {}"), [1]);
        assert_eq!(words("let c = '\\''; unsafe {}"), [1]);
        assert_eq!(words("fn f<'a>(x: &'a str) { unsafe {} }"), [1]);
        assert_eq!(words("let r = r#\"quote \" here\"#; unsafe {}"), [1]);
        assert_eq!(words("let r#type = 1; unsafe {}"), [1]);
    }

    #[test]
    fn prose_and_longer_words_are_not() {
        assert!(words("// unsafe\n/* unsafe /* nested */ unsafe */\n/// unsafe").is_empty());
        assert!(words("let s = \"unsafe \\\" unsafe\";").is_empty());
        assert!(words("let s = r##\"unsafe \"# unsafe\"##; let b = br\"unsafe\";").is_empty());
        assert!(words("#![allow(unsafe_code)]").is_empty());
    }

    #[test]
    fn lines_are_kept() {
        let text = "/*\n\n*/ \"a\nb\" // x\nend";
        assert_eq!(code_only(text).lines().count(), text.lines().count());
    }

    #[test]
    fn tests_are_recognised() {
        assert!(is_test("mm/tests/model.rs") && is_test("mm/src/tests.rs") && is_test("mm/src/tests/map.rs"));
        assert!(!is_test("mm/src/contests.rs"));
    }
}
