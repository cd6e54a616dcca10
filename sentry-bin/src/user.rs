//! Who runs the command: `--user`, resolved by the sandbox's own `/etc/passwd` and `/etc/group`.

use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail};
use kcore::cred::{Credentials, UserNamespace};
use kcore::id::{Gid, Uid};
use kcore::io::VecSink;
use std::sync::Arc;
use vfs::consts::O_RDONLY;
use vfs::ops::{self, OpenHow};
use vfs::{FsView, OpCtx, Vfs};

/// Longer files of users are not read to their end.
const LONGEST: usize = 16 << 20;

/// `USER[:GROUP]`, each a name or a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserSpec {
    user: String,
    group: Option<String>,
}

impl FromStr for UserSpec {
    type Err = String;
    fn from_str(s: &str) -> Result<UserSpec, String> {
        let (user, group) = match s.split_once(':') {
            Some((u, g)) => (u, Some(g)),
            None => (s, None),
        };
        if user.is_empty() || group == Some("") {
            return Err("neither the user nor the group may be empty".into());
        }
        Ok(UserSpec { user: user.into(), group: group.map(Into::into) })
    }
}

/// A user, and where it is at home.
pub(crate) struct User {
    pub(crate) cred: Credentials,
    pub(crate) home: Option<String>,
}

/// Lines of `/etc/passwd` and `/etc/group`, in fields.
struct Database(Vec<Vec<String>>);

impl Database {
    fn read(vfs: &Vfs, view: &FsView, cred: &Credentials, path: &str) -> Database {
        let ctx = OpCtx::new(vfs, view, cred);
        let how = OpenHow { flags: O_RDONLY, mode: 0, resolve: 0 };
        let mut sink = VecSink::new(LONGEST);
        // A sandbox without such a file has numbers only.
        if let Ok(file) = ops::open(&ctx, path.as_bytes(), &how) {
            while file.read(&mut sink).is_ok_and(|n| n > 0) {}
        }
        let text = String::from_utf8_lossy(&sink.into_vec()).into_owned();
        Database(text.lines().map(|l| l.split(':').map(str::to_owned).collect()).collect())
    }
    /// The first line whose name is `key`, or whose number is.
    fn find(&self, key: &str) -> Option<&[String]> {
        let by = |field: usize| self.0.iter().find(|l| l.get(field).is_some_and(|f| f == key));
        by(0).or_else(|| by(2)).map(Vec::as_slice)
    }
    fn number(&self, key: &str) -> Option<u32> {
        self.find(key).and_then(|l| l.get(2)?.parse().ok()).or_else(|| key.parse().ok())
    }
}

impl UserSpec {
    /// The credentials in the sandbox. A user given without a group gets the
    /// one in `/etc/passwd` (0 if it has no entry), and the supplementary groups that list it.
    ///
    /// Errors: one line that names the unknown user or group.
    pub(crate) fn resolve(&self, vfs: &Vfs, view: &FsView, ns: &Arc<UserNamespace>) -> Result<User> {
        let reader = Credentials::root(ns.clone());
        let passwd = Database::read(vfs, view, &reader, "/etc/passwd");
        let groups = Database::read(vfs, view, &reader, "/etc/group");
        let entry = passwd.find(&self.user);
        let Some(uid) = passwd.number(&self.user) else {
            bail!("there is no user {} in the sandbox's /etc/passwd", self.user);
        };
        let gid = match &self.group {
            Some(g) => groups
                .number(g)
                .ok_or_else(|| anyhow!("there is no group {g} in the sandbox's /etc/group"))?,
            None => entry.and_then(|e| e.get(3)?.parse().ok()).unwrap_or(0),
        };
        let name = entry.and_then(<[String]>::first);
        let supplementary = match (&self.group, name) {
            (None, Some(name)) => groups.of_member(name),
            _ => Vec::new(),
        };
        let cred = credentials(Uid(uid), Gid(gid), supplementary, ns);
        Ok(User { cred, home: entry.and_then(|e| e.get(5).cloned()) })
    }
}

/// With all capabilities for user 0, without any for others.
fn credentials(uid: Uid, gid: Gid, groups: Vec<Gid>, ns: &Arc<UserNamespace>) -> Credentials {
    let plain = Credentials::user(uid, gid, groups, ns.clone());
    if uid != Uid::ROOT {
        return plain;
    }
    let Credentials { effective, permitted, .. } = Credentials::root(ns.clone());
    Credentials { effective, permitted, ..plain }
}

/// The user that runs this process.
pub(crate) struct Caller {
    real: (Uid, Gid),
    effective: (Uid, Gid),
    groups: Vec<Gid>,
}

impl Caller {
    /// Asks the host, which tells less from inside a user namespace. Errors: the host's.
    pub(crate) fn here() -> Result<Caller> {
        use rustix::process::{getegid, geteuid, getgid, getgroups, getuid};
        let groups = getgroups().context("cannot find the groups of the caller")?;
        Ok(Caller {
            real: (Uid(getuid().as_raw()), Gid(getgid().as_raw())),
            effective: (Uid(geteuid().as_raw()), Gid(getegid().as_raw())),
            groups: groups.into_iter().map(|g| Gid(g.as_raw())).collect(),
        })
    }
    /// Its credentials in the sandbox, with the same numbers.
    pub(crate) fn credentials(self, ns: &Arc<UserNamespace>) -> Credentials {
        let (uid, gid) = self.effective;
        let effective = credentials(uid, gid, self.groups, ns);
        Credentials { uid: self.real.0, gid: self.real.1, ..effective }
    }
}

impl Database {
    /// The groups that list `name` as a member.
    fn of_member(&self, name: &str) -> Vec<Gid> {
        let lists = |l: &&Vec<String>| l.get(3).is_some_and(|m| m.split(',').any(|m| m == name));
        self.0.iter().filter(lists).filter_map(|l| l.get(2)?.parse().ok()).map(Gid).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_are_split() {
        let spec = |u: &str, g: Option<&str>| UserSpec { user: u.into(), group: g.map(Into::into) };
        assert_eq!("nobody".parse(), Ok(spec("nobody", None)));
        assert_eq!("1:users".parse(), Ok(spec("1", Some("users"))));
        for bad in ["", ":1", "1:"] {
            assert!(bad.parse::<UserSpec>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_come_before_numbers() {
        let line = |l: &str| l.split(':').map(str::to_owned).collect();
        let db = Database(vec![line("7:x:1000:100::/home/7:/bin/sh"), line("bin:x:7:7::/bin:/bin/sh")]);
        assert_eq!(db.number("7"), Some(1000));
        assert_eq!(db.number("bin"), Some(7));
        assert_eq!(db.number("12"), Some(12));
        assert_eq!(db.number("who"), None);
        let groups = Database(vec![line("a:x:1:me,you"), line("b:x:2:you")]);
        assert_eq!(groups.of_member("me"), [Gid(1)]);
    }
}
