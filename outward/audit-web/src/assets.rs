//! The style sheet, the script and the icon, each under a name with the hash of its content.

use http::{Response, StatusCode, header};

use crate::body::Body;
use crate::response;

/// A file that pages refer to.
pub(crate) struct Asset {
    /// The name with the hash, in URLs.
    stem: &'static str,
    extension: &'static str,
    kind: &'static str,
    content: &'static str,
    hash: u64,
}

macro_rules! asset {
    ($stem:literal, $extension:literal, $kind:literal) => {{
        const CONTENT: &str = include_str!(concat!("assets/", $stem, ".", $extension));
        Asset {
            stem: $stem,
            extension: $extension,
            kind: $kind,
            content: CONTENT,
            hash: const { fnv1a(CONTENT.as_bytes()) },
        }
    }};
}

pub(crate) const STYLE: Asset = asset!("style", "css", "text/css; charset=utf-8");
pub(crate) const SCRIPT: Asset = asset!("script", "js", "text/javascript; charset=utf-8");
pub(crate) const ICON: Asset = asset!("icon", "svg", "image/svg+xml");

impl Asset {
    pub(crate) fn name(&self) -> String {
        format!("{}.{:016x}.{}", self.stem, self.hash, self.extension)
    }
}

/// Returns the response for a file with this name.
pub(crate) fn find(name: &str) -> Option<Response<Body>> {
    let asset = [STYLE, SCRIPT, ICON]
        .into_iter()
        .find(|asset| asset.name() == name)?;
    let mut response = response::with_content(StatusCode::OK, asset.kind, asset.content);
    // The name changes with the content.
    let unchanging = header::HeaderValue::from_static("private, max-age=31536000, immutable");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, unchanging);
    Some(response)
}

/// Hashes bytes by FNV-1a, which detects changes and no forgery.
const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x100_0000_01b3);
        index += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_small() {
        assert!(STYLE.content.len() <= 14 * 1024, "{}", STYLE.content.len());
        assert!(
            SCRIPT.content.len() <= 10 * 1024,
            "{}",
            SCRIPT.content.len()
        );
        assert!(ICON.content.len() <= 1024, "{}", ICON.content.len());
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        // From the reference vectors of the algorithm.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
