//! A pair of sockets against a queue of bytes, or of messages.

use alloc::collections::VecDeque;
use alloc::vec;

use kcore::io::IoError;
use proptest::prelude::*;

use super::*;
use crate::{Shutdown, SocketKind::*};

#[derive(Clone, Debug)]
enum Step {
    Send(usize, usize),
    Receive(usize, usize),
    Peek(usize, usize),
    ShutWrite(usize),
    Close(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let end = 0..2usize;
    let size = prop_oneof![0..20usize, 0..5000usize, 0..300_000usize];
    let step = prop_oneof![
        8 => (end.clone(), size.clone()).prop_map(|(e, n)| Step::Send(e, n)),
        8 => (end.clone(), size.clone()).prop_map(|(e, n)| Step::Receive(e, n)),
        2 => (end.clone(), size).prop_map(|(e, n)| Step::Peek(e, n)),
        1 => end.clone().prop_map(Step::ShutWrite),
        1 => end.prop_map(Step::Close),
    ];
    prop::collection::vec(step, 0..60)
}

/// What one end has sent and the other has not received.
#[derive(Default)]
struct Direction {
    queue: VecDeque<u8>,
    shut: bool,
}

proptest! {
    #[test]
    fn a_stream_is_a_queue_of_bytes(steps in steps()) {
        let ends = pair(Stream);
        let mut sent: [Direction; 2] = Default::default();
        let mut closed = [false; 2];
        let mut next = 0u8;
        for step in steps {
            match step {
                Step::Send(e, _) | Step::Receive(e, _) | Step::Peek(e, _) | Step::ShutWrite(e) | Step::Close(e)
                    if closed[e] => {}
                Step::Send(e, n) => {
                    let bytes: Vec<u8> = (0..n).map(|_| { next = next.wrapping_add(1); next }).collect();
                    let result = send(&ends[e], &bytes);
                    if sent[e].shut || closed[1 - e] {
                        prop_assert_eq!(result, Err(Errno::EPIPE.into()));
                    } else {
                        match result {
                            Ok(k) => sent[e].queue.extend(&bytes[..k]),
                            Err(x) => {
                                prop_assert_eq!(x, IoError::Again);
                                prop_assert!(!sent[e].queue.is_empty());
                            }
                        }
                    }
                }
                Step::Receive(e, n) | Step::Peek(e, n) => {
                    let peek = matches!(step, Step::Peek(..));
                    let flags = if peek { NOW | MsgFlags::PEEK } else { NOW };
                    let other = &mut sent[1 - e];
                    match recv_with(&ends[e], n, flags) {
                        Ok((bytes, _)) => {
                            let k = n.min(other.queue.len());
                            prop_assert!(k > 0 || n == 0 || other.shut);
                            let want: Vec<u8> = other.queue.iter().take(k).copied().collect();
                            prop_assert_eq!(bytes, want);
                            if !peek {
                                other.queue.drain(..k);
                            }
                        }
                        Err(IoError::Again) => prop_assert!(other.queue.is_empty() && !other.shut),
                        Err(x) => {
                            // Once, after a close with something unread.
                            prop_assert_eq!(x, Errno::ECONNRESET.into());
                            prop_assert!(other.queue.is_empty() && closed[1 - e]);
                        }
                    }
                }
                Step::ShutWrite(e) => {
                    ends[e].shutdown(Shutdown::from_how(1).unwrap());
                    sent[e].shut = true;
                }
                Step::Close(e) => {
                    ends[e].close();
                    closed[e] = true;
                    sent[e].shut = true;
                }
            }
            for e in [0, 1] {
                if !closed[e] {
                    prop_assert_eq!(ends[e].unread(), Ok(sent[1 - e].queue.len()));
                }
            }
        }
    }

    #[test]
    fn messages_stay_whole(steps in steps()) {
        for kind in [Seqpacket, Dgram] {
            let ends = pair(kind);
            let mut sent: [VecDeque<Vec<u8>>; 2] = Default::default();
            let mut next = 0u8;
            for step in &steps {
                match *step {
                    Step::Send(e, n) => {
                        next = next.wrapping_add(1);
                        let bytes = vec![next; n];
                        match send(&ends[e], &bytes) {
                            Ok(k) => {
                                prop_assert_eq!(k, n);
                                sent[e].push_back(bytes);
                            }
                            Err(IoError::Again) => prop_assert!(!sent[e].is_empty()),
                            Err(x) => {
                                prop_assert_eq!(x, Errno::EMSGSIZE.into());
                                prop_assert!(n > 212_960);
                            }
                        }
                    }
                    Step::Receive(e, n) => match recv_with(&ends[e], n, NOW) {
                        Ok((bytes, got)) => {
                            let want = sent[1 - e].pop_front().unwrap();
                            prop_assert_eq!(got.length, want.len());
                            prop_assert_eq!(&bytes[..], &want[..n.min(want.len())]);
                        }
                        Err(x) => {
                            prop_assert_eq!(x, IoError::Again);
                            prop_assert!(sent[1 - e].is_empty());
                        }
                    },
                    Step::Peek(..) | Step::ShutWrite(_) | Step::Close(_) => {}
                }
            }
        }
    }
}
