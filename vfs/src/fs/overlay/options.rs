//! Mount options of an overlay.

use alloc::string::String;
use alloc::vec::Vec;

use crate::Errno;

/// What the option string of `mount -t overlay` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OverlayOptions {
    /// `lowerdir=`, the topmost first.
    pub lowers: Vec<Vec<u8>>,
    /// `upperdir=`.
    pub upper: Option<Vec<u8>>,
    /// `workdir=`; needed with an upper directory as on Linux, although nothing is put there.
    pub work: Option<Vec<u8>>,
    /// `userxattr`: private attributes are `user.overlay.` ones, which need no privilege.
    pub user_xattr: bool,
    /// `index=on`: the names of a lower file stay names of one file when it is copied up.
    pub index: bool,
    /// The options as mount tables show them.
    pub text: String,
}

impl OverlayOptions {
    /// Parses `text`; commas and colons in names are escaped by a backslash.
    ///
    /// Errors: `EINVAL` for an unknown option, no lower directory, or an upper directory without a work directory.
    pub fn parse(text: &[u8]) -> Result<OverlayOptions, Errno> {
        let mut o =
            OverlayOptions { text: String::from_utf8_lossy(text).into_owned(), ..OverlayOptions::default() };
        for option in split(text, b',') {
            if let Some(dirs) = option.strip_prefix(b"lowerdir=") {
                o.lowers = split(dirs, b':').iter().map(|d| unescape(d)).collect();
            } else if let Some(dir) = option.strip_prefix(b"upperdir=") {
                o.upper = Some(unescape(dir));
            } else if let Some(dir) = option.strip_prefix(b"workdir=") {
                o.work = Some(unescape(dir));
            } else {
                match &option[..] {
                    b"userxattr" => o.user_xattr = true,
                    b"index=on" => o.index = true,
                    b"index=off" => o.index = false,
                    // What these turn off is not there, and `xino` changes numbers only.
                    b"redirect_dir=off"
                    | b"redirect_dir=nofollow"
                    | b"metacopy=off"
                    | b"nfs_export=off"
                    | b"xino=off"
                    | b"xino=auto"
                    | b"xino=on"
                    | b"volatile" => {}
                    _ => return Err(Errno::EINVAL),
                }
            }
        }
        let bad = o.lowers.is_empty()
            || o.lowers.iter().any(Vec::is_empty)
            || o.upper.is_some() && o.work.is_none();
        if bad { Err(Errno::EINVAL) } else { Ok(o) }
    }
}

/// The non-empty pieces between separators that no backslash precedes; backslashes stay.
fn split(text: &[u8], separator: u8) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut piece = Vec::new();
    let mut escaped = false;
    for b in text {
        if *b == separator && !escaped {
            pieces.push(core::mem::take(&mut piece));
        } else {
            piece.push(*b);
        }
        escaped = *b == b'\\' && !escaped;
    }
    pieces.push(piece);
    pieces.retain(|p| !p.is_empty());
    pieces
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut escaped = false;
    for b in text {
        escaped = *b == b'\\' && !escaped;
        if !escaped {
            out.push(*b);
        }
    }
    out
}
