//! The files that belong to the page: part of the program, and kept by browsers for as long as they stay the same.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

/// One file: its name, what it is, and its bytes.
type Asset = (&'static str, &'static str, &'static str);

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The looks, a file a subject. The colours of the dark hold where the system asks for them, unless light was chosen, and
/// where dark was chosen: they are said once, and stand in two rules.
const STYLE: &str = concat!(
    include_str!("../../assets/style/colours.css"),
    "@media (prefers-color-scheme: dark) { :root:not([data-theme=\"light\"]) {\n",
    include_str!("../../assets/style/dark.css"),
    "} }\n:root[data-theme=\"dark\"] {\n",
    include_str!("../../assets/style/dark.css"),
    "}\n",
    include_str!("../../assets/style/ground.css"),
    include_str!("../../assets/style/frame.css"),
    include_str!("../../assets/style/controls.css"),
    include_str!("../../assets/style/overview.css"),
    include_str!("../../assets/style/tables.css"),
    include_str!("../../assets/style/pictures.css"),
    include_str!("../../assets/style/order.css"),
    include_str!("../../assets/style/login.css"),
    include_str!("../../assets/style/narrow.css"),
);

static ASSETS: [Asset; 8] = [
    ("style.css", "text/css; charset=utf-8", STYLE),
    ("icon.svg", "image/svg+xml", include_str!("../../assets/icon.svg")),
    ("main.js", SCRIPT, include_str!("../../assets/main.js")),
    ("charts.js", SCRIPT, include_str!("../../assets/charts.js")),
    ("live.js", SCRIPT, include_str!("../../assets/live.js")),
    ("theme.js", SCRIPT, include_str!("../../assets/theme.js")),
    ("times.js", SCRIPT, include_str!("../../assets/times.js")),
    ("uplot.js", SCRIPT, include_str!("../../assets/vendor/uplot/uPlot.iife.min.js")),
];

/// One mark of all files together: modules name each other without one, so that all of them change place at once.
static MARK: LazyLock<String> = LazyLock::new(|| {
    let mut digest = Sha256::new();
    for (name, kind, text) in ASSETS {
        for part in [name, kind, text] {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
    }
    digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
});

/// Where a file lies: the path changes with the files.
pub(super) fn path_of(name: &str) -> String {
    format!("/assets/{}/{name}", *MARK)
}

/// Serves one file, for ever.
pub(super) async fn serve(Path((mark, name)): Path<(String, String)>) -> Response {
    let found = ASSETS.iter().find(|(known, ..)| *known == name).filter(|_| mark == *MARK);
    let Some((_, kind, text)) = found else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    (headers, *text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_a_page_or_another_file_names_is_there() {
        let templates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let texts =
            std::fs::read_dir(templates).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
        let mut named: Vec<String> = texts
            .flat_map(|text| {
                text.split("frame.asset(\"")
                    .skip(1)
                    .map(|rest| rest.split('"').next().unwrap().to_owned())
                    .collect::<Vec<_>>()
            })
            .collect();
        for (_, _, text) in ASSETS.iter().filter(|(name, ..)| name.ends_with(".js") && *name != "uplot.js") {
            named.extend(text.split("from \"./").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
        assert!(named.len() > 6, "{named:?}");
        for name in named {
            assert!(ASSETS.iter().any(|(known, ..)| *known == name), "{name}");
        }
    }
}
