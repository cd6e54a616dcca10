//! A terminal's line discipline: any keys, output and settings in any order keep its queues bounded, and what can be read is read.

use abi::fs::termios::NCCS;
use kcore::io::{SliceSource, VecSink};
use vfs::tty::{Effects, LineDiscipline, Modes};

use crate::input::Input;

/// What Linux takes of one line.
const LINE: usize = 4096;
/// What waits for the other side at most: what is taken before writers wait, and a last piece with all tabs expanded.
const OUTPUT: usize = 4095 + 8192 + 512 * 8;

fn modes(input: &mut Input<'_>) -> Modes {
    let mut m = Modes::default();
    let (iflag, oflag, lflag) = (input.u16(), input.u8(), input.u16());
    m.iflag ^= u32::from(iflag);
    m.oflag ^= u32::from(oflag);
    m.lflag ^= u32::from(lflag) | u32::from(input.u8() & 1) << 16;
    for _ in 0..input.u8() & 7 {
        let at = usize::from(input.u8()) % NCCS;
        m.cc[at] = input.u8();
    }
    m
}

/// Does what the input says, with a new discipline.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut tty = LineDiscipline::new(modes(&mut input));
    while !input.is_empty() {
        let mut fx = Effects::default();
        match input.u8() % 10 {
            0 | 1 => {
                let keys = input.piece();
                assert!(tty.receive(keys, &mut fx) <= keys.len());
            }
            2 => {
                let keys = input.piece().repeat(64);
                assert!(tty.receive(&keys, &mut fx) <= keys.len());
            }
            3 => {
                let text = input.piece().repeat(1 + usize::from(input.u8()));
                if let Ok(n) = tty.write(&mut SliceSource::new(&text)) {
                    assert!(n <= text.len());
                }
            }
            4 => {
                let max = usize::from(input.u16());
                let (could, before) = (tty.can_read(), tty.input_len());
                let mut sink = VecSink::new(max);
                match tty.read(&mut sink) {
                    Ok(n) => assert!(n <= max && n <= before),
                    Err(_) => assert!(!could, "input that is there is read"),
                }
            }
            5 => {
                let mut sink = VecSink::new(usize::from(input.u16()));
                tty.take_output(&mut sink).ok();
            }
            6 => tty.set_modes(modes(&mut input), &mut fx),
            7 => tty.flush_input(&mut fx),
            8 => tty.flush_output(&mut fx),
            _ => match input.u8() % 4 {
                0 => tty.hold(&mut fx),
                1 => tty.resume(&mut fx),
                2 => tty.send(input.u8()),
                _ => tty.drop_taken(),
            },
        }
        assert!(tty.input_len() <= LINE, "{} bytes of input", tty.input_len());
        assert!(tty.output_len() <= OUTPUT, "{} bytes of output", tty.output_len());
    }
}
