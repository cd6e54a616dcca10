//! `sentry-bin compat`: the table of system calls.

use abi::nr::x86_64 as nr;
use kernel::syscall::{Entry, Status, entries, entry};

/// The page's rows: every system call of x86-64, implemented or not, by number.
fn rows() -> impl Iterator<Item = [String; 4]> {
    nr::ALL.iter().map(|&(number, name)| match entry(number) {
        Some(e) => [number.to_string(), name.to_owned(), arguments(e), status(e.status)],
        None => [number.to_string(), name.to_owned(), String::new(), "`ENOSYS`".to_owned()],
    })
}

fn arguments(e: &Entry) -> String {
    let args: Vec<String> = e.args.iter().map(|a| format!("{}: {}", a.name, a.kind)).collect();
    args.join(", ")
}

fn status(status: Status) -> String {
    match status {
        Status::Full => "full".to_owned(),
        Status::Partial(missing) => format!("partial: {missing}"),
    }
}

fn summary() -> String {
    let full = entries().iter().filter(|e| e.status == Status::Full).count();
    let (known, there) = (nr::ALL.len(), entries().len());
    format!(
        "Of the {known} system calls of x86-64, {there} are implemented: {full} fully, {} in part. The other numbers answer `ENOSYS`, \
         as a kernel built without them does.",
        there - full
    )
}

/// The page of `docs/compat.md`.
fn markdown() -> String {
    let mut out = format!(
        "# System calls\n\n<!-- Made by `sentry-bin compat --markdown`. -->\n\n{}\n\n\
         | number | name | arguments | status |\n| ---: | --- | --- | --- |\n",
        summary()
    );
    for [number, name, args, status] in rows() {
        out += &format!("| {number} | `{name}` | {args} | {status} |\n");
    }
    out
}

/// Prints the table of all system calls.
pub(crate) fn print(as_markdown: bool) {
    if as_markdown {
        print!("{}", markdown());
        return;
    }
    for [number, name, _, status] in rows() {
        println!("{number:>4}  {name:24}  {}", status.replace('`', ""));
    }
    println!("\n{}", summary().replace('`', ""));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_say_what_is_missing() {
        let partial =
            entries().iter().find(|e| matches!(e.status, Status::Partial(_))).expect("some call is partial");
        let row = rows().find(|r| r[0] == partial.number.to_string()).expect("every call has a row");
        assert!(row[3].starts_with("partial: "));
        assert_eq!(rows().next().map(|r| r[1].clone()).as_deref(), Some("read"));
        // Linux keeps this number for a call that it never had.
        assert_eq!(rows().find(|r| r[1] == "afs_syscall").map(|r| r[3].clone()).as_deref(), Some("`ENOSYS`"));
    }

    #[test]
    fn names_are_linuxs() {
        for e in entries() {
            assert_eq!(nr::name(e.number), Some(e.name), "number {}", e.number);
        }
    }
}
