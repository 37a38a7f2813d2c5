//! One word of a command, written so that the other side reads it as it is: a unit, a shell, Windows, XML, YAML.

/// Characters that no shell, unit or Windows program takes for anything but themselves.
fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || "/._-+=:@,".contains(character)
}

/// For a POSIX shell: in single quotes where it needs any.
pub(crate) fn shell(word: &str) -> String {
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// For a command line or a list of a systemd unit. `$` is a variable in a command line only.
pub(crate) fn unit_word(word: &str) -> String {
    let escaped = unit_value(word).replace('\\', r"\\").replace('"', "\\\"");
    if !word.is_empty() && word.chars().all(|c| is_plain(c) || c == '%') { escaped } else { format!("\"{escaped}\"") }
}

/// For a word of `ExecStart=`.
pub(crate) fn unit_argument(word: &str) -> String {
    unit_word(&word.replace('$', "$$"))
}

/// For a value of a systemd unit that runs to the end of its line.
pub(crate) fn unit_value(text: &str) -> String {
    text.replace('%', "%%")
}

/// For a word of a command in a crontab, where a bare `%` ends the command. Some crons hand the backslash on to the shell and
/// some do not: outside quotes it means the same to both.
pub(crate) fn crontab(word: &str) -> String {
    // A word with a `%` is always quoted.
    shell(word).replace('%', r"'\%'")
}

/// For the arguments of a Windows program, by the rules of `CommandLineToArgvW`.
pub(crate) fn windows(word: &str) -> String {
    if !word.is_empty() && !word.contains([' ', '\t', '"']) {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    let mut backslashes = 0_usize;
    for character in word.chars() {
        match character {
            '\\' => backslashes = backslashes.saturating_add(1),
            '"' => {
                // Each backslash before a quote counts half.
                quoted.push_str(&"\\".repeat(backslashes.saturating_add(1)));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        quoted.push(character);
    }
    quoted.push_str(&"\\".repeat(backslashes));
    quoted.push('"');
    quoted
}

/// For text and attributes of XML.
pub(crate) fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// For a value of YAML: double-quoted, which is JSON's string.
pub(crate) fn yaml(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How it is quoted, the word, and what comes of it.
    type Row = (fn(&str) -> String, &'static str, &'static str);

    #[test]
    fn a_word_reads_as_it_is() {
        let rows: [Row; 19] = [
            (shell, "/usr/bin/a-b", "/usr/bin/a-b"),
            (shell, "", "''"),
            (shell, "a b", "'a b'"),
            (shell, "it's $HOME", r"'it'\''s $HOME'"),
            (unit_argument, "/srv/a b", "\"/srv/a b\""),
            (unit_argument, "100%", "100%%"),
            (unit_argument, "$HOME", "\"$$HOME\""),
            (unit_argument, r#"a\b"c"#, r#""a\\b\"c""#),
            (unit_word, "$HOME", "\"$HOME\""),
            (unit_word, "", "\"\""),
            (unit_value, "50 % of $it", "50 %% of $it"),
            (crontab, "50% off", r"'50'\%' off'"),
            (windows, r"C:\shop\unreserve.exe", r"C:\shop\unreserve.exe"),
            (windows, r"C:\my shop\", r#""C:\my shop\\""#),
            (windows, r#"a"b"#, r#""a\"b""#),
            (windows, r#"a\"b c"#, r#""a\\\"b c""#),
            (windows, "", "\"\""),
            (xml, "a<b>&\"c\"", "a&lt;b&gt;&amp;&quot;c&quot;"),
            (yaml, "a: \"b\" # c\\", r#""a: \"b\" # c\\""#),
        ];
        for (quote, word, expected) in rows {
            assert_eq!(quote(word), expected, "{word}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn a_real_shell_reads_every_word_as_it_is(word in "[ -~äß€]{0,40}") {
            let command = format!("printf '%s' {}", shell(&word));
            let output = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
            proptest::prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }

        #[test]
        fn windows_rules_give_every_word_back(words in proptest::collection::vec("[ab \"\\\\]{0,12}", 1..4)) {
            let line: Vec<String> = words.iter().map(|word| windows(word)).collect();
            proptest::prop_assert_eq!(windows_words(&line.join(" ")), words);
        }
    }

    /// The documented rules, read the other way: 2n backslashes before a quote are n and the quote is a mark, 2n+1 are n
    /// and the quote is itself; other backslashes are themselves.
    fn windows_words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
        let mut rest = line.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '\\' => {
                    let mut count = 1_usize;
                    while rest.next_if_eq(&'\\').is_some() {
                        count = count.saturating_add(1);
                    }
                    begun = true;
                    if rest.peek() == Some(&'"') {
                        word.push_str(&"\\".repeat(count / 2));
                        if count % 2 == 1 {
                            word.push('"');
                            rest.next();
                        }
                    } else {
                        word.push_str(&"\\".repeat(count));
                    }
                }
                '"' => {
                    quoted = !quoted;
                    begun = true;
                }
                ' ' if !quoted => {
                    if begun {
                        words.push(std::mem::take(&mut word));
                    }
                    begun = false;
                }
                other => {
                    word.push(other);
                    begun = true;
                }
            }
        }
        if begun {
            words.push(word);
        }
        words
    }
}
