//! Makes a few processes and prints their tree.
use std::sync::Arc;

use kcore::cred::{Credentials, UserNamespace};
use task::{CloneSpec, InitSpec, ProcessTable};

fn main() -> Result<(), abi::Errno> {
    let user = Arc::new(UserNamespace::default());
    let table = ProcessTable::new(user.clone());
    let cred = Arc::new(Credentials::root(user));
    let spec = InitSpec { ns: table.root_ns().clone(), cred, rlimits: Default::default(), comm: [0; 16] };
    let init = table.spawn_init(spec, Arc::new(()))?;
    let shell = table.fork(&init, CloneSpec::default(), Arc::new(()))?;
    table.fork(&shell, CloneSpec::default(), Arc::new(()))?;
    for t in table.tasks() {
        println!("{} (parent {})", t.tid(), table.ppid(&t));
    }
    Ok(())
}
