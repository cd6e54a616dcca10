//! The unix sockets of a network namespace, and their names.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use abi::Errno;
use hashbrown::HashMap;
use kcore::sync::{LockClass, Mutex};

use super::addr::{NodeId, UnixAddr};
use super::socket::{Phase, UnixSocket};
use super::transit::Transit;
use crate::SocketKind;

static NAMES: LockClass = LockClass::new("unix names", 420);

/// Names that the kernel picks are this many numbers, in hexadecimal.
const AUTOBIND: u32 = 1 << 20;

#[derive(Default)]
struct Names {
    /// Sockets of different types may have the same abstract name.
    abstracts: HashMap<(SocketKind, Vec<u8>), Weak<UnixSocket>>,
    nodes: HashMap<NodeId, Weak<UnixSocket>>,
    all: BTreeMap<u64, Weak<UnixSocket>>,
    next_auto: u32,
}

/// The unix sockets of a network namespace.
pub struct UnixDomain {
    names: Mutex<Names>,
    transit: Arc<Transit>,
}

/// What `/proc/net/unix` tells about a socket.
#[derive(Clone, Debug)]
pub struct SocketInfo {
    /// How it delivers data.
    pub kind: SocketKind,
    /// Its inode number.
    pub ino: u64,
    /// References to it.
    pub references: usize,
    /// Whether it listens.
    pub listening: bool,
    /// Whether it is connected.
    pub connected: bool,
    /// Its address.
    pub addr: UnixAddr,
}

impl UnixDomain {
    /// No sockets. Domains of one kernel share `transit`.
    pub fn new(transit: Arc<Transit>) -> Arc<UnixDomain> {
        Arc::new(UnixDomain { names: Mutex::new(&NAMES, Names::default()), transit })
    }
    /// Files in flight.
    pub fn transit(&self) -> &Arc<Transit> {
        &self.transit
    }
    /// All sockets, in order of inode number.
    pub fn list(&self) -> Vec<SocketInfo> {
        let all: Vec<_> = self.names.lock().all.values().filter_map(Weak::upgrade).collect();
        all.iter()
            .filter_map(|socket| {
                let s = socket.lock();
                (!s.dead).then(|| SocketInfo {
                    kind: socket.kind(),
                    ino: socket.ino(),
                    // Not counting the one just taken.
                    references: Arc::strong_count(socket) - 1,
                    listening: s.phase == Phase::Listening,
                    connected: s.phase == Phase::Connected || s.peer.is_some(),
                    addr: s.addr.as_deref().cloned().unwrap_or(UnixAddr::Unnamed),
                })
            })
            .collect()
    }
    /// The socket of this type with an abstract name. Errors: `ECONNREFUSED`.
    pub fn find_abstract(&self, kind: SocketKind, name: &[u8]) -> Result<Arc<UnixSocket>, Errno> {
        let names = self.names.lock();
        names.abstracts.get(&(kind, name.to_vec())).and_then(Weak::upgrade).ok_or(Errno::ECONNREFUSED)
    }
    /// The socket that is bound to an inode. Errors: `ECONNREFUSED` if there is none, `EPROTOTYPE` if it has another type than `kind`.
    pub fn find_node(&self, kind: SocketKind, node: NodeId) -> Result<Arc<UnixSocket>, Errno> {
        let found = self.names.lock().nodes.get(&node).and_then(Weak::upgrade);
        let socket = found.ok_or(Errno::ECONNREFUSED)?;
        if socket.kind() == kind { Ok(socket) } else { Err(Errno::EPROTOTYPE) }
    }
    pub(super) fn register(&self, socket: &Arc<UnixSocket>) {
        self.names.lock().all.insert(socket.ino(), Arc::downgrade(socket));
    }
    /// Errors: `EADDRINUSE`.
    pub(super) fn add_abstract(&self, socket: &UnixSocket, name: &[u8]) -> Result<(), Errno> {
        self.names.lock().take(socket, name)
    }
    /// Picks a name. Errors: `ENOSPC` if all are taken.
    pub(super) fn add_auto(&self, socket: &UnixSocket) -> Result<UnixAddr, Errno> {
        let mut names = self.names.lock();
        for _ in 0..AUTOBIND {
            let name = format!("{:05x}", names.next_auto).into_bytes();
            names.next_auto = (names.next_auto + 1) % AUTOBIND;
            if names.take(socket, &name).is_ok() {
                return Ok(UnixAddr::Abstract(name));
            }
        }
        Err(Errno::ENOSPC)
    }
    pub(super) fn add_node(&self, socket: &UnixSocket, node: NodeId) {
        self.names.lock().nodes.insert(node, socket.this.clone());
    }
    /// Forgets a socket's number and its inode.
    pub(super) fn remove(&self, ino: u64, node: Option<NodeId>) {
        let mut names = self.names.lock();
        names.all.remove(&ino);
        if let Some(node) = node {
            names.nodes.remove(&node);
        }
    }
    /// Frees an abstract name. Others that have the same address, because a listener made them, are not concerned.
    pub(super) fn remove_name(&self, socket: &UnixSocket, addr: &UnixAddr) {
        let UnixAddr::Abstract(name) = addr else { return };
        let key = (socket.kind(), name.clone());
        let mut names = self.names.lock();
        if names.abstracts.get(&key).is_some_and(|w| w.ptr_eq(&socket.this)) {
            names.abstracts.remove(&key);
        }
    }
}

impl Names {
    fn take(&mut self, socket: &UnixSocket, name: &[u8]) -> Result<(), Errno> {
        let key = (socket.kind(), name.to_vec());
        if self.abstracts.get(&key).is_some_and(|w| w.strong_count() > 0) {
            return Err(Errno::EADDRINUSE);
        }
        self.abstracts.insert(key, socket.this.clone());
        Ok(())
    }
}
