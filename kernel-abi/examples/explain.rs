//! Says what a number of Linux's means: `cargo run -p picket-abi --example explain -- 257 2 0x241`.

use abi::fs::open::OPEN_FLAGS;
use abi::{Errno, nr};

fn main() {
    let numbers = std::env::args().skip(1).collect::<Vec<_>>();
    if numbers.is_empty() {
        println!("give numbers, such as 257 (a system call), 2 (an error) or 0x241 (flags of open)");
    }
    for text in numbers {
        let parsed = match text.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => text.parse(),
        };
        match parsed {
            Ok(n) => explain(n),
            Err(e) => println!("{text}: {e}"),
        }
    }
}

fn explain(n: u32) {
    println!("{n}:");
    if let Some(name) = nr::x86_64::name(n) {
        println!("  system call of x86-64: {name}");
    }
    if let Some(name) = nr::aarch64::name(n) {
        println!("  system call of arm64: {name}");
    }
    let errno = i32::try_from(n).ok().and_then(Errno::from_raw);
    if let Some(name) = errno.and_then(Errno::name) {
        println!("  error: {name}");
    }
    println!("  flags of open: {}", OPEN_FLAGS.flags(n.into()));
}
