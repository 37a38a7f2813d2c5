//! The only place where `xtask` prints.

/// Prints one line for people.
#[expect(clippy::print_stdout, reason = "xtask is a program for a terminal")]
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// Prints the heading of a step.
pub(crate) fn heading(text: &str) {
    line(&format!("\n==> {text}"));
}

/// Prints why a command failed, with the causes behind it.
#[expect(clippy::print_stderr, reason = "xtask is a program for a terminal")]
pub(crate) fn error(error: &dyn std::error::Error) {
    eprintln!("error: {}", with_causes(error));
}

fn with_causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failure;

    #[test]
    fn an_error_is_told_with_its_cause() {
        let failure = Failure::File { path: "a".to_owned(), source: std::io::Error::other("gone") };
        assert_eq!(with_causes(&failure), "cannot read `a`: gone");
    }
}
