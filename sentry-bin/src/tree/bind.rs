//! `--bind SRC:DST[:ro]`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A file or directory of the host to show in the sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bind {
    /// What to show.
    pub(crate) source: PathBuf,
    /// Where.
    pub(crate) target: PathBuf,
    /// Whether nothing can be changed through it.
    pub(crate) read_only: bool,
}

impl Bind {
    /// Parses `SRC:DST[:ro|:rw]`. Errors: what is wrong with it.
    pub(crate) fn parse(text: &OsStr) -> Result<Bind, String> {
        let parts: Vec<&[u8]> = text.as_bytes().split(|b| *b == b':').collect();
        let (source, target, read_only) = match parts[..] {
            [s, t] | [s, t, b"rw"] => (s, t, false),
            [s, t, b"ro"] => (s, t, true),
            _ => return Err("expected SRC:DST or SRC:DST:ro".into()),
        };
        if source.is_empty() || !target.starts_with(b"/") {
            return Err("expected SRC:DST with an absolute DST".into());
        }
        let path = |b: &[u8]| PathBuf::from(OsStr::from_bytes(b));
        Ok(Bind { source: path(source), target: path(target), read_only })
    }
}

/// For the command line. Errors: as [`Bind::parse`].
pub(crate) fn value_parser() -> impl clap::builder::TypedValueParser<Value = Bind> {
    clap::builder::TypedValueParser::try_map(clap::builder::OsStringValueParser::new(), |s: OsString| {
        Bind::parse(&s)
    })
}

/// An absolute path of the sandbox, for the command line. Errors: that it is not.
pub(crate) fn absolute(text: &str) -> Result<PathBuf, String> {
    if Path::new(text).is_absolute() { Ok(text.into()) } else { Err("expected an absolute path".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let bind = |s: &str| Bind::parse(OsStr::new(s));
        let b = bind("/a/b:/c:ro").unwrap();
        assert_eq!((b.source, b.target, b.read_only), ("/a/b".into(), "/c".into(), true));
        assert!(!bind("x:/c").unwrap().read_only);
        for bad in ["", "/a", "/a:c", ":/c", "/a:/c:rx", "/a:/b:ro:x"] {
            assert!(bind(bad).is_err(), "{bad}");
        }
    }
}
