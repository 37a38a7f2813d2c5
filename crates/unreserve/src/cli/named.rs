//! A result as JSON, with the shop's name where the shop has one.

use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;

#[derive(Serialize)]
struct Named<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    shop: Option<&'a str>,
    #[serde(flatten)]
    result: &'a T,
}

/// One JSON object: the result's fields, before them `shop`.
///
/// # Errors
/// The result is no object.
pub(crate) fn named_json<T: Serialize>(shop: Option<&str>, result: &T) -> Result<String, Failure> {
    serde_json::to_string(&Named { shop, result })
        .map_err(|error| Failure::new(Exit::Halted, "cannot write the result").because(&error))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_result_names_its_shop_only_where_it_has_a_name() {
        let text = |shop| named_json(shop, &json!({ "units": -3 })).map_err(|failure| failure.message);
        assert_eq!(text(Some("blue")), Ok(r#"{"shop":"blue","units":-3}"#.to_owned()));
        assert_eq!(text(None), Ok(r#"{"units":-3}"#.to_owned()));
        assert!(named_json(None, &7).is_err());
    }
}
