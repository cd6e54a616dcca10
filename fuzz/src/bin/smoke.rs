//! Runs fuzz targets for a while without libFuzzer: `smoke [--seconds N] [--seed N] [TARGET | TARGET FILE]...`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use picket_fuzz::mutate::Mutator;
use picket_fuzz::{TARGETS, Target, seeds};

fn main() -> ExitCode {
    let (mut seconds, mut seed, mut names) = (10, 1, Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let number = |v: Option<String>| v.and_then(|v| v.parse().ok());
        match &*arg {
            "--seconds" => match number(args.next()) {
                Some(n) => seconds = n,
                None => return usage(),
            },
            "--seed" => match number(args.next()) {
                Some(n) => seed = n,
                None => return usage(),
            },
            _ => names.push(arg),
        }
    }
    if let [name, file] = &names[..]
        && let Some(target) = find(name)
        && find(file).is_none()
    {
        return one(target, file);
    }
    let chosen: Option<Vec<&Target>> = names.iter().map(|n| find(n)).collect();
    let Some(chosen) = chosen else { return usage() };
    let chosen = if chosen.is_empty() { TARGETS.iter().collect() } else { chosen };
    for target in chosen {
        if let Err(e) = run(target, seed, Duration::from_secs(seconds)) {
            eprintln!("smoke: the seeds of {} cannot be read: {e}", target.name);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|t| t.name == name)
}

fn usage() -> ExitCode {
    let names: Vec<&str> = TARGETS.iter().map(|t| t.name).collect();
    eprintln!("smoke [--seconds N] [--seed N] [TARGET... | TARGET FILE]\ntargets: {}", names.join(" "));
    ExitCode::FAILURE
}

fn one(target: &Target, file: &str) -> ExitCode {
    match std::fs::read(file) {
        Ok(input) => {
            (target.run)(&input);
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("smoke: {file}: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a target; a panic leaves the input in `artifacts`. Errors: the seeds cannot be read.
fn run(target: &'static Target, seed: u64, time: Duration) -> std::io::Result<()> {
    let seeds = seeds(target.name)?;
    let mut mutator = Mutator::new(seed, seeds.clone());
    let start = Instant::now();
    let mut count = 0_u64;
    for input in seeds.into_iter().chain(std::iter::from_fn(|| Some(mutator.next_input()))) {
        if start.elapsed() >= time {
            break;
        }
        let guarded = std::panic::AssertUnwindSafe(|| (target.run)(&input));
        if let Err(panic) = std::panic::catch_unwind(guarded) {
            keep(target, &input)?;
            std::panic::resume_unwind(panic);
        }
        count += 1;
    }
    println!("{}: {count} inputs in {:.1} s", target.name, start.elapsed().as_secs_f64());
    Ok(())
}

fn keep(target: &Target, input: &[u8]) -> std::io::Result<()> {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts").join(target.name);
    std::fs::create_dir_all(&dir)?;
    let file = dir.join("smoke-panic");
    std::fs::write(&file, input)?;
    eprintln!("smoke: target {} panics on {}", target.name, file.display());
    Ok(())
}
