//! Finds sockets that are alive only because they are in flight to each other.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::{HashMap, HashSet};

use super::socket::UnixSocket;
use super::transit::{InFlight, PassedFile, Transit};

impl Transit {
    /// Takes the files out of inboxes that nobody can ever read. The caller holds no locks.
    ///
    /// It runs at each close of a unix socket. As on Linux, a circle that is closed by giving up the last descriptor of a socket in
    /// flight is found at the next close of some other socket, or when the kernel calls this because a process has ended.
    pub fn collect(&self) {
        // While files are being discarded, sockets close in numbers: whoever discards them will come here at the end.
        while !self.is_discarding() {
            let mut files = Vec::new();
            {
                let mut table = self.lock();
                for socket in garbage(&table) {
                    take_files(&socket, &mut table, &mut files);
                }
            }
            if files.is_empty() {
                return;
            }
            self.discard(files);
        }
    }
}

/// The sockets in flight that no process can receive.
fn garbage(table: &InFlight) -> Vec<Arc<UnixSocket>> {
    // Who is in flight and nowhere else. Nobody outside can get hold of one of them while the table is locked.
    let mut suspects: HashMap<usize, (Arc<UnixSocket>, usize)> = HashMap::new();
    for (id, s) in &table.sockets {
        if s.references.count() == s.count
            && let Some(socket) = s.socket.upgrade()
        {
            suspects.insert(*id, (socket, s.count));
        }
    }
    if suspects.is_empty() {
        return Vec::new();
    }
    let inside: HashMap<usize, Vec<usize>> =
        suspects.iter().map(|(id, (socket, _))| (*id, sockets_in(socket))).collect();
    // What is left of a count after the references from other suspects comes from inboxes that can be read.
    for child in inside.values().flatten() {
        if let Some((_, count)) = suspects.get_mut(child) {
            *count = count.saturating_sub(1);
        }
    }
    let mut reachable: HashSet<usize> =
        suspects.iter().filter(|(_, (_, count))| *count > 0).map(|(id, _)| *id).collect();
    let mut todo: Vec<usize> = reachable.iter().copied().collect();
    while let Some(id) = todo.pop() {
        for child in inside.get(&id).into_iter().flatten() {
            if suspects.contains_key(child) && reachable.insert(*child) {
                todo.push(*child);
            }
        }
    }
    let unreachable = suspects.into_iter().filter(|(id, _)| !reachable.contains(id)).map(|(_, (s, _))| s);
    let mut all: Vec<_> = unreachable.collect();
    // What they hold is closed in an order that does not follow from addresses.
    all.sort_by_key(|s| s.ino());
    all
}

/// A socket's own inbox, and those of connections that nobody has accepted.
fn inboxes(socket: &Arc<UnixSocket>) -> Vec<Arc<UnixSocket>> {
    let mut all: Vec<_> = socket.lock().backlog.iter().cloned().collect();
    all.push(socket.clone());
    all
}

fn sockets_in(socket: &Arc<UnixSocket>) -> Vec<usize> {
    let mut found = Vec::new();
    for s in inboxes(socket) {
        let state = s.lock();
        let files = state.inbox.iter().filter_map(|p| p.parcel.as_ref()).flat_map(|p| &p.files);
        found.extend(files.filter_map(|f| f.socket()).map(|s| s.id()));
    }
    found
}

fn take_files(socket: &Arc<UnixSocket>, table: &mut InFlight, files: &mut Vec<Box<dyn PassedFile>>) {
    for s in inboxes(socket) {
        let mut state = s.lock();
        state.parcels = 0;
        for parcel in state.inbox.iter_mut().filter_map(|p| p.parcel.take()) {
            table.remove(&parcel);
            files.extend(parcel.files);
        }
    }
}
