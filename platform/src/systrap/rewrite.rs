//! Rewriting the system calls of a guest's code in place, so that they need no signal.
//!
//! A page of code that has made system calls is replaced by a copy in which they jump to trampolines, in one operation of the mapper: a
//! thread that runs there sees the old page or the new one. The kernel's own view of the memory stays the original. Threads that are
//! about to return into rewritten bytes, now or when an old frame of theirs comes back, are sent to the trampoline, at the latest when
//! the invalid opcode there has trapped.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use kcore::addr::{GuestAddr, GuestRange};

use super::layout::*;
use super::lock;
use super::mapper::Op;
use super::patches::{Located, Patch};
use super::policy;
use super::space::{Space, State, map_memory, unmap};
use super::trampoline;
use crate::{Access, Landlord, MapOp};

/// Distances of trampolines from code, in the order in which they are tried: below most of what a program maps, then elsewhere within a
/// jump's reach.
const DISTANCES: [i64; 4] = [-0x2000_0000, 0x2000_0000, -0x4000_0000, 0x4000_0000];
/// Call sites that a space counts the calls of.
const MAX_COUNTED: usize = 4096;
/// Pages of trampolines that are remembered after they have gone.
const MAX_RETIRED: usize = 64;

/// What of a space's rewriting can be looked at without its lock.
#[derive(Default)]
pub(super) struct Rewriting {
    landlord: OnceLock<Box<dyn Landlord>>,
    any: AtomicBool,
    generation: AtomicU32,
}

impl Rewriting {
    pub(super) fn set_landlord(&self, landlord: Box<dyn Landlord>) {
        let _ = self.landlord.set(landlord);
    }

    /// A number that changes when trampolines go away.
    pub(super) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Relaxed)
    }
}

/// The rewritten pages of a space.
#[derive(Default)]
pub(super) struct Rewritten {
    off: bool,
    pages: BTreeMap<u64, Arc<Patch>>,
    /// The page of code that each page of trampolines is for.
    trampolines: BTreeMap<u64, u64>,
    retired: BTreeMap<u64, (u64, Arc<Patch>)>,
    /// How often calls have trapped, by the address that they return to.
    counts: HashMap<u64, u32>,
}

/// Where a thread is, as if nothing had been rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At a call that returns to `ret`, with this number if the code sets one.
    Call { ret: u64, number: Option<u32> },
    /// In a trampoline, after the call.
    At(u64),
    /// On bytes that were rewritten.
    Moved,
}

fn page_of(address: u64) -> (u64, u64) {
    (address & !(PAGE - 1), address & (PAGE - 1))
}

impl Rewritten {
    pub(super) fn len(&self) -> usize {
        self.pages.len()
    }

    /// Forgets a rewritten page. Returns the page of its trampolines.
    fn retire(&mut self, page: u64) -> Option<u64> {
        let patch = self.pages.remove(&page)?;
        let trampolines = page.wrapping_add_signed(patch.distance);
        self.trampolines.remove(&trampolines);
        if self.retired.len() >= MAX_RETIRED {
            self.retired.pop_first();
        }
        self.retired.insert(trampolines, (page, patch));
        Some(trampolines)
    }

    /// Whether a patch (or one that has what this one has) may have its trampolines at an address: not if a thread that was stopped in
    /// one that was there before would go on in another one.
    fn may_have(&self, trampolines: u64, page: u64, patch: Option<&Patch>) -> bool {
        let stays = |old: &Patch| patch.is_some_and(|p| p.keeps(old));
        self.retired.get(&trampolines).is_none_or(|(of, old)| *of == page && stays(old))
    }

    fn pages_in(&self, start: u64, end: u64) -> Vec<u64> {
        self.pages.range(start..end).map(|(p, _)| *p).collect()
    }

    /// Pages of code whose trampolines lie in a range.
    fn served_from(&self, start: u64, end: u64) -> Vec<u64> {
        self.trampolines.range(start..end).map(|(_, p)| *p).collect()
    }

    /// See [`Space::place`]. `is_code` says that the guest has code of its own at the address.
    fn place(&self, address: u64, is_code: bool) -> Option<Place> {
        let (page, offset) = page_of(address);
        if let Some(patch) = self.pages.get(&page) {
            return patch.moved(offset).map(|_| Place::Moved);
        }
        let (code, patch) = match self.trampolines.get(&page) {
            Some(code) => (*code, self.pages.get(code)?),
            None if is_code => return None,
            None => self.retired.get(&page).map(|(code, patch)| (*code, patch))?,
        };
        Some(match patch.locate(offset)? {
            Located::Before { ret, number } => Place::Call { ret: code + ret, number },
            Located::After { offset } => Place::At(code + offset),
        })
    }
}

impl Space {
    /// Keeps rewritten pages out of the way of an operation: adds the calls that must come before it.
    pub(super) fn make_way(&self, state: &mut State, op: &MapOp, calls: &mut Vec<Op>) {
        if !self.rewriting.any.load(Ordering::Relaxed) {
            return;
        }
        let (MapOp::Map { range, .. } | MapOp::Unmap { range } | MapOp::Protect { range, .. }) = *op;
        let (start, end) = (range.start().0, range.end().0);
        let stays = matches!(op, MapOp::Protect { access, .. } if *access == Access::READ | Access::EXEC);
        if stays {
            return;
        }
        let covers = !matches!(op, MapOp::Protect { .. });
        let mut pages = state.rewritten.pages_in(start, end);
        if covers {
            pages.extend(state.rewritten.served_from(start, end));
        }
        self.restore(state, &pages, calls);
    }

    /// Adds the calls that put original pages back.
    fn restore(&self, state: &mut State, pages: &[u64], calls: &mut Vec<Op>) {
        for page in pages {
            let Some(trampolines) = state.rewritten.retire(*page) else { continue };
            if let Some((piece, offset)) = state.mapped.at(*page) {
                calls.push(map_memory(*page, PAGE, piece.access, false, offset));
            }
            calls.push(unmap(trampolines, PAGE));
            self.rewriting.generation.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Puts the original pages of a range back.
    pub(super) fn show_originals(&self, start: u64, end: u64) {
        if self.rewriting.any.load(Ordering::Relaxed) {
            let mut state = lock(&self.state);
            let mut calls = Vec::new();
            let pages = state.rewritten.pages_in(start, end);
            self.restore(&mut state, &pages, &mut calls);
            // The host can only fail at this when the stub is lost.
            let _ = self.carry_out(&calls);
        }
    }

    /// Puts all original pages back and rewrites none any more: a thread executes single steps, which must be the guest's own.
    pub(super) fn stop_rewriting(&self) {
        lock(&self.state).rewritten.off = true;
        self.show_originals(0, u64::MAX);
    }

    /// Where a thread that is at `address` would be in the original code. `None` if that is the same.
    pub(super) fn place(&self, address: u64) -> Option<Place> {
        if !self.rewriting.any.load(Ordering::Relaxed) {
            return None;
        }
        let state = lock(&self.state);
        let is_code =
            state.mapped.at(page_of(address).0).is_some_and(|(p, _)| p.access.contains(Access::EXEC));
        state.rewritten.place(address, is_code)
    }

    /// Where a thread must go on that is to go on at `address` of the original code.
    pub(super) fn present(&self, address: u64) -> u64 {
        if !self.rewriting.any.load(Ordering::Relaxed) {
            return address;
        }
        let (page, offset) = page_of(address);
        let state = lock(&self.state);
        let moved = state.rewritten.pages.get(&page).and_then(|patch| {
            let at = patch.moved(offset)?;
            Some(page.wrapping_add_signed(patch.distance) + at)
        });
        moved.unwrap_or(address)
    }

    /// A call with this number has trapped by a signal, and returns to `ret`: rewrites it if it does that often.
    pub(super) fn consider(&self, ret: u64, number: u64) {
        let (page, offset) = page_of(ret);
        let mut state = lock(&self.state);
        let rewritten = &mut state.rewritten;
        let Some(landlord) = self.rewriting.landlord.get() else { return };
        if rewritten.off || rewritten.counts.len() >= MAX_COUNTED {
            return;
        }
        let count = rewritten.counts.entry(ret).or_default();
        *count = count.saturating_add(1);
        let count = *count;
        if count > policy::REWRITE_TRIES {
            return;
        }
        let Some((piece, frame)) = state.mapped.at(page) else { return };
        if piece.access != Access::READ | Access::EXEC || !piece.private {
            return;
        }
        let handle = &self.handle;
        let mut content = vec![0; PAGE as usize];
        handle.memory.copy_out(frame, &mut content);
        let present = state.rewritten.pages.get(&page).cloned();
        if present.as_ref().is_some_and(|p| p.has(offset)) {
            return;
        }
        let known = handle.patches.known(frame, &content, present.as_deref());
        let is_known = known.as_ref().is_some_and(|p| p.has(offset));
        if !is_known && count < policy::REWRITE_AFTER {
            return;
        }
        let best = known.or(present.clone());
        drop(state);

        let site = if is_known { None } else { trampoline::find(&content, offset, number) };
        if !is_known && site.is_none() {
            return;
        }
        let preferred = present.as_ref().or(best.as_ref()).map(|p| p.distance);
        let has_place = |distance: &i64| {
            let Some(at) = page.checked_add_signed(*distance) else { return false };
            let is_safe = lock(&self.state).rewritten.may_have(at, page, best.as_deref());
            let range = GuestRange::from_len(GuestAddr(at), PAGE);
            is_safe && range.is_some_and(|range| landlord.reserve(range))
        };
        let Some(distance) = preferred.into_iter().chain(DISTANCES).find(has_place) else { return };
        let patch = match best {
            Some(p) if is_known && p.distance == distance => Some(p),
            best => handle.patches.make(frame, &content, best.as_deref(), site, distance),
        };
        let Some(patch) = patch else { return };

        let mut state = lock(&self.state);
        // The mappings may have changed while the landlord was asked.
        let same = state.mapped.at(page) == Some((piece, frame)) && !state.rewritten.off;
        let same_page = match (&present, state.rewritten.pages.get(&page)) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        let trampolines = page.wrapping_add_signed(distance);
        if same && same_page && state.rewritten.may_have(trampolines, page, Some(&patch)) {
            state.rewritten.counts.remove(&ret);
            self.place_patch(&mut state, page, &patch);
        }
    }

    fn place_patch(&self, state: &mut State, page: u64, patch: &Arc<Patch>) {
        let trampolines = page.wrapping_add_signed(patch.distance);
        if state.mapped.at(trampolines).is_some() {
            return;
        }
        let map = |at: u64, offset: u64| {
            let prot = libc::PROT_READ | libc::PROT_EXEC;
            let flags = libc::MAP_SHARED | libc::MAP_FIXED;
            Op::new(libc::SYS_mmap, [at, PAGE, prot as u64, flags as u64, FD_PATCHES as u64, offset])
        };
        let mut calls = vec![map(trampolines, patch.trampolines_offset()), map(page, patch.code_offset())];
        self.stub.keep(patch);
        if let Some(old) = state.rewritten.retire(page).filter(|old| *old != trampolines) {
            calls.push(unmap(old, PAGE));
            self.rewriting.generation.fetch_add(1, Ordering::Relaxed);
        }
        state.rewritten.retired.remove(&trampolines);
        state.rewritten.pages.insert(page, patch.clone());
        state.rewritten.trampolines.insert(trampolines, page);
        self.rewriting.any.store(true, Ordering::Relaxed);
        if self.carry_out(&calls).is_err() {
            let mut calls = Vec::new();
            self.restore(state, &[page], &mut calls);
            let _ = self.carry_out(&calls);
        }
    }
}
