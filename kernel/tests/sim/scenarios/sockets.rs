//! Unix sockets.

use abi::Errno;

use crate::os::{Os, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM};

/// Clients connect to a listener with a short backlog; what they send comes back.
pub async fn echo(os: Os) {
    let mut rng = os.rng(50);
    let clients = 1 + rng.below(4);
    let name = format!("echo {}", os.getpid().await);
    let listener = os.listen(&name, rng.below(2)).await;
    let mut running = Vec::new();
    for n in 0..clients {
        let name = name.clone();
        let client = async move |os: Os| {
            let fd = os.connect(&name).await.unwrap();
            let mut rng = os.rng(1000 + n);
            for _ in 0..3 {
                let text = vec![n as u8; 1 + rng.below(200) as usize];
                os.write_all(fd, &text).await;
                assert_eq!(os.read_exact(fd, text.len()).await, text);
            }
            0
        };
        running.push(os.fork(client).await);
    }
    let mut threads = Vec::new();
    for _ in 0..clients {
        let fd = os.accept(listener).await.unwrap();
        let serve = async move |os: Os| {
            loop {
                let bytes = os.read(fd, 150).await.unwrap();
                if bytes.is_empty() {
                    break;
                }
                os.write_all(fd, &bytes).await;
            }
            os.close(fd).await;
        };
        threads.push(os.thread(serve).await);
    }
    for thread in threads {
        thread.join(&os).await;
    }
    for child in running {
        os.join(child).await;
    }
    os.close(listener).await;
}

/// Messages keep their borders, whoever sends and receives.
pub async fn messages(os: Os) {
    let mut rng = os.rng(51);
    let kind = *rng.pick(&[SOCK_DGRAM, SOCK_SEQPACKET]);
    let (senders, each) = (1 + rng.below(3), 1 + rng.below(5));
    let (a, b) = os.socketpair(kind).await;
    let mut running = Vec::new();
    for n in 0..senders {
        let send = async move |os: Os| {
            let mut rng = os.rng(1100 + n);
            for _ in 0..each {
                let len = 1 + rng.below(300) as usize;
                assert_eq!(os.write(a, &vec![n as u8; len]).await, Ok(len));
            }
            0
        };
        running.push(os.fork(send).await);
    }
    for _ in 0..senders * each {
        let message = os.read(b, 400).await.unwrap();
        assert!(!message.is_empty() && message.iter().all(|x| *x == message[0]));
    }
    for child in running {
        os.join(child).await;
    }
    os.close(a).await;
    os.close(b).await;
}

/// Descriptors that travel through sockets live on after all else of them is closed.
pub async fn descriptors(os: Os) {
    let mut rng = os.rng(52);
    let (a, b) = os.socketpair(SOCK_STREAM).await;
    let count = 1 + rng.below(3);
    let child = os
        .fork(async move |os: Os| {
            os.close(b).await;
            for n in 0..count {
                let (r, w) = os.pipe(0).await;
                assert_eq!(os.send_fd(a, r).await, Ok(1));
                os.close(r).await;
                os.write_all(w, &[n as u8; 10]).await;
                os.close(w).await;
            }
            0
        })
        .await;
    os.close(a).await;
    let mut got = 0;
    while let Some(fd) = os.recv_fd(b).await.unwrap() {
        assert_eq!(os.read_exact(fd, 11).await, [got as u8; 10]);
        os.close(fd).await;
        got += 1;
    }
    assert_eq!(got, count);
    os.join(child).await;
    assert_eq!(os.read(b, 1).await, Ok(Vec::new()));
    os.close(b).await;
}

/// A socket that is full and whose peer goes away: the writer finds out.
pub async fn hang_up(os: Os) {
    let (a, b) = os.socketpair(SOCK_STREAM).await;
    let child = os
        .fork(async move |os: Os| {
            os.sigaction(crate::os::SIGPIPE, crate::os::SIG_IGN, 0, 0).await;
            os.close(b).await;
            loop {
                match os.write(a, &[7; 4000]).await {
                    Ok(n) => assert!(n > 0),
                    Err(e) => break assert!(matches!(e, Errno::EPIPE | Errno::ECONNRESET), "{e:?}"),
                }
            }
            0
        })
        .await;
    os.close(a).await;
    let mut rng = os.rng(53);
    for _ in 0..rng.below(4) {
        assert!(!os.read(b, 3000).await.unwrap().is_empty());
    }
    os.sleep(rng.below(200_000)).await.unwrap();
    os.close(b).await;
    os.join(child).await;
}

/// Many send to one receiver, who takes few datagrams at a time: whoever finds it full waits.
pub async fn full_receiver(os: Os) {
    let mut rng = os.rng(54);
    let (senders, each) = (1 + rng.below(3), 8 + rng.below(8));
    let name = format!("full {}", os.getpid().await);
    let receiver = os.datagrams(&name, true).await;
    let mut running = Vec::new();
    for n in 0..senders {
        let name = name.clone();
        let send = async move |os: Os| {
            let fd = os.datagrams(&name, false).await;
            for i in 0..each {
                assert_eq!(os.write(fd, &[n as u8, i as u8]).await, Ok(2));
            }
            0
        };
        running.push(os.fork(send).await);
    }
    let mut next = [0; 3];
    for _ in 0..senders * each {
        if rng.one_in(4) {
            os.sleep(rng.below(5000)).await.unwrap();
        }
        let message = os.read(receiver, 10).await.unwrap();
        let [from, i] = message[..] else { panic!("{message:?}") };
        assert_eq!(next[usize::from(from)], i, "in order");
        next[usize::from(from)] += 1;
    }
    for child in running {
        os.join(child).await;
    }
    os.close(receiver).await;
}
