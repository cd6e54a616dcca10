//! Pagers.

use crate::screen::{INTERRUPT, play};

fn numbers() -> String {
    (1..=500).map(|n| format!("line {n} of the file\n")).collect()
}

#[test]
fn less_scrolls_searches_and_follows_the_size() {
    play(&[("f", &numbers())], |t| {
        t.run("less f");
        t.until("line 23 ");
        t.same();
        for (keys, shown) in
            [(" ", "line 40 "), ("j", "line 47 "), ("b", "line 2 "), ("G", "line 500 "), ("g", "line 1 ")]
        {
            t.keys(keys);
            t.until(shown);
            t.same();
        }
        t.line("/line 25[0-9]");
        t.until("line 250 ");
        t.same();
        t.keys("n");
        t.until("line 270 ");
        t.same();
        t.keys("g");
        t.until("line 1 ");
        t.same();
        t.resize(10, 50);
        t.until_gone("line 10 ");
        t.same();
        t.line("/no such text");
        t.until("not found");
        t.same();
        t.keys("\r");
        t.keys("q");
        t.same_at_prompt();
    });
}

#[test]
fn less_reads_a_pipe_and_waits_for_more() {
    play(&[("f", &numbers())], |t| {
        t.run("cat f | grep 7 | less");
        t.until("line 7 ");
        t.same();
        t.keys("q");
        t.run("clear");
        t.run("( (sleep 0.3; echo the last li''ne >> f) & ); less +F f");
        t.until("the last line");
        t.same();
        t.keys(INTERRUPT);
        t.until("(END)");
        t.keys("q");
        t.run("clear");
        t.same_at_prompt();
    });
}
