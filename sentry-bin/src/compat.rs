//! `sentry-bin compat`: the table of system calls.

use kernel::syscall::{Entry, Status, entries};

fn row(e: &Entry) -> [String; 4] {
    let args: Vec<String> = e.args.iter().map(|a| format!("{}: {}", a.name, a.kind)).collect();
    let status = match e.status {
        Status::Full => "full".to_owned(),
        Status::Partial(missing) => format!("partial: {missing}"),
    };
    [e.number.to_string(), e.name.to_owned(), args.join(", "), status]
}

/// Prints the table of all declared system calls; all others answer `ENOSYS`.
pub(crate) fn print(markdown: bool) {
    if markdown {
        println!("| number | name | arguments | status |\n| ---: | --- | --- | --- |");
    }
    for e in entries() {
        let [number, name, args, status] = row(e);
        if markdown {
            println!("| {number} | {name} | {args} | {status} |");
        } else {
            println!("{number:>4}  {name:18}  {status}");
        }
    }
    println!("\n{} system calls are implemented; every other number answers ENOSYS.", entries().len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_say_what_is_missing() {
        let partial =
            entries().iter().find(|e| matches!(e.status, Status::Partial(_))).expect("some call is partial");
        assert!(row(partial)[3].starts_with("partial: "));
        assert_eq!(row(&entries()[0])[1], "read");
    }
}
