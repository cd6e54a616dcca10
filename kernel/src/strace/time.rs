//! Times.

use alloc::string::String;

use abi::time::{Itimerspec, Itimerval, Timespec, Timeval};

use super::show::push;
use super::values::Values;

fn spec(t: &Timespec, out: &mut String) {
    const UTIME_NOW: i64 = 0x3fff_ffff;
    const UTIME_OMIT: i64 = 0x3fff_fffe;
    match t.tv_nsec {
        UTIME_NOW => out.push_str("UTIME_NOW"),
        UTIME_OMIT => out.push_str("UTIME_OMIT"),
        n => push(out, format_args!("{{tv_sec={}, tv_nsec={n}}}", t.tv_sec)),
    }
}

fn val(t: &Timeval, out: &mut String) {
    push(out, format_args!("{{tv_sec={}, tv_usec={}}}", t.tv_sec, t.tv_usec));
}

pub(super) fn timespec(v: &Values<'_>, at: u64, out: &mut String) {
    v.structure(at, out, spec);
}

pub(super) fn timeval(v: &Values<'_>, at: u64, out: &mut String) {
    v.structure(at, out, val);
}

/// The two times of `utimensat(2)`.
pub(super) fn timespecs(v: &Values<'_>, at: u64, out: &mut String) {
    v.structure(at, out, |pair: &[Timespec; 2], out| {
        out.push('[');
        spec(&pair[0], out);
        out.push_str(", ");
        spec(&pair[1], out);
        out.push(']');
    });
}

pub(super) fn itimerval(v: &Values<'_>, at: u64, out: &mut String) {
    v.structure(at, out, |t: &Itimerval, out| {
        out.push_str("{it_interval=");
        val(&t.it_interval, out);
        out.push_str(", it_value=");
        val(&t.it_value, out);
        out.push('}');
    });
}

pub(super) fn itimerspec(v: &Values<'_>, at: u64, out: &mut String) {
    v.structure(at, out, |t: &Itimerspec, out| {
        out.push_str("{it_interval=");
        spec(&t.it_interval, out);
        out.push_str(", it_value=");
        spec(&t.it_value, out);
        out.push('}');
    });
}
