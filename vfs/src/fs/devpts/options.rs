//! Mount options.

use alloc::format;
use alloc::string::String;

use kcore::id::{Gid, Uid};

use crate::Errno;

/// Terminals of one instance at most (`/proc/sys/kernel/pty/max`).
const MAX: u32 = 4096;

/// Options of an instance, as `mount(8)` lists them for devpts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DevPtsOptions {
    /// Owner of slave sides; by default who opens `ptmx`.
    pub uid: Option<Uid>,
    /// Group of slave sides.
    pub gid: Option<Gid>,
    /// Mode of slave sides.
    pub mode: u32,
    /// Mode of `ptmx`.
    pub ptmxmode: u32,
    /// Most terminals.
    pub max: u32,
}

impl Default for DevPtsOptions {
    fn default() -> Self {
        DevPtsOptions { uid: None, gid: None, mode: 0o600, ptmxmode: 0, max: MAX }
    }
}

impl DevPtsOptions {
    /// From the text that `mount` passes. Errors: `EINVAL`.
    pub fn parse(text: &str) -> Result<DevPtsOptions, Errno> {
        DevPtsOptions::default().changed(text)
    }
    /// With what `text` says changed. Errors: `EINVAL`.
    pub fn changed(mut self, text: &str) -> Result<DevPtsOptions, Errno> {
        for option in text.split(',').filter(|o| !o.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let number = |radix| u32::from_str_radix(value, radix).map_err(|_| Errno::EINVAL);
            match name {
                "uid" => self.uid = Some(Uid(number(10)?)),
                "gid" => self.gid = Some(Gid(number(10)?)),
                "mode" => self.mode = number(8)? & 0o7777,
                "ptmxmode" => self.ptmxmode = number(8)? & 0o7777,
                "max" => self.max = Some(number(10)?).filter(|n| *n <= MAX).ok_or(Errno::EINVAL)?,
                // Every instance is its own.
                "newinstance" if value.is_empty() => {}
                _ => return Err(Errno::EINVAL),
            }
        }
        Ok(self)
    }
    /// As `/proc/PID/mountinfo` shows them.
    pub fn show(&self) -> String {
        let mut out = String::new();
        if let Some(u) = self.uid {
            out += &format!("uid={u},");
        }
        if let Some(g) = self.gid {
            out += &format!("gid={g},");
        }
        out += &format!("mode={:03o},ptmxmode={:03o}", self.mode, self.ptmxmode);
        if self.max < MAX {
            out += &format!(",max={}", self.max);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_parsed_and_shown() {
        let o = DevPtsOptions::parse("newinstance,ptmxmode=0666,mode=620,gid=5").unwrap();
        assert_eq!((o.gid, o.mode, o.ptmxmode, o.uid), (Some(Gid(5)), 0o620, 0o666, None));
        assert_eq!(o.show(), "gid=5,mode=620,ptmxmode=666");
        assert_eq!(DevPtsOptions::parse(&o.show()), Ok(o));
        for bad in ["mode=9", "gid=", "size=4", "max=5000", "newinstance=1"] {
            assert_eq!(DevPtsOptions::parse(bad), Err(Errno::EINVAL), "{bad}");
        }
    }
}
