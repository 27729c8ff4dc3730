//! Any text as a registry: a bounded number of errors, or an image that opens and means the same.

use ife_guard::Image;
use ife_guard::image::compile;
use ife_guard::registry::{ERRORS_MAX, load};

/// Loads, compiles, opens; and opens the bytes as an image too.
pub(crate) fn check(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        registry(text);
    }
    if let Ok(image) = Image::open(data) {
        // Whole, so that every party can be read.
        assert_eq!(
            image.parties().count(),
            (image.expert_count() + image.council_count()) as usize
        );
    }
}

fn registry(text: &str) {
    match load(text, "registry.yaml") {
        Ok(registry) => {
            let Ok(bytes) = compile(&registry) else {
                return;
            };
            let image = Image::open(&bytes).expect("what was compiled opens");
            assert_eq!(image.expert_count() as usize, registry.experts.len());
            assert_eq!(image.council_count() as usize, registry.councils.len());
            for expert in &registry.experts {
                assert!(image.expert(&expert.id).is_some(), "{}", expert.id);
            }
        }
        Err(errors) => {
            assert!((1..=ERRORS_MAX).contains(&errors.errors.len()));
            assert!(!errors.to_string().is_empty());
        }
    }
}
