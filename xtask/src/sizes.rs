//! How long source files may be: above 400 lines warns, above 700 is refused. Tests do not count.
//!
//! `xtask/sizes.txt` lists files that are longer, one `LINES PATH` each. The list may only shrink: a file on it must not
//! grow, and an entry that is higher than needed must be lowered (`--update` does that, and never adds or raises one).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::report::Report;
use crate::source;

const WARN: usize = 400;
const REFUSE: usize = 700;
const LIST: &str = "xtask/sizes.txt";
const HEADER: &str = "\
# Source files longer than 700 lines: LINES PATH. This list may only shrink; `cargo xtask sizes --update` lowers it.
";

type Lengths = BTreeMap<String, usize>;

pub(crate) fn check(root: &Path, update: bool) -> Result<Report, String> {
    let list = root.join(LIST);
    let mut allowed = parse(&fs::read_to_string(&list).map_err(|e| format!("{LIST}: {e}"))?)?;
    let mut lengths = Lengths::new();
    for folder in source::CRATES.iter().chain(&["fuzz"]) {
        let files = source::files(root, folder)?;
        let counted = files.into_iter().filter(|f| !source::is_test(&f.path));
        lengths.extend(counted.map(|f| (f.path, code_lines(&f.text))));
    }
    if update {
        allowed = lowered(&allowed, &lengths);
        fs::write(&list, print(&allowed)).map_err(|e| format!("{LIST}: {e}"))?;
    }
    Ok(judge(&lengths, &allowed))
}

/// Lines up to the module of unit tests at the end of the file.
fn code_lines(text: &str) -> usize {
    let lines: Vec<_> = text.lines().collect();
    let tests = |i: &usize| {
        lines[*i] == "#[cfg(test)]"
            && lines[i + 1..].iter().find(|l| !l.starts_with("#[")).is_some_and(|l| {
                l.starts_with("mod ") && l.ends_with('{')
            })
            // Nothing follows the module.
            && lines[i + 1..].iter().filter(|l| **l == "}").count() == 1
            && lines.last() == Some(&"}")
    };
    (0..lines.len()).find(tests).unwrap_or(lines.len())
}

fn parse(text: &str) -> Result<Lengths, String> {
    let mut out = Lengths::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let entry = line.split_once(' ').and_then(|(n, path)| Some((n.parse().ok()?, path.trim())));
        let (n, path) = entry.ok_or_else(|| format!("{LIST}: \"{line}\" is not LINES PATH"))?;
        if out.insert(path.to_string(), n).is_some() {
            return Err(format!("{LIST}: {path} is listed twice"));
        }
    }
    Ok(out)
}

fn print(allowed: &Lengths) -> String {
    let lines = allowed.iter().map(|(path, n)| format!("{n} {path}\n"));
    HEADER.to_string() + &lines.collect::<String>()
}

/// The list with every entry lowered to what is true, and without those that are needed no more.
fn lowered(allowed: &Lengths, lengths: &Lengths) -> Lengths {
    let lower = |(path, max): (&String, &usize)| {
        let now = *lengths.get(path)?;
        (now > REFUSE).then(|| (path.clone(), now.min(*max)))
    };
    allowed.iter().filter_map(lower).collect()
}

fn judge(lengths: &Lengths, allowed: &Lengths) -> Report {
    let mut report = Report::new("sizes");
    for (path, &n) in lengths {
        match allowed.get(path) {
            Some(&max) if n > max => report.problem(format!("{path}: {n} lines, its limit is {max}")),
            Some(_) => {}
            None if n > REFUSE => report.problem(format!("{path}: {n} lines, the limit is {REFUSE}")),
            None if n > WARN => report.warn(format!("{path}: {n} lines, split it before {REFUSE}")),
            None => {}
        }
    }
    for (path, &max) in allowed {
        match lengths.get(path) {
            None => report.problem(format!("{LIST}: {path} does not exist; --update removes it")),
            Some(&n) if n <= REFUSE => {
                report.problem(format!("{LIST}: {path} has {n} lines; --update removes it"));
            }
            Some(&n) if n < max => {
                report.problem(format!("{LIST}: {path} has {n} lines; --update lowers it"));
            }
            Some(_) => {}
        }
    }
    let mut sorted: Vec<_> = lengths.values().collect();
    sorted.sort();
    let median = sorted.get(sorted.len() / 2).map_or(0, |n| **n);
    report.summary(format!("{} files, median {median} lines", lengths.len()));
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, usize)]) -> Lengths {
        entries.iter().map(|(p, n)| ((*p).to_string(), *n)).collect()
    }

    #[test]
    fn limits() {
        let r = judge(&map(&[("a.rs", 400), ("b.rs", 401), ("c.rs", 700), ("d.rs", 701)]), &map(&[]));
        assert_eq!((r.warnings.len(), r.problems.len()), (2, 1));
        assert!(r.problems[0].starts_with("d.rs"));
    }

    #[test]
    fn the_list_may_only_shrink() {
        let allowed = map(&[
            ("grew.rs", 800),
            ("same.rs", 800),
            ("shrank.rs", 800),
            ("small.rs", 800),
            ("gone.rs", 800),
        ]);
        let now =
            map(&[("grew.rs", 801), ("same.rs", 800), ("shrank.rs", 799), ("small.rs", 90), ("new.rs", 900)]);
        let bad: Vec<_> = judge(&now, &allowed).problems;
        assert_eq!(bad.len(), 5, "{bad:?}");
        assert!(!bad.iter().any(|p| p.contains("same.rs")));
        let after = lowered(&allowed, &now);
        assert_eq!(after, map(&[("grew.rs", 800), ("same.rs", 800), ("shrank.rs", 799)]));
    }

    #[test]
    fn the_list_survives_printing() {
        let list = map(&[("a/b.rs", 701), ("c.rs", 999)]);
        assert_eq!(parse(&print(&list)).unwrap(), list);
        assert!(parse("b.rs 701").is_err());
        assert!(parse("701 b.rs\n702 b.rs").is_err());
    }

    #[test]
    fn unit_tests_at_the_end_do_not_count() {
        assert_eq!(code_lines("a\nb\n#[cfg(test)]\nmod tests {\n    x\n}\n"), 2);
        assert_eq!(code_lines("a\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n}\n"), 1);
        assert_eq!(code_lines("a\n#[cfg(test)]\nmod tests;\nb\n"), 4);
        assert_eq!(code_lines("#[cfg(test)]\nmod tests {\n}\nfn f() {\n}\n"), 5);
    }
}
