//! Processes: waiting, stopping, ends.
#![allow(missing_docs)]
use kcore::cred::{Credentials, UserNamespace};
use std::sync::Arc;
use task::rlimit::Rlimits;
use task::signal::{Action, Signal};
use task::{CloneSpec, ExitStatus, InitSpec, ProcessTable, Task, WaitOptions, WaitSpec, WaitWhich};

fn start() -> (Arc<ProcessTable>, Arc<Task>) {
    let user = Arc::new(UserNamespace::default());
    let table = ProcessTable::new(user.clone());
    let cred = Arc::new(Credentials::root(user));
    let spec = InitSpec { ns: table.root_ns().clone(), cred, rlimits: Rlimits::default(), comm: [0; 16] };
    let init = table.spawn_init(spec, Arc::new(())).unwrap();
    (table, init)
}
fn child(t: &ProcessTable, p: &Arc<Task>) -> Arc<Task> {
    t.fork(p, CloneSpec { exit_signal: Some(Signal::CHLD), ..Default::default() }, Arc::new(())).unwrap()
}
fn any(o: WaitOptions) -> WaitSpec {
    WaitSpec { which: WaitWhich::Any, options: o }
}

#[test]
fn wait_reports_an_exit_once() {
    let (t, init) = start();
    let c = child(&t, &init);
    assert_eq!(t.wait(&init, &any(WaitOptions::EXITED)), Ok(None));
    t.exit_thread(&c, ExitStatus::Exited(3));
    assert_eq!(t.wait(&init, &any(WaitOptions::EXITED)).unwrap().unwrap().wstatus, 0x300);
    assert_eq!(t.wait(&init, &any(WaitOptions::EXITED)), Err(abi::Errno::ECHILD));
}

#[test]
fn a_stop_and_a_continuation_are_reported() {
    let (t, init) = start();
    let c = child(&t, &init);
    t.kill(&init, c.tid().0, Some(Signal::STOP)).unwrap();
    assert_eq!(t.dequeue(&c).unwrap().action, Action::Stop);
    assert!(c.is_stopped());
    assert_eq!(t.wait(&init, &any(WaitOptions::STOPPED)).unwrap().unwrap().wstatus, 0x137f);
    t.kill(&init, c.tid().0, Some(Signal::CONT)).unwrap();
    assert!(!c.is_stopped());
    assert_eq!(t.dequeue(&c), None);
    assert_eq!(t.wait(&init, &any(WaitOptions::CONTINUED)).unwrap().unwrap().wstatus, 0xffff);
}

#[test]
fn kill_ends_and_orphans_go_to_init() {
    let (t, init) = start();
    let c = child(&t, &init);
    let g = child(&t, &c);
    t.kill(&init, c.tid().0, Some(Signal::KILL)).unwrap();
    assert!(matches!(t.dequeue(&c).unwrap().action, Action::Terminate { .. }));
    t.exit_thread(&c, ExitStatus::Exited(0));
    assert_eq!(t.ppid(&g), init.tid());
    assert_eq!(t.wait(&init, &any(WaitOptions::EXITED)).unwrap().unwrap().wstatus, 9);
}

#[test]
fn a_session_loses_its_terminal_with_its_leader() {
    let (t, init) = start();
    let leader = child(&t, &init);
    t.setsid(&leader).unwrap();
    let tty: Arc<dyn std::any::Any + Send + Sync> = Arc::new(7);
    t.set_controlling_tty(leader.group(), Some(tty));
    let job = child(&t, &leader);
    assert!(t.controlling_tty(job.group()).is_some(), "children inherit it");
    assert!(t.controlling_tty(init.group()).is_none());
    let fx = t.exit_thread(&leader, ExitStatus::Exited(0));
    assert!(fx.tty.is_some_and(|t| t.downcast_ref() == Some(&7)));
    assert!(t.controlling_tty(job.group()).is_none());
}

#[test]
fn a_hang_up_reaches_the_leader_now_and_the_foreground_at_its_end() {
    let (t, init) = start();
    let leader = child(&t, &init);
    t.setsid(&leader).unwrap();
    t.set_controlling_tty(leader.group(), Some(Arc::new(())));
    let job = child(&t, &leader);
    t.setpgid(&job, job.tid(), job.tid()).unwrap();
    let session = t.session(leader.group()).unwrap();
    t.hang_up_session(&session, t.pgrp(job.group()));
    assert_eq!(t.dequeue(&leader).unwrap().info.signal, Signal::HUP);
    assert_eq!(t.dequeue(&job), None);
    t.exit_thread(&leader, ExitStatus::Exited(0));
    assert_eq!(t.dequeue(&job).unwrap().info.signal, Signal::HUP);
}

#[test]
fn a_signal_to_a_group_reaches_the_child_that_a_member_is_making() {
    let (t, init) = start();
    let parent = child(&t, &init);
    t.setpgid(&parent, parent.tid(), parent.tid()).unwrap();
    parent.begin_fork().unwrap();
    t.kill(&init, -parent.tid().0, Some(Signal::TERM)).unwrap();
    let c = child(&t, &parent);
    assert!(matches!(t.dequeue(&c).unwrap().action, Action::Terminate { .. }));
    assert_eq!(parent.begin_fork(), Err(abi::Errno::EINTR), "it has that signal to take first");
}

#[test]
fn a_signal_to_a_process_is_not_for_its_next_child() {
    let (t, init) = start();
    let parent = child(&t, &init);
    parent.begin_fork().unwrap();
    t.kill(&init, parent.tid().0, Some(Signal::TERM)).unwrap();
    assert_eq!(t.dequeue(&child(&t, &parent)), None);
}

#[test]
fn a_continuation_takes_back_the_stop_of_a_child_in_the_making() {
    let (t, init) = start();
    let parent = child(&t, &init);
    t.setpgid(&parent, parent.tid(), parent.tid()).unwrap();
    parent.begin_fork().unwrap();
    for s in [Signal::STOP, Signal::CONT] {
        t.kill(&init, -parent.tid().0, Some(s)).unwrap();
    }
    let c = child(&t, &parent);
    assert_eq!(t.dequeue(&c), None);
    assert!(!c.is_stopped());
}

#[test]
fn a_group_is_hung_up_when_it_becomes_orphaned_and_only_then() {
    let (t, init) = start();
    let shell = child(&t, &init);
    t.setsid(&shell).unwrap();
    let stop = |task: &Task| {
        t.kill(&init, task.tid().0, Some(Signal::STOP)).unwrap();
        assert_eq!(t.dequeue(task).unwrap().action, Action::Stop);
    };
    // The shell's own group: nobody in the session is outside of it, so that a death in it changes nothing.
    let (stopped, brother) = (child(&t, &shell), child(&t, &shell));
    stop(&stopped);
    t.exit_thread(&brother, ExitStatus::Exited(0));
    assert!(stopped.is_stopped());
    // A job: its last connection to the shell is the leader.
    let leader = child(&t, &shell);
    t.setpgid(&leader, leader.tid(), leader.tid()).unwrap();
    let (member, other) = (child(&t, &leader), child(&t, &leader));
    stop(&member);
    t.exit_thread(&other, ExitStatus::Exited(0));
    assert!(member.is_stopped());
    t.exit_thread(&leader, ExitStatus::Exited(0));
    assert!(!member.is_stopped());
    assert_eq!(t.dequeue(&member).unwrap().info.signal, Signal::HUP);
    assert!(stopped.is_stopped());
}
