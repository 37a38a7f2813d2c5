//! `demo` replaces its own files, and leaves alone what is somebody else's.
#![expect(clippy::unwrap_used, reason = "helpers of a test may fail it")]

mod place;

use place::{Place, URL, stderr, stdout};

#[test]
fn settings_that_no_demo_has_written_are_never_written_over() {
    let place = Place::new();
    let own = format!("database_url = \"{URL}\"\nprofile = \"malikli\"\n");
    place.file("unreserve.toml", &own);
    for more in [&[] as &[&str], &["--live", "--listen", "127.0.0.1:0"]] {
        let refused = place.run(&[], &[&["demo", "--dir", "."], more].concat());
        assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
        let says = "error: `./unreserve.toml` is there already, and no demo has written it\nhint: name another directory: --dir DIR\n";
        assert_eq!((stdout(&refused).as_str(), stderr(&refused).as_str()), ("", says));
    }
    assert_eq!(std::fs::read_to_string(place.path().join("unreserve.toml")).unwrap(), own);
    assert!(!place.path().join("shop.db").exists(), "half a demo is left");
    for time in ["first", "second"] {
        let made = place.run(&[], &["demo", "--dir", "shop", "--orders", "10"]);
        assert_eq!(made.status.code(), Some(0), "the {time} time: {}", stderr(&made));
    }
}
