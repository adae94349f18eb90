//! The page: one file, which asks for nothing from elsewhere.

use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const HTML: &str = include_str!("../../assets/share/page.html");

/// With what browsers are told of it.
pub struct WebPage {
    pub html: &'static str,
    /// Its own script and style, by their digests, and nothing else.
    pub policy: HeaderValue,
    /// Pages of this site may show it too.
    pub allow_origin: Option<HeaderValue>,
}

impl WebPage {
    #[must_use]
    pub fn new(allow_origin: Option<String>) -> Self {
        let digest = |tag: &str| {
            let begin = HTML.split_once(&format!("<{tag}>")).map_or("", |(_, rest)| rest);
            let text = begin.split_once(&format!("</{tag}>")).map_or("", |(text, _)| text);
            STANDARD.encode(Sha256::digest(text.as_bytes()))
        };
        let policy = format!(
            "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src 'self' blob: data:; \
             media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self' {}",
            digest("script"),
            digest("style"),
            allow_origin.as_deref().unwrap_or_default()
        );
        // Letters of base64 and words: a head may have them all.
        let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        let allow_origin = allow_origin.and_then(|origin| HeaderValue::from_str(&origin).ok());
        Self { html: HTML, policy, allow_origin }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_asks_for_nothing_from_elsewhere() {
        assert!(HTML.len() <= 40_000, "{}", HTML.len());
        // That is a name, and no address.
        let html = HTML.replace("http://www.w3.org/2000/svg", "");
        for foreign in ["http://", "https://", "//cdn", "@import", "innerHTML", "eval(", " style=\"", " onclick"] {
            assert!(!html.contains(foreign), "{foreign}");
        }
        assert_eq!((HTML.matches("<script>").count(), HTML.matches("<style>").count()), (1, 1));
        let policy = WebPage::new(None).policy;
        assert!(policy.to_str().unwrap().contains("script-src 'sha256-"), "{policy:?}");
    }
}
