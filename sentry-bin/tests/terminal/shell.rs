//! An interactive shell in the sandbox. Commands are written such that their echo is not taken for
//! their output: `a''b` shows as `ab`.

use crate::session::Session;

const PLATFORMS: [&str; 2] = ["ptrace", "systrap"];
const INTERRUPT: &str = "\x03";
const SUSPEND: &str = "\x1a";
const QUIT: &str = "\x1c";
const END: &str = "\x04";

/// Runs a command in the foreground that shows that it runs, and then sleeps.
fn sleep(shell: &mut Session) {
    shell.line("sh -c 'echo sleep''ing; exec sleep 100'");
    shell.expect("sleeping");
}

#[test]
fn interrupt_and_quit_end_the_command_but_not_the_shell() {
    for platform in PLATFORMS {
        let mut shell = Session::bash(platform);
        for (key, status) in [(INTERRUPT, 130), (QUIT, 131)] {
            sleep(&mut shell);
            shell.keys(key);
            shell.expect("ready> ");
            shell.line("echo sta''tus $?");
            shell.expect(&format!("status {status}"));
            shell.expect("ready> ");
        }
        // Without a command, the key is for the shell, which goes on.
        shell.keys(INTERRUPT);
        shell.expect("ready> ");
        shell.line("exit 5");
        assert_eq!(shell.status(), Some(5), "{platform}");
    }
}

#[test]
fn a_command_is_suspended_and_continued() {
    for platform in PLATFORMS {
        let mut shell = Session::bash(platform);
        shell.line("sh -c 'echo wait''ing; read word; echo go''t $word; exit 4'");
        shell.expect("waiting");
        shell.keys(SUSPEND);
        shell.expect("Stopped");
        shell.expect("ready> ");
        shell.line("jobs");
        shell.expect("[1]+  Stopped");
        shell.expect("ready> ");
        // What is typed now is kept by the terminal until the command reads again.
        shell.line("fg");
        shell.line("word");
        shell.expect("got word");
        shell.expect("ready> ");
        shell.line("echo sta''tus $?; jobs");
        shell.expect("status 4");
        shell.line("exit 6");
        assert_eq!(shell.status(), Some(6), "{platform}");
    }
}

#[test]
fn the_size_follows_the_terminal() {
    for platform in PLATFORMS {
        let mut shell = Session::bash(platform);
        shell.line("stty size");
        shell.expect("24 80");
        shell.expect("ready> ");
        shell.line("trap 'echo resi''zed; stty size' WINCH; echo s''et");
        shell.expect("set");
        shell.expect("ready> ");
        shell.resize(50, 132);
        // Bash runs traps when a line has come.
        shell.line(
            "while sleep 0.01; do test \"$(stty size)\" = '50 132' && break; done; echo si''ze $(stty size)",
        );
        shell.expect("size 50 132");
        shell.line("exit");
        assert_eq!(shell.status(), Some(0), "{platform}");
    }
}

#[test]
fn the_end_of_input_ends_the_shell() {
    for platform in PLATFORMS {
        let mut shell = Session::bash(platform);
        shell.line("(exit 9)");
        shell.expect("ready> ");
        shell.keys(END);
        assert_eq!(shell.status(), Some(9), "{platform}");
    }
}

#[test]
fn the_terminal_gets_its_settings_back() {
    for script in ["stty -echo raw; exit 3", "kill -TERM $$"] {
        let mut command = Session::start(&["do", "--", "sh", "-c", &format!("echo go; read line; {script}")]);
        command.expect("go");
        let during = command.settings();
        command.keys("\r");
        command.status();
        let after = command.settings();
        assert_ne!(during, after, "the terminal is raw while the sandbox has it");
        assert_eq!(after, Session::start(&["--version"]).settings(), "{script}");
    }
}
