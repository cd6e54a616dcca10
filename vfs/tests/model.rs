//! Random sequences of path operations on three file systems at once: a model in maps, a tmpfs, and an overlay whose lower tree
//! the first operations made. All must agree.

mod common;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use common::World;
use kcore::io::{IoError, SliceSource, VecSink};
use proptest::prelude::*;
use vfs::consts::*;
use vfs::fs::overlay::{OverlayFs, OverlayOptions};
use vfs::ops::{self, OpenHow};
use vfs::{Errno, FileKind, FsContext, MountNamespace, OpCtx};

/// A file as the model knows it.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    File { data: Vec<u8>, xattr: Option<u8> },
    Dir(BTreeMap<String, usize>),
    Link(String),
}

#[derive(Clone, Debug)]
enum Op {
    Mkdir(String),
    Write(String, u16, u8, u16),
    Truncate(String, u16),
    Unlink(String),
    Rmdir(String),
    Rename(String, String, u32),
    Link(String, String),
    Symlink(String),
    Chmod(String, u8),
    Xattr(String, Option<u8>),
    /// As `rm -r`.
    Clear(String),
    /// Forgets the names that are kept for later, so that they are looked up anew.
    Shrink,
}

/// Nodes by number with their modes; 0 is the root.
struct Model(Vec<(Node, u32)>);

type Done = Result<(), Errno>;

impl Model {
    fn dir(&self, n: usize) -> Result<&BTreeMap<String, usize>, Errno> {
        match &self.0[n].0 {
            Node::Dir(d) => Ok(d),
            Node::File { .. } => Err(Errno::ENOTDIR),
            // All links of this test dangle.
            Node::Link(_) => Err(Errno::ENOENT),
        }
    }
    fn dir_mut(&mut self, n: usize) -> &mut BTreeMap<String, usize> {
        match &mut self.0[n].0 {
            Node::Dir(d) => d,
            other => panic!("not a directory: {other:?}"),
        }
    }
    /// The directory of a path, and what is there.
    fn find(&self, path: &str) -> Result<(usize, String, Option<usize>), Errno> {
        let mut at = 0;
        let (dirs, name) = path.rsplit_once('/').unwrap();
        for part in dirs.split('/').filter(|p| !p.is_empty()) {
            at = *self.dir(at)?.get(part).ok_or(Errno::ENOENT)?;
        }
        Ok((at, name.into(), self.dir(at)?.get(name).copied()))
    }
    fn existing(&self, path: &str) -> Result<usize, Errno> {
        self.find(path)?.2.ok_or(Errno::ENOENT)
    }
    fn add(&mut self, path: &str, node: Node, mode: u32) -> Done {
        match self.find(path)? {
            (_, _, Some(_)) => Err(Errno::EEXIST),
            (dir, name, None) => {
                let n = self.0.len();
                self.0.push((node, mode));
                self.dir_mut(dir).insert(name, n);
                Ok(())
            }
        }
    }
    fn is_dir(&self, n: usize) -> bool {
        matches!(self.0[n].0, Node::Dir(_))
    }
    fn below(&self, top: usize, n: usize) -> bool {
        top == n || self.dir(top).is_ok_and(|d| d.values().any(|c| self.below(*c, n)))
    }
    fn apply(&mut self, op: &Op) -> Done {
        match op {
            Op::Mkdir(p) => self.add(p, Node::Dir(BTreeMap::new()), 0o755),
            Op::Symlink(p) => self.add(p, Node::Link("nowhere".into()), 0o777),
            Op::Write(p, at, byte, len) => {
                if self.find(p)?.2.is_none() {
                    self.add(p, Node::File { data: Vec::new(), xattr: None }, 0o644)?;
                }
                let n = self.existing(p)?;
                let Node::File { data, .. } = &mut self.0[n].0 else { return Err(Errno::EISDIR) };
                let (at, end) = (usize::from(*at), usize::from(*at) + usize::from(*len));
                if data.len() < end {
                    data.resize(end, 0);
                }
                data[at..end].fill(*byte);
                Ok(())
            }
            Op::Truncate(p, len) => {
                let n = self.existing(p)?;
                let Node::File { data, .. } = &mut self.0[n].0 else { return Err(Errno::EISDIR) };
                data.resize((*len).into(), 0);
                Ok(())
            }
            Op::Unlink(p) => match self.find(p)? {
                (_, _, None) => Err(Errno::ENOENT),
                (_, _, Some(n)) if self.is_dir(n) => Err(Errno::EISDIR),
                (dir, name, _) => {
                    self.dir_mut(dir).remove(&name);
                    Ok(())
                }
            },
            Op::Rmdir(p) => match self.find(p)? {
                (_, _, None) => Err(Errno::ENOENT),
                (_, _, Some(n)) if !self.is_dir(n) => Err(Errno::ENOTDIR),
                (_, _, Some(n)) if !self.dir(n)?.is_empty() => Err(Errno::ENOTEMPTY),
                (dir, name, _) => {
                    self.dir_mut(dir).remove(&name);
                    Ok(())
                }
            },
            Op::Link(a, b) => {
                let n = self.existing(a)?;
                match self.find(b)? {
                    (_, _, Some(_)) => Err(Errno::EEXIST),
                    _ if self.is_dir(n) => Err(Errno::EPERM),
                    (dir, name, None) => {
                        self.dir_mut(dir).insert(name, n);
                        Ok(())
                    }
                }
            }
            Op::Rename(a, b, flags) => self.rename(a, b, *flags),
            Op::Chmod(p, bits) => {
                let n = self.existing(p)?;
                if matches!(self.0[n].0, Node::Link(_)) {
                    return Err(Errno::ENOTSUP);
                }
                self.0[n].1 = 0o700 | u32::from(*bits & 0o77);
                Ok(())
            }
            Op::Xattr(p, value) => {
                let n = self.existing(p)?;
                let Node::File { xattr, .. } = &mut self.0[n].0 else { return Err(Errno::EPERM) };
                if value.is_none() && xattr.is_none() {
                    return Err(Errno::ENODATA);
                }
                *xattr = *value;
                Ok(())
            }
            Op::Clear(p) => {
                let (dir, name, n) = self.find(p)?;
                n.ok_or(Errno::ENOENT)?;
                self.dir_mut(dir).remove(&name);
                Ok(())
            }
            Op::Shrink => Ok(()),
        }
    }
    fn rename(&mut self, a: &str, b: &str, flags: u32) -> Done {
        let ((from, name, old), (to, new_name, new)) = (self.find(a)?, self.find(b)?);
        let old = old.ok_or(Errno::ENOENT)?;
        let exchange = flags == RENAME_EXCHANGE;
        match new {
            Some(_) if flags == RENAME_NOREPLACE => return Err(Errno::EEXIST),
            None if exchange => return Err(Errno::ENOENT),
            _ => {}
        }
        if from != to && self.below(old, to) {
            return Err(Errno::EINVAL);
        }
        if let Some(new) = new {
            if from != to && self.below(new, from) {
                return Err(if exchange { Errno::EINVAL } else { Errno::ENOTEMPTY });
            }
            if new == old {
                return Ok(());
            }
            if !exchange {
                match (self.is_dir(old), self.is_dir(new)) {
                    (true, false) => return Err(Errno::ENOTDIR),
                    (false, true) => return Err(Errno::EISDIR),
                    (true, true) if !self.dir(new)?.is_empty() => return Err(Errno::ENOTEMPTY),
                    _ => {}
                }
            }
        }
        self.dir_mut(from).remove(&name);
        self.dir_mut(to).insert(new_name, old);
        if let Some(new) = new.filter(|_| exchange) {
            self.dir_mut(from).insert(name, new);
        }
        Ok(())
    }
    /// Every path with its node.
    fn walk(&self) -> Vec<(String, usize)> {
        let mut out = Vec::new();
        let mut todo = vec![(String::new(), 0)];
        while let Some((path, n)) = todo.pop() {
            if let Ok(d) = self.dir(n) {
                for (name, c) in d {
                    out.push((format!("{path}/{name}"), *c));
                    todo.push((format!("{path}/{name}"), *c));
                }
            }
        }
        out
    }
}

fn clear(cx: &OpCtx<'_>, path: &str) -> Done {
    let place = ops::lookup(cx, path.as_bytes(), false)?;
    if place.inode().kind() != FileKind::Directory {
        return ops::unlink(cx, path.as_bytes());
    }
    for e in place.inode().list()? {
        clear(cx, &format!("{path}/{}", String::from_utf8(e.name).unwrap()))?;
    }
    ops::rmdir(cx, path.as_bytes())
}

fn on(cx: &OpCtx<'_>, op: &Op) -> Done {
    let place = |p: &String| ops::lookup(cx, p.as_bytes(), false);
    match op {
        Op::Mkdir(p) => ops::mkdir(cx, p.as_bytes(), 0o777).map(drop),
        Op::Symlink(p) => ops::symlink(cx, b"nowhere", p.as_bytes()).map(drop),
        Op::Write(p, at, byte, len) => {
            if place(p).is_ok_and(|p| p.inode().kind() == FileKind::Symlink) {
                return Err(Errno::EISDIR);
            }
            let how = OpenHow { flags: O_CREAT | O_RDWR, mode: 0o666, resolve: 0 };
            let f = ops::open(cx, p.as_bytes(), &how).map_err(IoError::errno)?;
            let data = vec![*byte; usize::from(*len)];
            assert_eq!(
                f.pwrite((*at).into(), &mut SliceSource::new(&data)).map_err(IoError::errno)?,
                data.len()
            );
            Ok(())
        }
        Op::Truncate(p, len) => {
            match ops::truncate(cx.cred, &place(p)?, (*len).into()).map_err(kcore::io::IoError::errno) {
                Err(Errno::EINVAL) => Err(Errno::EISDIR),
                other => other,
            }
        }
        Op::Unlink(p) => ops::unlink(cx, p.as_bytes()),
        Op::Rmdir(p) => ops::rmdir(cx, p.as_bytes()),
        Op::Rename(a, b, flags) => ops::rename(cx, a.as_bytes(), cx, b.as_bytes(), *flags),
        Op::Link(a, b) => ops::link(cx, a.as_bytes(), false, cx, b.as_bytes()),
        Op::Chmod(p, bits) => ops::chmod(cx.cred, &place(p)?, 0o700 | u32::from(*bits & 0o77)),
        Op::Xattr(p, value) => {
            let p = place(p)?;
            if p.inode().kind() != FileKind::Regular {
                return Err(Errno::EPERM);
            }
            match value {
                Some(v) => ops::set_xattr(cx.cred, &p, b"user.x", &[*v], 0),
                None => ops::remove_xattr(cx.cred, &p, b"user.x"),
            }
        }
        Op::Clear(p) => clear(cx, p),
        Op::Shrink => {
            cx.view.root.mount.superblock().shrink();
            Ok(())
        }
    }
}

/// Compares the tree with the model; returns the inode number of each node.
fn check(cx: &OpCtx<'_>, model: &Model) -> HashMap<usize, u64> {
    let mut inos = HashMap::new();
    let names = |path: &str| {
        let dir = ops::lookup(cx, path.as_bytes(), true).unwrap();
        let mut names: Vec<_> = dir.inode().list().unwrap();
        names.sort_by(|a, b| a.name.cmp(&b.name));
        names
    };
    let all: Vec<_> = std::iter::once((String::from("/"), 0)).chain(model.walk()).collect();
    let links = |n| u32::try_from(all.iter().filter(|(_, m)| *m == n).count()).unwrap();
    for (path, n) in &all {
        let place = ops::lookup(cx, path.as_bytes(), false).unwrap_or_else(|e| panic!("{path}: {e:?}"));
        let attr = place.inode().attr().unwrap();
        let (node, mode) = &model.0[*n];
        let known = *inos.entry(*n).or_insert(attr.ino);
        assert_eq!(known, attr.ino, "{path}: all names of a file show one number");
        if *n != 0 {
            assert_eq!(attr.mode & 0o777, *mode, "{path}");
        }
        match node {
            Node::Dir(d) => {
                let prefix = if path == "/" { "" } else { path };
                let listed = names(path);
                let got: Vec<_> = listed.iter().map(|e| String::from_utf8(e.name.clone()).unwrap()).collect();
                assert_eq!(got, d.keys().cloned().collect::<Vec<_>>(), "{path}");
                for e in listed {
                    let child = format!("{prefix}/{}", String::from_utf8(e.name).unwrap());
                    let attr = ops::stat(cx, child.as_bytes(), false).unwrap();
                    assert_eq!((e.ino, e.kind), (attr.ino, attr.kind()), "{child}");
                }
            }
            Node::Link(target) => assert_eq!(place.inode().readlink().unwrap(), target.as_bytes()),
            Node::File { data, xattr } => {
                let how = OpenHow { flags: O_RDONLY, mode: 0, resolve: 0 };
                let f = ops::open(cx, path.as_bytes(), &how).unwrap();
                let mut sink = VecSink::new(data.len() + 1);
                while f.read(&mut sink).unwrap() > 0 {}
                assert_eq!(&sink.into_vec(), data, "{path}");
                assert_eq!((attr.size, attr.nlink), (data.len() as u64, links(*n)), "{path}");
                let got = ops::get_xattr(cx.cred, &place, b"user.x").ok();
                assert_eq!(got, xattr.map(|v| vec![v]), "{path}");
            }
        }
    }
    let mut different: Vec<_> = inos.values().collect();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), inos.len(), "different files have different numbers");
    inos
}

fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![Just("a"), Just("b"), Just("c")];
    proptest::collection::vec(name, 1..3).prop_map(|names| format!("/{}", names.join("/")))
}

fn op() -> impl Strategy<Value = Op> {
    let flags = prop_oneof![4 => Just(0), 1 => Just(RENAME_NOREPLACE), 2 => Just(RENAME_EXCHANGE)];
    prop_oneof![
        4 => path().prop_map(Op::Mkdir),
        4 => (path(), 0..9000u16, 1..255u8, 1..5000u16).prop_map(|(p, at, b, n)| Op::Write(p, at, b, n)),
        1 => (path(), 0..9000u16).prop_map(|(p, n)| Op::Truncate(p, n)),
        2 => path().prop_map(Op::Unlink),
        2 => path().prop_map(Op::Rmdir),
        3 => path().prop_map(Op::Clear),
        4 => (path(), path(), flags).prop_map(|(a, b, f)| Op::Rename(a, b, f)),
        1 => (path(), path()).prop_map(|(a, b)| Op::Link(a, b)),
        1 => path().prop_map(Op::Symlink),
        1 => (path(), any::<u8>()).prop_map(|(p, m)| Op::Chmod(p, m)),
        1 => (path(), any::<Option<u8>>()).prop_map(|(p, v)| Op::Xattr(p, v)),
        3 => Just(Op::Shrink),
    ]
}

fn run(below: &[Op], above: &[Op]) {
    let w = World::new();
    let tree = |fs| MountNamespace::new(w.ids.clone(), fs, 0, "none");
    let (plain, lower, upper) = (tree(w.tmpfs()), tree(w.tmpfs()), tree(w.tmpfs()));
    let mut model = Model(vec![(Node::Dir(BTreeMap::new()), 0o755)]);
    let (plain_view, lower_view) = (FsContext::new(plain).view(), FsContext::new(lower.clone()).view());
    let cx = OpCtx::new(&w.vfs, &plain_view, &w.cred);
    let lower_cx = OpCtx::new(&w.vfs, &lower_view, &w.cred);
    // Names of one file in the lower tree part when they are written to, as on Linux: not what the model does.
    for op in below.iter().filter(|o| !matches!(o, Op::Link(..))) {
        let want = model.apply(op);
        assert_eq!(on(&cx, op), want, "tmpfs: {op:?}");
        assert_eq!(on(&lower_cx, op), want, "lower: {op:?}");
    }
    let fs = OverlayFs::new(
        w.ids.next_dev(),
        vec![lower.root_path()],
        Some(upper.root_path()),
        &OverlayOptions::default(),
    );
    let over: Arc<MountNamespace> = tree(fs.unwrap());
    let over_view = FsContext::new(over).view();
    let over_cx = OpCtx::new(&w.vfs, &over_view, &w.cred);
    let mut inos = check(&over_cx, &model);
    for op in above {
        let got = on(&over_cx, op);
        // A directory with a lower part cannot move; nothing has changed.
        if got == Err(Errno::EXDEV) && matches!(op, Op::Rename(..)) {
            continue;
        }
        let want = model.apply(op);
        assert_eq!(got, want, "overlay: {op:?}");
        assert_eq!(on(&cx, op), want, "tmpfs: {op:?}");
        let now = check(&over_cx, &model);
        for (n, ino) in &now {
            assert_eq!(inos.get(n).unwrap_or(ino), ino, "the number of node {n} changed by {op:?}");
        }
        inos = now;
    }
    check(&cx, &model);
    check(&lower_cx, &{
        let mut model = Model(vec![(Node::Dir(BTreeMap::new()), 0o755)]);
        for op in below.iter().filter(|o| !matches!(o, Op::Link(..))) {
            model.apply(op).ok();
        }
        model
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn model_tmpfs_and_overlay_agree(
        below in proptest::collection::vec(op(), 0..25),
        above in proptest::collection::vec(op(), 0..60),
    ) {
        run(&below, &above);
    }
}

#[test]
fn a_directory_moved_over_a_removed_lower_one_stays_empty() {
    let p = String::from;
    let below = [Op::Mkdir(p("/a")), Op::Mkdir(p("/a/b"))];
    run(&below, &[Op::Clear(p("/a")), Op::Mkdir(p("/c")), Op::Rename(p("/c"), p("/a"), 0), Op::Shrink]);
}
