//! The outcome of one task.

/// What a task found. Problems fail it, warnings do not.
#[derive(Debug, Default)]
pub(crate) struct Report {
    task: &'static str,
    summary: String,
    pub(crate) warnings: Vec<String>,
    pub(crate) problems: Vec<String>,
}

impl Report {
    pub(crate) fn new(task: &'static str) -> Report {
        Report { task, ..Report::default() }
    }
    pub(crate) fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }
    pub(crate) fn problem(&mut self, text: impl Into<String>) {
        self.problems.push(text.into());
    }
    /// What to say when all is well.
    pub(crate) fn summary(&mut self, text: impl Into<String>) {
        self.summary = text.into();
    }
    /// Prints it, and says whether the task passed.
    pub(crate) fn print(&self) -> bool {
        for w in &self.warnings {
            println!("{}: warning: {w}", self.task);
        }
        for p in &self.problems {
            println!("{}: error: {p}", self.task);
        }
        let passed = self.problems.is_empty();
        if passed {
            println!("{}: ok, {}", self.task, self.summary);
        } else {
            println!("{}: FAILED, {} problems", self.task, self.problems.len());
        }
        passed
    }
}
