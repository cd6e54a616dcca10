//! What is typed, and what shows and is read then.

use alloc::string::String;

use abi::fs::termios::*;
use kcore::io::{IoError, SliceSource, VecSink};

use super::{Effects, LineDiscipline};
use crate::tty::Modes;

fn with(change: impl FnOnce(&mut Modes)) -> LineDiscipline {
    let mut m = Modes::default();
    change(&mut m);
    LineDiscipline::new(m)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl LineDiscipline {
    fn key(&mut self, bytes: &[u8]) -> Effects {
        let mut fx = Effects::default();
        assert_eq!(self.receive(bytes, &mut fx), bytes.len());
        fx
    }
    fn got(&mut self, max: usize) -> Option<String> {
        let mut sink = VecSink::new(max);
        match self.read(&mut sink) {
            Ok(_) => Some(text(&sink.into_vec())),
            Err(e) => {
                assert_eq!(e, IoError::Again);
                None
            }
        }
    }
    fn shown(&mut self) -> String {
        let mut sink = VecSink::new(1 << 20);
        self.take_output(&mut sink).ok();
        text(&sink.into_vec())
    }
    fn print(&mut self, bytes: &[u8]) {
        assert_eq!(self.write(&mut SliceSource::new(bytes)), Ok(bytes.len()));
    }
}

#[test]
fn lines_are_read_one_at_a_time() {
    let mut t = LineDiscipline::default();
    t.key(b"one");
    assert_eq!(t.got(99), None);
    t.key(b"\rtwo\n");
    assert_eq!(t.input_len(), 8);
    assert_eq!(t.got(2).as_deref(), Some("on"));
    assert_eq!(t.got(99).as_deref(), Some("e\n"));
    assert_eq!(t.got(99).as_deref(), Some("two\n"));
    assert_eq!(t.got(99), None);
    assert_eq!(t.shown(), "one\r\ntwo\r\n");
}

#[test]
fn an_end_of_file_ends_a_line_or_is_an_empty_read() {
    let mut t = LineDiscipline::default();
    t.key(b"ab\x04cd\x04\x04");
    assert_eq!(t.input_len(), 4);
    assert_eq!(t.got(99).as_deref(), Some("ab"));
    assert_eq!(t.got(2).as_deref(), Some("cd"), "exactly full: the end goes with it");
    assert_eq!(t.got(99).as_deref(), Some(""));
    assert_eq!(t.got(99), None);
}

#[test]
fn erasing_shows() {
    let mut t = LineDiscipline::default();
    t.key(b"ab\x7f\x7f\x7fc\x01\x7f");
    assert_eq!(t.shown(), "ab\x08 \x08\x08 \x08c^A\x08 \x08\x08 \x08");
    t.key(b"\n");
    assert_eq!(t.got(99).as_deref(), Some("c\n"));
    t.shown();
    t.key(b"foo  bar_1 \x17!\n");
    assert_eq!(t.got(99).as_deref(), Some("foo  !\n"));
    t.shown();
    t.key(b"some\x15x\n");
    assert_eq!(t.got(99).as_deref(), Some("x\n"));
    assert_eq!(t.shown(), alloc::format!("some{}x\r\n", "\x08 \x08".repeat(4)));
}

#[test]
fn an_erased_tab_goes_back_to_where_it_began() {
    let mut t = LineDiscipline::default();
    t.print(b"$ ");
    t.key(b"a\tb\x7f\x7f");
    assert_eq!(t.shown(), alloc::format!("$ a\tb\x08 \x08{}", "\x08".repeat(5)));
}

#[test]
fn characters_of_several_bytes_are_erased_whole() {
    let mut t = with(|m| m.iflag |= IUTF8);
    t.key("aé€\x7f\x7f\n".as_bytes());
    assert_eq!(t.got(99).as_deref(), Some("a\n"));
    assert_eq!(t.shown(), "aé€\x08 \x08\x08 \x08\r\n");
}

#[test]
fn killing_without_echoke_shows_the_key() {
    let mut t = with(|m| m.lflag &= !ECHOKE);
    t.key(b"some\x15");
    assert_eq!(t.shown(), "some^U\r\n");
}

#[test]
fn echoprt_shows_what_is_erased() {
    let mut t = with(|m| m.lflag |= ECHOPRT);
    t.key(b"abc\x7f\x7fd\n");
    assert_eq!(t.shown(), "abc\\cb/d\r\n");
}

#[test]
fn the_next_character_can_be_made_literal() {
    let mut t = LineDiscipline::default();
    let fx = t.key(b"a\x16\x03\n");
    assert_eq!(fx, Effects::default());
    assert_eq!(t.got(99).as_deref(), Some("a\x03\n"));
    assert_eq!(t.shown(), "a^\x08^C\r\n");
}

#[test]
fn reprint_shows_the_line_again() {
    let mut t = LineDiscipline::default();
    t.key(b"ab\x12");
    assert_eq!(t.shown(), "ab^R\r\nab");
}

#[test]
fn keys_send_signals_and_flush() {
    let mut t = LineDiscipline::default();
    let fx = t.key(b"x\n\x03y\x1c\x1a");
    assert_eq!(fx.signals, [2, 3, 20]);
    assert_eq!(t.got(99), None);
    let mut t = with(|m| m.lflag |= NOFLSH);
    t.key(b"x\n\x03");
    assert_eq!(t.got(99).as_deref(), Some("x\n"));
    let mut t = with(|m| m.lflag &= !ISIG);
    assert_eq!(t.key(b"\x03\n").signals, []);
    assert_eq!(t.got(99).as_deref(), Some("\x03\n"));
}

#[test]
fn without_canonical_mode_bytes_are_read_as_they_come() {
    let mut t = with(|m| m.lflag &= !(ICANON | ECHO));
    t.key(b"a\x7f\x04");
    assert!(t.has_input(3) && !t.has_input(4));
    assert_eq!(t.got(99).as_deref(), Some("a\x7f\x04"));
}

#[test]
fn a_change_of_mode_keeps_input() {
    let mut t = LineDiscipline::default();
    t.key(b"par");
    let raw = Modes { lflag: t.modes().lflag & !ICANON, ..*t.modes() };
    t.set_modes(raw, &mut Effects::default());
    assert_eq!(t.got(1).as_deref(), Some("p"));
    t.set_modes(Modes::default(), &mut Effects::default());
    assert_eq!(t.got(99).as_deref(), Some("ar"));
}

#[test]
fn a_line_is_limited_but_can_end() {
    let mut t = with(|m| m.lflag &= !ECHO);
    t.key(&[b'x'; 5000]);
    t.key(b"\n");
    let line = t.got(9999).unwrap();
    assert_eq!((line.len(), line.ends_with("x\n")), (4096, true));
}

#[test]
fn a_full_queue_takes_no_more() {
    let mut t = with(|m| m.lflag &= !(ECHO | ICANON));
    assert_eq!(t.receive(&[b'x'; 5000], &mut Effects::default()), 4095);
    assert_eq!(t.got(1000).map(|s| s.len()), Some(1000));
    assert_eq!(t.receive(&[b'x'; 5000], &mut Effects::default()), 1000);
}

#[test]
fn output_is_stopped_and_goes_on() {
    let mut t = LineDiscipline::default();
    assert_eq!(t.key(b"\x13").packet, TIOCPKT_STOP);
    assert_eq!(t.write(&mut SliceSource::new(b"x")), Err(IoError::Again));
    t.key(b"echo");
    assert_eq!(t.shown(), "");
    assert_eq!(t.key(b"\x11").packet, TIOCPKT_START);
    assert_eq!(t.shown(), "echo", "it waited");
    let mut t = with(|m| m.iflag |= IXANY);
    t.key(b"\x13");
    assert!(t.is_stopped());
    t.key(b"q");
    assert!(!t.is_stopped());
}

#[test]
fn what_a_program_holds_no_key_starts() {
    let mut t = LineDiscipline::default();
    let mut fx = Effects::default();
    t.hold(&mut fx);
    t.key(b"\x11\x03");
    assert!(t.is_stopped());
    t.resume(&mut fx);
    assert!(!t.is_stopped());
}

#[test]
fn output_is_processed() {
    let mut t = with(|m| m.oflag = OPOST | XTABS | ONLCR | OLCUC);
    t.print(b"a\tb\nc\x08\t.");
    assert_eq!(t.shown(), "A       B\r\nC\x08        .");
    let mut t = with(|m| m.oflag = OPOST | ONOCR | OCRNL);
    t.print(b"\ra\rb");
    assert_eq!(t.shown(), "a\nb");
    let mut t = with(|m| m.oflag = 0);
    t.print(b"a\nb");
    assert_eq!(t.shown(), "a\nb");
}

#[test]
fn output_has_a_limit() {
    let mut t = LineDiscipline::default();
    let big = [b'x'; 20_000];
    let n = t.write(&mut SliceSource::new(&big)).unwrap();
    assert_eq!(n, 12_287);
    assert!(!t.can_write());
    assert_eq!(t.write(&mut SliceSource::new(b"y")), Err(IoError::Again));
    let mut fx = Effects::default();
    t.flush_output(&mut fx);
    assert_eq!((t.shown().len(), fx.packet), (4095, TIOCPKT_FLUSHWRITE));
}

#[test]
fn bytes_are_stripped_lowered_and_marked() {
    let mut t = with(|m| m.iflag |= ISTRIP | IUCLC);
    t.key(b"A\xc2\n");
    assert_eq!(t.got(9).as_deref(), Some("ab\n"));
    let mut t = with(|m| m.iflag |= PARMRK);
    t.key(b"\xff\n");
    let mut sink = VecSink::new(9);
    t.read(&mut sink).unwrap();
    assert_eq!(sink.into_vec(), b"\xff\xff\n");
    let mut t = with(|m| m.iflag = IGNCR | INLCR);
    t.key(b"a\rb\nc\x04");
    assert_eq!(t.got(9).as_deref(), Some("ab\rc"));
}

#[test]
fn output_that_nobody_takes_is_bounded() {
    let mut t = LineDiscipline::default();
    for _ in 0..2 * super::OUTPUT_LIMIT {
        t.send(1);
    }
    assert_eq!(t.output_len(), super::OUTPUT_LIMIT);
}

/// A line that is too long loses its last bytes: a byte that is marked takes the room of two.
#[test]
fn a_full_line_has_room_for_a_marked_byte() {
    let mut t = with(|m| m.iflag |= PARMRK);
    t.key(&[b'x'; super::queue::SIZE]);
    for _ in 0..100 {
        t.key(b"\xff");
        assert!(t.input_len() <= super::queue::SIZE, "{} bytes", t.input_len());
    }
    t.key(b"\n");
    assert!(t.can_read());
    assert!(t.input_len() <= super::queue::SIZE, "{} bytes", t.input_len());
}
