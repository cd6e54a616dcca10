//! Readiness of several files at once, for `poll(2)` and `select(2)`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use kcore::wait::{Events, WaitSet};

use crate::file::OpenFile;

/// Files with the events wanted from each. Holds the files open while somebody waits.
#[derive(Default)]
pub struct PollSet(Vec<Entry>);

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
    /// What is ready now of each entry, in the order that they were added, and how many have something.
    pub fn poll(&self) -> (usize, Vec<Events>) {
        let all: Vec<_> = self
            .0
            .iter()
            .map(|e| match e {
                Entry::Ignored => Events::empty(),
                Entry::Bad => Events::NVAL,
                Entry::File(f, want) => f.ready(*want),
            })
            .collect();
        (all.iter().filter(|e| !e.is_empty()).count(), all)
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
        assert_eq!(set.poll(), (1, alloc::vec![Events::empty(), Events::empty(), Events::NVAL]));
        e.signal(1);
        assert_eq!(set.poll().0, 2);
        assert!(!set.wait_set().is_empty());
    }
}
