//! Signals between processes and threads.

use abi::Errno;
use abi::nr::x86_64 as nr;
use kcore::addr::GuestAddr;
use platform::sim::DATA;

use crate::os::{
    Os, SA_RESTART, SA_SIGINFO, SIGALRM, SIGCHLD, SIGCONT, SIGKILL, SIGRTMIN, SIGSEGV, SIGSTOP, SIGTERM,
    SIGUSR1, SIGUSR2, WCONTINUED, WNOHANG, WUNTRACED, Word, set,
};

fn word(offset: u64) -> Word {
    Word { at: GuestAddr(DATA.0 + 0x400 + offset), shared: false }
}

/// Two processes take turns by signals that they wait for with `sigsuspend`: none is lost.
pub async fn ping_pong(os: Os) {
    let rounds = 1 + os.rng(20).below(6);
    let got = word(0);
    got.set(&os, 0).await;
    os.block(set(&[SIGUSR1])).await;
    os.handle(SIGUSR1, 0, move |os: Os, args| async move {
        assert_eq!(args.number, SIGUSR1);
        got.add(&os, 1).await;
    })
    .await;
    let parent = os.getpid().await as i64;
    let child = os
        .fork(async move |os: Os| {
            for round in 1..=rounds {
                os.kill(parent, SIGUSR1).await.unwrap();
                while u64::from(got.get(&os).await) < round {
                    os.sigsuspend(0).await;
                }
            }
            0
        })
        .await;
    for round in 1..=rounds {
        while u64::from(got.get(&os).await) < round {
            os.sigsuspend(0).await;
        }
        os.kill(child as i64, SIGUSR1).await.unwrap();
    }
    os.join(child).await;
    assert_eq!(u64::from(got.get(&os).await), rounds);
}

/// Real-time signals queue: each sender's arrive once and in order, whichever thread takes them.
pub async fn queued(os: Os) {
    let mut rng = os.rng(21);
    let (senders, each, takers) = (1 + rng.below(3), 1 + rng.below(5), 1 + rng.below(3));
    os.block(set(&[SIGRTMIN, SIGRTMIN + 1])).await;
    let receiver = os.getpid().await;
    let got = word(0x10);
    got.set(&os, 0).await;
    let mut children = Vec::new();
    for n in 0..senders {
        let send = async move |os: Os| {
            for i in 0..each {
                os.sigqueue(receiver, SIGRTMIN, n << 8 | i).await.unwrap();
            }
            0
        };
        children.push(os.fork(send).await);
    }
    let total = senders * each;
    let mut threads = Vec::new();
    for _ in 0..takers {
        let take = async move |os: Os| {
            let mut last = [-1; 8];
            while u64::from(got.get(&os).await) < total {
                // Others may take the rest.
                match os.sigtimedwait(set(&[SIGRTMIN]), Some(50_000)).await {
                    Ok(info) => {
                        let (sender, i) = ((info.value >> 8) as usize, (info.value & 0xff) as i32);
                        assert!(last[sender] < i, "in order");
                        last[sender] = i;
                        got.add(&os, 1).await;
                    }
                    Err(e) => assert_eq!(e, Errno::EAGAIN),
                }
            }
        };
        threads.push(os.thread(take).await);
    }
    for thread in threads {
        thread.join(&os).await;
    }
    for child in children {
        os.join(child).await;
    }
    assert_eq!(os.sigtimedwait(set(&[SIGRTMIN]), Some(0)).await, Err(Errno::EAGAIN));
}

/// Signals to a process run their handler in exactly one of its threads; those to a thread, in that one.
pub async fn threads(os: Os) {
    let mut rng = os.rng(22);
    let (threads, sends) = (1 + rng.below(3), 1 + rng.below(6));
    let (to_process, stop) = (word(0x20), word(0x24));
    to_process.set(&os, 0).await;
    stop.set(&os, 0).await;
    let pid = os.getpid().await;
    os.handle(SIGRTMIN + 2, SA_SIGINFO | SA_RESTART, move |os: Os, args| async move {
        assert_eq!(os.info(args.info).await.number, SIGRTMIN + 2);
        to_process.add(&os, 1).await;
    })
    .await;
    os.handle(SIGUSR2, 0, move |os: Os, _| async move {
        // Each thread has its place.
        let tid = os.gettid().await;
        word(0x100 + tid % 64 * 4).add(&os, 1).await;
    })
    .await;
    let mut running = Vec::new();
    for _ in 0..threads {
        let run = async move |os: Os| {
            let tid = os.gettid().await;
            while stop.get(&os).await == 0 || word(0x100 + tid % 64 * 4).get(&os).await == 0 {
                os.sleep(3000).await.ok();
            }
        };
        running.push(os.thread(run).await);
    }
    for thread in &running {
        assert_eq!(os.tgkill(pid, thread.tid, SIGUSR2).await, Ok(0));
    }
    for n in 0..sends {
        os.sigqueue(pid, SIGRTMIN + 2, n).await.unwrap();
    }
    while u64::from(to_process.get(&os).await) < sends {
        os.sleep(2000).await.ok();
    }
    stop.set(&os, 1).await;
    for thread in running {
        let count = word(0x100 + thread.tid % 64 * 4);
        thread.join(&os).await;
        assert_eq!(count.get(&os).await, 1);
    }
    assert_eq!(u64::from(to_process.get(&os).await), sends);
}

/// A timer interrupts reads from a pipe: with `SA_RESTART` nobody notices.
pub async fn interrupted(os: Os) {
    let mut rng = os.rng(23);
    let restart = rng.one_in(2);
    let ticks = word(0x30);
    ticks.set(&os, 0).await;
    os.handle(SIGALRM, if restart { SA_RESTART } else { 0 }, move |os: Os, _| async move {
        ticks.add(&os, 1).await;
    })
    .await;
    let (r, w) = os.pipe(0).await;
    let child = os
        .fork(async move |os: Os| {
            for n in 0..4 {
                os.sleep(300_000).await.unwrap();
                os.write_all(w, &[n; 3]).await;
            }
            0
        })
        .await;
    os.close(w).await;
    os.alarm_every(100).await;
    let (mut got, mut interruptions) = (Vec::new(), 0);
    loop {
        match os.read(r, 5).await {
            Ok(b) if b.is_empty() => break,
            Ok(b) => got.extend(b),
            Err(e) => {
                assert_eq!((e, restart), (Errno::EINTR, false));
                interruptions += 1;
            }
        }
    }
    os.alarm_every(0).await;
    assert_eq!(got, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
    assert!(interruptions <= ticks.get(&os).await && ticks.get(&os).await > 0);
    os.join(child).await;
}

/// A child is stopped and continued, and its parent is told of each change.
pub async fn job_control(os: Os) {
    let mut rng = os.rng(24);
    let rounds = 1 + rng.below(3);
    let busy = rng.one_in(2);
    let child = os
        .fork(async move |os: Os| {
            loop {
                if busy {
                    os.gettid().await;
                } else {
                    os.sleep(1_000_000).await.ok();
                }
            }
        })
        .await;
    let pid = child as i64;
    for _ in 0..rounds {
        os.kill(pid, SIGSTOP).await.unwrap();
        assert_eq!(os.wait(pid, WUNTRACED).await, Ok((child, (SIGSTOP as u32) << 8 | 0x7f)));
        os.kill(pid, SIGCONT).await.unwrap();
        assert_eq!(os.wait(pid, WCONTINUED).await, Ok((child, 0xffff)));
    }
    let stopped = rng.one_in(2);
    if stopped {
        os.kill(pid, SIGSTOP).await.unwrap();
        os.wait(pid, WUNTRACED).await.unwrap();
    }
    // A stopped process dies of SIGKILL; of others only when it is continued.
    let signal = if rng.one_in(2) { SIGKILL } else { SIGTERM };
    os.kill(pid, signal).await.unwrap();
    if stopped && signal == SIGTERM {
        assert_eq!(os.wait(pid, WNOHANG).await, Ok((0, 0)));
        os.kill(pid, SIGCONT).await.unwrap();
    }
    assert_eq!(os.wait(pid, 0).await, Ok((child, signal as u32)));
    assert_eq!(os.wait(pid, 0).await, Err(Errno::ECHILD));
}

/// Children's deaths are told by `SIGCHLD`: one at least, and after it all who are dead can be reaped without waiting.
pub async fn children(os: Os) {
    let children = 1 + os.rng(25).below(4);
    os.block(set(&[SIGCHLD])).await;
    for n in 0..children {
        os.fork(async move |os: Os| {
            os.sleep(os.rng(500 + n).below(3000)).await.unwrap();
            n as u8
        })
        .await;
    }
    let mut reaped = 0;
    while reaped < children {
        assert_eq!(os.sigtimedwait(set(&[SIGCHLD]), None).await.unwrap().number, SIGCHLD);
        while let Ok((pid, status)) = os.wait(-1, WNOHANG).await {
            if pid == 0 {
                break;
            }
            assert!(u64::from(status >> 8) < children);
            reaped += 1;
        }
    }
    assert_eq!(os.wait(-1, WNOHANG).await, Err(Errno::ECHILD));
}

/// Signals to a process reach one of its threads while all of them block and unblock them all the time.
pub async fn masked(os: Os) {
    const SIGNAL: u64 = SIGRTMIN + 3;
    let mut rng = os.rng(26);
    let (threads, sends) = (1 + rng.below(3), 1 + rng.below(6));
    let (handled, open) = (word(0x40), word(0x44));
    handled.set(&os, 0).await;
    open.set(&os, 0).await;
    os.handle(SIGNAL, SA_RESTART, move |os: Os, _| async move {
        handled.add(&os, 1).await;
    })
    .await;
    let (r, w) = os.pipe(0).await;
    let pid = os.getpid().await;
    os.block(set(&[SIGNAL])).await;
    let mut running = Vec::new();
    for n in 0..threads {
        let run = async move |os: Os| {
            let mut rng = os.rng(1200 + n);
            for _ in 0..rng.below(6) {
                let mask = if rng.one_in(2) { set(&[SIGNAL]) } else { 0 };
                os.set_mask(mask).await;
            }
            // The last one, at least, leaves it open, and sleeps.
            let last = u64::from(open.add(&os, 1).await) == threads - 1;
            os.set_mask(if last || rng.one_in(2) { 0 } else { set(&[SIGNAL]) }).await;
            assert_eq!(os.read(r, 1).await, Ok(vec![0]));
        };
        running.push(os.thread(run).await);
    }
    for n in 0..sends {
        os.sigqueue(pid, SIGNAL, n).await.unwrap();
        if rng.one_in(2) {
            os.sleep(rng.below(2000)).await.unwrap();
        }
    }
    while u64::from(handled.get(&os).await) < sends {
        os.sleep(5000).await.unwrap();
    }
    os.write_all(w, &vec![0; threads as usize]).await;
    for thread in running {
        thread.join(&os).await;
    }
    assert_eq!(u64::from(handled.get(&os).await), sends);
    os.close(r).await;
    os.close(w).await;
}

/// A handler mends what a thread may not access, in whichever of several threads; then the access succeeds.
pub async fn faults(os: Os) {
    const NOTHING: u64 = 0;
    const READ_WRITE: u64 = 3;
    const PRIVATE_ANONYMOUS: u64 = 0x22;
    const PAGE: u64 = 4096;
    let mut rng = os.rng(27);
    let threads = 1 + rng.below(3);
    let region = os.call(nr::mmap, [0, 8 * PAGE, NOTHING, PRIVATE_ANONYMOUS, u64::MAX, 0]).await.unwrap();
    os.handle(SIGSEGV, SA_SIGINFO, move |os: Os, args| async move {
        const SEGV_ACCERR: i32 = 2;
        let info = os.info(args.info).await;
        assert_eq!((info.number, info.code), (SIGSEGV, SEGV_ACCERR));
        let at = os.g.load_u64(GuestAddr(args.info.0 + 16)).await;
        assert!((region..region + 8 * PAGE).contains(&at));
        let page = at & !(PAGE - 1);
        assert_eq!(os.call(nr::mprotect, [page, PAGE, READ_WRITE]).await, Ok(0));
    })
    .await;
    let mut running = Vec::new();
    for n in 0..threads {
        let run = async move |os: Os| {
            let mut rng = os.rng(1300 + n);
            for i in 0..6 {
                let own = GuestAddr(region + rng.below(8) * PAGE + 64 * n);
                os.g.store_u32(own, i).await;
                assert_eq!(os.g.load_u32(own).await, i);
            }
        };
        running.push(os.thread(run).await);
    }
    for thread in running {
        thread.join(&os).await;
    }
    assert_eq!(os.call(nr::munmap, [region, 8 * PAGE]).await, Ok(0));
}
