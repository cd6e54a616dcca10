//! tmux: terminals inside a terminal, kept by a server.

use crate::screen::play;

const SETTINGS: &str = "\
set -g status off
set -g escape-time 0
set -g assume-paste-time 0
set -g default-command 'exec bash --norc --noprofile'
set -g update-environment ''
";
/// Between two panes.
const BORDER: &str = "\u{2502}";

#[test]
fn two_panes_that_outlive_their_terminal() {
    play(&[("conf", SETTINGS)], |t| {
        t.run("export TMUX_TMPDIR=$PWD; tmux -f conf new-session -s s");
        t.until_gone("TMUX_TMPDIR");
        t.until("bash-");
        t.line("PS1='$ '; clear");
        t.run("echo first pa''ne; stty size");
        t.until("24 80");
        t.same_at_prompt();
        t.run("tmux split-window -h");
        t.until(BORDER);
        t.until("bash-");
        t.line("clear; echo second pa''ne; stty size");
        t.until("24 39");
        t.same();
        t.line("tmux send-keys -t 0 'seq 100 1''03' Enter");
        t.until("103");
        t.same();
        t.resize(20, 100);
        // The keys may overtake the new size on their way to the pane.
        t.line("clear; until stty size | grep '^20 49'; do sleep 0.1; done");
        t.until("20 49");
        t.same();
        t.line("tmux detach");
        t.until("[detached");
        t.same_at_prompt();
        t.run("clear; tmux capture-pane -p -t 0; tmux capture-pane -p -t 1 | grep -v '^$'; tmux list-panes");
        t.until("(active)");
        t.same_at_prompt();
        t.run("tmux attach");
        t.until(BORDER);
        t.keys("\x02z");
        t.until_gone(BORDER);
        t.keys("\x02d");
        t.until("[detached");
        t.run("clear; tmux kill-server; until tmux ls 2>&1 | grep 'no server'; do sleep 0.1; done");
        t.until("no server running");
        t.same_at_prompt();
    });
}
