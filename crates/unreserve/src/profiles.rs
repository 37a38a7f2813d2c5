//! Where a profile comes from: one of those shipped in this binary, or a file.

use std::path::Path;

use unreserve_engine::profile::{self, Problems, Profile};

use crate::exit::Exit;
use crate::failure::{Failure, SourceText, Spot};
use crate::settings::{Settings, Sourced};

/// A profile that ships with this binary.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shipped {
    /// What `--profile` calls it.
    pub(crate) name: &'static str,
    /// The file.
    pub(crate) text: &'static str,
}

/// Every shipped profile, in the order of their names.
pub(crate) const SHIPPED: &[Shipped] =
    &[Shipped { name: "malikli", text: include_str!("../../../profiles/malikli.toml") }];

/// A profile with its text, so that whatever is wrong can point at the line.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    /// The profile.
    pub(crate) profile: Profile,
    /// What its text is called: a file's name, or `malikli (shipped)`.
    pub(crate) name: String,
    text: String,
}

impl Loaded {
    /// The profile as it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The failure that tells every problem at its place.
    pub(crate) fn failure(&self, problems: &Problems) -> Failure {
        failure(&self.name, &self.text, problems)
    }
}

/// The profile that the settings name.
pub(crate) fn load(settings: &Settings) -> Result<Loaded, Failure> {
    let Some(Sourced { value: wanted, origin }) = &settings.profile else {
        return Err(Failure::usage("no profile is set, so nobody knows what the shop's tables mean")
            .hint("set `profile` in unreserve.toml, UNRESERVE_PROFILE, or --profile NAME|FILE")
            .hint("`unreserve profile list` shows the shipped ones"));
    };
    if let Some(shipped) = SHIPPED.iter().find(|shipped| shipped.name == wanted) {
        return parse(format!("{wanted} (shipped)"), shipped.text.to_owned());
    }
    let path = Path::new(wanted);
    match std::fs::read_to_string(path) {
        Ok(text) => parse(wanted.clone(), text),
        Err(error) => {
            let mut failure =
                Failure::new(Exit::Usage, format!("cannot read profile `{wanted}`, named by {origin}")).because(&error);
            let names: Vec<&str> = SHIPPED.iter().map(|shipped| shipped.name).collect();
            if path.extension().is_none() {
                let likely = profile::nearest(wanted, names.iter().copied());
                failure = match likely {
                    Some(name) => failure.hint(format!("did you mean the shipped profile `{name}`?")),
                    None => failure
                        .hint(format!("the shipped profiles are: {}; a file is named with its path", names.join(", "))),
                };
            }
            Err(failure)
        }
    }
}

/// Reads and checks a profile's text.
pub(crate) fn parse(name: String, text: String) -> Result<Loaded, Failure> {
    let checked = profile::parse(&text).and_then(profile::check);
    match checked {
        Ok(profile) => Ok(Loaded { profile, name, text }),
        Err(problems) => Err(failure(&name, &text, &problems)),
    }
}

fn failure(name: &str, text: &str, problems: &Problems) -> Failure {
    let message = match problems.0.as_slice() {
        [only] => only.message.clone(),
        several => format!("profile `{name}` has {} problems", several.len()),
    };
    let spots = problems.0.iter().filter_map(|problem| {
        let label = problem.message.clone();
        problem.span.clone().map(|span| Spot { span, label })
    });
    let mut failure = Failure::usage(message);
    if problems.0.len() > 1 {
        failure.causes.extend(problems.0.iter().map(|problem| problem.message.clone()));
    }
    failure = failure.in_source(SourceText { name: name.to_owned(), text: text.to_owned(), spots: spots.collect() });
    for problem in &problems.0 {
        if let Some(hint) = &problem.hint
            && !failure.hints.contains(hint)
        {
            failure = failure.hint(hint.clone());
        }
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_profile_makes_sense_and_bears_its_name() {
        for shipped in SHIPPED {
            let loaded = parse(shipped.name.to_owned(), shipped.text.to_owned()).expect(shipped.name);
            assert_eq!(loaded.profile.name, shipped.name);
        }
    }
}
