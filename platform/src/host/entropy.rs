//! The host's randomness.

use kcore::host::Entropy;

use super::confine::{HostCall, HostCalls};

pub(super) const CALLS: HostCalls =
    HostCalls { of: "randomness", list: &[HostCall::new(libc::SYS_getrandom, "randomness")] };

/// `getrandom(2)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostEntropy;

impl Entropy for HostEntropy {
    fn fill(&self, dst: &mut [u8]) {
        let mut rest = dst;
        while !rest.is_empty() {
            match rustix::rand::getrandom(&mut *rest, rustix::rand::GetRandomFlags::empty()) {
                Ok(n) => rest = &mut rest[n..],
                Err(rustix::io::Errno::INTR) => {}
                // Going on without randomness would make keys that can be guessed.
                Err(e) => panic!("the host gives no randomness: {e}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_long_buffers() {
        let mut b = vec![0; 5000];
        HostEntropy.fill(&mut b);
        assert!(b.chunks(500).all(|c| c.iter().any(|x| *x != 0)));
        assert_ne!(HostEntropy.next_u64(), HostEntropy.next_u64());
    }
}
