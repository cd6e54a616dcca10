//! Readiness of several files at once, for `poll(2)` and `select(2)`.

use alloc::sync::Arc;

use kcore::wait::{Events, WaitSet};
use smallvec::SmallVec;

use crate::open_file::OpenFile;

/// Files with the events wanted from each. Holds the files open while somebody waits.
#[derive(Default)]
pub struct PollSet(SmallVec<[Entry; 4]>);

enum Entry {
    /// A negative descriptor: ignored.
    Ignored,
    /// Not an open descriptor.
    Bad,
    File(Arc<OpenFile>, Events),
}

impl PollSet {
    /// No files.
    pub fn new() -> PollSet {
        PollSet::default()
    }
    /// Adds an entry that is never ready (a negative descriptor).
    pub fn ignore(&mut self) {
        self.0.push(Entry::Ignored);
    }
    /// Adds a file, or `None` for a descriptor that is not open, with what is wanted of it.
    pub fn add(&mut self, file: Option<Arc<OpenFile>>, want: Events) {
        self.0.push(match file {
            // A descriptor of an `O_PATH` file is no good for polling.
            Some(f) if !f.is_path_only() => Entry::File(f, want | Events::ALWAYS),
            _ => Entry::Bad,
        });
    }
    /// Tells `each` what is ready now of every entry, in the order that they were added; returns how many have something.
    pub fn poll(&self, mut each: impl FnMut(usize, Events)) -> usize {
        let mut some = 0;
        for (i, e) in self.0.iter().enumerate() {
            let now = match e {
                Entry::Ignored => Events::empty(),
                Entry::Bad => Events::NVAL,
                Entry::File(f, want) => f.ready(*want),
            };
            some += usize::from(!now.is_empty());
            each(i, now);
        }
        some
    }
    /// Where to wait until one may have become ready.
    pub fn wait_set(&self) -> WaitSet {
        let mut set = WaitSet::new();
        for e in &self.0 {
            if let Entry::File(f, want) = e
                && let Some(q) = f.queue()
            {
                set.add(&q, *want);
            }
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anon::EventFd;

    #[test]
    fn polls() {
        let mut set = PollSet::new();
        let e = EventFd::new(0, false);
        let f = OpenFile::new(e.clone(), 2, None);
        set.add(Some(f), Events::IN);
        set.ignore();
        set.add(None, Events::IN);
        let mut found = [Events::all(); 3];
        assert_eq!(set.poll(|i, e| found[i] = e), 1);
        assert_eq!(found, [Events::empty(), Events::empty(), Events::NVAL]);
        e.signal(1);
        assert_eq!(set.poll(|_, _| {}), 2);
        assert!(!set.wait_set().is_empty());
    }
}
