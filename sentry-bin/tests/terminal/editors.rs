//! Full-screen editors.

use crate::screen::{ESCAPE, SUSPEND, play};

const TEXT: &str = "one\ntwo\nthree\nfour\n";

#[test]
fn vim_edits_and_writes() {
    play(&[("f", TEXT)], |t| {
        t.run("vim -u NONE -N -n -i NONE f");
        t.until("\"f\" 4L");
        t.same();
        t.keys("jcwTWO and a half");
        t.keys(ESCAPE);
        t.until("TWO and a half");
        t.same();
        t.line(":w");
        t.until("written");
        t.same();
        t.line("/four");
        t.line("Ofive");
        t.keys(ESCAPE);
        t.until("five");
        t.keys("u");
        t.until_gone("five");
        // Instead of how many seconds ago that was.
        t.until("ago");
        t.line(":echo 6 * 7");
        t.until("42");
        t.same();
        t.line(":set number ruler hlsearch");
        t.until("1 one");
        t.same();
        t.line(":split");
        t.same();
        t.line(":!echo from the sh''ell");
        t.until("from the shell");
        t.same();
        t.keys("\r");
        t.until("4 four");
        t.line(":qa");
        t.run("cat f");
        t.until("half");
        t.same_at_prompt();
    });
}

#[test]
fn vim_is_suspended_resized_and_continued() {
    play(&[("f", TEXT)], |t| {
        t.run("vim -u NONE -N -n -i NONE f");
        t.until("\"f\" 4L");
        t.keys("Onot yet written");
        t.keys(ESCAPE);
        t.until("yet");
        t.keys(SUSPEND);
        t.until("Stopped");
        t.same_at_prompt();
        t.run("cat f; jobs");
        t.same_at_prompt();
        t.resize(30, 100);
        t.run("fg");
        t.until("not yet");
        t.same();
        t.resize(12, 40);
        t.same();
        t.line(":wq");
        t.run("clear; cat f; stty size");
        t.until("12 40");
        t.same_at_prompt();
    });
}
