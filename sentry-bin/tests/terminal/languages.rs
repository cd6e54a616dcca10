//! Interpreters that people type to.

use crate::screen::{END, INTERRUPT, play};

const UP: &str = "\x1b[A";
const CLEAR_SCREEN: &str = "\x0c";
const MORE: &str = ">>> ";
const CONTINUED: &str = "... ";

#[test]
fn python_reads_evaluates_and_prints() {
    play(&[], |t| {
        t.run("python3 -q");
        for (prompt, line) in [
            (MORE, "print(2 ** 100)"),
            (MORE, "def f(n):"),
            (CONTINUED, "    return n * n"),
            (CONTINUED, ""),
            (MORE, "f(111)"),
        ] {
            t.ready(prompt);
            t.line(line);
        }
        t.ready(MORE);
        t.same();
        t.keys(UP);
        t.keys("\x08\x083)\r");
        t.until("12769");
        t.ready(MORE);
        t.line("input('your name: ')");
        t.ready("your name: ");
        t.line("me");
        t.ready(MORE);
        t.same();
        // A signal just before the interpreter sleeps is looked at only afterwards.
        t.line("import time; print('sle' 'eping'); [time.sleep(0.01) for _ in range(10000)]");
        t.until("sleeping");
        t.keys(INTERRUPT);
        t.until("KeyboardInterrupt");
        // Where it was interrupted is a matter of luck.
        t.ready(MORE);
        t.keys(CLEAR_SCREEN);
        t.until_gone("KeyboardInterrupt");
        t.ready(MORE);
        t.line("1 / 0");
        t.ready(MORE);
        t.same();
        t.keys(END);
        t.same_at_prompt();
        t.run("clear; wc -l < .python_history");
        t.same_at_prompt();
    });
}
