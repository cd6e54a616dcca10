//! Event counters, timers and `epoll(7)`.

use abi::Errno;
use kcore::addr::GuestAddr;
use platform::sim::DATA;

use crate::os::{EPOLLET, EPOLLEXCLUSIVE, EPOLLIN, EPOLLONESHOT, O_NONBLOCK, Os, Word};

const EFD_SEMAPHORE: u64 = 1;

fn word(offset: u64) -> Word {
    Word { at: GuestAddr(DATA.0 + 0xa00 + offset), shared: false }
}

/// A counter as a semaphore: as many get through as it was raised.
pub async fn semaphore(os: Os) {
    let mut rng = os.rng(40);
    let (takers, each) = (1 + rng.below(4), 1 + rng.below(4));
    let fd = os.eventfd(0, EFD_SEMAPHORE).await;
    let mut running = Vec::new();
    for _ in 0..takers {
        let take = async move |os: Os| {
            for _ in 0..each {
                assert_eq!(os.take(fd).await, Ok(1));
            }
        };
        running.push(os.thread(take).await);
    }
    let mut left = takers * each;
    while left > 0 {
        let n = 1 + rng.below(left.min(3));
        assert_eq!(os.put(fd, n).await, Ok(8));
        left -= n;
    }
    for thread in running {
        thread.join(&os).await;
    }
    assert_eq!(os.poll(fd, 1, 0).await, Ok(0));
}

/// A counter that is nearly full: writers wait for readers.
pub async fn full_counter(os: Os) {
    let mut rng = os.rng(41);
    let writers = 1 + rng.below(3);
    let fd = os.eventfd(0, 0).await;
    let big = u64::MAX - 1;
    let mut running = Vec::new();
    for _ in 0..writers {
        let put = async move |os: Os| assert_eq!(os.put(fd, big).await, Ok(8));
        running.push(os.thread(put).await);
    }
    for _ in 0..writers {
        assert_eq!(os.take(fd).await, Ok(big));
    }
    for thread in running {
        thread.join(&os).await;
    }
}

/// Threads wait at one epoll for several counters, level- or edge-triggered or one-shot: every event is handled.
pub async fn workers(os: Os) {
    let mut rng = os.rng(42);
    let mode = *rng.pick(&[0, EPOLLET, EPOLLONESHOT]);
    let (counters, events, threads) = (1 + rng.below(3), 1 + rng.below(6), 1 + rng.below(3));
    let epoll = os.epoll().await;
    let mut fds = Vec::new();
    for n in 0..counters {
        let fd = os.eventfd(0, O_NONBLOCK).await;
        os.epoll_add(epoll, fd, EPOLLIN | mode, n).await;
        fds.push(fd);
    }
    let end = os.eventfd(0, 0).await;
    os.epoll_add(epoll, end, EPOLLIN, u64::MAX).await;
    let handled = word(0);
    handled.set(&os, 0).await;
    let mut running = Vec::new();
    for _ in 0..threads {
        let fds = fds.clone();
        let work = async move |os: Os| {
            loop {
                for (ready, n) in os.epoll_wait(epoll, 2, -1).await.unwrap() {
                    assert_eq!(ready, EPOLLIN);
                    if n == u64::MAX {
                        return;
                    }
                    // Another thread may have taken what was there.
                    match os.take(fds[n as usize]).await {
                        Ok(count) => {
                            handled.add(&os, count as u32).await;
                        }
                        Err(e) => assert_eq!(e, Errno::EAGAIN),
                    }
                    if mode == EPOLLONESHOT {
                        os.epoll_mod(epoll, fds[n as usize], EPOLLIN | mode, n).await;
                    }
                }
            }
        };
        running.push(os.thread(work).await);
    }
    for _ in 0..events {
        os.put(*rng.pick(&fds), 1).await.unwrap();
        if rng.one_in(2) {
            os.sleep(rng.below(1000)).await.unwrap();
        }
    }
    while u64::from(handled.get(&os).await) < events {
        os.sleep(1000).await.unwrap();
    }
    os.put(end, 1).await.unwrap();
    for thread in running {
        thread.join(&os).await;
    }
    assert_eq!(u64::from(handled.get(&os).await), events);
}

/// Several epolls wait exclusively for one counter: each event wakes somebody, in whatever state the others are.
pub async fn exclusive(os: Os) {
    let mut rng = os.rng(43);
    let (threads, events) = (1 + rng.below(4), 1 + rng.below(5));
    let fd = os.eventfd(0, O_NONBLOCK | EFD_SEMAPHORE).await;
    let handled = word(0x10);
    handled.set(&os, 0).await;
    let mut running = Vec::new();
    for _ in 0..threads {
        let wait = async move |os: Os| {
            let epoll = os.epoll().await;
            os.epoll_add(epoll, fd, EPOLLIN | EPOLLEXCLUSIVE, 0).await;
            while u64::from(handled.get(&os).await) < events {
                // Whoever takes the last event does not tell the others.
                if !os.epoll_wait(epoll, 1, 1).await.unwrap().is_empty() && os.take(fd).await.is_ok() {
                    handled.add(&os, 1).await;
                }
            }
            os.close(epoll).await;
        };
        running.push(os.thread(wait).await);
    }
    for _ in 0..events {
        os.put(fd, 1).await.unwrap();
    }
    for thread in running {
        thread.join(&os).await;
    }
}

/// A timer counts its expirations: as many as there is time for.
pub async fn timer(os: Os) {
    let period = 1000 + os.rng(44).below(10_000);
    let before = os.now().await;
    let fd = os.timerfd(period, 0).await;
    let mut total = 0;
    while total < 5 {
        total += os.take(fd).await.unwrap();
    }
    assert!(os.now().await - before >= total * period);
}

/// An epoll in an epoll: events come through, and the outer one is ready only while the inner one is.
pub async fn nested(os: Os) {
    let mut rng = os.rng(45);
    let events = 1 + rng.below(5);
    let (inner, outer) = (os.epoll().await, os.epoll().await);
    let fd = os.eventfd(0, O_NONBLOCK | EFD_SEMAPHORE).await;
    os.epoll_add(inner, fd, EPOLLIN, 1).await;
    os.epoll_add(outer, inner, EPOLLIN | *rng.pick(&[0, EPOLLET]), 2).await;
    let raise = async move |os: Os| {
        let mut rng = os.rng(46);
        for _ in 0..events {
            os.sleep(rng.below(2000)).await.unwrap();
            os.put(fd, 1).await.unwrap();
        }
    };
    let thread = os.thread(raise).await;
    let mut handled = 0;
    while handled < events {
        assert_eq!(os.epoll_wait(outer, 2, -1).await, Ok(vec![(EPOLLIN, 2)]));
        // With an edge there is one report, so that all has to be taken.
        while os.epoll_wait(inner, 2, 0).await == Ok(vec![(EPOLLIN, 1)]) {
            assert_eq!(os.take(fd).await, Ok(1));
            handled += 1;
        }
    }
    thread.join(&os).await;
    assert_eq!(handled, events);
    for fd in [outer, inner, fd] {
        os.close(fd).await;
    }
}
