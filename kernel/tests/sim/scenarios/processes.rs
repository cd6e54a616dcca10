//! Making processes and waiting for them.

use abi::Errno;
use abi::nr::x86_64 as nr;
use kcore::addr::GuestAddr;
use platform::sim::DATA;

use crate::os::{O_CLOEXEC, Os, SIG_IGN, SIGCHLD, SIGKILL, Word};

/// A tree of processes: each waits for its children, and counts them in its status.
pub async fn tree(os: Os) {
    let shape = os.rng(30).next_u64();
    assert_eq!(grow(os, shape, 3).await, size(shape, 3));
}

fn children_of(shape: u64) -> impl Iterator<Item = u64> {
    (0..shape % 3).map(move |n| shape.rotate_right(7 + n as u32 * 13))
}

fn size(shape: u64, depth: u8) -> u8 {
    if depth == 0 { 0 } else { children_of(shape).map(|s| 1 + size(s, depth - 1)).sum() }
}

/// Returns how many descendants there were.
fn grow(os: Os, shape: u64, depth: u8) -> std::pin::Pin<Box<dyn Future<Output = u8> + Send>> {
    Box::pin(async move {
        if depth == 0 {
            return 0;
        }
        let mut children = Vec::new();
        for s in children_of(shape) {
            children.push(os.fork(async move |os: Os| grow(os, s, depth - 1).await).await);
        }
        let mut sum = 0;
        while let Ok((pid, status)) = os.wait(-1, 0).await {
            let at = children.iter().position(|c| *c == pid).expect("one of its own");
            children.remove(at);
            assert_eq!(status & 0x7f, 0);
            sum += 1 + (status >> 8) as u8;
        }
        assert!(children.is_empty());
        sum
    })
}

/// Orphans go to the nearest subreaper, who reaps all of them, whoever ends first.
pub async fn orphans(os: Os) {
    const PR_SET_CHILD_SUBREAPER: u64 = 36;
    let mut rng = os.rng(31);
    assert_eq!(os.call(nr::prctl, [PR_SET_CHILD_SUBREAPER, 1]).await, Ok(0));
    let (parents, each) = (1 + rng.below(3), 1 + rng.below(3));
    for p in 0..parents {
        os.fork(async move |os: Os| {
            let mut rng = os.rng(600 + p);
            for _ in 0..each {
                let delay = rng.below(4000);
                os.fork(async move |os: Os| {
                    os.sleep(delay).await.unwrap();
                    1
                })
                .await;
            }
            os.sleep(rng.below(3000)).await.unwrap();
            2
        })
        .await;
    }
    let (mut of_parents, mut of_orphans) = (0, 0);
    loop {
        match os.wait(-1, 0).await {
            Ok((_, 0x200)) => of_parents += 1,
            Ok((_, 0x100)) => of_orphans += 1,
            other => break assert_eq!(other, Err(Errno::ECHILD)),
        }
    }
    assert_eq!((of_parents, of_orphans), (parents, parents * each));
}

/// Children of one who ignores `SIGCHLD` leave nothing; waiting ends with the last.
pub async fn ignored(os: Os) {
    let mut rng = os.rng(32);
    os.sigaction(SIGCHLD, SIG_IGN, 0, 0).await;
    for n in 0..1 + rng.below(4) {
        os.fork(async move |os: Os| {
            os.sleep(os.rng(700 + n).below(2000)).await.unwrap();
            3
        })
        .await;
    }
    assert_eq!(os.wait(-1, 0).await, Err(Errno::ECHILD));
}

/// Threads of one process wait for its children at the same time: each child is reaped once.
pub async fn competing(os: Os) {
    let mut rng = os.rng(33);
    let (children, threads) = (1 + rng.below(4), 1 + rng.below(3));
    let reaped = Word { at: GuestAddr(DATA.0 + 0x800), shared: false };
    reaped.set(&os, 0).await;
    for n in 0..children {
        os.fork(async move |os: Os| {
            os.sleep(os.rng(800 + n).below(2000)).await.unwrap();
            4
        })
        .await;
    }
    let mut running = Vec::new();
    for _ in 0..threads {
        let wait = async move |os: Os| {
            loop {
                match os.wait(-1, 0).await {
                    Ok((_, status)) => assert_eq!(status, 0x400),
                    Err(e) => break assert_eq!(e, Errno::ECHILD),
                }
                reaped.add(&os, 1).await;
            }
        };
        running.push(os.thread(wait).await);
    }
    for thread in running {
        thread.join(&os).await;
    }
    assert_eq!(u64::from(reaped.get(&os).await), children);
}

/// One thread ends the process while others wait, run, or make threads and processes.
pub async fn exit_group(os: Os) {
    let mut rng = os.rng(34);
    let (r, w) = os.pipe(0).await;
    let threads = 1 + rng.below(4);
    let killed = rng.one_in(3);
    let child = os
        .fork(async move |os: Os| {
            for n in 0..threads {
                os.thread(async move |os: Os| match n % 4 {
                    0 => drop(os.read(r, 1).await),
                    1 => loop {
                        os.gettid().await;
                    },
                    2 => drop(os.sleep(1_000_000_000_000).await),
                    _ => {
                        os.fork(async |os: Os| {
                            os.sleep(500).await.unwrap();
                            0
                        })
                        .await;
                        os.wait(-1, 0).await.ok();
                    }
                })
                .await;
            }
            os.sleep(os.rng(900).below(5000)).await.unwrap();
            if killed {
                os.kill(os.getpid().await as i64, SIGKILL).await.unwrap();
            }
            os.exit_group(5).await
        })
        .await;
    os.close(w).await;
    assert_eq!(os.wait(child as i64, 0).await, Ok((child, if killed { 9 } else { 0x500 })));
    os.close(r).await;
}

/// Some thread of a process executes a program: the others end, and the process stays who it is.
pub async fn exec(os: Os) {
    let mut rng = os.rng(35);
    let pid = os.getpid().await;
    let path = format!("/program{pid}");
    os.install(&path, async |g| {
        let os = Os::begin(g).await;
        // Nothing of the old memory is there.
        assert_eq!(os.g.load_u32(GuestAddr(DATA.0 + 0xc00)).await, 0);
        assert_eq!(os.getpid().await, os.gettid().await);
        6
    })
    .await;
    let threads = rng.below(4);
    let (r, w) = os.pipe(O_CLOEXEC).await;
    let child = os
        .fork(async move |os: Os| {
            os.g.store_u32(GuestAddr(DATA.0 + 0xc00), 1).await;
            let mut all = Vec::new();
            for n in 0..threads {
                let path = path.clone();
                let run = async move |os: Os| match n {
                    0 => drop(os.exec(&path).await),
                    1 => drop(os.read(r, 1).await),
                    _ => loop {
                        os.gettid().await;
                    },
                };
                all.push(os.thread(run).await);
            }
            os.sleep(os.rng(910).below(3000)).await.ok();
            os.exec(&path).await;
            // Another one was quicker.
            os.sleep(1_000_000_000_000).await.ok();
            9
        })
        .await;
    os.close(w).await;
    // The program closes the pipe.
    assert_eq!(os.read(r, 1).await, Ok(Vec::new()));
    assert_eq!(os.wait(child as i64, 0).await, Ok((child, 0x600)));
    os.close(r).await;
}

/// A parent of `vfork` goes on only when the child has executed a program or ended, and sees what it wrote.
pub async fn vfork(os: Os) {
    let mut rng = os.rng(36);
    let path = format!("/vforked{}", os.getpid().await);
    os.install(&path, async |g| {
        Os::begin(g).await.sleep(1000).await.unwrap();
        6
    })
    .await;
    let mark = Word { at: GuestAddr(DATA.0 + 0xc40), shared: false };
    for round in 1..=1 + rng.below(3) as u32 {
        let executes = rng.one_in(2);
        let program = path.clone();
        let child = os
            .vfork(async move |os: Os| {
                os.sleep(2000).await.unwrap();
                mark.set(&os, round).await;
                if executes {
                    os.exec(&program).await;
                }
                7
            })
            .await;
        assert_eq!(mark.get(&os).await, round);
        assert_eq!(os.wait(child as i64, 0).await, Ok((child, if executes { 0x600 } else { 0x700 })));
    }
}
