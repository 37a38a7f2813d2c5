//! How Slack, Discord and Microsoft Teams want a message. Texts of a shop are text there and nothing else.

use serde_json::{Value, json};

use crate::alerts::message::Message;
use unreserve_engine::report::health::Severity;

/// The most letters of a title and of a paragraph: the least that any of the three takes.
const TITLE_MAX: usize = 150;
const PARAGRAPH_MAX: usize = 2_000;

/// The most paragraphs, and letters of all of them.
const PARAGRAPHS_MAX: usize = 20;
const TEXT_MAX: usize = 4_000;

fn cut(text: &str, letters: usize) -> String {
    let mut cut: String = text.chars().take(letters).collect();
    if cut.len() < text.len() {
        cut.pop();
        cut.push('…');
    }
    cut
}

/// The paragraphs, as many as fit.
fn paragraphs(message: &Message) -> Vec<String> {
    let all = message.paragraphs();
    let mut left = TEXT_MAX;
    let mut taken = Vec::new();
    for paragraph in all.iter().take(PARAGRAPHS_MAX) {
        let paragraph = cut(paragraph, PARAGRAPH_MAX.min(left));
        left = left.saturating_sub(paragraph.chars().count());
        taken.push(paragraph);
        if left == 0 {
            break;
        }
    }
    let more = all.len().saturating_sub(taken.len());
    if more > 0 {
        taken.push(format!("… and {more} more: `unreserve health` shows them"));
    }
    taken
}

/// Slack: what it would take for a mention or a link is written as text.
pub(super) fn slack(message: &Message) -> Value {
    let title = cut(&message.title(), TITLE_MAX);
    let colour = match message.severity() {
        Some(Severity::Critical) => "#c0392b",
        Some(Severity::Warning) => "#d68910",
        None => "#1e8449",
    };
    let section =
        |text: String| json!({"type": "section", "text": {"type": "plain_text", "emoji": false, "text": text}});
    let mut blocks = vec![json!({"type": "header", "text": {"type": "plain_text", "emoji": false, "text": title}})];
    blocks.extend(paragraphs(message).into_iter().map(section));
    let footer = json!({"type": "plain_text", "emoji": false, "text": cut(&message.footer(), PARAGRAPH_MAX)});
    blocks.push(json!({"type": "context", "elements": [footer]}));
    let fallback = title.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({"text": fallback, "attachments": [{"color": colour, "blocks": blocks}]})
}

/// Discord: nobody is mentioned, whatever the text says.
pub(super) fn discord(message: &Message) -> Value {
    let colour = match message.severity() {
        Some(Severity::Critical) => 0x00c0_392b,
        Some(Severity::Warning) => 0x00d6_8910,
        None => 0x001e_8449,
    };
    json!({
        "allowed_mentions": {"parse": []},
        "embeds": [{
            "title": cut(&as_text(&message.title()), TITLE_MAX),
            "description": cut(&as_text(&paragraphs(message).join("\n\n")), TEXT_MAX),
            "color": colour,
            "footer": {"text": cut(&message.footer(), TITLE_MAX)},
            "timestamp": message.at.to_string(),
        }],
    })
}

/// Markdown's signs as text. Backticks stay: they are how names are marked everywhere in our texts.
fn as_text(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '*' | '_' | '~' | '|' | '[' | ']' | '<' | '>' | '#') {
            plain.push('\\');
        }
        plain.push(c);
    }
    plain
}

/// Microsoft Teams: an Adaptive Card, as its workflow "post to a channel when a webhook request is received" takes it.
pub(super) fn teams(message: &Message) -> Value {
    let colour = match message.severity() {
        Some(Severity::Critical) => "Attention",
        Some(Severity::Warning) => "Warning",
        None => "Good",
    };
    let block = |text: &str| json!({"type": "TextBlock", "text": as_text(text), "wrap": true});
    let mut body = vec![json!({
        "type": "TextBlock", "text": as_text(&cut(&message.title(), TITLE_MAX)), "wrap": true,
        "size": "Large", "weight": "Bolder", "color": colour,
    })];
    body.extend(paragraphs(message).iter().map(|paragraph| block(paragraph)));
    body.push(json!({
        "type": "TextBlock", "text": as_text(&cut(&message.footer(), PARAGRAPH_MAX)), "wrap": true,
        "size": "Small", "isSubtle": true,
    }));
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "msteams": {"width": "Full"},
                "body": body,
            },
        }],
    })
}

#[cfg(test)]
mod tests {
    use unreserve_engine::report::health::Problem;

    use super::*;
    use crate::alerts::message::samples;

    #[test]
    fn each_service_gets_its_own_form() {
        let message = samples::hostile();
        insta::assert_json_snapshot!("slack", slack(&message));
        insta::assert_json_snapshot!("discord", discord(&message));
        insta::assert_json_snapshot!("teams", teams(&message));
    }

    #[test]
    fn nothing_grows_beyond_what_the_services_take() {
        let mut message = samples::hostile();
        let long = Problem { says: "ü*".repeat(5_000), ..message.problems[0].clone() };
        message.problems = vec![long; 30];
        message.about.shop = Some("x".repeat(63));
        let letters = |value: &Value, place: &str| value.pointer(place).unwrap().as_str().unwrap().chars().count();
        let (slack, discord, teams) = (slack(&message), discord(&message), teams(&message));
        assert!(letters(&slack, "/attachments/0/blocks/0/text/text") <= 150);
        assert!(letters(&slack, "/attachments/0/blocks/1/text/text") <= 3_000);
        assert!(slack.pointer("/attachments/0/blocks").unwrap().as_array().unwrap().len() <= 50);
        assert!(letters(&discord, "/embeds/0/title") <= 256);
        assert!(letters(&discord, "/embeds/0/description") <= 4_096);
        assert!(teams.to_string().len() <= 28_000);
    }
}
