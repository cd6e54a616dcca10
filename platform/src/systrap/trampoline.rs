//! System-call instructions that can be rewritten, and the code that they then jump to.
//!
//! A trampoline checks that GS is the thread's own, so that `picket_stub_call` can work, and makes the real system call otherwise. It
//! lies at a fixed distance from the code that it serves and knows no absolute address, so processes that map the same page of code
//! at different addresses share both pages.

use super::layout::*;

/// What can be rewritten around a system-call instruction. All offsets are in the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Site {
    /// First byte that is rewritten.
    pub(super) at: u64,
    /// Bytes that are rewritten.
    pub(super) len: u64,
    /// The byte after the instruction, where calls return to.
    pub(super) ret: u64,
    /// The number, if the instruction that loads it is rewritten; the system-call instruction itself then stays.
    pub(super) number: Option<u32>,
    /// Bytes of the instruction after the call that are rewritten too, so that the trampoline must execute it.
    pub(super) tail: u64,
}

/// An opcode that is invalid in 64-bit code, as the first of the rewritten bytes after a system-call instruction: a thread that
/// returns there traps.
const INVALID: u8 = 0x06;
/// Bytes of a trampoline at most.
pub(super) const LEN: u64 = 64;
const SIGRETURN: u32 = 15;

fn u32_at(page: &[u8], at: u64) -> Option<u32> {
    let at = usize::try_from(at).ok()?;
    page.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

/// What can be rewritten for the call that returned to `ret` in this page of code and had this number.
pub(super) fn find(page: &[u8], ret: u64, number: u64) -> Option<Site> {
    let byte = |at: u64| page.get(usize::try_from(at).ok()?).copied();
    let syscall = ret.checked_sub(2)?;
    if [byte(syscall)?, byte(syscall + 1)?] != [0x0f, 0x05] {
        return None;
    }
    find_number(page, syscall, number).or_else(|| {
        // cmp rax, imm32; cmp eax, imm32
        let tail = match (byte(ret)?, byte(ret + 1)?) {
            (0x48, 0x3d) => 6,
            (0x3d, _) => 5,
            _ => return None,
        };
        byte(ret + tail - 1)?;
        Some(Site { at: syscall, len: 6, ret, number: None, tail })
    })
}

/// `mov eax, number` before the call. A call whose number comes from elsewhere shows that these bytes are something else.
fn find_number(page: &[u8], syscall: u64, number: u64) -> Option<Site> {
    let at = syscall.checked_sub(5)?;
    let byte = |at: u64| page.get(usize::try_from(at).ok()?).copied();
    let found = u32_at(page, at + 1).filter(|n| u64::from(*n) == number)?;
    let (before, opcode) = (byte(at.checked_sub(1)?)?, byte(at)?);
    let is_prefix = matches!(before, 0x40..=0x4f | 0x0f | 0x66 | 0x67 | 0xf2 | 0xf3);
    // Unwinders know frames of signal handlers by their call of rt_sigreturn.
    if opcode != 0xb8 || is_prefix || found == SIGRETURN {
        return None;
    }
    Some(Site { at, len: 5, ret: syscall + 2, number: Some(found), tail: 0 })
}

impl Site {
    /// Where in its page the trampoline may be, which lies `distance` bytes after the code's page.
    pub(super) fn places(&self) -> impl Iterator<Item = u64> + use<> {
        let (first, step) = match self.number {
            Some(_) => (0, LEN),
            // The low byte of the jump's distance is the invalid opcode.
            None => ((self.at + self.len + u64::from(INVALID)) % 256, 256),
        };
        (first..=PAGE - LEN).step_by(step as usize)
    }

    /// The bytes that jump to a trampoline at `slot` in its page.
    pub(super) fn jump(&self, slot: u64, distance: i64) -> Vec<u8> {
        let to = distance + slot as i64 - (self.at + self.len) as i64;
        let mut code = if self.number.is_some() { vec![0xe9] } else { vec![0x48, 0xe9] };
        code.extend((to as i32).to_le_bytes());
        code
    }

    /// The trampoline at `slot` in its page, for the code in `page`.
    pub(super) fn trampoline(&self, page: &[u8], slot: u64, distance: i64) -> Vec<u8> {
        let number = self.number_bytes();
        let mut c = Vec::with_capacity(LEN as usize);
        let absolute = |c: &mut Vec<u8>, address: u64| c.extend((address as u32).to_le_bytes());
        c.extend([0xf3, 0x48, 0x0f, 0xae, 0xc9]); // rdgsbase rcx
        c.extend([0x65, 0x4c, 0x8b, 0x1c, 0x25]); // mov r11, gs:[..]
        absolute(&mut c, SELF_NEGATED);
        c.extend([0x4a, 0x8d, 0x0c, 0x19]); // lea rcx, [rcx + r11], which leaves the flags alone
        c.extend([0xe3, 4 + number.len() as u8]); // jrcxz, over the next three
        c.extend(&number);
        c.extend([0x0f, 0x05]);
        c.extend([0xeb, 22 + number.len() as u8]); // jmp, over the next four
        c.extend(&number);
        let there = |c: &Vec<u8>, offset: u64| offset as i64 - distance - (slot as i64 + c.len() as i64 + 4);
        c.extend([0x48, 0x8d, 0x0d]); // lea rcx, [rip + ..]
        c.extend((there(&c, self.ret) as i32).to_le_bytes());
        c.extend([0x4c, 0x8d, 0x1d, 8, 0, 0, 0]); // lea r11, [rip + ..]: after the next one
        c.extend([0x65, 0xff, 0x24, 0x25]); // jmp gs:[..]
        absolute(&mut c, self.entry());
        debug_assert_eq!(c.len() as u64, self.tail_at());
        c.extend(&page[self.ret as usize..(self.ret + self.tail) as usize]);
        c.push(0xe9);
        c.extend((there(&c, self.ret + self.tail) as i32).to_le_bytes());
        c
    }

    /// Where the trampoline finds the address that it jumps to.
    fn entry(&self) -> u64 {
        let is_answered = |n: u32| ANSWERED_HERE.iter().any(|here| u32::from(*here) == n);
        if self.number.is_none_or(is_answered) { ASK_ENTRY } else { ENTRY }
    }

    fn number_bytes(&self) -> Vec<u8> {
        self.number.map_or(Vec::new(), |n| [&[0xb8][..], &n.to_le_bytes()].concat())
    }

    /// Offset in the trampoline of the code for after the call: the bytes that were rewritten, then a jump back.
    pub(super) fn tail_at(&self) -> u64 {
        46 + 2 * self.number_bytes().len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(at: usize, code: &[u8]) -> Vec<u8> {
        let mut p = vec![0x90; PAGE as usize];
        p[at..at + code.len()].copy_from_slice(code);
        p
    }

    #[test]
    fn finds_what_compilers_make() {
        let glibc = page(100, &[0xb8, 110, 0, 0, 0, 0x0f, 0x05]);
        let site = Site { at: 100, len: 5, ret: 107, number: Some(110), tail: 0 };
        assert_eq!(find(&glibc, 107, 110), Some(site));
        assert_eq!(find(&glibc, 107, 111), None);
        assert_eq!(find(&glibc, 108, 110), None);
        let compare = page(200, &[0x0f, 0x05, 0x48, 0x3d, 0, 0xf0, 0xff, 0xff]);
        assert_eq!(find(&compare, 202, 1), Some(Site { at: 200, len: 6, ret: 202, number: None, tail: 6 }));
        let short = page(200, &[0x0f, 0x05, 0x3d, 0, 0xf0, 0xff, 0xff]);
        assert_eq!(find(&short, 202, 1).map(|s| s.tail), Some(5));
    }

    #[test]
    fn leaves_what_only_looks_like_it() {
        // mov r8d, 110; a signal frame's restorer; the number comes from elsewhere; nothing known after the call.
        assert_eq!(find(&page(100, &[0x41, 0xb8, 110, 0, 0, 0, 0x0f, 0x05]), 108, 110), None);
        assert_eq!(find(&page(100, &[0xb8, 15, 0, 0, 0, 0x0f, 0x05]), 107, 15), None);
        assert_eq!(find(&page(100, &[0x0f, 0x05, 0xc3]), 102, 15), None);
        // Cut by the page's ends.
        assert_eq!(find(&page(0, &[0xb8, 110, 0, 0, 0, 0x0f, 0x05]), 7, 110), None);
        assert_eq!(find(&page(4090, &[0x0f, 0x05, 0x48, 0x3d, 0, 0xf0]), 4092, 1), None);
        assert_eq!(find(&page(4094, &[0x0f, 0x05]), 4096, 1), None);
        assert_eq!(find(&page(0, &[]), 1, 1), None);
    }

    #[test]
    fn returning_threads_trap() {
        let code = page(0x123, &[0x0f, 0x05, 0x48, 0x3d, 0, 0xf0, 0xff, 0xff]);
        let site = find(&code, 0x125, 1).unwrap();
        for distance in [-0x2000_0000i64, 0x2000_0000, 0x4000_0000] {
            for slot in site.places() {
                let jump = site.jump(slot, distance);
                assert_eq!((jump.len() as u64, jump[2]), (site.len, INVALID));
                let rel = i32::from_le_bytes(jump[2..].try_into().unwrap());
                assert_eq!(0x123 + 6 + i64::from(rel), distance + slot as i64);
            }
        }
    }

    #[test]
    fn trampolines_fit_and_come_back() {
        for (code, ret) in
            [(&[0xb8, 1, 0, 0, 0, 0x0f, 0x05][..], 0x107), (&[0x0f, 5, 0x48, 0x3d, 0, 0, 0, 0], 0x102)]
        {
            let page = page(0x100, code);
            let site = find(&page, ret, 1).unwrap();
            let (slot, distance) = (site.places().next().unwrap(), -0x2000_0000i64);
            let c = site.trampoline(&page, slot, distance);
            assert!(c.len() as u64 <= LEN);
            let rel = i32::from_le_bytes(c[c.len() - 4..].try_into().unwrap());
            let from = distance + slot as i64 + c.len() as i64;
            assert_eq!(from + i64::from(rel), (site.ret + site.tail) as i64);
        }
    }
}
