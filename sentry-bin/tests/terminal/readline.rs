//! Bash with line editing, and its jobs.

use crate::screen::{END, INTERRUPT, SUSPEND, play};

const UP: &str = "\x1b[A";
const LEFT: &str = "\x1b[D";
const CLEAR_LINE: &str = "\x15";

#[test]
fn history_search_and_completion() {
    play(&[("a-long-name", "its text\n"), ("another", "more text\n")], |t| {
        t.run("echo one");
        t.run("echo two");
        t.same_at_prompt();
        t.keys(UP);
        t.keys(UP);
        t.same();
        t.keys(LEFT);
        t.keys("X\r");
        t.same_at_prompt();
        // Search backwards, and take what is found.
        t.keys("\x12tw");
        t.until("i-search)`tw'");
        t.same();
        t.keys("\r");
        t.same_at_prompt();
        t.keys("cat a-\t");
        t.until("a-long-name");
        t.keys("\r");
        t.until("its text");
        t.same_at_prompt();
        // Two tabs list the choices.
        t.keys("cat a\t\t");
        t.until("another");
        t.same();
        t.keys(CLEAR_LINE);
        t.run("for i in 1 2 3; do");
        t.line("echo turn $i");
        t.line("done");
        t.until("turn 3");
        t.same_at_prompt();
        t.run("clear; PS1='inner> ' bash --norc");
        t.ready("inner> ");
        t.keys(END);
        t.same_at_prompt();
    });
}

#[test]
fn jobs_are_stopped_continued_and_ended() {
    play(&[], |t| {
        t.run("sh -c 'echo sle''eping; exec sleep 100' | cat");
        t.until("sleeping");
        t.keys(INTERRUPT);
        t.run("echo ${PIPESTATUS[@]}");
        t.until("130 130");
        t.same_at_prompt();
        t.run("clear; bash -c 'echo loop''ing; while :; do sleep 0.01; done'");
        t.until("looping");
        t.keys(SUSPEND);
        t.until("Stopped");
        t.same_at_prompt();
        t.run("clear; sh -c 'echo read''ing; exec cat'");
        t.until("reading");
        t.line("a word");
        t.until("a word\na word");
        t.keys(SUSPEND);
        t.until("Stopped");
        t.run("jobs");
        t.until("[1]-");
        t.same_at_prompt();
        t.run("clear; bg %1");
        t.run("clear; kill %1; wait %1; echo $?");
        t.until("143");
        t.same_at_prompt();
        t.run("clear; fg");
        t.until("exec cat");
        t.line("another word");
        t.until("another word\nanother word");
        t.keys("\x1c");
        t.until("Quit");
        t.run("jobs; echo all en''ded");
        t.until("all ended");
        t.same_at_prompt();
    });
}
