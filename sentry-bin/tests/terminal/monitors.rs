//! Programs that show how things are, again and again.

use crate::screen::{INTERRUPT, play};

#[test]
fn top_shows_processes_until_it_is_told_to_end() {
    play(&[], |t| {
        t.run("top -d 0.5");
        t.until("%Cpu(s)");
        t.until("COMMAND");
        // Only those of a user who has none.
        t.keys("u");
        t.until("Which user");
        t.line("mail");
        t.until_gone("root");
        t.keys("q");
        t.run("clear; stty -a | tail -2");
        t.same_at_prompt();
    });
}

#[test]
fn watch_shows_what_changes() {
    play(&[("f", "1\n2\n3\n")], |t| {
        t.run("( (sleep 0.5; seq 100 >> f) & ); watch -t -n 0.2 'wc -l < f'");
        t.until("103");
        t.same();
        t.keys(INTERRUPT);
        t.run("clear; echo $?");
        t.same_at_prompt();
    });
}
