//! What an IPC namespace holds, `ipc_namespaces(7)`: System V objects, and POSIX message queues, which are files.

use alloc::sync::Arc;

use kcore::cred::UserNamespace;
use kcore::host::Clock;
use task::ipc::IpcNamespace;
use vfs::Mount;
use vfs::fs::mqueue::MqueueFs;

use crate::kernel::Kernel;

/// An IPC namespace.
pub(crate) struct Ipc {
    pub(crate) sysv: Arc<IpcNamespace>,
    pub(crate) mqueue: Arc<MqueueFs>,
    /// The mount through which `mq_open(3)` finds queues; in no mount namespace.
    pub(crate) mqueue_mount: Arc<Mount>,
}

impl Ipc {
    /// An empty one that `user_ns` owns; files of its queues are on device `dev`.
    pub(crate) fn new(user_ns: Arc<UserNamespace>, dev: u64, clock: Arc<dyn Clock>) -> Arc<Ipc> {
        let mqueue = MqueueFs::new(dev, clock);
        let mqueue_mount = Mount::detached(1, mqueue.clone(), 0, "mqueue");
        Arc::new(Ipc { sysv: IpcNamespace::new(user_ns), mqueue, mqueue_mount })
    }
}

impl Kernel {
    /// An empty IPC namespace that `user_ns` owns.
    pub(crate) fn new_ipc(&self, user_ns: Arc<UserNamespace>) -> Arc<Ipc> {
        Ipc::new(user_ns, self.next_dev(), self.host().clock.clone())
    }
}
