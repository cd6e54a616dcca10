//! The `XSAVE` area.

use crate::FpuState;

const FCW: usize = 0;
const MXCSR: usize = 24;
const MXCSR_MASK: usize = 28;
// Where the host's kernel leaves XCR0 in the part of the legacy area that software may use.
const SW_XFEATURES: usize = 464;
const SW_RESERVED_END: usize = 512;
#[cfg(feature = "systrap")]
const X87_REGISTERS: core::ops::Range<usize> = 32..160;
#[cfg(feature = "systrap")]
const XMM_REGISTERS: core::ops::Range<usize> = 160..416;
const HEADER: usize = 512;
const HEADER_END: usize = 576;
const X87_AND_SSE: u64 = 3;
/// The parts of which the processor loads any content: x87, SSE, AVX and AVX-512. A guest has no use for others: protection keys (with which it
/// could lock the stub's code out of its own memory), AMX tiles and bounds have no system calls here that would give them out.
const ANY_CONTENT: u64 = 0xe7;

fn u64_at(b: &[u8], at: usize) -> u64 {
    b.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

fn u32_at(b: &[u8], at: usize) -> u32 {
    b.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// Where a part of the state lies in an area of the standard format, and whether a thread has to ask for it first, as the processor says.
fn part(feature: u32) -> (core::ops::Range<usize>, bool) {
    const STATE_LEAF: u32 = 0xd;
    /// Its use can be made to fault (`IA32_XFD`): Linux gives it out by `arch_prctl(2)` alone.
    const DYNAMIC: u32 = 1 << 2;
    let leaf = core::arch::x86_64::__cpuid_count(STATE_LEAF, feature);
    (leaf.ebx as usize..(leaf.ebx + leaf.eax) as usize, leaf.ecx & DYNAMIC != 0)
}

/// The numbers of the features after the first two.
fn extended(xfeatures: u64) -> impl Iterator<Item = u32> {
    (2..63).filter(move |n| xfeatures >> n & 1 != 0)
}

/// What the host told about its `XSAVE` areas.
#[derive(Clone, Debug)]
pub(crate) struct FpuLayout {
    pub(crate) size: usize,
    pub(crate) xfeatures: u64,
    mxcsr_mask: u32,
    /// Where the parts after the first two are, by the number of their feature.
    #[cfg(feature = "systrap")]
    parts: Vec<(u32, core::ops::Range<usize>)>,
    software: [u8; SW_RESERVED_END - SW_XFEATURES],
}

impl FpuLayout {
    /// From an area that the host wrote, or `None` if it is too short to be one.
    pub(crate) fn from_sample(b: &[u8]) -> Option<FpuLayout> {
        if b.len() < HEADER_END {
            return None;
        }
        let mask = u32_at(b, MXCSR_MASK);
        let xfeatures = u64_at(b, SW_XFEATURES);
        Some(FpuLayout {
            size: b.len(),
            xfeatures,
            #[cfg(feature = "systrap")]
            parts: extended(xfeatures).map(|n| (n, part(n).0)).collect(),
            mxcsr_mask: if mask == 0 { 0xffbf } else { mask },
            software: b[SW_XFEATURES..SW_RESERVED_END].try_into().ok()?,
        })
    }

    /// From an area that has the parts, too, for which threads have to ask. They are large, and no signal frame has them before.
    #[cfg(feature = "ptrace")]
    pub(crate) fn from_full_sample(b: &[u8]) -> Option<FpuLayout> {
        let mut b = b.to_vec();
        let given = |n: &u32| !part(*n).1;
        let all = u64_at(&b, SW_XFEATURES);
        let xfeatures = extended(all).filter(given).fold(all & X87_AND_SSE, |set, n| set | 1 << n);
        b.truncate(extended(xfeatures).map(|n| part(n).0.end).max().unwrap_or(HEADER_END));
        b.get_mut(SW_XFEATURES..SW_XFEATURES + 8)?.copy_from_slice(&xfeatures.to_le_bytes());
        FpuLayout::from_sample(&b)
    }

    /// A state from bytes whose part for software may be anything.
    pub(crate) fn with_software(&self, mut bytes: Vec<u8>) -> FpuState {
        bytes.resize(self.size, 0);
        bytes[SW_XFEATURES..SW_RESERVED_END].copy_from_slice(&self.software);
        FpuState(bytes)
    }

    /// A state from an area that the processor has written, which leaves out what is in its initial state.
    #[cfg(feature = "systrap")]
    pub(crate) fn saved(&self, bytes: Vec<u8>) -> FpuState {
        let mut state = self.with_software(bytes);
        let b = &mut state.0;
        let present = u64_at(b, HEADER);
        let is_absent = |feature: u32| present >> feature & 1 == 0;
        if is_absent(0) {
            b[..MXCSR].fill(0);
            b[X87_REGISTERS].fill(0);
            b[FCW..FCW + 2].copy_from_slice(&0x37fu16.to_le_bytes());
        }
        if is_absent(1) {
            b[XMM_REGISTERS].fill(0);
        }
        for (_, part) in self.parts.iter().filter(|(feature, _)| is_absent(*feature)) {
            if let Some(part) = b.get_mut(part.clone()) {
                part.fill(0);
            }
        }
        state
    }

    /// How much of a state the processor looks at when it loads it: the rest is of parts in their initial state.
    #[cfg(feature = "systrap")]
    pub(crate) fn used(&self, state: &FpuState) -> usize {
        let present = u64_at(&state.0, HEADER);
        let parts = self.parts.iter().filter(|(feature, _)| present >> feature & 1 != 0);
        parts.map(|(_, part)| part.end).max().unwrap_or(HEADER_END).min(state.0.len())
    }

    /// The state that a new thread has: all registers zero, exceptions masked.
    pub(crate) fn initial(&self) -> FpuState {
        let mut b = vec![0; self.size];
        b[FCW..FCW + 2].copy_from_slice(&0x37fu16.to_le_bytes());
        b[MXCSR..MXCSR + 4].copy_from_slice(&0x1f80u32.to_le_bytes());
        b[MXCSR_MASK..MXCSR_MASK + 4].copy_from_slice(&self.mxcsr_mask.to_le_bytes());
        b[SW_XFEATURES..SW_RESERVED_END].copy_from_slice(&self.software);
        b[HEADER..HEADER + 8].copy_from_slice(&X87_AND_SSE.to_le_bytes());
        FpuState(b)
    }

    /// Makes any bytes acceptable to the host: what would be refused is cleared, as the processor's `fxrstor` masks would.
    pub(crate) fn sanitize(&self, state: &mut FpuState) {
        let b = &mut state.0;
        let legacy_only = b.len() < HEADER_END;
        b.resize(self.size, 0);
        let mxcsr = u32_at(b, MXCSR) & self.mxcsr_mask;
        b[MXCSR..MXCSR + 4].copy_from_slice(&mxcsr.to_le_bytes());
        let present =
            if legacy_only { X87_AND_SSE } else { u64_at(b, HEADER) & self.xfeatures & ANY_CONTENT };
        b[HEADER..HEADER_END].fill(0);
        b[HEADER..HEADER + 8].copy_from_slice(&present.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initial_and_sanitized() {
        let mut sample = vec![0u8; 832];
        sample[SW_XFEATURES] = 7;
        let l = FpuLayout::from_sample(&sample).unwrap();
        assert_eq!((l.size, l.xfeatures), (832, 7));
        let mut s = l.initial();
        let before = s.clone();
        l.sanitize(&mut s);
        assert_eq!(s, before);
        s.0.fill(0xff);
        l.sanitize(&mut s);
        assert_eq!(u64_at(&s.0, HEADER), 7);
        assert_eq!(u32_at(&s.0, MXCSR), 0xffbf);
        // With protection keys and the configuration of AMX tiles, as on newer processors of Intel.
        sample[SW_XFEATURES..SW_XFEATURES + 8].copy_from_slice(&0x6_02e7u64.to_le_bytes());
        let newer = FpuLayout::from_sample(&sample).unwrap();
        s.0.fill(0xff);
        newer.sanitize(&mut s);
        assert_eq!(u64_at(&s.0, HEADER), 0xe7);
        #[cfg(feature = "systrap")]
        {
            // What the processor has left out holds whatever was there before.
            let mut b = vec![0xee; 832];
            b[HEADER..HEADER + 8].fill(0);
            assert_eq!(u64_at(&l.saved(b.clone()).0, 0) & 0xffff, 0x37f);
            assert!(l.saved(b.clone()).0[X87_REGISTERS.start..416].iter().all(|b| *b == 0));
            assert!(l.saved(b.clone()).0[576..].iter().all(|b| *b == 0));
            b[HEADER] = 7;
            assert_eq!(l.saved(b.clone()).0[..SW_XFEATURES], b[..SW_XFEATURES]);
            assert_eq!(l.saved(b.clone()).0[SW_RESERVED_END..], b[SW_RESERVED_END..]);
        }
        s.0.truncate(512);
        l.sanitize(&mut s);
        assert_eq!((s.0.len(), u64_at(&s.0, HEADER)), (832, 3));
        assert!(FpuLayout::from_sample(&[0; 512]).is_none());
        #[cfg(feature = "ptrace")]
        if std::is_x86_feature_detected!("avx") {
            sample.fill(0);
            sample.resize(11008, 0);
            sample[SW_XFEATURES] = 7;
            let l = FpuLayout::from_full_sample(&sample).unwrap();
            assert_eq!((l.size, l.xfeatures), (832, 7), "what is beyond belongs to no part");
        }
    }
}
