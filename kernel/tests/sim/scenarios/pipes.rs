//! Pipes with many writers and readers.

use abi::Errno;
use abi::nr::x86_64 as nr;

use crate::os::{O_NONBLOCK, Os, SIG_IGN, SIGPIPE, Word};

const POLLIN: u16 = 1;
const POLLOUT: u16 = 4;

/// Records of up to `PIPE_BUF` bytes from many writers arrive whole. Some writers do not block, but poll.
pub async fn records(os: Os) {
    const F_SETPIPE_SZ: u64 = 1031;
    let mut rng = os.rng(10);
    let (writers, each) = (1 + rng.below(4), 2 + rng.below(5));
    let (r, w) = os.pipe(0).await;
    // Small, so that writers find it full.
    assert_eq!(os.call(nr::fcntl, [w, F_SETPIPE_SZ, 4096]).await, Ok(4096));
    let nonblocking = rng.one_in(2);
    if nonblocking {
        const F_SETFL: u64 = 4;
        assert_eq!(os.call(nr::fcntl, [w, F_SETFL, O_NONBLOCK]).await, Ok(0));
    }
    let mut running = Vec::new();
    for n in 0..writers {
        running.push(
            os.fork(async move |os: Os| {
                let mut rng = os.rng(100 + n);
                for _ in 0..each {
                    let len = 2 + rng.below(1500) as usize;
                    let mut record = vec![n as u8; len];
                    record[..2].copy_from_slice(&(len as u16).to_le_bytes());
                    loop {
                        match os.write(w, &record).await {
                            Ok(written) => break assert_eq!(written, len),
                            Err(e) => assert_eq!((e, nonblocking), (Errno::EAGAIN, true)),
                        }
                        assert!(os.poll(w, POLLOUT, -1).await.unwrap() & POLLOUT != 0);
                    }
                }
                0
            })
            .await,
        );
    }
    os.close(w).await;
    let mut records = 0;
    loop {
        let head = os.read_exact(r, 2).await;
        if head.is_empty() {
            break;
        }
        let len = u16::from_le_bytes(head.try_into().unwrap());
        let body = os.read_exact(r, usize::from(len) - 2).await;
        assert!(body.iter().all(|b| *b == body[0]), "a record is whole");
        records += 1;
    }
    assert_eq!(records, writers * each);
    for child in running {
        os.join(child).await;
    }
}

/// Many readers and many writers: every byte is read once.
pub async fn many_readers(os: Os) {
    let mut rng = os.rng(11);
    let (writers, readers) = (1 + rng.below(3), 1 + rng.below(4));
    let (r, w) = os.pipe(0).await;
    let at = os.map_shared(4096).await;
    let total = Word { at, shared: true };
    let mut running = Vec::new();
    for n in 0..writers {
        let write = async move |os: Os| {
            let mut rng = os.rng(200 + n);
            for _ in 0..5 {
                os.write_all(w, &vec![1; 1 + rng.below(300) as usize]).await;
            }
            0
        };
        running.push(os.fork(write).await);
    }
    for n in 0..readers {
        let read = async move |os: Os| {
            os.close(w).await;
            let mut rng = os.rng(300 + n);
            loop {
                // Sometimes it looks first, and another one may then be quicker.
                if rng.one_in(3) {
                    os.poll(r, POLLIN, -1).await.unwrap();
                }
                let bytes = os.read(r, 1 + rng.below(200) as usize).await.unwrap();
                if bytes.is_empty() {
                    break 0;
                }
                total.add(&os, bytes.len() as u32).await;
            }
        };
        running.push(os.fork(read).await);
    }
    os.close(w).await;
    for child in running {
        os.join(child).await;
    }
    let expected: u64 = (0..writers)
        .map(|n| {
            let mut rng = os.rng(200 + n);
            (0..5).map(|_| 1 + rng.below(300)).sum::<u64>()
        })
        .sum();
    assert_eq!(u64::from(total.get(&os).await), expected);
}

/// A chain of pipes through which processes splice.
pub async fn spliced(os: Os) {
    let mut rng = os.rng(12);
    let stages = 1 + rng.below(3);
    let bytes: Vec<u8> = (0..600 + rng.below(2000)).map(|n| n as u8).collect();
    let (first, into) = os.pipe(0).await;
    let mut running = Vec::new();
    let text = bytes.clone();
    let feed = async move |os: Os| {
        os.close(first).await;
        for chunk in text.chunks(301) {
            os.write_all(into, chunk).await;
        }
        0
    };
    running.push(os.fork(feed).await);
    os.close(into).await;
    let mut from = first;
    for n in 0..stages {
        let (r, w) = os.pipe(0).await;
        let stage = async move |os: Os| {
            os.close(r).await;
            let mut rng = os.rng(400 + n);
            loop {
                let len = 1 + rng.below(700);
                match os.call(nr::splice, [from, 0, w, 0, len, 0]).await {
                    Ok(0) => break 0,
                    Ok(n) => assert!(n <= len),
                    Err(e) => panic!("splice: {e:?}"),
                }
            }
        };
        running.push(os.fork(stage).await);
        os.close(w).await;
        os.close(from).await;
        from = r;
    }
    assert_eq!(os.read_exact(from, bytes.len() + 1).await, bytes);
    for child in running {
        os.join(child).await;
    }
    os.close(from).await;
}

/// Writers find out that the last reader has gone, whether they wait or not.
pub async fn broken(os: Os) {
    let mut rng = os.rng(13);
    let (r, w) = os.pipe(0).await;
    let mut running = Vec::new();
    for _ in 0..1 + rng.below(3) {
        let write = async move |os: Os| {
            os.sigaction(SIGPIPE, SIG_IGN, 0, 0).await;
            os.close(r).await;
            loop {
                match os.write(w, &[0; 4000]).await {
                    Ok(n) => assert!(n > 0),
                    Err(e) => break assert_eq!(e, Errno::EPIPE),
                }
            }
            0
        };
        running.push(os.fork(write).await);
    }
    os.close(w).await;
    for _ in 0..rng.below(3) {
        os.read(r, 3000).await.unwrap();
    }
    os.sleep(rng.below(20_000)).await.unwrap();
    os.close(r).await;
    for child in running {
        os.join(child).await;
    }
}
