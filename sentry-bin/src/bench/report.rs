//! What was measured, as a table while it goes on, or as JSON.

use super::guest::Measure;
use super::side::Side;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Nanoseconds,
    PerSecond,
    Kibibytes,
    /// Microseconds of processor time in each second.
    MicrosPerSecond,
}

impl From<Measure> for Unit {
    fn from(measure: Measure) -> Unit {
        match measure {
            Measure::Time => Unit::Nanoseconds,
            Measure::Throughput(_) => Unit::PerSecond,
        }
    }
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Unit::Nanoseconds => "ns",
            Unit::PerSecond => "1/s",
            Unit::Kibibytes => "KiB",
            Unit::MicrosPerSecond => "us/s",
        }
    }
    fn show(self, x: f64) -> String {
        let scaled = |names: [(f64, &str); 4]| {
            let (by, name) = names.into_iter().find(|(by, _)| x >= *by).unwrap_or(names[3]);
            format!("{:.*} {name}", if x / by < 100.0 { 2 } else { 0 }, x / by)
        };
        match self {
            Unit::Nanoseconds => scaled([(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")]),
            Unit::PerSecond => scaled([(1e9, "G/s"), (1e6, "M/s"), (1e3, "k/s"), (1.0, "/s")]),
            Unit::Kibibytes => format!("{x:.0} KiB"),
            Unit::MicrosPerSecond => format!("{x:.0} µs/s"),
        }
    }
}

/// The numbers of one benchmark on one side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) best: f64,
    pub(super) median: f64,
}

/// Or why there are none.
pub(super) type Outcome = Result<Sample, String>;

/// One benchmark on all sides, the host first.
pub(super) struct Row {
    name: &'static str,
    unit: Unit,
    outcomes: Vec<Outcome>,
}

impl Row {
    pub(super) fn new(name: &'static str, unit: Unit, outcomes: Vec<Outcome>) -> Row {
        Row { name, unit, outcomes }
    }
    /// A side's numbers by the host's, the best and the median.
    fn ratio(&self, side: usize) -> Option<(f64, f64)> {
        let (host, other) = (self.outcomes[0].as_ref().ok()?, self.outcomes[side].as_ref().ok()?);
        let (best, median) = (other.best / host.best, other.median / host.median);
        (best.is_finite() && median.is_finite()).then_some((best, median))
    }
}

/// Collects rows; a table is printed row by row.
pub(super) struct Report {
    sides: Vec<String>,
    json: bool,
    rows: Vec<Row>,
}

impl Report {
    pub(super) fn new(sides: &[Side], json: bool) -> Report {
        let report = Report { sides: sides.iter().map(|s| s.name.clone()).collect(), json, rows: Vec::new() };
        if !json {
            println!("{}; best of all rounds, ratios of the best and (of the medians)\n", machine());
            let others: String =
                report.sides[1..].iter().map(|s| format!("  {s:>10}    ratio  (median)")).collect();
            println!("{:26}  {:>10}{others}", "", report.sides[0]);
        }
        report
    }
    pub(super) fn add(&mut self, row: Row) {
        if !self.json {
            println!("{}", line(&row));
        }
        self.rows.push(row);
    }
    pub(super) fn finish(self) {
        if self.json {
            let rows: Vec<String> = self.rows.iter().map(|r| json_row(r, &self.sides)).collect();
            println!("{{\n\"machine\": {},\n\"rows\": [\n{}\n]\n}}", quoted(&machine()), rows.join(",\n"));
        }
    }
}

fn line(row: &Row) -> String {
    let mut out = format!("{:26}", row.name);
    for (i, outcome) in row.outcomes.iter().enumerate() {
        match outcome {
            Ok(sample) => out += &format!("  {:>10}", row.unit.show(sample.best)),
            Err(e) => out += &format!("  ({e})"),
        }
        if i > 0 && outcome.is_ok() {
            out += &match row.ratio(i) {
                Some((best, median)) => format!("  {best:>7.2}  ({median:>6.2})"),
                None => format!("  {:>7}  {:>8}", "-", ""),
            };
        }
    }
    out
}

fn json_row(row: &Row, sides: &[String]) -> String {
    let mut fields = vec![
        format!("\"name\": {}", quoted(row.name)),
        format!("\"unit\": {}", quoted(row.unit.name())),
        format!("\"more_is_better\": {}", row.unit == Unit::PerSecond),
    ];
    for (i, (side, outcome)) in sides.iter().zip(&row.outcomes).enumerate() {
        let ratio = row.ratio(i).filter(|_| i > 0);
        let ratio = ratio.map_or_else(String::new, |(best, median)| {
            format!(", \"ratio\": {best:.4}, \"median_ratio\": {median:.4}")
        });
        fields.push(match outcome {
            Ok(s) => {
                format!("{}: {{\"best\": {:.3}, \"median\": {:.3}{ratio}}}", quoted(side), s.best, s.median)
            }
            Err(e) => format!("{}: {{\"error\": {}}}", quoted(side), quoted(e)),
        });
    }
    format!("{{{}}}", fields.join(", "))
}

fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

/// The processors and the kernel here.
fn machine() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpuinfo.lines().find_map(|l| l.strip_prefix("model name")?.split_once(": ")).map_or("", |(_, m)| m);
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let release = rustix::system::uname();
    format!("{cpus} × {model}, Linux {}", release.release().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_printed() {
        let sample = |x| Ok(Sample { best: x, median: 2.0 * x });
        let row =
            Row::new("a \"b\"", Unit::Nanoseconds, vec![sample(100.0), sample(250.0), Err("no\n".into())]);
        assert_eq!(
            json_row(&row, &["native".into(), "x".into(), "y".into()]),
            "{\"name\": \"a \\\"b\\\"\", \"unit\": \"ns\", \"more_is_better\": false, \
             \"native\": {\"best\": 100.000, \"median\": 200.000}, \
             \"x\": {\"best\": 250.000, \"median\": 500.000, \"ratio\": 2.5000, \"median_ratio\": 2.5000}, \
             \"y\": {\"error\": \"no\\u000a\"}}"
        );
        assert_eq!(
            line(&row).split_whitespace().collect::<Vec<_>>().join(" "),
            "a \"b\" 100 ns 250 ns 2.50 ( 2.50) (no )"
        );
        assert_eq!(Unit::PerSecond.show(2.5e9), "2.50 G/s");
    }
}
