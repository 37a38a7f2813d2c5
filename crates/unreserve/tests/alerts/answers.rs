//! What receivers answer, and what becomes of a message then.

use std::time::Duration;

use serde_json::{Value, json};

use crate::place::{stderr, stdout};
use crate::receiver::{OK, Receiver, Reply, Request};
use crate::shop::{Shop, webhook};
use crate::wait::{Running, until};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn titles(requests: &[Request]) -> Vec<String> {
    requests.iter().map(|request| request.json()["data"]["title"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_kind_of_webhook_gets_its_form_and_the_signature_is_right() {
    let receiver = Receiver::start([]);
    let url = receiver.url();
    let kinds = ["slack", "discord", "teams"];
    let tables =
        kinds.map(|kind| format!("[[alerts.channel]]\nname = \"{kind}\"\nkind = \"{kind}\"\nurl = \"{url}/{kind}\"\n"));
    let shop = Shop::new(&format!("{}{}secret = \"{SECRET}\"\n", tables.concat(), webhook(&format!("{url}/plain"))));
    let output = shop.run(&["alert", "test", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let expected: Vec<Value> = [("slack", "slack"), ("discord", "discord"), ("teams", "teams"), ("ops", "webhook")]
        .map(|(name, kind)| json!({"channel": name, "kind": kind, "result": "delivered", "answer": "200 OK: ok"}))
        .to_vec();
    assert_eq!(answer["channels"], Value::from(expected));
    let of = |kind: &str| {
        let requests = receiver.requests();
        requests.iter().find(|request| request.path.ends_with(kind)).unwrap().clone()
    };
    let title = "malikli: this is a test of unreserve's alerts";
    assert_eq!(of("slack").json()["text"], title);
    assert_eq!(of("discord").json()["embeds"][0]["title"], title);
    assert_eq!(of("teams").json()["attachments"][0]["content"]["body"][0]["text"], title);
    let plain = of("plain");
    assert_eq!((plain.json()["type"].as_str(), plain.header("content-type")), (Some("alert.test"), "application/json"));
    let oracle = standardwebhooks::Webhook::new(SECRET).unwrap();
    oracle.verify(plain.body.as_bytes(), &plain.headers).unwrap();
    assert!(oracle.verify(b"{}", &plain.headers).is_err(), "another body has another signature");
}

#[test]
fn alert_test_says_what_each_answered_and_ends_with_1_where_one_failed() {
    let receiver = Receiver::start([Reply::Status(404, &[], "no_service at /hook/hunter2")]);
    let shop = Shop::new(&webhook(&receiver.url()));
    let output = shop.run(&["alert", "test"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("ops      webhook  failed  404 Not Found: no_service at /hook/***"),
        "{}",
        stdout(&output)
    );
    let output = shop.run(&["alert", "test", "--channel", "pager"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr(&output), "error: there is no channel `pager`\nhint: the channels are: ops\n");
}

#[test]
fn without_a_channel_nothing_can_be_told() {
    let shop = Shop::new("");
    for arguments in [["alert", "test"], ["health", "--send-alerts"]] {
        let output = shop.run(&arguments);
        assert!(stderr(&output).starts_with("error: no alert channel is set\n"), "{}", stderr(&output));
    }
}

#[test]
fn a_problem_is_told_once_and_its_end_too() {
    let receiver = Receiver::start([]);
    let shop = Shop::new(&webhook(&receiver.url()));
    assert_eq!(shop.send_alerts().status.code(), Some(1), "the exit code is that of health");
    assert_eq!(titles(&receiver.requests()), ["malikli WARNING: drift"]);
    shop.send_alerts();
    assert_eq!(receiver.requests().len(), 1, "it is no news any more");
    shop.break_schema();
    assert_eq!(shop.send_alerts().status.code(), Some(2));
    shop.mend_schema();
    shop.send_alerts();
    let told = titles(&receiver.requests());
    assert_eq!(
        told,
        ["malikli WARNING: drift", "malikli CRITICAL: plan, drift", "malikli RESOLVED: plan; still WARNING: drift"]
    );
    let opened = receiver.requests()[1].json();
    let plan = &opened["data"]["problems"][0];
    assert_eq!((&plan["check"], &plan["change"]), (&json!("plan"), &json!("new")), "{opened}");
    assert!(plan["says"].as_str().unwrap().contains("order_status"), "{plan}");
    assert_eq!(shop.channel("ops")["waiting"], 0);
}

#[test]
fn what_fails_is_kept_and_goes_out_in_order_with_the_same_id() {
    let receiver = Receiver::start([Reply::Status(500, &[], "broken")]);
    let shop = Shop::new(&webhook(&receiver.url()));
    let output = shop.send_alerts();
    assert_eq!(output.status.code(), Some(1), "a failed delivery changes no exit code");
    assert!(stderr(&output).contains("cannot tell `ops`: 500 Internal Server Error: broken"), "{}", stderr(&output));
    assert_eq!(shop.channel("ops")["waiting"], 1);
    shop.break_schema();
    shop.send_alerts();
    let requests = receiver.requests();
    assert_eq!(
        titles(&requests),
        ["malikli WARNING: drift", "malikli WARNING: drift", "malikli CRITICAL: plan, drift"]
    );
    let ids: Vec<&str> = requests.iter().map(|request| request.header("webhook-id")).collect();
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[1], ids[2]);
    assert_eq!(shop.channel("ops")["waiting"], 0);
    shop.assert_no_secret_is_kept();
}

#[test]
fn a_pause_that_is_asked_for_is_kept_even_where_there_is_news() {
    let receiver = Receiver::start([Reply::Status(429, &[("retry-after", "3600")], "slow down")]);
    let shop = Shop::new(&webhook(&receiver.url()));
    shop.send_alerts();
    shop.break_schema();
    shop.send_alerts();
    assert_eq!((receiver.requests().len(), shop.channel("ops")["waiting"].clone()), (1, json!(2)));
}

#[test]
fn a_receiver_that_is_gone_for_good_is_left_alone_until_it_answers_a_test() {
    let receiver = Receiver::start([Reply::Status(410, &[], "gone")]);
    let shop = Shop::new(&webhook(&receiver.url()));
    let output = shop.send_alerts();
    assert!(stderr(&output).contains("`ops` is gone for good"), "{}", stderr(&output));
    shop.sql("DROP INDEX best");
    shop.send_alerts();
    assert_eq!((receiver.requests().len(), shop.channel("ops")["gone"].clone()), (1, json!(true)));
    assert_eq!(shop.run(&["alert", "test"]).status.code(), Some(0));
    assert_eq!(shop.channel("ops")["gone"], false);
    shop.sql(crate::shop::INDEX);
    shop.send_alerts();
    assert_eq!(receiver.requests().last().unwrap().json()["type"], "alert.resolved");
    // One that leads elsewhere is another one.
    receiver.then([Reply::Status(410, &[], "gone")]);
    shop.break_schema();
    shop.send_alerts();
    assert_eq!(shop.channel("ops")["gone"], true);
    let other = Receiver::start([]);
    shop.settings(&webhook(&other.url()));
    shop.mend_schema();
    shop.send_alerts();
    assert_eq!((other.requests().len(), shop.channel("ops")["gone"].clone()), (1, json!(false)));
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Receiver::start([]);
    let receiver = Receiver::start([Reply::Redirect(elsewhere.url()), OK]);
    let shop = Shop::new(&webhook(&receiver.url()));
    let output = shop.send_alerts();
    assert!(stderr(&output).contains("302 Found (redirects are not followed)"), "{}", stderr(&output));
    assert_eq!((receiver.requests().len(), elsewhere.requests().len()), (1, 0));
    assert_eq!(shop.channel("ops")["waiting"], 1);
}

#[test]
fn silence_is_waited_for_no_longer_than_ten_seconds() {
    let receiver = Receiver::start([Reply::Silence]);
    let shop = Shop::new(&webhook(&receiver.url()));
    let output = shop.send_alerts();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot tell `ops`: no answer within 10 s"), "{}", stderr(&output));
    assert_eq!(shop.channel("ops")["waiting"], 1);
}

#[test]
fn a_channel_for_what_is_critical_hears_nothing_else() {
    let (all, pager) = (Receiver::start([]), Receiver::start([]));
    let critical = webhook(&pager.url()).replace("ops", "pager") + "severity = \"critical\"\n";
    let shop = Shop::new(&(webhook(&all.url()) + &critical));
    shop.send_alerts();
    assert_eq!((all.requests().len(), pager.requests().len()), (1, 0));
    shop.break_schema();
    shop.send_alerts();
    assert_eq!(titles(&pager.requests()), ["malikli CRITICAL: plan"]);
}

#[test]
fn what_one_channel_has_is_kept_while_another_one_is_slow() {
    let receiver = Receiver::start([]);
    let silent = Receiver::start([Reply::Silence]);
    let slow = webhook(&silent.url()).replace("\"ops\"", "\"slow\"");
    let shop = Shop::new(&format!("{slow}{}", webhook(&receiver.url())));
    let mut telling = Running::start(&mut shop.command(&["health", "--send-alerts"]));
    until("it is kept that one has it", Duration::from_secs(30), || {
        assert!(!telling.has_ended(), "the slow one was to keep it");
        shop.channel("ops")["last_try"]["result"] == "delivered"
    });
    telling.kill();
    shop.settings(&webhook(&receiver.url()));
    shop.send_alerts();
    assert_eq!(titles(&receiver.requests()), ["malikli WARNING: drift"], "it is not told again");
}
