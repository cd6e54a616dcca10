//! Filter programs of arbitrary instructions: what is accepted ends, and says the same each time; of a chain the most severe
//! result wins.

use task::seccomp::{Filter, Insn, Program, SeccompData, ret};

use crate::input::Input;

/// Operations that filters may have, so that more programs are accepted than by chance.
const CODES: &[u16] = &[
    0x20, 0x00, 0x01, 0x80, 0x81, 0x60, 0x61, 0x02, 0x03, 0x04, 0x14, 0x24, 0x34, 0x44, 0x54, 0x64, 0x74,
    0xa4, 0x0c, 0x1c, 0x2c, 0x3c, 0x4c, 0x5c, 0x6c, 0x7c, 0xac, 0x84, 0x05, 0x15, 0x25, 0x35, 0x45, 0x1d,
    0x2d, 0x3d, 0x4d, 0x06, 0x16, 0x07, 0x87,
];

fn data(input: &mut Input<'_>) -> SeccompData {
    let args = core::array::from_fn(|_| input.u64());
    SeccompData { nr: i32::from(input.u16()), arch: input.u32(), ip: input.u64(), args }
}

fn insn(input: &mut Input<'_>) -> Insn {
    let code = input.u8();
    let code =
        CODES.get(usize::from(code)).copied().unwrap_or_else(|| u16::from(code) << 8 | u16::from(input.u8()));
    let (jt, jf) = (input.u8(), input.u8());
    // Mostly small operands: offsets, memory words, jumps.
    let k = if jt & 0x80 == 0 { u32::from(input.u8()) } else { input.u32() };
    Insn { code, jt: jt & 0x7f, jf, k }
}

/// Checks the programs in the input, and runs those that pass as one chain.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let call = data(&mut input);
    let mut chain = None;
    let mut worst = ret::ALLOW;
    while !input.is_empty() {
        let count = usize::from(input.u8() & 0x1f);
        let mut insns: Vec<Insn> = (0..count).map(|_| insn(&mut input)).collect();
        if count & 1 == 0 {
            insns.push(Insn { code: 0x16, jt: 0, jf: 0, k: 0 });
        }
        let Ok(program) = Program::new(insns) else { continue };
        let result = program.run(&call);
        assert_eq!(result, program.run(&call));
        let severity = |r: u32| (r & ret::ACTION_FULL).cast_signed();
        if severity(result) <= severity(worst)
            && !(severity(result) == severity(worst) && worst == ret::ALLOW)
        {
            worst = result;
        }
        match Filter::push(chain.clone(), program) {
            Ok(filter) => chain = Some(filter),
            Err(_) => return,
        }
        let all = chain.as_ref().map_or(ret::ALLOW, |f| f.run(&call));
        assert_eq!(severity(all), severity(worst));
    }
}
