//! `alert`: whether messages arrive, and what was told.

use serde_json::{Value, json};

use crate::alerts::state::{self, State};
use crate::alerts::{self, Tried};
use crate::app::Context;
use crate::cli::args::{AlertArgs, AlertCommand, AlertTestArgs, Format, FormatArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::opening::block_on;
use crate::paint::heading;
use crate::settings::{Channel, Settings};
use crate::table::Table;

/// Runs the command.
pub(crate) fn run(args: &AlertArgs, context: &Context) -> Result<Exit, Failure> {
    let shops: Vec<Settings> = std::iter::once(&context.settings).chain(&context.others).cloned().collect();
    match &args.command {
        AlertCommand::Test(args) => test(args, &shops, context),
        AlertCommand::Show(args) => show(*args, &shops, context),
    }
}

/// The failure where nobody is to be told.
pub(crate) fn no_channel() -> Failure {
    Failure::usage("no alert channel is set").hint(
        "write a table `[[alerts.channel]]` into unreserve.toml; docs/alerts.md has a complete example of each kind",
    )
}

fn test(args: &AlertTestArgs, shops: &[Settings], context: &Context) -> Result<Exit, Failure> {
    let all = &context.settings.alerts.channels;
    let wanted = |channel: &&Channel| args.channel.is_empty() || args.channel.contains(&channel.name);
    let channels: Vec<Channel> = all.iter().filter(wanted).cloned().collect();
    if all.is_empty() {
        return Err(no_channel());
    }
    if let Some(unknown) = args.channel.iter().find(|name| all.iter().all(|channel| channel.name != **name)) {
        let names: Vec<&str> = all.iter().map(|channel| channel.name.as_str()).collect();
        return Err(Failure::usage(format!("there is no channel `{unknown}`"))
            .hint(format!("the channels are: {}", names.join(", "))));
    }
    let tried = block_on(async { Ok(alerts::test(shops, &channels).await) })?;
    let result = match args.format.format {
        Format::Text => tried_text(&tried),
        Format::Json => json!({ "channels": tried.iter().map(tried_json).collect::<Vec<_>>() }).to_string(),
    };
    context.printer.result(&result)?;
    let all_arrived = tried.iter().all(|tried| tried.answer.is_delivered());
    Ok(if all_arrived { Exit::Done } else { Exit::Problems })
}

fn word(tried: &Tried) -> &'static str {
    if tried.answer.is_delivered() { "delivered" } else { "failed" }
}

fn tried_text(tried: &[Tried]) -> String {
    let mut table = Table::new(&["channel", "kind", "result", "answer"]);
    for one in tried {
        table.row([one.channel.as_str(), one.kind, word(one), one.answer.says()]);
    }
    table.render()
}

fn tried_json(tried: &Tried) -> Value {
    json!({ "channel": tried.channel, "kind": tried.kind, "result": word(tried), "answer": tried.answer.says() })
}

fn show(args: FormatArgs, shops: &[Settings], context: &Context) -> Result<Exit, Failure> {
    let mut known = Vec::new();
    for shop in shops {
        let place = state::place(shop);
        let state = state::read(&place).map_err(|error| {
            Failure::new(Exit::Usage, format!("cannot read what was told: `{}`", place.display())).because(&error)
        })?;
        known.push((shop, state));
    }
    let result = match (args.format, known.as_slice()) {
        (Format::Text, known) => {
            known.iter().map(|(shop, state)| shown_text(shop, state)).collect::<Vec<_>>().join("\n")
        }
        (Format::Json, [(shop, state)]) => shown_json(shop, state).to_string(),
        (Format::Json, known) => {
            json!({ "shops": known.iter().map(|(shop, state)| shown_json(shop, state)).collect::<Vec<_>>() })
                .to_string()
        }
    };
    context.printer.result(&result)?;
    Ok(Exit::Done)
}

fn short(at: jiff::Timestamp) -> String {
    at.round(jiff::Unit::Second).unwrap_or(at).to_string()
}

fn shown_text(shop: &Settings, state: &State) -> String {
    let mut text =
        shop.shop.as_ref().map_or_else(String::new, |name| format!("{}\n", heading(&format!("Shop {name}"))));
    let open = state.memory.open();
    if open.is_empty() {
        text.push_str("Nothing was told that is not over.\n");
    } else {
        let mut table = Table::new(&["check", "severity", "since", "what was found"]);
        for problem in &open {
            let since = short(problem.began_at);
            table.row([problem.check.word(), problem.severity.word(), &since, &problem.says]);
        }
        text.push_str(&table.render());
    }
    if shop.alerts.channels.is_empty() {
        return text + "\nNo alert channel is set.\n";
    }
    let mut table = Table::new(&["channel", "kind", "waiting", "last try", "result", "answer"]);
    for channel in &shop.alerts.channels {
        let outbox = state.channels.get(&channel.name);
        let last = outbox.and_then(|outbox| outbox.last.as_ref());
        let waiting = outbox.map_or(0, |outbox| outbox.waiting()).to_string();
        let gone = outbox.is_some_and(|outbox| outbox.gone.is_some());
        let result = if gone { "gone for good" } else { last.map_or("", |last| last.result.as_str()) };
        let (at, says) = last.map_or_else(Default::default, |last| (short(last.at), last.says.clone()));
        let at = if at.is_empty() { "never".to_owned() } else { at };
        table.row([channel.name.as_str(), channel.target.kind(), &waiting, &at, result, &says]);
    }
    format!("{text}\n{}", table.render())
}

fn shown_json(shop: &Settings, state: &State) -> Value {
    let channels: Vec<Value> = shop
        .alerts
        .channels
        .iter()
        .map(|channel| {
            let outbox = state.channels.get(&channel.name);
            json!({
                "channel": channel.name,
                "kind": channel.target.kind(),
                "waiting": outbox.map_or(0, |outbox| outbox.waiting()),
                "gone": outbox.is_some_and(|outbox| outbox.gone.is_some()),
                "last_try": outbox.and_then(|outbox| outbox.last.as_ref()),
            })
        })
        .collect();
    json!({ "shop": shop.shop, "open": state.memory.open(), "channels": channels })
}
