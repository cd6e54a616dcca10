//! The terminal's own settings, and programs that make terminals for others.

use crate::screen::play;

#[test]
fn settings_are_shown_and_changed() {
    play(&[], |t| {
        t.run("clear; stty -a");
        t.until("iexten");
        t.same_at_prompt();
        t.run("clear; stty -echo intr ^K; stty -a | grep -o -e 'intr = ..' -e '-echo '; stty echo");
        t.until("intr =");
        t.same_at_prompt();
        t.run("clear; sh -c 'echo sle''eping; exec sleep 100'");
        t.until("sleeping");
        t.keys("\x0b");
        t.until("^K");
        t.run("echo $?; stty sane; stty -a");
        t.until("iexten");
        t.same_at_prompt();
        t.run("clear; stty rows 30 cols 70; stty size");
        t.until("30 70");
        t.same_at_prompt();
    });
}

#[test]
fn script_records_a_session() {
    play(&[], |t| {
        t.run("script -q -c 'stty size; test -t 1 && echo ter''minal; read x; echo got-$x' out");
        t.until("terminal");
        t.line("word");
        t.until("got-word");
        t.same_at_prompt();
        t.run("clear; grep -v ^Script out | cat -v");
        t.until("got-word^M");
        t.same_at_prompt();
    });
}
